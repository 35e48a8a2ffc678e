"""`python -m sweeper.export` exports a trained model for serving."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from sweeper.cli.composition import add_plugin_path
from sweeper.common.console import make_console
from sweeper.common.errors import ConfigError
from sweeper.common.exit_codes import command_parser, exit_codes, stop_in_order
from sweeper.serving.export import EXPORTS, export
from sweeper.serving.index import K
from sweeper.serving.key_value_args import one_of, read_settings, share, text, whole_number

RECALL = 0.95

DESCRIPTION = """\
Exports the best trial of a study, or a single run, for serving: trains it again, as it
was recorded, and writes a SavedModel in TensorFlow Serving's layout, the query tower
alone, the candidates' embeddings, a model card and a manifest with checksums.
"""
EXAMPLES = f"""\
settings:
  trial=NUMBER   the trial of a study; the default is the best
  seed=NUMBER    the split seed, for a trial on several splits; the default is the first
  rows=all       train on all rows, including test rows; the default is the trial's training rows
  output=DIR     the directory of the versions 1, 2, …; the default is {EXPORTS}/NAME
  index=approximate   add an index of FAISS that finds most of the best titles of a large
                 catalogue quickly; the SavedModel still searches exactly
  recall=SHARE   the share of the exact top {K} that it finds; the default is {RECALL}

examples:
  a study's best trial:
    python -m sweeper.export outputs/architecture

  another of its trials, trained on all rows:
    python -m sweeper.export outputs/architecture trial=17 rows=all

  a catalogue of a million titles:
    python -m sweeper.export outputs/shop index=approximate recall=0.98

  a single run, elsewhere:
    python -m sweeper.export outputs/runs/three_layer output=/srv/models/films

Each export is a new version; none is overwritten. `python -m sweeper.recommend` asks it.
"""

SETTINGS = {
    "trial": whole_number(0),
    "seed": whole_number(0),
    "rows": one_of("train", "all"),
    "output": text,
    "index": one_of("exact", "approximate"),
    "recall": share,
}


def main(arguments: Sequence[str] | None = None) -> None:
    stop_in_order()
    with exit_codes():
        parsed = _parser().parse_intermixed_args(arguments)
        if parsed.config_dir:
            add_plugin_path(parsed.config_dir)
        settings = read_settings(parsed.settings, SETTINGS)
        if "output" in settings:
            settings["output"] = Path(settings["output"])
        index, recall = settings.pop("index", "exact"), settings.pop("recall", None)
        if recall and index == "exact":
            raise ConfigError("recall: only applies to index=approximate, and must be left out")
        wanted = (recall or RECALL) if index == "approximate" else None
        export(parsed.directory, make_console(), recall=wanted, **settings)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("sweeper.export", DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "directory", type=Path, metavar="DIRECTORY", help="directory of a study or of a single run"
    )
    parser.add_argument("settings", nargs="*", default=[], metavar="KEY=VALUE", help="see below")
    parser.add_argument(
        "--config-dir",
        type=Path,
        metavar="DIRECTORY",
        help="the --config-dir that the trial was trained with, if it has custom parts",
    )
    return parser


if __name__ == "__main__":
    main()

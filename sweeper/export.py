"""`python -m sweeper.export`: exports a trained model for serving."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sweeper.command_line import command_parser, exit_codes
from sweeper.console import make_console
from sweeper.serving.export import EXPORTS, export
from sweeper.serving.settings import one_of, read_settings, text, whole_number

DESCRIPTION = """\
Exports the best trial of a study, or a single run, for serving: trains it again, as it
was recorded, and writes a SavedModel in TensorFlow Serving's layout, the query tower
alone, the candidates' embeddings, a model card and a manifest with checksums.
"""
EXAMPLES = f"""\
settings:
  trial=NUMBER   of a study, another trial than the best
  seed=NUMBER    of a trial on several splits, the split seed of one (else the first)
  rows=all       train on all rows, test rows included (else train: as recorded)
  output=DIR     holds the versions 1, 2, …; else {EXPORTS}/NAME

examples:
  a study's best trial:
    python -m sweeper.export outputs/architecture

  another of its trials, trained on all rows:
    python -m sweeper.export outputs/architecture trial=17 rows=all

  a single run, elsewhere:
    python -m sweeper.export outputs/runs/three_layer output=/srv/models/films

Each export is a new version; none is written over. `python -m sweeper.recommend` asks it.
"""

SETTINGS = {
    "trial": whole_number(0),
    "seed": whole_number(0),
    "rows": one_of("train", "all"),
    "output": text,
}


def main(arguments: Sequence[str] | None = None) -> None:
    parsed = _parser().parse_intermixed_args(arguments)
    with exit_codes():
        settings = read_settings(parsed.settings, SETTINGS)
        if "output" in settings:
            settings["output"] = Path(settings["output"])
        export(parsed.directory, make_console(), **settings)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("sweeper.export", DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "directory", type=Path, metavar="DIRECTORY", help="of a study or of a single run"
    )
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="see below")
    return parser


if __name__ == "__main__":
    main()
    sys.exit()

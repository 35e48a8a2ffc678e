"""`python -m sweeper.embed` gives an export a newer catalogue, without training."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sweeper.common.console import make_console
from sweeper.common.errors import ConfigError
from sweeper.common.exit_codes import command_parser, exit_codes, stop_in_order
from sweeper.common.ranges import DELIMITER, QUOTE_CHAR, Range
from sweeper.serving.catalogue_reading import ItemsFile
from sweeper.serving.catalogue_update import embed
from sweeper.serving.key_value_args import (
    Reader,
    one_of,
    read_settings,
    text,
    whole_number,
    within,
)
from sweeper.serving.request_values import NULL
from sweeper.two_tower.config.data import TABLE_FORMATS

DESCRIPTION = """\
Gives an export a newer catalogue without training: embeds each item of a file with the
export's candidate tower, and writes a new version beside the others. New items are
recommended from then on, items that are gone no longer.
"""
EXAMPLES = """\
settings:
  items=FILE      the complete newer catalogue, one row per item: CSV, Parquet or JSON lines, with
                  the columns of the catalogue that the model was trained with (data.items of the
                  trial). In texts, '|' separates the words of a list, unless data.items.lists
                  sets another separator
  items.format=FORMAT, items.csv.delimiter=TEXT, items.csv.quote_char=TEXT
                  the format of the file, if neither its name nor the trial's data.items says it;
                  items.csv only applies to CSV files
  version=NUMBER  the version whose model embeds the items; the default is the newest that was
                  trained
  output=DIR      the directory of the versions; the default is the export's own directory

examples:
  new items, some of them gone:
    python -m sweeper.embed outputs/exports/shop items=new_catalogue.csv

  another file format, and the model of version 3:
    python -m sweeper.embed outputs/exports/shop items=catalogue.parquet version=3

Items are recognized by their ids. An item that the model was not trained with has an unknown id
and is distinguished by its other columns, such as the words of its title and its genres. No
version is overwritten; `python -m sweeper.recommend` asks the newest.
"""


def _csv_reader(range_: Range) -> Reader:
    """Returns a reader of a setting of `data.items.csv`; the value may be quoted, as in errors."""

    def read(value: str) -> str:
        with suppress(ValueError):
            quoted = json.loads(value) if value[:1] == '"' else None
            value = quoted if isinstance(quoted, str) else value
        return within(range_)(value)

    return read


def _quote_char(value: str) -> str | None:
    """Reads a quote, or None for `null`."""
    return None if value == NULL else _csv_reader(QUOTE_CHAR)(value)


CSV = {"items.csv.delimiter": _csv_reader(DELIMITER), "items.csv.quote_char": _quote_char}
SETTINGS = {
    "items": text,
    "items.format": one_of(*TABLE_FORMATS),
    **CSV,
    "version": whole_number(1),
    "output": text,
}


def main(arguments: Sequence[str] | None = None) -> None:
    stop_in_order()
    with exit_codes():
        parsed = _parser().parse_intermixed_args(arguments)
        given = read_settings(parsed.settings, SETTINGS, {"items.path": "items"})
        if "items" not in given:
            raise ConfigError("items: is missing; must be given as items=FILE")
        csv = {key.rpartition(".")[2]: given[key] for key in CSV if key in given}
        output = Path(given["output"]) if "output" in given else None
        file = ItemsFile(given["items"], given.get("items.format"), csv)
        embed(parsed.directory, file, make_console(), given.get("version"), output)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("sweeper.embed", DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "directory",
        type=Path,
        metavar="DIRECTORY",
        help="directory of an export, or of one version of it",
    )
    parser.add_argument("settings", nargs="*", default=[], metavar="KEY=VALUE", help="see below")
    return parser


if __name__ == "__main__":
    main()

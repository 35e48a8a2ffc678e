"""`python -m sweeper.recommend`: asks an exported model."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sweeper.console import make_console, say
from sweeper.errors import ConfigError
from sweeper.exit_codes import command_parser, exit_codes
from sweeper.serving.answer_tables import answer_table, remarks, similar_table
from sweeper.serving.approximate_index import index_words
from sweeper.serving.loaded_export import LoadedExport
from sweeper.serving.queries import READERS, queries_of, users_in
from sweeper.serving.recommendations import recommend, similar
from sweeper.serving.settings import read_settings, text, whole_number

K = 10
OWN = ("users", "k", "similar", "version")
DESCRIPTION = """\
Asks an export: the titles that score highest for a user, without those that the user has
in the training rows, or the titles most like a title.
"""
EXAMPLES = """\
settings:
  user_id=ID      whom to ask for (the setting is named as the column of users)
  users=FILE      several users, one id a line
  k=NUMBER        how many titles, else 10
  COLUMN=VALUE    another input of the model, as timestamp=893286638; null: it is missing. What
                  is not given is as the user's last training row has it, a time the newest of all
  similar=TITLE   titles like this one
  version=NUMBER  of the export, else the newest
  input.COLUMN=VALUE  a column that is named as one of these settings

examples:
  python -m sweeper.recommend outputs/exports/architecture user_id=42 k=10
  python -m sweeper.recommend outputs/exports/architecture users=ids.txt --json
  python -m sweeper.recommend outputs/exports/architecture 'similar=Toy Story (1995)'

An unknown user gets the answer for any unknown user, and the output says so.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    with exit_codes():
        parsed = _parser().parse_intermixed_args(arguments)
        version = {"version": whole_number(1)}
        given = [each for each in parsed.settings if each.startswith("version=")]
        export = LoadedExport(parsed.directory, **read_settings(given, version), exact=parsed.exact)
        settings = read_settings(parsed.settings, _readers(export) | version)
        settings.pop("version", None)
        if "similar" in settings:
            _show_similar(export, settings, parsed)
        else:
            _show_recommended(export, settings, parsed)


def _readers(export: LoadedExport) -> dict[str, Any]:
    """What each setting is read with; the columns are the export's."""
    manifest = export.manifest
    columns = {_setting(name): READERS[kind] for name, kind in manifest.inputs.items()}
    own = {"users": text, "k": whole_number(1, manifest.candidates), "similar": text}
    return columns | own


def _setting(column: str) -> str:
    """The key of a column: its name, but where that is a setting of this command."""
    return f"input.{column}" if column in OWN else column


def _show_recommended(
    export: LoadedExport, settings: dict[str, Any], parsed: argparse.Namespace
) -> None:
    column, console = _setting(export.manifest.user_column), make_console()
    k = settings.pop("k", min(K, export.manifest.candidates))
    if (column in settings) == ("users" in settings):
        what = "is given with users" if "users" in settings else "is missing"
        raise ConfigError(f"{column}: {what}; must be given as {column}=ID, or users=FILE instead")
    users = users_in(Path(settings.pop("users"))) if "users" in settings else [settings.pop(column)]
    inputs = export.manifest.inputs
    given = {name: settings[_setting(name)] for name in inputs if _setting(name) in settings}
    queries = queries_of(export, users, given, parsed.known_only)
    answers = recommend(export, queries, k, parsed.with_seen)
    if parsed.json:
        shown = [answer.as_json() for answer in answers]
        _print_json(export, k=k, index=export.approximation(k), answers=shown)
        return
    for answer in answers:
        console.print(answer_table(answer, parsed.with_seen))
        for topic, words in remarks(answer, k):
            say(console, topic, words)
        console.print()
    if approximation := export.approximation(k):
        say(console, "index", f"{index_words(approximation)}; --exact scores all")
    say(console, "export", str(export.directory))


def _show_similar(
    export: LoadedExport, settings: dict[str, Any], parsed: argparse.Namespace
) -> None:
    title, k = settings.pop("similar"), settings.pop("k", K)
    flags = [name for name in ("exact", "known_only", "with_seen") if getattr(parsed, name)]
    given = [*settings, *(f"--{name.replace('_', '-')}" for name in flags)]
    if given:
        raise ConfigError(
            f"{given[0]}: is given with similar, which asks for no user, and is exact; must be out"
        )
    found = similar(export, title, k)
    if parsed.json:
        titles = [
            {"rank": rank, "title": each, "cosine": cosine}
            for rank, (each, cosine) in enumerate(found, start=1)
        ]
        _print_json(export, similar_to=title, titles=titles)
        return
    console = make_console()
    console.print(similar_table(title, found))
    console.print()
    say(console, "export", str(export.directory))


def _print_json(export: LoadedExport, **content: Any) -> None:
    whole = {"export": str(export.directory), **content}
    print(json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False))


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("sweeper.recommend", DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "directory", type=Path, metavar="DIRECTORY", help="of an export, or of one version of it"
    )
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="see below")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--exact", action="store_true", help="score every candidate, despite an approximate index"
    )
    parser.add_argument(
        "--with-seen", action="store_true", help="leave in what the user has in the training rows"
    )
    parser.add_argument(
        "--known-only", action="store_true", help="refuse users without training rows"
    )
    return parser


if __name__ == "__main__":
    main()

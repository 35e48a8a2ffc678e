"""`python -m sweeper.recommend` asks an exported model for recommendations."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeper.common.console import make_console, print_status
from sweeper.common.errors import ConfigError
from sweeper.common.exit_codes import command_parser, exit_codes
from sweeper.serving.answer_formats import (
    answer_json,
    answer_table,
    display_title_json,
    remarks,
    similar_table,
)
from sweeper.serving.index import index_text
from sweeper.serving.input_names import GAP, HISTORY, column_settings
from sweeper.serving.key_value_args import Reader, read_settings, text, whole_number
from sweeper.serving.loaded_export import LoadedExport
from sweeper.serving.manifest import Manifest
from sweeper.serving.queries import make_queries
from sweeper.serving.recommendations import recommend, similar
from sweeper.serving.request_values import FORM, reader_of, seconds, titles_in, users_in

K = 10
OWN = ("users", "k", "similar", "version")
DESCRIPTION = """\
Asks an export for the titles that score highest for a user, or for a history of chosen titles,
without those that were chosen before; or for the titles most similar to a title.
"""
EXAMPLES = """\
settings, in quotes if a column's name has spaces ('User ID=42'):
  user_id=ID      the user (the setting is named as the column of users)
  users=FILE      several users, one id per line
  history=LIST    for a model that reads histories: the chosen titles, the most recent one last,
                  'history=["Fargo (1996)","Heat (1995)"]'; the default is all that the user of
                  user_id=ID has chosen
  seconds_since_last=NUMBER
                  for a model that reads it: since the user's last choice; null: not known
  k=NUMBER        the number of titles; the default is 10
  COLUMN=VALUE    another column that the model reads: a number (raw_user_age=42), a text, a list
                  (Comedy,Drama), or null if it is missing. A time is a date, in UTC unless it has
                  a time zone (timestamp=1998-04-01, timestamp='1998-04-01 12:30:00+02:00'), or
                  the seconds since 1970 (timestamp=893286638). The default is the value in the
                  user's last training row, for a time the newest in all training rows; for a model
                  that reads histories it is the value in the user's last row, for a time the newest
                  in all rows
  similar=TITLE   titles similar to this one
  version=NUMBER  the version of the export; the default is the newest
  input.COLUMN=VALUE  a column with the name of one of these settings: input.k=…
A column can also be given by the name of its input in the SavedModel: User_ID for 'User ID'.

examples:
  python -m sweeper.recommend outputs/exports/architecture user_id=42 k=10
  python -m sweeper.recommend outputs/exports/architecture users=ids.txt --json
  python -m sweeper.recommend outputs/exports/architecture 'similar=Toy Story (1995)'
  python -m sweeper.recommend outputs/exports/sequence 'history=["Fargo (1996)","Heat (1995)"]'

Unknown users all get the same answer, and the output says so.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    with exit_codes():
        parsed = _parser().parse_intermixed_args(arguments)
        version = {"version": whole_number(1)}
        given = [each for each in parsed.settings if each.startswith("version=")]
        export = LoadedExport(
            parsed.directory, **read_settings(given, version), exact=parsed.exact,
            title_column=parsed.title_column,
        )  # fmt: skip
        _ = export.display_titles  # An unknown --title-column is an error before TensorFlow starts.
        manifest = export.manifest
        keys, aliases = column_settings(manifest.input_names, (*OWN, *manifest.reads))
        _check_reads(manifest, keys, parsed.settings)
        settings = read_settings(parsed.settings, _readers(manifest, keys) | version, aliases)
        settings.pop("version", None)
        if "similar" in settings:
            _show_similar(export, settings, parsed)
        else:
            _show_recommended(export, settings, keys, parsed)


def _check_reads(manifest: Manifest, keys: Mapping[str, str], settings: Sequence[str]) -> None:
    """Raises an error if a history is given and the model does not read it."""
    key = shlex.quote(f"{keys[manifest.user_column]}=ID")
    reasons = {
        HISTORY: f"the model of this export reads none; ask it by {key}",
        GAP: "the model of this export has no time gap (a feature of kind time_gap); must be left "
        "out",
    }
    problems = []
    for name, reason in reasons.items():
        is_column = name in keys.values() or name in manifest.input_names.values()
        given = any(each.startswith(f"{name}=") for each in settings)
        if given and name not in manifest.reads and not is_column:
            problems.append(f"{name}: is given, but {reason}")
    if problems:
        raise ConfigError(problems)


def _readers(manifest: Manifest, keys: Mapping[str, str]) -> dict[str, Reader]:
    """Returns the reader of each setting."""
    columns: dict[str, Reader] = {
        key: str if name == manifest.user_column else reader_of(manifest, name)
        for name, key in keys.items()
    }
    history: dict[str, Reader] = {HISTORY: titles_in, GAP: seconds}
    own = {"users": text, "k": whole_number(1, manifest.candidates), "similar": text}
    return columns | {name: history[name] for name in manifest.reads} | own


def _show_recommended(
    export: LoadedExport,
    settings: dict[str, Any],
    keys: Mapping[str, str],
    parsed: argparse.Namespace,
) -> None:
    manifest, console = export.manifest, make_console()
    display = export.display_titles
    k = settings.pop("k", min(K, manifest.candidates))
    users = _users(export, settings, keys[manifest.user_column])
    if parsed.known_only and users == [None]:
        raise ConfigError(f"--known-only: needs a user, but only {HISTORY} is given")
    given = {name: settings[keys[name]] for name in manifest.inputs if keys[name] in settings}
    history = {name: settings[name] for name in manifest.reads if name in settings}
    queries = make_queries(export, users, given, parsed.known_only, history)
    answers = recommend(export, queries, k, parsed.with_seen)
    if parsed.json:
        _print_json(
            export,
            k=k,
            index=export.approximation(k),
            title_column=display and display.column,
            answers=[answer_json(answer, k, display) for answer in answers],
        )
        return
    for answer in answers:
        console.print(answer_table(answer, parsed.with_seen, manifest.item_column, display))
        for topic, remark in remarks(answer, k, manifest.newest):
            print_status(console, topic, remark)
        console.print()
    if approximation := export.approximation(k):
        print_status(console, "index", f"{index_text(approximation)}; --exact scores all")
    print_status(console, "export", str(export.directory))


def _users(export: LoadedExport, settings: dict[str, Any], key: str) -> list[str | None]:
    """Removes the users from the settings and returns them; None stands for a history alone.

    Args:
      key: the setting for one user.
    """
    setting = shlex.quote(f"{key}=ID")
    if key in settings and "users" in settings:
        raise ConfigError(
            f"{key}: is given with users; must be given as {setting}, or users=FILE instead"
        )
    if "users" in settings:
        path = Path(settings.pop("users"))
        return list(users_in(path, export.manifest.user_column, export.users))
    if key in settings:
        return [settings.pop(key)]
    if HISTORY not in export.manifest.reads:
        raise ConfigError(f"{key}: is missing; must be given as {setting}, or users=FILE instead")
    if HISTORY not in settings:
        raise ConfigError(
            f"{HISTORY}: is missing, and so is {key}; must be given as {FORM}, or {setting} or "
            "users=FILE instead"
        )
    return [None]


def _show_similar(
    export: LoadedExport, settings: dict[str, Any], parsed: argparse.Namespace
) -> None:
    title, k = settings.pop("similar"), settings.pop("k", K)
    flags = [name for name in ("exact", "known_only", "with_seen") if getattr(parsed, name)]
    given = [*settings, *(f"--{name.replace('_', '-')}" for name in flags)]
    if given:
        raise ConfigError(f"{given[0]}: cannot be combined with similar; must be left out")
    found, display = similar(export, title, k), export.display_titles
    if parsed.json:
        titles = [
            {"rank": rank, "title": each} | display_title_json(each, display) | {"cosine": cosine}
            for rank, (each, cosine) in enumerate(found, start=1)
        ]
        _print_json(
            export, similar_to=title, title_column=display and display.column, titles=titles
        )
        return
    console = make_console()
    console.print(similar_table(title, found, export.manifest.item_column, display))
    console.print()
    print_status(console, "export", str(export.directory))


def _print_json(export: LoadedExport, **content: Any) -> None:
    whole = {"export": str(export.directory), **content}
    print(json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False))


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("sweeper.recommend", DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "directory",
        type=Path,
        metavar="DIRECTORY",
        help="directory of an export, or of one version of it",
    )
    parser.add_argument("settings", nargs="*", default=[], metavar="KEY=VALUE", help="see below")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--exact",
        action="store_true",
        help="score every candidate, even if there is an approximate index",
    )
    parser.add_argument(
        "--with-seen", action="store_true", help="include titles that were chosen before (in "
        "training rows, or for a model that reads histories in all rows of the user)"
    )  # fmt: skip
    parser.add_argument(
        "--known-only", action="store_true", help="refuse users without training rows, or for a "
        "model that reads histories without any rows"
    )  # fmt: skip
    parser.add_argument(
        "--title-column",
        metavar="COLUMN",
        help="the catalogue's column that is shown beside ids; '' shows none; the default is a "
        "column whose name says title or name",
    )
    return parser


if __name__ == "__main__":
    main()

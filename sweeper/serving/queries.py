"""What is asked of an export for a user: the given values, and what stands in for the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeper.errors import ConfigError, closest, shortened
from sweeper.serving.loaded_export import LoadedExport

GIVEN, NEWEST, LAST, MISSING = (
    "as given", "the newest of the training rows", "as last known", "missing"
)  # fmt: skip
NOTHING: dict[str, Any] = {"string": "", "strings": [], "number": math.nan}


@dataclass(frozen=True)
class Query:
    """One user's.

    Attributes:
      is_known: whether the user has training rows.
      values: by input of the model.
      origins: by input but the user, where its value comes from.
    """

    user: str
    is_known: bool
    values: dict[str, Any]
    origins: dict[str, str]


def queries_of(
    export: LoadedExport, users: Sequence[str], given: Mapping[str, Any], known_only: bool
) -> list[Query]:
    """A query for each user.

    Args:
      given: by input, for all of them.
      known_only: whether users without training rows are refused.

    Raises:
      ConfigError: naming each user who is refused.
    """
    column = export.manifest.user_column
    if known_only:
        unknown = [user for user in dict.fromkeys(users) if export.user(user) is None]
        if unknown:
            raise ConfigError(
                f"{column}: got {shortened(user)!r}, who has no training rows; must have some "
                f"with --known-only{closest(user, export.users)}"
                for user in unknown
            )
    return [_query(export, user, given) for user in users]


def _query(export: LoadedExport, user: str, given: Mapping[str, Any]) -> Query:
    manifest, known = export.manifest, export.user(user)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, kind in manifest.inputs.items():
        if name == manifest.user_column:
            values[name] = user
        elif name in given:
            values[name], origins[name] = given[name], GIVEN
        elif name in manifest.newest:
            values[name], origins[name] = manifest.newest[name], NEWEST
        elif known:
            values[name], origins[name] = known[name], LAST
        else:
            values[name], origins[name] = NOTHING[kind], MISSING
    return Query(user, known is not None, values, origins)


def number(value: str) -> float:
    """A number of a column, or NaN for `null`."""
    try:
        found = math.nan if value == "null" else float(value)
    except ValueError:
        found = math.inf
    if math.isinf(found) or (math.isnan(found) and value != "null"):
        raise ValueError("must be a finite number, or null where it is missing")
    return found


def words(value: str) -> list[str]:
    """The words of a column of lists, "Comedy,Drama"."""
    return value.split(",") if value else []


READERS = {"string": str, "strings": words, "number": number}


def users_in(path: Path) -> list[str]:
    """The ids of a file, one a line.

    Raises:
      ConfigError: it can't be read, or a line is empty.
    """
    try:
        # Windows begins a file with a mark, and ends its lines with two characters.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(
            f"users: got {path}, which can't be read ({error}); must be a file of one id a line"
        ) from error
    if lines[-1] == "":
        lines.pop()
    empty = [number for number, line in enumerate(lines, start=1) if not line]
    if empty or not lines:
        what = f"line {empty[0]} is empty" if empty else "the file is empty"
        raise ConfigError(f"users: got {path}: {what}; must be one id a line")
    return lines

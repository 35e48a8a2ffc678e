"""What is asked of an export for a user: the given values, and what stands in for the others."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sweeper.common.errors import ConfigError, closest, shortened
from sweeper.serving.key_value_args import Reader
from sweeper.serving.loaded_export import LoadedExport
from sweeper.serving.manifest import Manifest
from sweeper.serving.request_history import GIVEN, MISSING, Past, past_notices, past_of
from sweeper.two_tower.config import invalid_reason
from sweeper.two_tower.data.table.time_formats import FIRST_SECOND
from sweeper.two_tower.data.table.time_numbers import YEAR_10000

LAST = "as last known"
# What a request gives where a value is missing.
NULL = "null"
NOTHING: dict[str, Any] = {"string": "", "strings": [], "number": math.nan}


@dataclass(frozen=True)
class Query:
    """One user's, or that of a history alone.

    Attributes:
      user: None: nobody is named.
      is_known: whether the user has `Manifest.known_rows`.
      values: by column that the model sees.
      origins: by column but the user's, where its value comes from.
      past: what was done before; None: the model doesn't read it.
      inputs: all of these, by input of the model.
      notices: by topic, why the answer may not be what was expected.
    """

    user: str | None
    is_known: bool
    values: dict[str, Any]
    origins: dict[str, str]
    past: Past | None
    inputs: dict[str, Any]
    notices: dict[str, str]

    @property
    def name(self) -> str:
        """ "'42'", or "a history of 3 titles"."""
        if self.user is not None:
            return repr(self.user)
        return "nobody" if self.past is None else f"a history of {self.past.length}"


def queries_of(
    export: LoadedExport,
    users: Sequence[str | None],
    given: Mapping[str, Any],
    known_only: bool,
    past: Mapping[str, Any] | None = None,
) -> list[Query]:
    """A query for each user.

    Args:
      users: None: nobody is named.
      given: by column, for all of them.
      known_only: whether users without `Manifest.known_rows` are refused.
      past: what is given of what was done before, as `past_of` takes it.

    Raises:
      ConfigError: naming each user who is refused.
    """
    column, rows = export.manifest.user_column, export.manifest.known_rows
    if known_only:
        unknown = [
            user for user in dict.fromkeys(users) if user is not None and export.user(user) is None
        ]
        if unknown:
            raise ConfigError(
                f"{column}: got {shortened(user)!r}, who has no {rows}; must have some "
                f"with --known-only{closest(user, export.users)}"
                for user in unknown
            )
    return [_query(export, user, given, past or {}) for user in users]


def _query(
    export: LoadedExport, user: str | None, given: Mapping[str, Any], given_past: Mapping[str, Any]
) -> Query:
    manifest = export.manifest
    known = None if user is None else export.user(user)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, kind in manifest.inputs.items():
        if name == manifest.user_column and user is not None:
            values[name] = user
        elif name in given:
            values[name], origins[name] = given[name], GIVEN
        elif name in manifest.newest:
            newest = f"the newest of the {manifest.known_rows}"
            values[name], origins[name] = manifest.newest[name], newest
        elif known:
            values[name], origins[name] = known[name], LAST
        else:
            values[name], origins[name] = NOTHING[kind], MISSING
    past = None
    if manifest.reads:
        asked = (values[name] - newest for name, newest in manifest.newest.items())
        past = past_of(export, user, given_past, later=next(asked, 0.0))
    inputs = {manifest.input_names[name]: value for name, value in values.items()}
    inputs |= {} if past is None else past.inputs
    notices = dict(_notices(export, user, given, past))
    return Query(user, known is not None, values, origins, past, inputs, notices)


def _notices(
    export: LoadedExport, user: str | None, given: Mapping[str, Any], past: Past | None
) -> Iterator[tuple[str, str]]:
    """(topic, text) of what is asked for and not known."""
    if user is not None:
        yield from _notices_of_user(export, user, past)
    if past is not None:
        yield from past_notices(export, past)
    unknown = [
        f"{column} {word!r} is in no training row, and counts as an unknown one"
        f"{closest(word, known)}"
        for column, known in export.manifest.known_words.items()
        for word in _words_of(given.get(column))
        if word not in known
    ]
    if unknown:
        yield "values", "; ".join(unknown)


def _notices_of_user(
    export: LoadedExport, user: str, past: Past | None
) -> Iterator[tuple[str, str]]:
    manifest = export.manifest
    if export.user(user) is None:
        answer = "this is the answer for any unknown user"
        if past is not None and past.titles:
            answer += " with this history"
        yield (
            "unknown",
            f"{user!r} has no {manifest.known_rows}: {answer}{closest(user, export.users)}",
        )
        return
    sees_user = manifest.user_column in manifest.inputs
    if past is not None and sees_user and export.training_rows(user) == 0:
        yield (
            "unknown",
            f"{user!r} has no training rows: the model knows this user by what was done before "
            "alone",
        )


def _words_of(value: Any) -> list[str]:
    """The words of a given value; none where it is missing."""
    each = value if isinstance(value, list) else [value]
    return [word for word in each if isinstance(word, str) and word]


def number(value: str) -> float:
    """A number of a column, or NaN for `null`."""
    try:
        found = math.nan if value == NULL else float(value)
    except ValueError:
        found = math.inf
    if math.isinf(found) or (math.isnan(found) and value != NULL):
        raise ValueError("must be a finite number, or null where it is missing")
    return found


def seconds(value: str) -> float:
    """Reads a number of seconds, or NaN for `null`."""
    found = number(value)
    if found < 0:
        raise ValueError("must be at least 0, or null where it is not known")
    return found


def string(value: str) -> str:
    """A text of a column, or the empty one for `null`."""
    return "" if value == NULL else value


def time(value: str) -> float:
    """A time in seconds since 1970 (UTC): the number, or an ISO date; NaN for `null`.

    A date without a zone is in UTC, as those of a table are.
    """
    try:
        date = datetime.fromisoformat(value)
    except ValueError:
        date = None
    # The digits of a date are refused: 19980401 is a number of seconds, too.
    if date is not None and not value.isdecimal():
        return date.replace(tzinfo=date.tzinfo or UTC).timestamp()
    try:
        found = math.inf if date is not None else number(value)
    except ValueError:
        found = math.inf
    if math.isnan(found) or FIRST_SECOND <= found < YEAR_10000:
        return found
    raise ValueError(
        "must be an ISO date such as 1998-04-01, 1998-04-01 12:30:00 or 1998-04-01T12:30:00+02:00, "
        "the seconds since 1970 such as 891433800, or null where it is missing"
    )


def words(value: str) -> list[str]:
    """The words of a column of lists, "Comedy,Drama"; none for `null`."""
    return value.split(",") if value not in ("", NULL) else []


READERS = {"string": string, "strings": words, "number": number}


def reader_of(manifest: Manifest, name: str) -> Reader:
    """What reads a given value of a column that queries consist of."""
    return time if name in manifest.newest else READERS[manifest.inputs[name]]


def users_in(path: Path, user_column: str = "", known: Container[str] = ()) -> list[str]:
    """The ids of a file, one a line.

    Args:
      user_column: the users' column in the data.
      known: the users with training rows, who may be called anything.

    Raises:
      ConfigError: it can't be read, a line is empty, or it is of another form: JSON, or a table
        with the column's name as its header.
    """
    try:
        # Windows begins a file with a mark, and ends its lines with two characters.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(
            f"users: got {path}, which can't be read ({error}); must be a file of one id a line, "
            "in UTF-8"
        ) from error
    if lines[-1] == "":
        lines.pop()
    if problem := _form_problem(lines, user_column, known):
        raise ConfigError(f"users: got {path}: {problem}; must be one id a line")
    return lines


def _form_problem(lines: list[str], user_column: str, known: Container[str]) -> str:
    """What tells that the lines are no ids; "" where nothing does."""
    if not lines:
        return "the file is empty"
    for number, line in enumerate(lines, start=1):
        if not line:
            return f"line {number} is empty"
        if invalid_reason(line):
            return f"line {number} has a NUL in it"
    first = lines[0]
    if first in known:
        return ""
    if first.strip()[0:1] in ("[", "{") and _is_json("\n".join(lines), first):
        return "it is JSON"
    cells = [cell.strip().strip('"') for cell in re.split("[,;\t]", first)]
    if user_column in cells:
        return f"line 1 is a header ({shortened(first)})"
    return ""


def _is_json(*texts: str) -> bool:
    """Whether one of the texts is: a file's whole, or the first of its lines."""
    for text in texts:
        with suppress(ValueError, RecursionError):
            json.loads(text)
            return True
    return False

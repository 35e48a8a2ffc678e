"""Reads the values of a request from the command line, and users from a file."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Container
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from sweeper.common.errors import ConfigError, shortened
from sweeper.serving.input_names import HISTORY
from sweeper.serving.key_value_args import Reader
from sweeper.serving.manifest import Manifest
from sweeper.two_tower.config import invalid_reason
from sweeper.two_tower.data.table.time_formats import FIRST_SECOND
from sweeper.two_tower.data.table.time_numbers import YEAR_10000

# The text of a missing value.
NULL = "null"
FORM = f"""'{HISTORY}=["TITLE","TITLE"]'"""


def number(value: str) -> float:
    """Reads a number, or NaN for `null`."""
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
    """Reads a text, or "" for `null`."""
    return "" if value == NULL else value


def time(value: str) -> float:
    """Reads a time in seconds since 1970 (UTC) from the number or an ISO date; NaN for `null`.

    A date without a time zone is in UTC, as in a table.
    """
    try:
        date = datetime.fromisoformat(value)
    except ValueError:
        date = None
    # A date of digits alone is refused: 19980401 is also a number of seconds.
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


def word_list(value: str) -> list[str]:
    """Reads the words of a list, "Comedy,Drama"; none for `null`."""
    return value.split(",") if value not in ("", NULL) else []


READERS = {"string": string, "strings": word_list, "number": number}


def reader_of(manifest: Manifest, name: str) -> Reader:
    """Returns the reader of the values of an input column."""
    return time if name in manifest.newest else READERS[manifest.inputs[name]]


def titles_in(value: str) -> list[str]:
    """Reads a list of titles, most recent last: JSON, or a list of Python's texts in quotes."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        try:
            found = ast.literal_eval(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            found = None
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError(f"must be a list of titles in quotes, such as {FORM}, or {HISTORY}=[]")
    if "" in found:
        raise ValueError("must hold no empty title")
    if problem := invalid_reason(found):
        raise ValueError(f"each title {problem}")
    return found


def users_in(path: Path, user_column: str = "", known: Container[str] = ()) -> list[str]:
    """Reads a file of ids, one per line.

    Args:
      user_column: the column of users in the data.
      known: the known users, whose ids may look like anything.

    Raises:
      ConfigError: the file can't be read, a line is empty, or it has another format: JSON, or a
        table with the column's name in its header.
    """
    try:
        # Windows starts a file with a byte order mark, and ends lines with two characters.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(
            f"users: got {path}, which can't be read ({error}); must be a file of one id a line, "
            "in UTF-8"
        ) from error
    if lines[-1] == "":
        lines.pop()
    if problem := _format_problem(lines, user_column, known):
        raise ConfigError(f"users: got {path}: {problem}; must be one id a line")
    return lines


def _format_problem(lines: list[str], user_column: str, known: Container[str]) -> str:
    """Returns why the lines can't be ids; "" if they can."""
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
    """Returns whether one of the texts, a whole file or its first line, is JSON."""
    for text in texts:
        with suppress(ValueError, RecursionError):
            json.loads(text)
            return True
    return False

"""Derives the names of an export's inputs from the names of the data's columns.

A column may have any name. A signature's inputs are keyword arguments of Python and, in TensorFlow,
must differ in more than the case of their letters.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping

# Inputs of the signatures that are not columns, an output, and the name of a signature.
K, EXCLUDE = "k", "exclude"
UNKNOWN_HISTORY, UNSEEN = "unknown_history", "unseen"
# TensorFlow does not distinguish "K" from "k".
_SIGNATURE_INPUTS = frozenset([K, EXCLUDE])
# Settings of `python -m sweeper.recommend`, the column that users.parquet adds, and `self`.
_RESERVED = frozenset(["users", "similar", "version", "seen", "self", *keyword.kwlist])
# The inputs of a user's history: titles, and the seconds since the last row. If an export has these
# inputs, columns with these names get other names.
HISTORY, GAP = "history", "seconds_since_last"
# A column of `users.parquet` if an export has one of them: the number of the user's training rows.
TRAINING_ROWS = "training_rows"
_VALID = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_PREFIX = "column"


def input_names(columns: Iterable[str], reserved: Collection[str] = ()) -> dict[str, str]:
    """Derives the name of each column's input.

    A name that is valid in a signature is kept. In any other, accents are removed, "_" replaces
    what is not an ASCII letter or digit, and "column_" precedes a digit and reserved names; "_2",
    "_3", … distinguish equal names. The order of the columns doesn't matter.

    Args:
      columns: distinct names.
      reserved: further names that no column may have, in lower case.

    Returns:
      The names by column, in the order given; no two are equal, ignoring case.
    """
    given = list(columns)
    names: dict[str, str] = {}
    taken: set[str] = set()
    for column in sorted(given):
        if is_valid(column, reserved) and column.lower() not in taken:
            names[column] = column
            taken.add(column.lower())
    for column in sorted(set(given) - set(names)):
        is_free = is_valid(column, reserved)
        names[column] = free_name(column if is_free else _derived(column, reserved), taken)
        taken.add(names[column].lower())
    return {column: names[column] for column in given}


def is_valid(name: str, reserved: Collection[str] = ()) -> bool:
    """Returns whether an input can have this name; `reserved` names are in lower case."""
    is_free = name.lower() not in {*_SIGNATURE_INPUTS, *reserved} and name not in _RESERVED
    return is_free and _VALID.fullmatch(name) is not None


def free_name(name: str, taken: Iterable[str]) -> str:
    """Returns the name, or the first of NAME_2, NAME_3, … that is not in `taken`, ignoring case."""
    folded = {each.lower() for each in taken}
    free, number = name, 1
    while free.lower() in folded:
        number += 1
        free = f"{name}_{number}"
    return free


def column_settings(
    names: Mapping[str, str], own: Collection[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the command-line settings that give columns: `COLUMN=VALUE`.

    Args:
      names: from `input_names`.
      own: the command's own settings, which take precedence over columns of the same name.

    Returns:
      The setting of each column: its name or, if that is one of the command's own, "input.NAME".
      And aliases, with their setting: the input's name, and either name after "input.". If two
      columns would have the same alias, it belongs to the column with that name.
    """
    keys = {}
    for column, name in names.items():
        prefixed = f"input.{column}"
        reachable = name if prefixed in names else prefixed
        keys[column] = reachable if column in own else column
    prefixed_names = {f"input.{name}": keys[column] for column, name in names.items()}
    prefixed_columns = {f"input.{column}": key for column, key in keys.items()}
    by_input = {name: keys[column] for column, name in names.items()}
    return keys, prefixed_names | prefixed_columns | by_input


def _derived(column: str, reserved: Collection[str]) -> str:
    decomposed = unicodedata.normalize("NFKD", column)
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    name = re.sub(r"[^A-Za-z0-9]+", "_", plain, flags=re.ASCII).strip("_")
    return name if is_valid(name, reserved) else f"{_PREFIX}_{name}".rstrip("_")

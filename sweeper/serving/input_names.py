"""The names of an export's inputs, derived from the names of the data's columns.

A column may have any name. A signature's inputs are keyword arguments of Python and, in TensorFlow,
must differ in more than the case of their letters.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping

# Inputs of the signatures that are no columns, an output, and one signature's name.
K, EXCLUDE = "k", "exclude"
UNKNOWN_HISTORY, UNSEEN = "unknown_history", "unseen"
# TensorFlow tells no "K" from a "k".
_SIGNATURES_OWN = frozenset([K, EXCLUDE])
# Settings of `python -m sweeper.recommend`, the column that users.parquet adds, and what a method
# calls its object.
_RESERVED = frozenset(["users", "similar", "version", "seen", "self", *keyword.kwlist])
# What a request tells of what the user did before: titles, and the seconds since the last row.
# Where an export takes them, columns of these names give way to them.
HISTORY, GAP = "history", "seconds_since_last"
# Of `users.parquet`, where an export takes one of them: how many training rows the user has.
TRAINING_ROWS = "training_rows"
_VALID = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_PREFIX = "column"


def input_names(columns: Iterable[str], reserved: Collection[str] = ()) -> dict[str, str]:
    """Derives the name of each column's input.

    A name that a signature can take stays as it is. In any other, accents are taken off letters,
    "_" stands for what is no ASCII letter or digit, and "column_" comes before a digit and before
    reserved names; "_2", "_3", … tell equal names apart. The order of the columns doesn't matter.

    Args:
      columns: distinct names.
      reserved: further names that no column may have, in lower case.

    Returns:
      By column, in the order given; no two names are alike, whatever the case of their letters.
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
    """Whether an input can have this name, by itself; none of `reserved`, in lower case."""
    is_free = name.lower() not in {*_SIGNATURES_OWN, *reserved} and name not in _RESERVED
    return is_free and _VALID.fullmatch(name) is not None


def free_name(name: str, taken: Iterable[str]) -> str:
    """The name, or the first of NAME_2, NAME_3, … that none of `taken` is in any case."""
    folded = {each.lower() for each in taken}
    free, number = name, 1
    while free.lower() in folded:
        number += 1
        free = f"{name}_{number}"
    return free


def column_settings(
    names: Mapping[str, str], own: Collection[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """The settings of a command line that give columns: `COLUMN=VALUE`.

    Args:
      names: from `input_names`.
      own: the command's own settings, which a column of that name can't be given by.

    Returns:
      By column, its setting: the column's name or, where that is the command's own, "input.NAME";
      and by further names of a setting that setting: the input's name, and "input." before either.
      Where two columns would have the same, it is that of the column that is named so.
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

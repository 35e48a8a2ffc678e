"""Drops rows of a table, and counts them by reason."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sweeper.common.errors import DataError, shortened
from sweeper.two_tower.config import FilterConfig
from sweeper.two_tower.data.table.times import FIRST_YEAR, LAST_YEAR, Times
from sweeper.two_tower.data.time_order import time_text

EXAMPLES = 5


@dataclass
class Rows:
    """The rows of a table that are kept, and the reasons of those that are dropped.

    Attributes:
      users, items: int32 [rows]; -1 where missing.
      kept: int64 [kept], the kept rows in their order.
      dropped: the number of dropped rows by reason, in the order of dropping.
    """

    users: np.ndarray
    items: np.ndarray
    kept: np.ndarray
    dropped: dict[str, int] = field(default_factory=dict)

    def drop(self, wrong: np.ndarray, reason: str) -> None:
        """Drops the rows of `kept` where `wrong`, bool [kept], is true."""
        if number := int(wrong.sum()):
            self.dropped[reason] = self.dropped.get(reason, 0) + number
            self.kept = self.kept[~wrong]


def drop_missing(rows: Rows, missing: dict[str, np.ndarray], policy: str) -> None:
    """Drops rows with missing values, or refuses them.

    Args:
      missing: whether a value is missing, by column, bool [rows].

    Raises:
      DataError: under "error", with column, number and first row.
    """
    for name, gaps in missing.items():
        wrong = gaps[rows.kept]
        if policy == "error" and wrong.any():
            raise DataError(
                f"the column {name!r} has {int(wrong.sum()):,} missing values, the first in row "
                f"{rows.kept[wrong][0] + 1}; remove them, or set data.filter.missing_values to "
                "'drop'"
            )
        rows.drop(wrong, f"no {name}")


def drop_implausible(rows: Rows, times: Times, name: str, policy: str) -> None:
    """Drops rows with an implausible time, such as year 1 and year 9999, or refuses them.

    Raises:
      DataError: under "error", with their number and the first row.
    """
    wrong = ~times.is_plausible[rows.kept]
    if policy == "keep" or not wrong.any():
        return
    if policy == "error":
        row = rows.kept[wrong][0]
        first = time_text(times.seconds[row])
        raise DataError(
            f"the column {name!r} has {int(wrong.sum()):,} times outside the years {FIRST_YEAR} to "
            f"{LAST_YEAR}, the first in row {row + 1}: {first} (read as {times.reading}); "
            f"correct them, or set data.filter.implausible_times to 'drop' or "
            "'keep'"
        )
    rows.drop(wrong, f"{name} outside {FIRST_YEAR} to {LAST_YEAR}")


def drop_unknown(
    rows: Rows,
    codes: np.ndarray,
    is_known: np.ndarray,
    categories: list[str],
    role: str,
    policy: str,
) -> None:
    """Drops, refuses or keeps rows whose item or user is not in the table of items or users.

    Args:
      codes: [rows], each row's item or user.
      is_known: [categories].
      role: "item" or "user".

    Raises:
      DataError: under "error", with their number and examples.
    """
    wrong = ~is_known[codes[rows.kept]]
    if policy == "keep" or not wrong.any():
        return
    if policy == "error":
        unknown = np.unique(codes[rows.kept][wrong])
        examples = ", ".join(shortened(repr(categories[code])) for code in unknown[:EXAMPLES])
        raise DataError(
            f"{len(unknown):,} {role}s of {int(wrong.sum()):,} rows are not in data.{role}s.path, "
            f"such as {examples}; add them, or set data.filter.unknown_{role}s to 'drop' or 'keep'"
        )
    rows.drop(wrong, f"{role} not in data.{role}s.path")


def drop_duplicates(rows: Rows, times: np.ndarray | None, policy: str) -> None:
    """Keeps the first or the last row by time of each user and item, or refuses several.

    With equal times, or without times, the order of the rows decides.

    Raises:
      DataError: under "error", with their number and the first two rows.
    """
    if policy == "keep":
        return
    pairs = rows.users[rows.kept].astype(np.int64) << 32 | rows.items[rows.kept]
    order = (
        np.argsort(pairs, kind="stable") if times is None else np.lexsort((times[rows.kept], pairs))
    )
    ordered = pairs[order]
    repeats = ordered[1:] == ordered[:-1]
    if policy == "error" and repeats.any():
        first = int(np.flatnonzero(repeats)[0])
        one, other = sorted(rows.kept[order[first : first + 2]] + 1)
        raise DataError(
            f"{int(repeats.sum()):,} rows repeat a user and an item, such as rows {one} and "
            f"{other}; remove them, or set data.filter.duplicates to 'keep', 'first' or 'last'"
        )
    wrong = np.zeros(len(pairs), bool)
    # Of each run of equal pairs, the first (or the last) row stays.
    wrong[order[1:] if policy == "first" else order[:-1]] = repeats
    rows.drop(wrong, f"another row of the same user and item is the {policy}")


def drop_rare(rows: Rows, settings: FilterConfig) -> None:
    """Drops users and items with too few rows until all others have enough (a k-core)."""
    limits = (
        (rows.users, settings.min_user_interactions, "user"),
        (rows.items, settings.min_item_interactions, "item"),
    )
    changed = True
    while changed and len(rows.kept):
        changed = False
        for codes, least, role in limits:
            if least <= 1:
                continue
            wrong = np.bincount(codes[rows.kept])[codes[rows.kept]] < least
            changed = changed or bool(wrong.any())
            rows.drop(wrong, f"{role} with fewer than {least} rows")

"""Interprets the names of columns."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What pandas, Arrow, R and people call a column of row numbers, in the form of `plain`.
ROW_NUMBER = re.compile(
    r"|unnamed\d+|(row|level\d+|indexlevel\d+)?index|indexlevel\d+"
    r"|row(id|no|num|number|names)|recordid"
)
# "item id", "item_id", "itemId" and "Beleg Nr.", but not "paid".
ID_NAME = re.compile(r"(^|[\s_.-])(id|ID|Id|nr|NR|Nr)\.?$|[a-z](Id|ID|Nr)$")
# In the form of `plain`.
RATING_NAMES = (
    "rating", "stars", "score", "userrating", "bookrating", "starrating", "overall", "bewertung",
    "sterne",
)  # fmt: skip
# How messages call a column whose name is empty.
NAMELESS = "the column without a name"


def plain(name: str) -> str:
    """Returns a name in lower case, without spaces and signs between or after words."""
    return re.sub(r"[\s_.:/#-]", "", name).lower()


def listed_names(names: Iterable[str]) -> str:
    """Returns the names that a key can have, separated by commas; the empty name can't."""
    return ", ".join(filter(None, names))


def is_row_number_name(name: str) -> bool:
    """Tells whether a name, such as the empty one, is usual for a column of row numbers."""
    return bool(ROW_NUMBER.fullmatch(plain(name)))

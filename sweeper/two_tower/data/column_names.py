"""What the name of a column tells of it."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What pandas, Arrow, R and people call the column that they number rows in, as `plain` has it.
ROW_NUMBER = re.compile(
    r"|unnamed\d+|(row|level\d+|indexlevel\d+)?index|indexlevel\d+"
    r"|row(id|no|num|number|names)|recordid"
)
# "item id", "item_id", "itemId" and "Beleg Nr.", but not "paid".
ID_NAME = re.compile(r"(^|[\s_.-])(id|ID|Id|nr|NR|Nr)\.?$|[a-z](Id|ID|Nr)$")
# As `plain` has them.
RATING_NAMES = (
    "rating", "stars", "score", "userrating", "bookrating", "starrating", "overall", "bewertung",
    "sterne",
)  # fmt: skip
# How a column whose name is empty is spoken of.
NAMELESS = "the column without a name"


def plain(name: str) -> str:
    """Returns a name without case, spaces and the signs between or after words ("Kunde Nr.")."""
    return re.sub(r"[\s_.:/#-]", "", name).lower()


def listed_names(names: Iterable[str]) -> str:
    """Returns the names that a key can have, with commas: all but the empty one."""
    return ", ".join(filter(None, names))


def is_row_number_name(name: str) -> bool:
    """Tells whether programs call a column of row numbers so; the empty name is one."""
    return bool(ROW_NUMBER.fullmatch(plain(name)))

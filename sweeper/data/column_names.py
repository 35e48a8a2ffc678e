"""What the name of a column tells of it."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What pandas, Arrow, R and people call the column that they number rows in, as `plain` has it.
ROW_NUMBER = re.compile(
    r"|unnamed:\d+(\.\d+)?|(row|level\d+|indexlevel\d+)?index|indexlevel\d+"
    r"|row(id|no|num|number|names)|recordid"
)
# How a column whose name is empty is spoken of.
NAMELESS = "the column without a name"


def plain(name: str) -> str:
    """Returns a name without case, spaces, underscores and dashes."""
    return re.sub(r"[\s_-]", "", name).lower()


def listed(names: Iterable[str]) -> str:
    """Returns the names as an error's line lists them."""
    return ", ".join(name or NAMELESS for name in names)


def is_row_number_name(name: str) -> bool:
    """Tells whether programs call a column of row numbers so; the empty name is one."""
    return bool(ROW_NUMBER.fullmatch(plain(name)))

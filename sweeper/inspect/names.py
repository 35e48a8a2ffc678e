"""What a column's name tells of it, and how it is written."""

from __future__ import annotations

import math
import re

import yaml

from sweeper.two_tower.data.column_names import NAMELESS

# "item id", "item_id", "itemId" and "Beleg Nr.", but not "paid".
ID_NAME = re.compile(r"(^|[\s_.-])(id|ID|Id|nr|NR|Nr)\.?$|[a-z](Id|ID|Nr)$")
# As `plain` has them.
RATING_NAMES = (
    "rating", "stars", "score", "userrating", "bookrating", "starrating", "overall", "bewertung",
    "sterne",
)  # fmt: skip
PLAIN_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def in_comment(name: str) -> str:
    """A column's name as a comment of YAML can have it, in one line."""
    return "".join(letter if letter.isprintable() else " " for letter in name) or NAMELESS


def as_yaml(text: str) -> str:
    """A text as YAML, in one line; in quotes unless none can take it for anything else."""
    # OmegaConf takes `${` for a reference, unless a backslash stands before it.
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    if PLAIN_NAME.fullmatch(text) and isinstance(yaml.safe_load(text), str):
        return text
    quoted = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=math.inf)
    return str(quoted).strip()

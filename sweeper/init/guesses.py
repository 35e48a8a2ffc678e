"""Which column of a table is what, by the names that people give them."""

from __future__ import annotations

import re

import pyarrow as pa

from sweeper.data.table.arrays import combined, is_text
from sweeper.errors import ConfigError, closest

# The usual names, without case, spaces and underscores; the likeliest first.
NAMES = {
    "user": ("userid", "user", "uid", "customerid", "customer", "memberid", "member",
             "accountid", "account", "visitorid", "visitor", "listener", "reader", "sessionid"),
    "item": ("itemid", "item", "iid", "movieid", "movie", "film", "productid", "product",
             "articleid", "article", "trackid", "track", "songid", "song", "bookid", "book",
             "filmid", "videoid", "gameid", "sku", "asin", "title", "movietitle"),
    "timestamp": ("timestamp", "time", "ts", "datetime", "date", "when", "createdat",
                  "eventtime", "unixtime", "at"),
    "rating": ("rating", "stars", "score", "userrating", "overall"),
    "weight": ("weight", "count", "plays", "quantity"),
}  # fmt: skip
NEEDED = ("user", "item")
# Texts of which so many hold it are lists, separated by it.
SEPARATOR, SHARE_OF_LISTS = "|", 0.3


def guess_roles(names: list[str], given: dict[str, str | None]) -> dict[str, str | None]:
    """A column for each role of `data.columns`, as given or by its name; None: none is it.

    Args:
      names: the table's columns.
      given: what the user has said, by role.

    Raises:
      ConfigError: no column looks like users, or items.
    """
    roles = dict(given)
    problems = []
    for role, usual in NAMES.items():
        if role in roles:
            continue
        free = {_plain(name): name for name in names if name not in roles.values()}
        column = next((free[name] for name in usual if name in free), None)
        if column is None and role in NEEDED:
            problems.append(
                f"data.columns.{role}: no column looks like {role}s; must be given as one of "
                f"{', '.join(names)}"
            )
        roles[role] = column
    if problems:
        raise ConfigError(problems)
    return roles


def guess_key(names: list[str], column: str, role: str, path: str) -> str:
    """The column of ids of a table of items or users: of the same name, or of a usual one.

    Raises:
      ConfigError: none looks like it.
    """
    if column in names:
        return column
    plain = {_plain(name): name for name in names}
    usual = (_plain(column), "id", *NAMES[role])
    if found := next((plain[name] for name in usual if name in plain), None):
        return found
    raise ConfigError(
        f"data.{role}s.key: no column of {path} looks like {role}s; must be given as one of "
        f"{', '.join(names)}{closest(column, names)}"
    )


def guess_lists(table: pa.Table) -> dict[str, str]:
    """Columns of texts that hold several words, as genres do, with what separates them."""
    found = {}
    for name in table.column_names:
        column = combined(table[name])
        if not is_text(column.type):
            continue
        texts = [text for text in column.to_pylist() if text]
        if texts and sum(SEPARATOR in text for text in texts) >= SHARE_OF_LISTS * len(texts):
            found[name] = SEPARATOR
    return found


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()

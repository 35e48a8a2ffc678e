"""Infers the roles of columns from their names and values."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import pyarrow as pa

from sweeper.common.errors import ConfigError, DataError, closest
from sweeper.init.times import infer_time
from sweeper.two_tower.data.column_names import (
    RATING_NAMES,
    is_row_number_name,
    listed_names,
    plain,
)
from sweeper.two_tower.data.table.arrays import combined, is_text
from sweeper.two_tower.data.table.roles import column_of, ids, numbers

# Words for users and items, in the form of `plain`; the likeliest first.
WORDS = {
    "user": ("user", "customer", "member", "client", "account", "visitor", "listener", "reader",
             "reviewer", "profile", "subscriber", "buyer", "shopper", "viewer", "player", "guest",
             "patient", "student", "kunde", "kunden", "kd", "nutzer", "benutzer", "mitglied",
             "mitglieds", "besucher", "käufer", "kaeufer", "leser", "hörer", "hoerer", "teilnehmer",
             "session"),
    "item": ("item", "movie", "film", "product", "article", "track", "song", "artist", "album",
             "book", "video", "game", "show", "recipe", "course", "business", "artikel", "art",
             "produkt", "buch", "spiel", "ware", "waren"),
}  # fmt: skip
# A name with this ending is more likely an id than the bare word, which may be a name.
ID_ENDINGS = ("id", "")
# These come after all other names, as a number may also count something.
NUMBER_ENDINGS = ("nr", "no", "num", "number", "nummer", "key", "code")
# Words that usually mean something else without such an ending.
NEVER_BARE = ("profile", "kd", "kunden", "mitglieds", "session", "show", "business", "art", "waren")
# Further names, which rank between the ids and the numbers.
OTHER_NAMES = {
    "user": ("uid", "username"),
    "item": ("iid", "isbn", "sku", "stockcode", "parentasin", "asin", "title", "movietitle",
             "titel"),
}  # fmt: skip


def _names(role: str) -> tuple[str, ...]:
    ids = [f"{word}{end}" for word in WORDS[role] for end in ID_ENDINGS]
    numbers = [f"{word}{end}" for word in WORDS[role] for end in NUMBER_ENDINGS]
    return (*(name for name in ids if name not in NEVER_BARE), *OTHER_NAMES[role], *numbers)


# The usual names; the likeliest first.
NAMES = {
    "user": _names("user"),
    "item": _names("item"),
    "rating": RATING_NAMES,
    "weight": ("weight", "count", "plays", "quantity", "menge", "anzahl"),
}
ROLES = ("user", "item", "timestamp", "rating", "weight")
NEEDED = ("user", "item")
# Texts are lists if this share of them contains the separator.
SEPARATOR, SHARE_OF_LISTS = "|", 0.3
# This share of the interactions' ids must be in another table's column of ids.
SHARE_OF_IDS = 0.5


def infer_roles(
    table: pa.Table,
    given: Mapping[str, str | None],
    others: Mapping[str, pa.Table],
) -> tuple[dict[str, str | None], list[str]]:
    """Infers the column of each role of `data.columns` that isn't given.

    Args:
      table: some rows of the interactions.
      given: the columns that the user gives, by role.
      others: some rows of the table of items, and of users, by role ("item", "user").

    Returns:
      the columns by role, None for roles without a column; and a line for each problem.
    """
    roles, problems, no_names = dict(given), [], _where_there_are_no_names(table)
    for role, column in given.items():
        if column is not None:
            try:
                column_of(table, column, f"data.columns.{role}")
            except DataError as error:
                problems.append(str(error))
    for role in NEEDED:
        if role not in roles:
            roles[role] = _infer_ids(table, role, others.get(role), roles.values())
            if roles[role] is None:
                problems.append(
                    f"data.columns.{role}: no column looks like {role}s; must be given as one of "
                    f"{listed_names(table.column_names)}{no_names}"
                )
                no_names = ""
    for role in ("rating", "weight"):
        if role not in roles:
            usual = _usual(table, role, roles.values())
            roles[role] = next((name for name in usual if _is_number(table, name)), None)
    if "timestamp" not in roles:
        taken = [name for name in table.column_names if name in roles.values()]
        owners = [name for name in taken if name in (roles["user"], roles["item"])]
        try:
            roles["timestamp"] = infer_time(table, taken, owners)
        except ConfigError as error:
            problems += error.problems
    return roles, problems


def infer_key(table: pa.Table, role: str, path: str, column: str, known: pa.Table) -> str:
    """Infers the column of ids of a table of items or users, from names and values.

    Args:
      table: some of its rows.
      column: the column of the interactions that names its ids.
      known: some rows of the interactions.

    Raises:
      ConfigError: no column looks like ids.
    """
    by_name = {plain(name): name for name in reversed(table.column_names)}
    usual = [by_name[name] for name in (plain(column), "id", *NAMES[role]) if name in by_name]
    likely = [column] if column in table.column_names else []
    likely = list(dict.fromkeys([*likely, *usual]))
    if column in known.column_names:
        fitting = [name for name in likely if _is_key(table, name, known, column)]
        fitting += [name for name in table.column_names if _is_key(table, name, known, column)]
        likely = fitting or likely
    if likely:
        return likely[0]
    raise ConfigError(
        f"data.{role}s.key: no column of {path} looks like {role}s; must be given as one of "
        f"{listed_names(table.column_names)}{closest(column, table.column_names)}"
    )


def _infer_ids(
    table: pa.Table, role: str, other: pa.Table | None, taken: Collection[str | None]
) -> str | None:
    """Infers the column of ids: one that both tables have, else the one with the likeliest name."""
    usual = _usual(table, role, taken)
    free = [name for name in table.column_names if name not in taken]
    if other is not None:
        common = [name for name in free if _is_key(other, name, table, name)]
        if likely := [name for name in usual if name in common]:
            return likely[0]
        if len(common) == 1:
            return common[0]
    if usual or other is None:
        return usual[0] if usual else None
    # Small whole numbers, such as ratings, are in any column of ids; ids have the most values.
    fitting = [
        name for name in free if any(_is_key(other, key, table, name) for key in other.column_names)
    ]
    return max(fitting, key=lambda name: _distinct(table, name), default=None)


def _usual(table: pa.Table, role: str, taken: Collection[str | None]) -> list[str]:
    """Returns the free columns with a usual name of the role, the likeliest first."""
    free = {plain(name): name for name in reversed(table.column_names) if name not in taken}
    return [free[name] for name in NAMES[role] if name in free]


def _is_key(table: pa.Table, key: str, known: pa.Table, column: str) -> bool:
    """Tells whether a column has each value once, and most of the ids of the interactions."""
    if key not in table.column_names or is_row_number_name(key):
        return False
    try:
        keys, named = ids(table[key], key), ids(known[column], column)
    except (DataError, pa.ArrowException):
        return False
    words = set(keys.dictionary.to_pylist()) - {""}
    # As many words as rows: none is missing, and each is there once.
    if len(words) < len(table):
        return False
    used = set(named.dictionary.to_pylist()) - {""}
    return len(used & words) >= SHARE_OF_IDS * len(used) > 0


def _distinct(table: pa.Table, name: str) -> int:
    return len(ids(table[name], name).dictionary)


def _is_number(table: pa.Table, name: str) -> bool:
    try:
        numbers(table[name], name)
    except DataError:
        return False
    return True


def infer_lists(table: pa.Table) -> dict[str, str]:
    """Returns columns of texts with several words, such as genres, and their separators."""
    found = {}
    for name in table.column_names:
        column = combined(table[name])
        if not is_text(column.type):
            continue
        texts = [text for text in column.to_pylist() if text]
        if texts and sum(SEPARATOR in text for text in texts) >= SHARE_OF_LISTS * len(texts):
            found[name] = SEPARATOR
    return found


def _where_there_are_no_names(table: pa.Table) -> str:
    """Returns a hint if the names look like a row of values, else ""."""
    if not all(re.fullmatch(r"[\d.:\s-]*\d[\d.:\s-]*", name) for name in table.column_names):
        return ""
    names = ["user", "item", *(f"column_{place + 1}" for place in range(2, table.num_columns))]
    return (
        ". If these are values, the file has no header line; name its columns, for example "
        f"'data.csv.column_names=[{','.join(names[: table.num_columns])}]'"
    )

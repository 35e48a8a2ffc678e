"""The titles that people know candidates by, where the candidates themselves are ids."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from sweeper.common.errors import ConfigError, closest, shortened

# What comes before "name" in a column that names the candidate itself, and not its brand or artist.
_OF_THE_ITEM = frozenset(["display", "full", "item", "product", "short"])
_CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True)
class DisplayTitles:
    """A title for each candidate, from a column of the catalogue.

    Attributes:
      item_column, column: that of the candidates' ids, and that of their titles.
      by_candidate: each candidate's title, in the catalogue's order.
    """

    item_column: str
    column: str
    by_candidate: dict[str, str]

    @cached_property
    def candidates_of(self) -> dict[str, list[str]]:
        """By title, the candidates that have it, in the catalogue's order."""
        candidates: dict[str, list[str]] = {}
        for candidate, title in self.by_candidate.items():
            candidates.setdefault(title, []).append(candidate)
        return candidates


def title_column(columns: pa.Schema, item_column: str, given: str | None) -> str | None:
    """Chooses the catalogue's column of titles.

    A column of strings is chosen by its name: "title", else "name", else one that ends in "title"
    ("movie_title", "Book Title"), else one that ends in "name" after a word of the ids' column
    ("track_name" beside "track_id") or after item, product, display, full or short.

    Args:
      columns: of the candidates, without their embedding.
      given: a column's name, or "" to have none; None: choose one.

    Returns:
      None: there is no such column, or the candidates are named by such a column themselves.

    Raises:
      ConfigError: there is no column that is called as given.
    """
    names = [name for name in columns.names if name != item_column]
    if given == "":
        return None
    if given is not None:
        if given not in names:
            right = (
                f"must be one of {', '.join(names)}" if names else "the candidates have no other"
            )
            raise ConfigError(
                f"--title-column: got {shortened(given)!r}, which is no column of the catalogue; "
                f"{right}{closest(given, names)}"
            )
        return given
    if _fitness(item_column, frozenset()) is not None:
        return None
    own = frozenset(_words(item_column))
    texts = [name for name in names if pa.types.is_string(columns.field(name).type)]
    fitting = [(fitness, name) for name in texts if (fitness := _fitness(name, own)) is not None]
    return min(fitting, key=lambda each: each[0])[1] if fitting else None


def _fitness(name: str, own: frozenset[str]) -> int | None:
    """How well a column's name says that it holds titles, 0 the best; None: it doesn't say so."""
    words = _words(name)
    if words in (["title"], ["name"]):
        return 0 if words == ["title"] else 1
    if words[-1:] == ["title"]:
        return 2
    if words[-1:] == ["name"] and set(words[:-1]) <= own | _OF_THE_ITEM:
        return 3
    return None


def _words(name: str) -> list[str]:
    parted = re.split(r"[\W_]+", _CAMEL_CASE.sub(" ", name))
    return [word.casefold() for word in parted if word]


def texts_of(column: Sequence[object]) -> list[str]:
    """The values of any column, as they are shown."""
    return [
        ", ".join(map(str, value)) if isinstance(value, list) else str(value) for value in column
    ]

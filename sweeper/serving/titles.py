"""Titles of candidates: those shown beside ids, and the candidate that a user means by one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from sweeper.common.errors import MAX_COMPARED, ConfigError, closest, shortened

SUGGESTIONS, CUTOFF = 3, 0.5
# Words before "name" in a column that names the candidate itself, and not its brand or artist.
_ITEM_WORDS = frozenset(["display", "full", "item", "product", "short"])
_CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True)
class DisplayTitles:
    """A title for each candidate, from a column of the catalogue.

    Attributes:
      item_column, column: the columns of the candidates' ids and of their titles.
      by_candidate: each candidate's title, in the catalogue's order.
    """

    item_column: str
    column: str
    by_candidate: dict[str, str]

    @cached_property
    def candidates_of(self) -> dict[str, list[str]]:
        """The candidates that have each title, in the catalogue's order."""
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
      given: a column's name, or "" for no column; None: choose one.

    Returns:
      None if there is no such column, or if such a column already names the candidates.

    Raises:
      ConfigError: there is no column with the given name.
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
                f"--title-column: got {shortened(given)!r}, which is not a column of the "
                f"catalogue; {right}{closest(given, names)}"
            )
        return given
    if _fitness(item_column, frozenset()) is not None:
        return None
    own = frozenset(_words(item_column))
    texts = [name for name in names if pa.types.is_string(columns.field(name).type)]
    fitting = [(fitness, name) for name in texts if (fitness := _fitness(name, own)) is not None]
    return min(fitting, key=lambda each: each[0])[1] if fitting else None


def _fitness(name: str, own: frozenset[str]) -> int | None:
    """Ranks a column's name as a name for titles, 0 is the best; None if it is not one."""
    words = _words(name)
    if words in (["title"], ["name"]):
        return 0 if words == ["title"] else 1
    if words[-1:] == ["title"]:
        return 2
    if words[-1:] == ["name"] and set(words[:-1]) <= own | _ITEM_WORDS:
        return 3
    return None


def _words(name: str) -> list[str]:
    parted = re.split(r"[\W_]+", _CAMEL_CASE.sub(" ", name))
    return [word.casefold() for word in parted if word]


def display_texts(column: Sequence[object]) -> list[str]:
    """Formats the values of any column."""
    return [
        ", ".join(map(str, value)) if isinstance(value, list) else str(value) for value in column
    ]


def find_title(
    candidates: Mapping[str, int], display: DisplayTitles | None, title: str, setting: str
) -> str | None:
    """Returns the candidate with this name or, if candidates are ids, with this display title.

    Args:
      candidates: by name, in the catalogue's order.
      setting: the setting that gave the title, for errors.

    Returns:
      None if there is no such candidate.

    Raises:
      ConfigError: several candidates have the display title.
    """
    if title in candidates or display is None:
        return title if title in candidates else None
    found = display.candidates_of.get(title, [])
    if len(found) > 1:
        raise ConfigError(
            f"{setting}: got {shortened(title)!r}, which {len(found):,} candidates have as their "
            f"{display.column!r}; must be one of their ids: {', '.join(found[:SUGGESTIONS])}"
            f"{', …' if len(found) > SUGGESTIONS else ''}"
        )
    return found[0] if found else None


def nearest_titles(
    candidates: Mapping[str, int], display: DisplayTitles | None, title: str
) -> list[str]:
    """Returns names and display titles that start with a title or are similar, ignoring case.

    There are at most `SUGGESTIONS`; with many candidates only those that start with it.
    """
    titles = [*candidates, *(display.by_candidate.values() if display is not None else ())]
    folded: dict[str, str] = {}
    for each in titles:
        folded.setdefault(each.casefold(), each)
    start = [each for key, each in folded.items() if key.startswith(title.casefold())]
    close = []
    if len(folded) <= MAX_COMPARED:
        close = difflib.get_close_matches(title.casefold(), folded, n=SUGGESTIONS, cutoff=CUTOFF)
    return list(dict.fromkeys([*start, *(folded[each] for each in close)]))[:SUGGESTIONS]

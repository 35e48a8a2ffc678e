"""Finds the candidate that a user means by a title, or the titles most like what was typed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from sweeper.common.errors import MAX_COMPARED, ConfigError, shortened
from sweeper.serving.loaded_export import LoadedExport

SUGGESTIONS, CUTOFF = 3, 0.5


def named(export: LoadedExport, title: str, setting: str) -> str | None:
    """The candidate of this name or, where candidates are ids, the one of this display title.

    Args:
      setting: that gave the title, for errors.

    Returns:
      None: there is no such candidate.

    Raises:
      ConfigError: several candidates have the display title.
    """
    display = export.display_titles
    if title in export.place_of or display is None:
        return title if title in export.place_of else None
    found = display.candidates_of.get(title, [])
    if len(found) > 1:
        raise ConfigError(
            f"{setting}: got {shortened(title)!r}, which {len(found):,} candidates have as their "
            f"{display.column!r}; must be one of their ids: {', '.join(found[:SUGGESTIONS])}"
            f"{', …' if len(found) > SUGGESTIONS else ''}"
        )
    return found[0] if found else None


def nearest(export: LoadedExport, title: str) -> list[str]:
    """The names and display titles that begin like a title, or look like it, in any case.

    At most `SUGGESTIONS`, and those that begin like it alone where there are many candidates.
    """
    display = export.display_titles
    titles: Sequence[str] = export.titles
    if display is not None:
        titles = [*titles, *display.by_candidate.values()]
    folded: dict[str, str] = {}
    for each in titles:
        folded.setdefault(each.casefold(), each)
    start = [each for key, each in folded.items() if key.startswith(title.casefold())]
    close = []
    if len(folded) <= MAX_COMPARED:
        close = difflib.get_close_matches(title.casefold(), folded, n=SUGGESTIONS, cutoff=CUTOFF)
    return list(dict.fromkeys([*start, *(folded[each] for each in close)]))[:SUGGESTIONS]

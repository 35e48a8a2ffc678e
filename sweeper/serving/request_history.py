"""What a user did before, as an export is asked with it: titles, and the time since the last."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sweeper.common.errors import either, shortened
from sweeper.serving.input_names import GAP, HISTORY
from sweeper.serving.loaded_export import LoadedExport
from sweeper.serving.titles import named, nearest
from sweeper.two_tower.config import invalid_reason

GIVEN, KNOWN, SINCE, MISSING = (
    "as given", "all rows of the user", "since the user's last row", "missing"
)  # fmt: skip
FORM = f"""'{HISTORY}=["TITLE","TITLE"]'"""
# Of so many unknown titles it is said what may be meant.
MAX_TOLD = 5


@dataclass(frozen=True)
class Past:
    """What one query tells of what was done before.

    Attributes:
      candidates: those that the catalogue has, by their places there, the most recent one last.
      titles: the names of those that the model knows.
      unknown: the titles that were given and that the model doesn't know.
      seconds: since the user's last row; NaN: not known.
      origins: by input of the model, `HISTORY` and `GAP`, where its value comes from.
    """

    candidates: list[int]
    titles: list[str]
    unknown: list[str]
    seconds: float
    origins: dict[str, str]

    @property
    def length(self) -> str:
        """ "1 title", "1,200 titles"."""
        return f"{len(self.titles):,} title{'' if len(self.titles) == 1 else 's'}"

    @property
    def inputs(self) -> dict[str, Any]:
        """By input, its value."""
        values = {HISTORY: self.titles, GAP: self.seconds}
        return {name: values[name] for name in self.origins}


def titles_in(value: str) -> list[str]:
    """Reads a list of titles, most recent last: JSON, or a list of Python's texts in quotes."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        try:
            found = ast.literal_eval(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            found = None
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError(f"must be a list of titles in quotes, such as {FORM}, or {HISTORY}=[]")
    if "" in found:
        raise ValueError("must hold no empty title")
    if words := invalid_reason(found):
        raise ValueError(f"each title {words}")
    return found


def past_of(export: LoadedExport, user: str | None, given: Mapping[str, Any], later: float) -> Past:
    """What is known of what was done before the query.

    Args:
      user: whose rows count where no history is given; None: nobody's.
      given: `HISTORY`, a list of titles, and `GAP`, seconds, as far as they are given.
      later: how many seconds after the newest row of all the query is made.

    Raises:
      ConfigError: a title is one that several candidates have.
    """
    candidates, titles, unknown, origins = [], [], [], {}
    if HISTORY in export.manifest.reads:
        if HISTORY in given:
            origins[HISTORY] = GIVEN
            found = [(title, named(export, title, HISTORY) or title) for title in given[HISTORY]]
            # A newer catalogue has items that the model doesn't know, and lacks some that it does.
            unknown = [title for title, name in found if name not in export.history_items]
            names = [name for _, name in found]
        else:
            names = [] if user is None else export.history(user)
            origins[HISTORY] = KNOWN if names else MISSING
        candidates = [export.place_of[name] for name in names if name in export.place_of]
        titles = [name for name in names if name in export.history_items]
    seconds = math.nan
    if GAP in export.manifest.reads:
        known = None
        if user is not None and HISTORY not in given:
            known = export.seconds_since_last(user)
        if GAP in given:
            seconds, origins[GAP] = given[GAP], GIVEN
        elif known is not None and known + later >= 0:
            seconds, origins[GAP] = known + later, SINCE
        else:
            origins[GAP] = MISSING
    return Past(candidates, titles, unknown, seconds, origins)


def past_notices(export: LoadedExport, past: Past) -> Iterator[tuple[str, str]]:
    """(topic, text) of what a given history holds and the model doesn't know."""
    if past.origins.get(HISTORY) != GIVEN:
        return
    if past.unknown:
        number, every = len(past.unknown), len(past.unknown) + len(past.titles)
        told = [_told(export, title) for title in past.unknown[:MAX_TOLD]]
        further = f" and {number - MAX_TOLD:,} more" if number > MAX_TOLD else ""
        is_newer = export.manifest.catalogue is not None
        lacking = "the model was not trained with" if is_newer else "the catalogue lacks"
        yield (
            "titles",
            f"{lacking} {number:,} of {every:,} titles in the history, left out here: "
            f"{', '.join(told)}{further}",
        )
    if not past.titles:
        what = "no title of the history is known" if past.unknown else "the history is empty"
        yield "cold", f"{what}: this is the answer where nothing was chosen before"


def _told(export: LoadedExport, title: str) -> str:
    found = nearest(export, title)
    hint = f" (did you mean {either([repr(each) for each in found])}?)" if found else ""
    return f"{shortened(title)!r}{hint}"

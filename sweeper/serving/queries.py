"""Makes the queries of a request: given values, known ones for the others, and the history."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeper.common.errors import ConfigError, closest, either, shortened
from sweeper.serving.input_names import GAP, HISTORY
from sweeper.serving.loaded_export import LoadedExport
from sweeper.serving.titles import find_title, nearest_titles

LAST = "as last known"
NOTHING: dict[str, Any] = {"string": "", "strings": [], "number": math.nan}
GIVEN, KNOWN, SINCE, MISSING = (
    "as given", "all rows of the user", "since the user's last row", "missing"
)  # fmt: skip
# Suggestions are made for at most this many unknown titles.
MAX_SUGGESTED = 5


@dataclass(frozen=True)
class History:
    """What a user chose before a query, and when.

    Attributes:
      candidates: the candidates that the catalogue has, by index, the most recent one last.
      titles: the names of those that the model knows.
      unknown: the given titles that the model doesn't know.
      seconds: since the user's last row; NaN if not known.
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
        """The value of each input."""
        values = {HISTORY: self.titles, GAP: self.seconds}
        return {name: values[name] for name in self.origins}


@dataclass(frozen=True)
class Query:
    """The query of one user, or of a history without a user.

    Attributes:
      user: None if there is no user.
      is_known: whether the user has `Manifest.known_rows`.
      values: by column that the model sees.
      origins: by column, except that of users, where its value comes from.
      history: None if the model doesn't read one.
      inputs: the values and the history, by input of the model.
      notices: by topic, why the answer may not be what was expected.
    """

    user: str | None
    is_known: bool
    values: dict[str, Any]
    origins: dict[str, str]
    history: History | None
    inputs: dict[str, Any]
    notices: dict[str, str]

    @property
    def name(self) -> str:
        """ "'42'", or "a history of 3 titles"."""
        if self.user is not None:
            return repr(self.user)
        return "nobody" if self.history is None else f"a history of {self.history.length}"


def make_queries(
    export: LoadedExport,
    users: Sequence[str | None],
    given: Mapping[str, Any],
    known_only: bool,
    history: Mapping[str, Any] | None = None,
) -> list[Query]:
    """Makes a query for each user.

    Args:
      users: None stands for a query without a user.
      given: the given values by column, for all users.
      known_only: whether to refuse users without `Manifest.known_rows`.
      history: the given values of `find_history`.

    Raises:
      ConfigError: with a line for each user who is refused.
    """
    column, rows = export.manifest.user_column, export.manifest.known_rows
    if known_only:
        unknown = [
            user for user in dict.fromkeys(users) if user is not None and export.user(user) is None
        ]
        if unknown:
            raise ConfigError(
                f"{column}: got {shortened(user)!r}, who has no {rows}; must have some "
                f"with --known-only{closest(user, export.users)}"
                for user in unknown
            )
    return [_query(export, user, given, history or {}) for user in users]


def _query(
    export: LoadedExport,
    user: str | None,
    given: Mapping[str, Any],
    given_history: Mapping[str, Any],
) -> Query:
    manifest = export.manifest
    known = None if user is None else export.user(user)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, kind in manifest.inputs.items():
        if name == manifest.user_column and user is not None:
            values[name] = user
        elif name in given:
            values[name], origins[name] = given[name], GIVEN
        elif name in manifest.newest:
            newest = f"the newest of the {manifest.known_rows}"
            values[name], origins[name] = manifest.newest[name], newest
        elif known:
            values[name], origins[name] = known[name], LAST
        else:
            values[name], origins[name] = NOTHING[kind], MISSING
    history = None
    if manifest.reads:
        asked = (values[name] - newest for name, newest in manifest.newest.items())
        history = find_history(export, user, given_history, later=next(asked, 0.0))
    inputs = {manifest.input_names[name]: value for name, value in values.items()}
    inputs |= {} if history is None else history.inputs
    notices = dict(_notices(export, user, given, history))
    return Query(user, known is not None, values, origins, history, inputs, notices)


def _notices(
    export: LoadedExport, user: str | None, given: Mapping[str, Any], history: History | None
) -> Iterator[tuple[str, str]]:
    """Yields (topic, text) for what is asked for and not known."""
    if user is not None:
        yield from _notices_of_user(export, user, history)
    if history is not None:
        yield from history_notices(export, history)
    unknown = [
        f"{column} {word!r} is in no training row, and counts as an unknown one"
        f"{closest(word, known)}"
        for column, known in export.manifest.known_words.items()
        for word in _words_of(given.get(column))
        if word not in known
    ]
    if unknown:
        yield "values", "; ".join(unknown)


def _notices_of_user(
    export: LoadedExport, user: str, history: History | None
) -> Iterator[tuple[str, str]]:
    manifest = export.manifest
    if export.user(user) is None:
        answer = "this is the answer for any unknown user"
        if history is not None and history.titles:
            answer += " with this history"
        yield (
            "unknown",
            f"{user!r} has no {manifest.known_rows}: {answer}{closest(user, export.users)}",
        )
        return
    sees_user = manifest.user_column in manifest.inputs
    if history is not None and sees_user and export.training_rows(user) == 0:
        yield (
            "unknown",
            f"{user!r} has no training rows: the model knows this user by what was done before "
            "alone",
        )


def _words_of(value: Any) -> list[str]:
    """Returns the words of a given value; none if it is missing."""
    each = value if isinstance(value, list) else [value]
    return [word for word in each if isinstance(word, str) and word]


def find_history(
    export: LoadedExport, user: str | None, given: Mapping[str, Any], later: float
) -> History:
    """Returns the given history, or else the known one of the user.

    Args:
      user: None if there is no user.
      given: `HISTORY`, a list of titles, and `GAP`, seconds, if they are given.
      later: the seconds from the newest row of all to the query.

    Raises:
      ConfigError: a title is one that several candidates have.
    """
    candidates, titles, unknown, origins = [], [], [], {}
    if HISTORY in export.manifest.reads:
        if HISTORY in given:
            origins[HISTORY] = GIVEN
            found = [
                (title, find_title(export.place_of, export.display_titles, title, HISTORY) or title)
                for title in given[HISTORY]
            ]
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
    return History(candidates, titles, unknown, seconds, origins)


def history_notices(export: LoadedExport, history: History) -> Iterator[tuple[str, str]]:
    """Yields (topic, text) for what a given history holds and the model doesn't know."""
    if history.origins.get(HISTORY) != GIVEN:
        return
    if history.unknown:
        number, every = len(history.unknown), len(history.unknown) + len(history.titles)
        listed = [_with_suggestion(export, title) for title in history.unknown[:MAX_SUGGESTED]]
        further = f" and {number - MAX_SUGGESTED:,} more" if number > MAX_SUGGESTED else ""
        is_newer = export.manifest.catalogue is not None
        lacking = "the model was not trained with" if is_newer else "the catalogue lacks"
        yield (
            "titles",
            f"{lacking} {number:,} of {every:,} titles in the history, left out here: "
            f"{', '.join(listed)}{further}",
        )
    if not history.titles:
        what = "no title of the history is known" if history.unknown else "the history is empty"
        yield "cold", f"{what}: this is the answer where nothing was chosen before"


def _with_suggestion(export: LoadedExport, title: str) -> str:
    found = nearest_titles(export.place_of, export.display_titles, title)
    hint = f" (did you mean {either([repr(each) for each in found])}?)" if found else ""
    return f"{shortened(title)!r}{hint}"

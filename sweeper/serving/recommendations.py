"""Answers of an export: titles for users, and titles like a title."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweeper.errors import MOST_COMPARED, ConfigError, either, shortened
from sweeper.serving.display_titles import DisplayTitles
from sweeper.serving.index import LOWEST
from sweeper.serving.loaded_export import LoadedExport
from sweeper.serving.queries import Query

SUGGESTIONS, CUTOFF = 3, 0.5


@dataclass(frozen=True)
class Answer:
    """What one user is recommended.

    Attributes:
      titles, scores: best first; fewer than were asked for where there are no more unseen.
      seen: what the user has in the training rows, the last chosen first.
    """

    query: Query
    titles: list[str]
    scores: list[float]
    seen: list[str]

    def as_json(self, k: int, display: DisplayTitles | None = None) -> dict[str, Any]:
        """With each candidate's title where `display` has one, as `display_title`.

        Args:
          k: how many were asked for.
        """
        seen = set(self.seen)
        return {
            "user": self.query.user,
            "known": self.query.is_known,
            "columns": {
                name: {"value": _json(self.query.values[name]), "is": origin}
                for name, origin in self.query.origins.items()
            },
            "recommendations": [
                {"rank": rank, "title": title}
                | displayed(title, display)
                | {"score": score, "seen": title in seen}
                for rank, (title, score) in enumerate(
                    zip(self.titles, self.scores, strict=True), start=1
                )
            ],
            "seen": self.seen,
            "notices": dict(notices(self, k)),
        }


def notices(answer: Answer, k: int) -> Iterator[tuple[str, str]]:
    """(topic, text): why an answer may not be what was expected.

    Args:
      k: how many titles were asked for.
    """
    query = answer.query
    yield from query.notices.items()
    if not answer.titles:
        yield (
            "nothing",
            f"{query.user!r} has all {len(answer.seen):,} candidates in the training rows; "
            "--with-seen recommends these, too",
        )
    elif len(answer.titles) < k:
        yield (
            "fewer",
            f"{len(answer.titles):,} of {k:,}: the others have been chosen before; --with-seen "
            "recommends these, too",
        )


def displayed(candidate: str, display: DisplayTitles | None) -> dict[str, str]:
    """What JSON has of a candidate's title."""
    return {} if display is None else {"display_title": display.by_candidate[candidate]}


def _json(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def recommend(
    export: LoadedExport, queries: Sequence[Query], k: int, with_seen: bool
) -> list[Answer]:
    """The k best titles for each query.

    Args:
      with_seen: whether what the user has in the training rows may be among them.
    """
    embedded = export.embed([query.values for query in queries])
    seen = [export.seen(query.user) for query in queries]
    left_out = [np.array([] if with_seen else items, int) for items in seen]
    found = zip(queries, seen, *export.index(k).search(embedded, k, left_out), strict=True)
    answers = []
    for query, items, scores, candidates in found:
        # What fills up a row, where nothing else is left, is none to recommend.
        is_left = scores > LOWEST
        titles = [export.titles[candidate] for candidate in candidates[is_left]]
        chosen = [export.titles[item] for item in reversed(items)]
        answers.append(Answer(query, titles, scores[is_left].tolist(), chosen))
    return answers


def similar(export: LoadedExport, title: str, k: int) -> list[tuple[str, float]]:
    """The k other titles whose embeddings point most nearly the same way, with their cosines.

    They are compared without the mean of all embeddings: what all titles share adds the same to
    each score of a query, so that a softmax over them never sees it, and it would make all alike.

    Raises:
      ConfigError: as `find_candidate`.
    """
    index = export.titles.index(find_candidate(export, title))
    embeddings = export.embeddings.astype(np.float64)
    embeddings -= embeddings.mean(axis=0)
    lengths = np.linalg.norm(embeddings, axis=1)
    units = embeddings / np.where(lengths > 0, lengths, 1.0)[:, None]
    cosines = units @ units[index]
    order = np.argsort(-cosines, kind="stable")
    others = order[order != index][:k]
    return [(export.titles[each], float(cosines[each])) for each in others]


def find_candidate(export: LoadedExport, title: str) -> str:
    """The candidate of this name or, where candidates are ids, the one of this display title.

    Raises:
      ConfigError: there is no such candidate, or several have the display title.
    """
    names = export.titles
    if title in names:
        return title
    if export.display_titles is None:
        raise ConfigError(
            f"similar: got {shortened(title)!r}, which is none of the {len(names):,} "
            f"titles{_meant(title, names)}"
        )
    display = export.display_titles
    found = [name for name, each in display.by_candidate.items() if each == title]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(
            f"similar: got {shortened(title)!r}, which {len(found):,} candidates have as their "
            f"{display.column!r}; must be one of their ids: {', '.join(found[:SUGGESTIONS])}"
            f"{', …' if len(found) > SUGGESTIONS else ''}"
        )
    meant = _meant(title, [*names, *display.by_candidate.values()])
    raise ConfigError(
        f"similar: got {shortened(title)!r}, which is no {display.item_column!r} and no "
        f"{display.column!r} of the {len(names):,} candidates{meant}"
    )


def _meant(title: str, titles: Sequence[str]) -> str:
    """ "; did you mean 'Toy Story (1995)'?", whatever the case of its letters."""
    folded: dict[str, str] = {}
    for each in titles:
        folded.setdefault(each.casefold(), each)
    start = [each for key, each in folded.items() if key.startswith(title.casefold())]
    close = []
    if len(folded) <= MOST_COMPARED:
        close = difflib.get_close_matches(title.casefold(), folded, n=SUGGESTIONS, cutoff=CUTOFF)
    found = list(dict.fromkeys([*start, *(folded[each] for each in close)]))[:SUGGESTIONS]
    if not found:
        return "; must be one of them, as candidates.parquet has it"
    return f"; did you mean {either([repr(each) for each in found])}?"

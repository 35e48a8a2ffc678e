"""Answers of an export: titles for users, and titles like a title."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweeper.common.errors import ConfigError, either, shortened
from sweeper.serving.display_titles import DisplayTitles
from sweeper.serving.index import LOWEST, Found, stacked
from sweeper.serving.input_names import HISTORY
from sweeper.serving.loaded_export import LoadedExport
from sweeper.serving.queries import Query
from sweeper.serving.request_history import Past
from sweeper.serving.titles import named, nearest


@dataclass(frozen=True)
class Answer:
    """What one user is recommended.

    Attributes:
      titles, scores: best first; fewer than were asked for where there are no more unseen.
      seen: what the user has in `Manifest.known_rows` or in the given history, the last chosen
        first.
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
        seen, past = set(self.seen), self.query.past
        return {
            "user": self.query.user,
            "known": self.query.is_known,
            **({} if past is None else _past_json(past)),
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
        where = " in the training rows" if query.past is None else ""
        yield (
            "nothing",
            f"{query.name} has all {len(answer.seen):,} candidates{where}; "
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


def _past_json(past: Past) -> dict[str, Any]:
    """What a query told of what was done before, by input, with the titles that were left out."""
    told = {
        name: {"value": _json(past.inputs[name]), "is": origin}
        for name, origin in past.origins.items()
    }
    return told | ({"unknown_history": past.unknown} if HISTORY in told else {})


def _json(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def recommend(
    export: LoadedExport, queries: Sequence[Query], k: int, with_seen: bool
) -> list[Answer]:
    """The k best titles for each query.

    Args:
      with_seen: whether what the user has chosen before may be among them.
    """
    embedded = export.embed([query.inputs for query in queries])
    seen = [_seen(export, query) for query in queries]
    if with_seen and export.manifest.seen_bias is not None:
        searched = _search_biased(export, queries, embedded, k)
    else:
        left_out = [np.array([] if with_seen else items, int) for items in seen]
        searched = export.index(k).search(embedded, k, left_out)
    found = zip(queries, seen, *searched, strict=True)
    answers = []
    for query, items, scores, candidates in found:
        # What fills up a row, where nothing else is left, is none to recommend.
        is_left = scores > LOWEST
        titles = [export.titles[candidate] for candidate in candidates[is_left]]
        chosen = [export.titles[item] for item in reversed(items)]
        answers.append(Answer(query, titles, scores[is_left].tolist(), chosen))
    return answers


def _search_biased(
    export: LoadedExport, queries: Sequence[Query], embedded: np.ndarray, k: int
) -> Found:
    """The k best, as `Index.search`, where the model adds a number to what was chosen before.

    An index knows products alone: what was chosen before is scored apart.
    """
    past = [np.unique(query.past.candidates).astype(int) for query in queries if query.past]
    others = export.index(k).search(embedded, k, past)
    found = []
    for query, chosen, scores, candidates in zip(embedded, past, *others, strict=True):
        own = export.embeddings[chosen] @ query + np.float32(export.manifest.seen_bias or 0.0)
        scores, candidates = np.append(scores, own), np.append(candidates, chosen)
        best = np.lexsort((candidates, -scores))[:k]
        found.append((scores[best], candidates[best]))
    return stacked(found)


def _seen(export: LoadedExport, query: Query) -> list[int]:
    """The candidates that were chosen before, once each, the last chosen last."""
    of_user = [] if query.user is None else export.seen(query.user)
    given = [] if query.past is None else query.past.candidates
    return list(dict.fromkeys(reversed([*of_user, *given])))[::-1]


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
    if (name := named(export, title, "similar")) is not None:
        return name
    found = nearest(export, title)
    display, number = export.display_titles, len(export.titles)
    meant = "; must be one of them, as candidates.parquet has it"
    if found:
        meant = f"; did you mean {either([repr(each) for each in found])}?"
    if display is None:
        raise ConfigError(
            f"similar: got {shortened(title)!r}, which is none of the {number:,} titles{meant}"
        )
    raise ConfigError(
        f"similar: got {shortened(title)!r}, which is no {display.item_column!r} and no "
        f"{display.column!r} of the {number:,} candidates{meant}"
    )

"""Answers queries by an export: titles for users, and titles similar to a title."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sweeper.common.errors import ConfigError, either, shortened
from sweeper.serving.index import LOWEST, SearchResult, stack_results
from sweeper.serving.loaded_export import LoadedExport
from sweeper.serving.queries import Query
from sweeper.serving.titles import find_title, nearest_titles


@dataclass(frozen=True)
class Answer:
    """The recommendations for one query.

    Attributes:
      titles, scores: best first; fewer than asked for if there are no more unseen ones.
      seen: the titles of the user's `Manifest.known_rows`, or of the given history, the last
        chosen first.
    """

    query: Query
    titles: list[str]
    scores: list[float]
    seen: list[str]


def recommend(
    export: LoadedExport, queries: Sequence[Query], k: int, with_seen: bool
) -> list[Answer]:
    """Returns the k best titles for each query.

    Args:
      with_seen: whether titles that the user has chosen before may be among them.
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
        # If too few candidates are left, those that are left out fill up the row.
        is_left = scores > LOWEST
        titles = [export.titles[candidate] for candidate in candidates[is_left]]
        chosen = [export.titles[item] for item in reversed(items)]
        answers.append(Answer(query, titles, scores[is_left].tolist(), chosen))
    return answers


def _search_biased(
    export: LoadedExport, queries: Sequence[Query], embedded: np.ndarray, k: int
) -> SearchResult:
    """Finds the k best of a model that adds a bias to the scores of what was chosen before.

    An index knows only products of embeddings: what was chosen before is scored separately.
    """
    history = [
        np.unique(query.history.candidates).astype(int) for query in queries if query.history
    ]
    others = export.index(k).search(embedded, k, history)
    found = []
    for query, chosen, scores, candidates in zip(embedded, history, *others, strict=True):
        own = export.embeddings[chosen] @ query + np.float32(export.manifest.seen_bias or 0.0)
        scores, candidates = np.append(scores, own), np.append(candidates, chosen)
        best = np.lexsort((candidates, -scores))[:k]
        found.append((scores[best], candidates[best]))
    return stack_results(found)


def _seen(export: LoadedExport, query: Query) -> list[int]:
    """Returns the candidates that were chosen before, once each, the last chosen last."""
    of_user = [] if query.user is None else export.seen(query.user)
    given = [] if query.history is None else query.history.candidates
    return list(dict.fromkeys(reversed([*of_user, *given])))[::-1]


def similar(export: LoadedExport, title: str, k: int) -> list[tuple[str, float]]:
    """Returns the k other titles with the highest cosine similarity of embeddings, with cosines.

    The mean of all embeddings is subtracted first: what all titles share adds the same to each
    score of a query, so training never sees it, and it would make all titles similar.

    Raises:
      ConfigError: as in `find_candidate`.
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
    """Returns the candidate with this name or, if candidates are ids, with this display title.

    Raises:
      ConfigError: there is no such candidate, or several have the display title.
    """
    if (name := find_title(export.place_of, export.display_titles, title, "similar")) is not None:
        return name
    found = nearest_titles(export.place_of, export.display_titles, title)
    display, number = export.display_titles, len(export.titles)
    meant = "; must be one of them, as in candidates.parquet"
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

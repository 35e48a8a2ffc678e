"""Formats answers as JSON, and as tables for the terminal."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

from rich.markup import escape
from rich.table import Table

from sweeper.serving.input_names import HISTORY
from sweeper.serving.queries import MISSING, History
from sweeper.serving.recommendations import Answer
from sweeper.serving.request_values import NULL
from sweeper.serving.titles import DisplayTitles


def answer_json(answer: Answer, k: int, display: DisplayTitles | None = None) -> dict[str, Any]:
    """Returns an answer as JSON.

    Args:
      k: the number of titles asked for.
      display: adds a `display_title` to each candidate.
    """
    seen, history = set(answer.seen), answer.query.history
    return {
        "user": answer.query.user,
        "known": answer.query.is_known,
        **({} if history is None else _history_json(history)),
        "columns": {
            name: {"value": _json(answer.query.values[name]), "is": origin}
            for name, origin in answer.query.origins.items()
        },
        "recommendations": [
            {"rank": rank, "title": title}
            | display_title_json(title, display)
            | {"score": score, "seen": title in seen}
            for rank, (title, score) in enumerate(
                zip(answer.titles, answer.scores, strict=True), start=1
            )
        ],
        "seen": answer.seen,
        "notices": dict(notices(answer, k)),
    }


def notices(answer: Answer, k: int) -> Iterator[tuple[str, str]]:
    """Yields (topic, text): why an answer may not be what was expected.

    Args:
      k: the number of titles asked for.
    """
    query = answer.query
    yield from query.notices.items()
    if not answer.titles:
        where = " in the training rows" if query.history is None else ""
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


def display_title_json(candidate: str, display: DisplayTitles | None) -> dict[str, str]:
    """Returns a candidate's `display_title`, if there is one."""
    return {} if display is None else {"display_title": display.by_candidate[candidate]}


def _history_json(history: History) -> dict[str, Any]:
    """Returns a query's history by input, with the titles that were left out."""
    inputs = {
        name: {"value": _json(history.inputs[name]), "is": origin}
        for name, origin in history.origins.items()
    }
    return inputs | ({"unknown_history": history.unknown} if HISTORY in inputs else {})


def _json(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def answer_table(
    answer: Answer, with_seen: bool, item_column: str, display: DisplayTitles | None = None
) -> Table:
    """Makes a table of recommendations, beside the titles that the user has chosen last.

    Args:
      item_column: the catalogue's column that names the candidates.
    """
    table = _table(f"For {answer.query.name}", item_column, display)
    if with_seen:
        table.add_column("seen")
    if answer.seen:
        table.add_column(f"chosen before ({len(answer.seen):,}), the last first")
    seen = set(answer.seen)
    beside = answer.seen[: len(answer.titles)] if answer.seen else []
    rows = zip(answer.titles, answer.scores, strict=True)
    for rank, (row, before) in enumerate(zip_longest(rows, beside), start=1):
        title, score = row
        cells = [str(rank), *_cells(title, display), f"{score:.4f}"]
        if with_seen:
            cells.append("yes" if title in seen else "")
        if answer.seen:
            cells.append("" if before is None else _cells(before, display)[-1])
        table.add_row(*cells)
    return table


def remarks(answer: Answer, k: int, times: Container[str] = ()) -> Iterator[tuple[str, str]]:
    """Yields (topic, text): the notices, and the values that the model was asked with.

    Args:
      times: the columns that are times, in seconds since 1970.
    """
    yield from notices(answer, k)
    query = answer.query
    by_origin: dict[str, list[str]] = {}
    for name, origin in query.origins.items():
        text = _text(query.values[name], is_time=name in times)
        by_origin.setdefault(origin, []).append(name if origin == MISSING else f"{name} {text}")
    if query.history is not None:
        for name, origin in query.history.origins.items():
            value = query.history.inputs[name]
            # The table lists the titles themselves.
            text = query.history.length if name == HISTORY else _text(value)
            by_origin.setdefault(origin, []).append(name if origin == MISSING else f"{name} {text}")
    for origin, names in by_origin.items():
        yield "asked", f"{', '.join(names)} ({origin})"


def similar_table(
    title: str,
    found: Sequence[tuple[str, float]],
    item_column: str,
    display: DisplayTitles | None = None,
) -> Table:
    """Makes a table of titles with their cosines; `item_column` as in `answer_table`."""
    table = _table(f"Like {title!r}", item_column, display, value="cosine")
    for rank, (each, cosine) in enumerate(found, start=1):
        table.add_row(str(rank), *_cells(each, display), f"{cosine:.4f}")
    return table


def _table(
    title: str, item_column: str, display: DisplayTitles | None, value: str = "score"
) -> Table:
    table = Table(title=escape(title), title_justify="left", box=None, pad_edge=False)
    table.add_column("rank", justify="right")
    for header in (item_column,) if display is None else (item_column, display.column):
        table.add_column(escape(header))
    table.add_column(value, justify="right")
    return table


def _cells(candidate: str, display: DisplayTitles | None) -> list[str]:
    """Returns the cells of a candidate and, if it has one, of its display title."""
    texts = [candidate] if display is None else [candidate, display.by_candidate[candidate]]
    return [escape(text) for text in texts]


def _text(value: Any, is_time: bool = False) -> str:
    if isinstance(value, float):
        if math.isnan(value):
            return NULL
        return _date(value) if is_time else f"{value:.15g}"
    return ",".join(value) if isinstance(value, list) else repr(value)


def _date(seconds: float) -> str:
    """Formats seconds since 1970 as "1998-04-23 23:10:38 UTC"."""
    return f"{datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(' ')} UTC"

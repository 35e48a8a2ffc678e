"""Answers on the terminal."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

from rich.markup import escape
from rich.table import Table

from sweeper.serving.display_titles import DisplayTitles
from sweeper.serving.input_names import HISTORY
from sweeper.serving.queries import NULL
from sweeper.serving.recommendations import Answer, notices
from sweeper.serving.request_history import MISSING


def answer_table(
    answer: Answer, with_seen: bool, item_column: str, display: DisplayTitles | None = None
) -> Table:
    """Recommendations, and beside them as many of the titles that the user has chosen last.

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
    """(topic, text) of what is to be known of an answer, and of what was asked.

    Args:
      times: the columns of numbers that are times, in seconds since 1970.
    """
    yield from notices(answer, k)
    query = answer.query
    by_origin: dict[str, list[str]] = {}
    for name, origin in query.origins.items():
        text = _text(query.values[name], is_time=name in times)
        by_origin.setdefault(origin, []).append(name if origin == MISSING else f"{name} {text}")
    if query.past is not None:
        for name, origin in query.past.origins.items():
            value = query.past.inputs[name]
            # The titles themselves stand beside the answer.
            text = query.past.length if name == HISTORY else _text(value)
            by_origin.setdefault(origin, []).append(name if origin == MISSING else f"{name} {text}")
    for origin, names in by_origin.items():
        yield "asked", f"{', '.join(names)} ({origin})"


def similar_table(
    title: str,
    found: Sequence[tuple[str, float]],
    item_column: str,
    display: DisplayTitles | None = None,
) -> Table:
    """Titles with their cosines; `item_column` as of `answer_table`."""
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
    """A candidate and, where there is one, its title."""
    texts = [candidate] if display is None else [candidate, display.by_candidate[candidate]]
    return [escape(text) for text in texts]


def _text(value: Any, is_time: bool = False) -> str:
    if isinstance(value, float):
        if math.isnan(value):
            return NULL
        return _date(value) if is_time else f"{value:.15g}"
    return ",".join(value) if isinstance(value, list) else repr(value)


def _date(seconds: float) -> str:
    """Seconds since 1970 as "1998-04-23 23:10:38 UTC"."""
    return f"{datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(' ')} UTC"

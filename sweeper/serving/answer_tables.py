"""Answers on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from rich.markup import escape
from rich.table import Table

from sweeper.serving.display_titles import DisplayTitles
from sweeper.serving.queries import MISSING
from sweeper.serving.recommendations import Answer, notices


def answer_table(answer: Answer, with_seen: bool, display: DisplayTitles | None = None) -> Table:
    """Recommendations, and beside them as many of the titles that the user has chosen last."""
    table = _table(f"For {answer.query.user!r}", display)
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


def remarks(answer: Answer, k: int) -> Iterator[tuple[str, str]]:
    """(topic, text) of what is to be known of an answer, and of what was asked."""
    yield from notices(answer, k)
    query = answer.query
    by_origin: dict[str, list[str]] = {}
    for name, origin in query.origins.items():
        value = "" if origin == MISSING else f" {_text(query.values[name])}"
        by_origin.setdefault(origin, []).append(f"{name}{value}")
    for origin, names in by_origin.items():
        yield "asked", f"{', '.join(names)} ({origin})"


def similar_table(
    title: str, found: Sequence[tuple[str, float]], display: DisplayTitles | None = None
) -> Table:
    """Titles with their cosines."""
    table = _table(f"Like {title!r}", display, value="cosine")
    for rank, (each, cosine) in enumerate(found, start=1):
        table.add_row(str(rank), *_cells(each, display), f"{cosine:.4f}")
    return table


def _table(title: str, display: DisplayTitles | None, value: str = "score") -> Table:
    table = Table(title=escape(title), title_justify="left", box=None, pad_edge=False)
    table.add_column("rank", justify="right")
    for header in ("title",) if display is None else (display.item_column, display.column):
        table.add_column(escape(header))
    table.add_column(value, justify="right")
    return table


def _cells(candidate: str, display: DisplayTitles | None) -> list[str]:
    """A candidate and, where there is one, its title."""
    texts = [candidate] if display is None else [candidate, display.by_candidate[candidate]]
    return [escape(text) for text in texts]


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.15g}" if value == value else "null"
    return ",".join(value) if isinstance(value, list) else repr(value)

"""Prints the profile of a data set as tables, and the suggestion to paste."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from sweeper.common.console import print_status
from sweeper.inspect.columns import ColumnProfile
from sweeper.inspect.held_out import SplitProfiles
from sweeper.inspect.profile import DataProfile, Spread
from sweeper.inspect.suggestion import Suggestion
from sweeper.two_tower.data.column_names import NAMELESS

HISTORY_NOTE = (
    "no history: the user has no earlier row that is known when a test row is asked about; known "
    "are training rows under the random split, and all earlier rows under a split by time"
)
SECOND_NOTE = (
    "same second: the user has an earlier row of the same second, so that only the order of the "
    "data says which came first"
)
DRAW_NOTE = (
    "NumPy has drawn these test rows; a trial under data.split=random has others, which differ by "
    "chance alone"
)
BARS = " ▁▂▃▄▅▆▇█"
SKETCH_WIDTH = 60


def print_profile(console: Console, profile: DataProfile, of_items: np.ndarray) -> None:
    """Prints the whole profile.

    Args:
      of_items: the number of rows of each item, [items].
    """
    print_status(console, "data", profile.source)
    for table in tables_of(profile, of_items):
        console.print()
        console.print(table)
    for topic, text in _notes(profile.splits):
        print_status(console, topic, text)
    if profile.ties:
        console.print()
    for text in profile.ties:
        print_status(console, "ties", text)


def tables_of(profile: DataProfile, of_items: np.ndarray) -> Iterator[RenderableType]:
    yield _pairs("Interactions", _size_rows(profile))
    yield _pairs("Popularity", _popularity_rows(profile, of_items))
    yield _split_table(profile)
    yield _column_table(profile.columns)
    if profile.splits.known:
        yield _held_out_table(profile.splits)


def print_suggestion(console: Console, suggestion: Suggestion, command: str) -> None:
    """Prints the YAML to paste, with unbroken lines, and the command that uses it."""
    console.print()
    console.print("[bold]Suggested features[/bold]")
    console.print(suggestion.features.rstrip(), markup=False, soft_wrap=True)
    console.print()
    print_status(console, "task", f"{suggestion.task} ({suggestion.why})")
    print_status(console, "metric", f"{suggestion.metric} ({suggestion.why_metric})")
    print_status(console, "command", command)


def _size_rows(profile: DataProfile) -> Iterator[tuple[str, str]]:
    yield "rows read", f"{profile.rows_read:,}"
    for reason, number in profile.dropped.items():
        yield "  dropped", f"{number:,}  {reason}"
    yield "rows used", f"{profile.rows:,}"
    repeated = profile.rows - profile.distinct_pairs
    yield "  of a pair seen before", f"{repeated:,}"
    yield "users", _some_of(profile.users_interacted, profile.users)
    yield "items", _some_of(profile.items_interacted, profile.items)
    yield "density", f"{100 * profile.density:.3g} % of all pairs of a user and an item"
    yield "rows a user", _spread(profile.of_users)
    yield "rows an item", _spread(profile.of_items)
    if profile.first is None or profile.last is None:
        yield "time", "none: the split can only be random"
    else:
        yield "time", f"{day(profile.first)} to {day(profile.last)}"


def _popularity_rows(profile: DataProfile, of_items: np.ndarray) -> Iterator[tuple[str, str]]:
    popularity = profile.popularity
    yield "Gini coefficient", f"{popularity.gini:.3f} (0: all items alike, 1: one has all)"
    yield "top 1 % of items", f"{100 * popularity.top_1_percent:.1f} % of rows"
    yield "top 10 % of items", f"{100 * popularity.top_10_percent:.1f} % of rows"
    yield "rows by rank", f"{sketch(of_items)} (both logarithmic)"


def sketch(counts: np.ndarray) -> str:
    """Draws the counts by rank as a line of bars; ranks and heights are logarithmic."""
    descending = np.sort(counts)[::-1]
    ranks = np.geomspace(1, len(descending), SKETCH_WIDTH)
    heights = np.log1p(descending[ranks.astype(np.int64) - 1])
    levels = np.ceil(heights / heights[0] * (len(BARS) - 1)).astype(int)
    return "".join(BARS[level] for level in levels)


def _split_table(profile: DataProfile) -> Table:
    table = _table("Warm and cold: rows whose user or item no training row has")
    for name in ("part", "rows", "cold user", "cold item", "both"):
        table.add_column(name, justify="left" if name == "part" else "right")
    for name, part in profile.parts.items():
        cold = [part.cold_user, part.cold_item, part.cold_both]
        cells = ["–"] * 3 if name == "train" else [_share(each, part.rows) for each in cold]
        table.add_row(name, f"{part.rows:,}", *cells)
    if profile.unused:
        table.add_row("in no part", f"{profile.unused:,}")
    return table


def _held_out_table(splits: SplitProfiles) -> Table:
    table = _table("Test rows under each split: what a model can know of them")
    names = ("split", "rows", "cold user", "cold item", "no history", "same second")
    for name in (*names, "median history"):
        table.add_column(name, justify="left" if name == "split" else "right")
    for name, profile in splits.known.items():
        counts = (profile.cold_user, profile.cold_item, profile.no_history, profile.same_second)
        cells = ["–" if each is None else _share(each, profile.rows) for each in counts]
        median = "–" if profile.median_history is None else f"{profile.median_history:,g} rows"
        table.add_row(name, f"{profile.rows:,}", *cells, median)
    for name in splits.impossible:
        table.add_row(name, *["–"] * 6)
    return table


def _notes(splits: SplitProfiles) -> Iterator[tuple[str, str]]:
    """Yields notes on the table of the splits."""
    if any(profile.no_history is not None for profile in splits.known.values()):
        yield "column", HISTORY_NOTE
        yield "column", SECOND_NOTE
    if any(not profile.is_trials for profile in splits.known.values()):
        yield "random", DRAW_NOTE
    for name, reason in splits.impossible.items():
        yield "split", f"{name}: {reason}"


def _column_table(columns: Sequence[ColumnProfile]) -> Table:
    table = _table("Columns")
    for name in ("column", "of", "holds", "distinct", "missing", "from", "to", "used as"):
        is_number = name in ("distinct", "missing", "from", "to")
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for column in columns:
        ends = [_end(value, is_time=column.role == "time") for value in (column.low, column.high)]
        table.add_row(
            escape(column.name or NAMELESS),
            "rows" if column.tower == "query" else "items",
            column.holds,
            f"{column.distinct:,}",
            f"{column.missing:,}",
            *ends,
            column.role,
        )
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=None, pad_edge=False)


def _pairs(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    table = _table(title)
    table.add_column("", no_wrap=True)
    table.add_column("", overflow="fold")
    table.show_header = False
    for name, value in rows:
        table.add_row(name, escape(value))
    return table


def _some_of(number: int, total: int) -> str:
    return f"{total:,}" if number == total else f"{total:,}, of which {number:,} have rows"


def _spread(spread: Spread) -> str:
    return (
        f"{spread.minimum:,} to {spread.maximum:,}, median {spread.median:,g}, "
        f"mean {spread.mean:,.1f}"
    )


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({100 * part / whole:.1f} %)" if whole else "–"


def _end(value: float | None, is_time: bool) -> str:
    if value is None:
        return ""
    return day(int(value)) if is_time else f"{value:,.6g}"


def day(seconds: int) -> str:
    """Returns the day (UTC) of a time in seconds since 1970."""
    return str(np.datetime64(seconds, "s").astype("datetime64[D]"))

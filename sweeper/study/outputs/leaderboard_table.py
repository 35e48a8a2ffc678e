"""Renders the top of a study's leaderboard as a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from sweeper.study.app import App
from sweeper.study.config import ObjectiveConfig
from sweeper.study.outputs.leaderboard import (
    LEADERBOARD,
    Row,
    no_better_text,
    parameter_names,
    unbeaten_baseline,
)
from sweeper.study.outputs.number_formats import (
    number_text,
    parameter_text,
    short_names,
    values_text,
)
from sweeper.study.outputs.ties import ties_text

NO_BETTER = "▾"


def leaderboard_table(
    rows: Sequence[Row], objectives: Sequence[ObjectiveConfig], app: App, limit: int = 10
) -> RenderableType:
    """Renders the first rows, as wide as the terminal allows, with the baselines below.

    Args:
      rows: all rows of `sweeper.study.outputs.leaderboard.leaderboard_rows`, in their order.
      objectives: the study's objectives.
      app: names baselines and adds notes.
      limit: how many rows are shown.
    """
    return _Top(rows, objectives, app, limit)


@dataclass
class _Top:
    rows: Sequence[Row]
    objectives: Sequence[ObjectiveConfig]
    app: App
    limit: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self.rows:
            yield Text("No trial yet.")
            return
        names = varying_parameters(self.rows)
        short = short_names(parameter_names(self.rows))
        tall = {name: text.replace("_", "_\n").replace(".", ".\n") for name, text in short.items()}
        # Rich would squeeze columns to a letter: try taller headers first, then fewer columns.
        layouts = [(len(names), short), *((count, tall) for count in range(len(names), -1, -1))]
        endless = options.update(width=10_000)
        for shown, headers in layouts:
            table = self._table(names[:shown], headers)
            if console.measure(table, options=endless).maximum <= options.max_width:
                break
        yield table
        for line in self._lines([short[name] for name in names[shown:]]):
            yield Text(line)

    def _table(self, names: Sequence[str], headers: dict[str, str]) -> Table:
        table = Table(title="Leaderboard", title_justify="left", box=None, pad_edge=False)
        table.add_column("rank", justify="right")
        table.add_column("trial", justify="right")
        for objective in self.objectives:
            table.add_column(objective.metric, justify="right", no_wrap=True)
        # The metrics are those of this epoch's weights; each split has its own best epoch.
        has_best = any("best_epoch" in row.result for row in self.rows)
        if has_best:
            table.add_column("best epoch", justify="right", no_wrap=True)
        for name in names:
            table.add_column(Text(headers[name]), justify="right", overflow="fold")
        # The epochs trained; a search of `train.epochs` already has a column of that name.
        has_epochs_column = "epochs" in headers.values()
        table.add_column("trained" if has_epochs_column else "epochs", justify="right")
        table.add_column("seconds", justify="right")
        for row in self.rows[: self.limit]:
            values = values_text(row.values, row.result, self.objectives)
            values += [""] * (len(self.objectives) - len(values))
            epochs = row.result.get("epochs")
            table.add_row(
                row.state if row.rank is None else str(row.rank),
                self._number(row),
                *values,
                *([_best_epoch(row)] if has_best else []),
                *(Text(parameter_text(row.params[n]) if n in row.params else "") for n in names),
                "" if epochs is None else str(epochs),
                "" if row.seconds is None else f"{row.seconds:,.1f}",
                style="bold" if row.rank == 1 else None,
            )
        return table

    def _number(self, row: Row) -> str:
        is_marked = unbeaten_baseline(row, self.objectives) is not None
        return f"{NO_BETTER} {row.number}" if is_marked else str(row.number)

    def _lines(self, left_out: Sequence[str]) -> Iterator[str]:
        """Yields the lines below the table: baselines, notes, and what the table leaves out."""
        scored = next((row for row in self.rows if row.result.get("baselines")), None)
        for name, metrics in (scored.result["baselines"] if scored else {}).items():
            values = [
                f"{objective.metric} {number_text(metrics[objective.metric])}"
                for objective in self.objectives
                if objective.metric in metrics
            ]
            if values:
                yield f"{self.app.baseline_label(name)}: {', '.join(values)}"
        yield from self.app.leaderboard_notes((row.result for row in self.rows), self.objectives)
        complete = [row.values for row in self.rows if row.state == "complete"]
        if text := ties_text(complete, self.objectives, self.app.finer_metric):
            yield f"{text}."
        shown = self.rows[: self.limit]
        unbeaten = [best for row in shown if (best := unbeaten_baseline(row, self.objectives))]
        if unbeaten:
            yield f"{NO_BETTER} {no_better_text(unbeaten, self.app.baseline_label)}"
        if left_out:
            yield f"Columns hidden: {', '.join(left_out)}; see {LEADERBOARD}"
        more = len(self.rows) - self.limit
        if more > 0:
            yield f"… and {more:,} more in {LEADERBOARD}"


def _best_epoch(row: Row) -> str:
    """Returns the best epoch, or the lowest and highest one of several splits."""
    found = [seed.get("best_epoch") for seed in row.result.get("seeds") or []]
    epochs = [epoch for epoch in (row.result.get("best_epoch"), *found) if epoch is not None]
    if not epochs:
        return ""
    low, high = min(epochs), max(epochs)
    return str(low) if low == high else f"{low} to {high}"


def varying_parameters(rows: Sequence[Row]) -> list[str]:
    """Returns the parameters that differ between trials; all parameters if there is one trial."""
    names = parameter_names(rows)
    if len(rows) == 1:
        return names
    seen = {
        name: {parameter_text(row.params[name]) if name in row.params else None for row in rows}
        for name in names
    }
    return [name for name in names if len(seen[name]) > 1]

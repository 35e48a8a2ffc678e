"""Which rows the best is right about: those of popular, rare and cold candidates, of busy users."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import pyarrow

from sweeper.report.rendering.page import Block, Figure, Section, Table, Text
from sweeper.report.rendering.palette import plot, series
from sweeper.report.sections.cold_start import cold_start_block, repetition_block
from sweeper.report.sections.parts_in_time import lines_shown, parts_in_time
from sweeper.results.confirmation_text import OWN_ROWS, configuration_label
from sweeper.results.formatting import metric_label, number
from sweeper.results.scored_rows import (
    MODEL,
    Decile,
    both_metrics,
    by_cold_start,
    by_parts,
    by_repetition,
    by_training_rows,
    hits,
)
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import baselines_of
from sweeper.two_tower.config import baseline_name
from sweeper.two_tower.evaluation.metrics import SHOWN
from sweeper.two_tower.trial.result_tables import seen_by

BREAKDOWNS = {
    "item": (
        "By popularity",
        "training rows of the row's true candidate",
        "Tenths of {rows}, those of the rarest candidates first. A list of the most popular "
        "is right about popular candidates alone.",
    ),
    "user": (
        "By user activity",
        "training rows of the row's user",
        "Tenths of {rows}, those of the least active users first.",
    ),
}


@dataclass(frozen=True)
class ScoredRows:
    """Rows that models and baselines were scored on.

    Attributes:
      text: which rows they are.
      first: whom the section is about, the first of `hits`.
      ranks: the rows, see `sweeper.two_tower.evaluation.rows.row_table`.
      hits: gives by name how well each row was answered by a metric, [rows].
      seen: what seen-filtered metrics leave out.
      is_split_at_random: whether the split ignores the rows' times.
    """

    text: str
    first: str
    ranks: pyarrow.Table
    hits: Callable[[str], dict[str, np.ndarray]]
    seen: str
    is_split_at_random: bool


def segments_section(results: StudyResults) -> Section | None:
    """On the test rows of a confirmation, else on the rows of the best trial; None without any."""
    rows = _confirmed_rows(results) or _best_trial_rows(results)
    if rows is None:
        return None
    blocks = list(_blocks(rows, results.confirmed_metric))
    confirmation = results.confirmation
    # Any list of this length shows all of a smaller catalogue.
    is_large = results.record is None or results.record.data.get("candidates", np.inf) > SHOWN
    if confirmation and confirmation.own_rows and is_large and (found := confirmation.coverage()):
        shares = [[configuration_label(name), f"{100 * s:.1f} %"] for name, s in found.items()]
        title = f"The share of the catalogue that is in at least one row's top {SHOWN}"
        blocks.append(Table(["configuration", "catalogue coverage"], shares, title))
    return Section("segments", "Where it is right", blocks)


def _confirmed_rows(results: StudyResults) -> ScoredRows | None:
    confirmation = results.confirmation
    ranks = confirmation.own_ranks() if confirmation else None
    if confirmation is None or ranks is None:
        return None
    # Only the best, the reference and the baselines: more lines would hide each other.
    references = [name for name in confirmation.names if not name.startswith("trial_")]
    shown = [confirmation.winner, *references, *confirmation.baselines]

    def hits_of(metric: str) -> dict[str, np.ndarray]:
        found = confirmation.mean_hits(metric)
        return {configuration_label(name): found[name] for name in shown}

    return ScoredRows(
        OWN_ROWS,
        configuration_label(confirmation.winner),
        ranks,
        hits_of,
        confirmation.seen,
        confirmation.is_split_at_random,
    )


def _best_trial_rows(results: StudyResults) -> ScoredRows | None:
    best = results.best
    ranks = results.ranks.get(best.number) if best else None
    if best is None or ranks is None:
        return None
    name = "the run" if results.study is None else f"trial {best.number}"
    scorers = {name: (ranks, MODEL)}
    for baseline in baselines_of(best, results.confirmed_metric):
        table, scorer = results.ranks.get(baseline), MODEL
        if table is None:
            table, scorer = ranks, baseline
        if f"{scorer}_rank" in table.column_names:
            scorers[baseline_name(baseline)] = table, scorer
    config = results.records[best.number].config
    return ScoredRows(
        f"the {results.evaluation_split} rows",
        name,
        ranks,
        lambda metric: {
            name: hits(table, metric, scorer) for name, (table, scorer) in scorers.items()
        },
        seen_by(config),
        config["data"]["split"] == "random",
    )


def _blocks(rows: ScoredRows, metric: str) -> Iterator[Block]:
    found = rows.hits(metric)
    by_both = {each: found if each == metric else rows.hits(each) for each in both_metrics(metric)}
    deciles = {of: by_training_rows(rows.ranks, of, found) for of in BREAKDOWNS}
    yield Text(_lead(deciles["item"], metric, rows), "lead")
    for of, each in deciles.items():
        yield _breakdown(each, of, metric, rows.text)
    if not rows.is_split_at_random:
        yield from parts_in_time(
            lambda parts: by_parts(parts, rows.ranks, found), metric, rows.text
        )
    yield cold_start_block(
        {each: by_cold_start(rows.ranks, own) for each, own in by_both.items()}, rows.text
    )
    repetition = {each: by_repetition(rows.ranks, own) for each, own in by_both.items()}
    if block := repetition_block(repetition, rows.text, rows.seen):
        yield block


def _lead(deciles: Sequence[Decile], metric: str, rows: ScoredRows) -> str:
    rarest, commonest, name = deciles[0], deciles[-1], rows.first
    return (
        f"Of {rows.text}, on the rarest candidates ({rarest.low} to {rarest.high} training rows) "
        f"{name} has {number(rarest.accuracies[name])} {metric_label(metric)}, on the most popular "
        f"({commonest.low} to {commonest.high}) {number(commonest.accuracies[name])}."
    )


def _breakdown(groups: Sequence[Decile], of: str, metric: str, rows: str) -> Figure:
    title, axis, caption = BREAKDOWNS[of]
    names = list(groups[0].accuracies)
    labels = [
        f"{group.low}–{group.high}" if group.low < group.high else f"{group.low}"
        for group in groups
    ]
    traces = [
        go.Scatter(
            x=labels,
            y=[group.accuracies[name] for group in groups],
            mode="lines+markers",
            line={"color": series(index), "width": 2},
            name=name,
        )
        for index, name in enumerate(lines_shown(groups))
    ]
    figure = plot(*traces, x=axis, y=metric_label(metric))
    figure.update_xaxes(type="category")
    figure.update_yaxes(rangemode="tozero")
    numbers = Table(
        [axis, "rows", *names],
        [
            [label, f"{group.rows:,}", *(number(group.accuracies[name]) for name in names)]
            for label, group in zip(labels, groups, strict=True)
        ],
    )
    return Figure(f"by_{of}", title, caption.format(rows=rows), figure, numbers)

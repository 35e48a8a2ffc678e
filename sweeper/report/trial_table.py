"""Trials as a table: the leaderboard, the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

from sweeper.report.baselines import (
    POPULARITY,
    accuracy_index,
    is_no_better,
    usual_baselines,
)
from sweeper.report.page import Section, Table, Text
from sweeper.report.subject import Subject
from sweeper.report.words import count, metric_words, number
from sweeper.study.leaderboard import LEADERBOARD, Row, parameter_names
from sweeper.study.leaderboard_table import NO_BETTER, varying_parameters
from sweeper.study.reading import parameter_text, short_names, values_text

SHOWN = 20


def leaderboard_section(subject: Subject) -> Section | None:
    """The first trials; None of a single run."""
    if subject.study is None:
        return None
    table = trial_table(subject, subject.rows[:SHOWN])
    more = len(subject.rows) - SHOWN
    rest = [Text(f"… and {more:,} more in `{LEADERBOARD}`.", "note")] if more > 0 else []
    return Section("leaderboard", "Leaderboard", [table, *rest])


def trial_table(subject: Subject, rows: Sequence[Row], title: str = "") -> Table:
    """These trials with their values, the parameters in which any differ, and what they cost."""
    names = varying_parameters(subject.rows)
    short = short_names(parameter_names(subject.rows))
    several = len(subject.objectives) > 1
    states = {row.state for row in rows} != {"complete"}
    reasons = any(row.reason and row.state != "pruned" for row in rows)
    columns = [
        "front" if several else "rank",
        "trial",
        *(["state"] if states else []),
        *(metric_words(objective.metric) for objective in subject.objectives),
        *(short[name] for name in names),
        "trained" if "epochs" in map(short.get, names) else "epochs",
        "seconds",
        *(["reason"] if reasons else []),
    ]
    cells = [
        [
            "–" if row.rank is None else str(row.rank),
            str(row.number),
            *([row.state] if states else []),
            *_values(subject, row),
            *(parameter_text(row.params[name]) if name in row.params else "–" for name in names),
            _whole(row.result.get("epochs")),
            "–" if row.seconds is None else f"{row.seconds:,.1f}",
            *([(row.reason or "").splitlines()[0] if row.reason else ""] if reasons else []),
        ]
        for row in rows
    ]
    best = frozenset(index for index, row in enumerate(rows) if row.rank == 1)
    return Table(
        columns, cells, title, frozenset() if len(best) == len(rows) else best, _note(subject, rows)
    )


def _values(subject: Subject, row: Row) -> list[str]:
    texts = values_text(row.values, row.result, subject.objectives)
    texts += ["–"] * (len(subject.objectives) - len(texts))
    index = accuracy_index(subject)
    if index is not None and is_no_better(subject, row):
        texts[index] += f" {NO_BETTER}"
    return texts


def _whole(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _note(subject: Subject, rows: Sequence[Row]) -> str:
    notes = []
    weak = sum(is_no_better(subject, row) for row in rows)
    index = accuracy_index(subject)
    if index is not None and weak:
        metric = subject.objectives[index].metric
        popular = usual_baselines(subject, metric).get(POPULARITY)
        notes.append(
            f"{NO_BETTER} no better than popularity"
            f"{f' ({number(popular)})' if popular is not None else ''}: {count(weak, 'trial')}."
        )
    if any(row.result.get("deviations") for row in rows):
        notes.append("± is the standard deviation over the split seeds.")
    if any(row.state == "pruned" for row in rows):
        notes.append("A pruned trial has the value that it told last.")
    return " ".join(notes)

"""What a study asked, or what several are compared by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sweeper.report.comparison import StudyComparison
from sweeper.report.rendering.page import Block, Section, Table, Text
from sweeper.results.formatting import (
    METRICS,
    count,
    duration,
    join_names,
    metric_label,
    value_text,
)
from sweeper.results.study_results import StudyResults
from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig
from sweeper.study.outputs.leaderboard import parameter_names
from sweeper.study.outputs.trial_states import STATES


def question_section(comparison: StudyComparison) -> Section:
    study = comparison.single
    blocks = _question_of_several(comparison) if study is None else _question(study)
    return Section("question", "The question", list(blocks))


def _question_of_several(comparison: StudyComparison) -> Iterator[Block]:
    end = "highest" if comparison.is_maximized else "lowest"
    yield Text(f"Which of these has the {end} {metric_label(comparison.metric)}?", "lead")
    rows = [
        [
            entry.label,
            "study" if entry.results.study else "run",
            str(entry.results.directory),
            join_names(parameter_names(entry.results.rows) or ["nothing"]),
            states_text(entry.results),
            "–" if (seconds := entry.results.wall_seconds) is None else duration(seconds),
        ]
        for entry in comparison.entries
    ]
    columns = ["name", "kind", "directory", "varied", "trials", "wall time"]
    yield Table(columns, rows, "Compared")


def _question(results: StudyResults) -> Iterator[Block]:
    yield Text(question_text(results), "lead")
    if results.study is None:
        yield Text("This is a single run: one configuration, and nothing was searched.")
        return
    names = parameter_names(results.rows)
    yield Text(
        f"The study `{results.name}` {'varied' if names else 'tried'} "
        f"{count(len(names), 'parameter') + ' in ' if names else ''}"
        f"{count(len(results.rows), 'trial')}: {states_text(results)}."
    )
    space: dict[str, Any] = results.study.user_attrs.get(attributes.SPACE) or {}
    rows = [row for name, domain in space.items() for row in _space_rows(name, domain)]
    if rows:
        # Without conditions there is no column for them.
        width = 3 if any(row[2] for row in rows) else 2
        columns = ["parameter", "values", "only with"][:width]
        yield Table(columns, [row[:width] for row in rows], "What was searched")


def question_text(results: StudyResults) -> str:
    if results.study is not None and attributes.CONFIGS in results.study.user_attrs:
        return (
            f"How good are the chosen configurations on {results.evaluation_split} rows, with "
            "seeds that chose nothing?"
        )
    of_rows = f" on {results.evaluation_split} rows" if results.record else ""
    first, *others = results.objectives
    if others:
        parts = [_wish(objective) for objective in results.objectives]
        return f"Which configurations are the best compromise between {join_names(parts)}{of_rows}?"
    if results.study is None:
        return f"How good is this configuration, by {metric_label(first.metric)}{of_rows}?"
    end = "highest" if results.is_maximized else "lowest"
    return f"Which configuration has the {end} {metric_label(first.metric)}{of_rows}?"


def _wish(objective: ObjectiveConfig) -> str:
    is_counted = objective.metric in METRICS
    much, little = ("many", "few") if is_counted else ("high", "low")
    wanted = much if objective.direction == "maximize" else little
    return f"{wanted} {metric_label(objective.metric)}"


def states_text(results: StudyResults) -> str:
    """ "13 complete, 87 pruned"."""
    counts = Counter(row.state for row in results.rows)
    return ", ".join(f"{counts[state]:,} {state}" for state in STATES if counts[state])


def _space_rows(name: str, domain: dict[str, Any]) -> Iterator[list[str]]:
    """A parameter of the space: its name, its values, and on what it depends."""
    conditions = domain.get("when") or {}
    when = "; ".join(
        f"{parent} {', '.join(map(value_text, allowed))}" for parent, allowed in conditions.items()
    )
    shown = name if domain.get("sets") in (None, name) else f"{name} ({domain['sets']})"
    if "towers" not in domain:
        yield [shown, _values_text(domain), when]
        return
    towers = domain["towers"]
    for part in ("depth", "width"):
        yield [f"{shown}: {part}", _values_text(towers[part]), when]
    yield [f"{shown}: shape", ", ".join(towers["shape"]), when]


def _values_text(domain: dict[str, Any]) -> str:
    if "choices" in domain:
        return ", ".join(map(value_text, domain["choices"]))
    text = f"{value_text(domain['low'])} to {value_text(domain['high'])}"
    if domain.get("step") is not None:
        return f"{text} in steps of {value_text(domain['step'])}"
    return f"{text}, logarithmic" if domain.get("log") else text

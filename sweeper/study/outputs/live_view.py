"""Renders the progress of a study, as lines of text and as the live view of a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from optuna.trial import FrozenTrial
from rich.console import ConsoleDimensions, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweeper.study import attributes
from sweeper.study.outputs.number_formats import clock, number_text, parameters_text, values_text
from sweeper.study.outputs.progress import StudyProgress
from sweeper.study.outputs.trial_states import (
    best_report,
    last_report,
    result_of,
    state_of,
    values_of,
)


def done_text(progress: StudyProgress, done: int) -> str:
    return f"{done:,} done" if progress.total is None else f"{done:,} of {progress.total:,}"


def left_text(progress: StudyProgress, now: float) -> str:
    left = progress.seconds_left(now)
    return "time left -" if left is None else f"{clock(left)} left"


def counts_text(progress: StudyProgress) -> str:
    """Formats counts as in "4 running, 15 complete, 7 pruned, 1 failed of 60"."""
    counts = {"running": len(progress.running), **progress.counts}
    texts = [
        f"{counts.get(state, 0):,} {state}"
        for state in ("running", "complete", "pruned", "failed", "infeasible", "interrupted")
        if counts.get(state) or state in ("complete", "pruned", "failed")
    ]
    return ", ".join(texts) + ("" if progress.total is None else f" of {progress.total:,}")


def trial_text(progress: StudyProgress, trial: FrozenTrial) -> str:
    """Describes a trial that has ended in one line."""
    state, parts = state_of(trial), []
    values = values_text(values_of(trial), result_of(trial), progress.objectives)
    if values and state not in ("failed", "interrupted"):
        objectives = [f"{o.metric} {v}" for o, v in zip(progress.objectives, values, strict=False)]
        best = len(progress.objectives) == 1 and progress.best[0] is trial
        parts.append(", ".join(objectives) + (", best so far" if best else ""))
    if state not in ("complete", "pruned"):
        parts.append(str(trial.user_attrs.get(attributes.REASON) or ""))
    parts.append(parameters_text(trial.params, progress.short))
    text = "  ".join(part for part in parts if part)
    return f"trial {trial.number} {state}" + (f": {text}" if text else "")


def render(
    progress: StudyProgress,
    size: ConsoleDimensions,
    times: str,
    step: str,
    now: float,
    problems: Sequence[str],
    title: str = "",
    shows_best: bool = False,
) -> RenderableType:
    """Renders the live view for a terminal of this size.

    Args:
      progress: the progress of the study.
      size: the size of the terminal.
      times: the text about the time used and left.
      step: the unit of a trial's reports: "epoch" or "seed".
      now: the time, on the clock of `progress`.
      problems: one line for each current error.
      title: the name of what runs, if it is not the study itself.
      shows_best: whether to show each trial's best value beside its last one.
    """
    top = Table.grid(padding=(0, 2), expand=True)
    top.add_column(ratio=1)
    top.add_column(no_wrap=True)
    bar = ProgressBar(total=progress.total, completed=progress.finished) if progress.total else ""
    top.add_row(bar, f"{done_text(progress, progress.finished)}  {times}")
    lines = [*filter(None, [title]), counts_text(progress), *problems, *_best_texts(progress)]
    height = sum(math.ceil(len(line) / size.width) for line in lines)
    # Lines that remain below the bar, an empty line, the table's header and the cursor's line.
    room = max(size.height - height - 4, 2)
    running = _running_table(progress, room, step, now, shows_best)
    return Group(top, *map(Text, lines), *(["", running] if progress.running else []))


def _best_texts(progress: StudyProgress) -> Iterator[str]:
    """Yields a line with all parameters of the best trial for each objective."""
    if len(progress.objectives) > 1 and progress.front:
        number = len(progress.front)
        yield f"Pareto set: {number:,} trial{'s' if number > 1 else ''}"
    for index, (objective, trial) in enumerate(
        zip(progress.objectives, progress.best, strict=True)
    ):
        if trial is not None:
            value = values_text(trial.values, result_of(trial), progress.objectives)[index]
            parameters = parameters_text(trial.params, progress.short)
            text = f"best {objective.metric} {value}, trial {trial.number}"
            yield f"{text}: {parameters}" if parameters else text


def _running_table(
    progress: StudyProgress, room: int, step: str, now: float, shows_best: bool
) -> RenderableType:
    """Renders the running trials on at most `room` lines."""
    table = Table(box=None, pad_edge=False, expand=True)
    table.add_column("trial", justify="right")
    table.add_column(step, justify="right")
    table.add_column(progress.objectives[0].metric, justify="right", no_wrap=True)
    if shows_best:
        table.add_column("best", justify="right", no_wrap=True)
    table.add_column("time", justify="right")
    table.add_column("parameters", ratio=1, no_wrap=True, overflow="ellipsis")
    shown = len(progress.running) if len(progress.running) <= room else room - 1
    for trial in progress.running[:shown]:
        report, direction = last_report(trial), progress.objectives[0].direction
        values = [report[1] if report else None]
        if shows_best:
            values.append(best_report(trial, direction))
        table.add_row(
            str(trial.number),
            _step_text(trial, step),
            *("-" if value is None else number_text(value) for value in values),
            clock(now - progress.began[trial.number]),
            Text(parameters_text(trial.params, progress.short)),
        )
    more = len(progress.running) - shown
    return Group(table, f"… and {more:,} more running") if more else table


def _step_text(trial: FrozenTrial, step: str) -> str:
    """Formats how far a trial is, as in "8 of 40"; seeds count from 0, and are shown from 1."""
    report, steps = last_report(trial), trial.user_attrs.get(attributes.STEPS)
    done = "-" if report is None else str(report[0] + (step == "seed"))
    return done if steps is None else f"{done} of {steps}"

"""Where the time went: the stages of the trials, and which trials ran side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import plotly.graph_objects as go

from sweeper.report.rendering.page import Block, Figure, Section, Table, Text
from sweeper.report.rendering.palette import colour, plot, series
from sweeper.report.sections.optimization import STATE_COLOURS, trial_texts
from sweeper.results.formatting import count, duration, join_names, share
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.reading import clock
from sweeper.two_tower.record import TrialRecord

STAGES = {
    "load_data": "loading the data",
    "import_tensorflow": "importing TensorFlow",
    "set_up": "setting up",
    "baselines": "baselines",
    "first_epoch": "first epoch, with compiling",
    "train": "other epochs",
    "evaluate": "evaluations",
    "score_test": "scoring the test rows",
    "measure_latency": "timing queries",
    "save_ranks": "keeping ranks",
    "rest": "the rest",
}
# A pause in which nothing ran is drawn as no longer than this share of all the work.
LONGEST_PAUSE = 0.02
# Of more bars than this, the lines between them would cover them.
MANY = 300


@dataclass(frozen=True)
class Span:
    """When a trial ran, in seconds from the first one's start, pauses left out."""

    trial: int
    start: float
    end: float


def times_section(results: StudyResults) -> Section | None:
    """None where no time is known."""
    blocks: list[Block] = []
    stages = stage_seconds(list(results.records.values()))
    if stages:
        blocks.append(stages_figure(stages, len(results.records)))
    if results.study is not None:
        spans, pauses = spans_of(results)
        if len(spans) > 1:
            blocks += _side_by_side(results, spans, pauses)
    return Section("times", "Where the time went", blocks) if blocks else None


def stage_seconds(records: Sequence[TrialRecord]) -> dict[str, float]:
    """The seconds of each stage over all records, in the order in which they come."""
    sums: dict[str, float] = {}
    for record in records:
        own = dict(record.seconds)
        total = own.pop("total", 0.0)
        first = own.get("first_epoch", 0.0)
        own["rest"] = max(total - (sum(own.values()) - first), 0.0)
        # The first epoch is a part of the training.
        own["train"] = max(own.get("train", 0.0) - first, 0.0)
        for stage, seconds in own.items():
            sums[stage] = sums.get(stage, 0.0) + seconds
    known = [*STAGES, *(stage for stage in sums if stage not in STAGES)]
    return {stage: sums[stage] for stage in known if sums.get(stage, 0.0) > 0}


def stages_figure(stages: dict[str, float], trials: int) -> Figure:
    """A bar for each stage, of so many trials together."""
    total = sum(stages.values())
    names = [STAGES.get(stage, stage) for stage in stages]
    bars = go.Bar(
        x=list(stages.values()),
        y=names,
        text=[f"{_short(seconds)}, {share(seconds, total)}" for seconds in stages.values()],
        textposition="outside",
        cliponaxis=False,
        orientation="h",
        marker={"color": series(0)},
        hovertemplate="%{y}: %{x:,.1f} s<extra></extra>",
    )
    figure = plot(bars, xaxis_visible=False, margin={"r": 16, "b": 12})
    figure.update_xaxes(range=[0, 1.9 * max(stages.values())])
    figure.update_yaxes(autorange="reversed", ticksuffix="  ", showgrid=False)
    return Figure(
        "stages",
        "The stages of all trials" if trials > 1 else "The stages",
        f"Summed over {count(trials, 'trial')}, {duration(total)} of work; where several ran at "
        "once, that is more than the time on the clock."
        if trials > 1
        else f"{duration(total)} in all.",
        figure,
        Table(
            ["stage", "time", "share"],
            [
                [name, duration(seconds), share(seconds, total)]
                for name, seconds in zip(names, stages.values(), strict=True)
            ],
            "Stages",
        ),
        height=40 + 30 * len(stages),
    )


def _short(seconds: float) -> str:
    return clock(seconds) if seconds >= 60 else duration(seconds)


def spans_of(results: StudyResults) -> tuple[list[Span], list[float]]:
    """When each trial that has ended ran, by start; and where a pause was left out."""
    times: list[tuple[datetime, datetime, int]] = sorted(
        # Not before its start, though the clock may have been set back under it.
        (trial.datetime_start, max(trial.datetime_start, trial.datetime_complete), trial.number)
        for trial in results.trials
        if trial.datetime_start is not None and trial.datetime_complete is not None
    )
    work = sum((end - start).total_seconds() for start, end, _ in times)
    spans: list[Span] = []
    pauses: list[float] = []
    left_out = 0.0
    last = 0.0
    for start, end, number in times:
        begin = (start - times[0][0]).total_seconds() - left_out
        if begin - last > max(LONGEST_PAUSE * work, 1.0):
            left_out += begin - last
            begin = last
            pauses.append(last)
        span = Span(number, begin, begin + (end - start).total_seconds())
        spans.append(span)
        last = max(last, span.end)
    return spans, pauses


def lanes_of(spans: Sequence[Span]) -> list[int]:
    """A lane for each span, so that none overlaps another in its lane: as workers take them."""
    free: list[float] = []
    lanes = []
    for span in spans:
        lane = next((index for index, end in enumerate(free) if end <= span.start), len(free))
        if lane == len(free):
            free.append(0.0)
        free[lane] = span.end
        lanes.append(lane)
    return lanes


def _side_by_side(
    results: StudyResults, spans: Sequence[Span], pauses: Sequence[float]
) -> list[Block]:
    lanes = lanes_of(spans)
    workers, clock = max(lanes) + 1, max(span.end for span in spans)
    busy = sum(span.end - span.start for span in spans)
    text = (
        f"At most {workers} at once, for {duration(clock)}: trials ran in "
        f"{share(busy, workers * clock)} of that time."
    )
    if spent := results.wall_seconds:
        parts = [f"{duration(each)} for the {name}" for name, each in results.wall_parts]
        of = f": {join_names(parts)}" if parts else ""
        text += f" The study took {duration(spent)} in all, the starts of its workers included{of}."
    return [Text(text), timeline(results, spans, lanes, pauses)]


def timeline(
    results: StudyResults, spans: Sequence[Span], lanes: Sequence[int], pauses: Sequence[float]
) -> Figure:
    """Each trial as a bar from its start to its end."""
    rows = {row.number: row for row in results.rows}
    states: dict[str, list[int]] = {}
    for index, span in enumerate(spans):
        states.setdefault(rows[span.trial].state, []).append(index)
    unit, seconds = _unit(max(span.end for span in spans))
    traces = [
        go.Bar(
            base=[spans[index].start / seconds for index in own],
            x=[(spans[index].end - spans[index].start) / seconds for index in own],
            y=[f"{lanes[index] + 1}" for index in own],
            customdata=[duration(spans[index].end - spans[index].start) for index in own],
            hovertext=trial_texts(results, [rows[spans[index].trial] for index in own]),
            name=state,
            orientation="h",
            marker={
                "color": STATE_COLOURS.get(state, colour("soft")),
                "line": {"color": colour("page"), "width": 1 if len(spans) < MANY else 0},
            },
            hovertemplate="%{hovertext}<br>took %{customdata}<extra></extra>",
        )
        for state, own in states.items()
    ]
    figure = plot(*traces, x=unit, barmode="overlay", bargap=0.25)
    figure.update_yaxes(type="category", categoryorder="category descending", showgrid=False)
    figure.update_yaxes(title_text="worker", ticksuffix=" ")
    for pause in pauses:
        figure.add_vline(
            x=pause / seconds, line={"color": colour("soft"), "width": 1.5, "dash": "dot"}
        )
    caption = "A bar is a trial. Which worker ran it isn't kept: it is drawn in the first free row."
    if pauses:
        caption += " Dotted lines: pauses in which nothing ran, left out."
    return Figure(
        "timeline",
        "Trials side by side",
        caption,
        figure,
        height=130 + 40 * (max(lanes) + 1),
    )


def _unit(longest: float) -> tuple[str, float]:
    if longest < 180:
        return "seconds", 1.0
    return ("minutes", 60.0) if longest < 3 * 3600 else ("hours", 3600.0)

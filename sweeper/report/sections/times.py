"""Where the time went: the stages of the trials, and which trials ran side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import plotly.graph_objects as go

from sweeper.report.comparison import StudyComparison
from sweeper.report.rendering.page import Block, Column, Figure, Section, Table, Text
from sweeper.report.rendering.palette import colour, plot, series
from sweeper.report.sections.history import STATE_COLOURS, trial_texts
from sweeper.results.formatting import count, duration, join_names, share
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.number_formats import clock
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
# Where several studies are compared, stages of less than this share are in the rest.
SHORT = 0.02
# A pause in which nothing ran is left out if it is longer than this share of all the work.
LONGEST_PAUSE = 0.02
# With more bars than this, the lines between the bars would cover them.
MANY = 300


@dataclass(frozen=True)
class Span:
    """When a trial ran, in seconds from the first one's start, pauses left out."""

    trial: int
    start: float
    end: float


def times_section(comparison: StudyComparison) -> Section | None:
    """The stages, and the trials side by side; None where no time is known."""
    blocks: list[Block] = []
    if figure := stages_figure(comparison):
        blocks.append(figure)
    study = comparison.single
    if study and study.study is not None:
        spans, pauses = spans_of(study)
        if len(spans) > 1:
            blocks += _side_by_side(study, spans, pauses)
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


def _long_stages(stages: dict[str, float]) -> dict[str, float]:
    """The stages, with the short ones added to the rest."""
    total = sum(stages.values())
    long = {name: s for name, s in stages.items() if name != "rest" and s > SHORT * total}
    rest = total - sum(long.values())
    return {**long, "rest": rest} if rest > 1e-9 * total else long


def stages_figure(comparison: StudyComparison) -> Figure | None:
    """A bar for each stage of a study's trials together, in the study's colour."""
    trials = {entry.label: list(entry.results.records.values()) for entry in comparison.entries}
    stages = {label: stage_seconds(records) for label, records in trials.items()}
    several = len(trials) > 1
    if several:
        stages = {label: _long_stages(seconds) for label, seconds in stages.items()}
    known = {stage for seconds in stages.values() for stage in seconds}
    if not known:
        return None
    names = sorted(known, key=[*STAGES, *sorted(known - STAGES.keys())].index)
    totals = {label: sum(seconds.values()) for label, seconds in stages.items()}
    bars = [
        go.Bar(
            x=list(seconds.values()),
            y=[STAGES.get(name, name) for name in seconds],
            text=[f"{_short(s)}, {share(s, totals[label])}" for s in seconds.values()],
            textposition="outside",
            cliponaxis=False,
            orientation="h",
            name=label,
            marker={"color": series(index)},
            hovertemplate="%{y}: %{x:,.1f} s<extra></extra>",
        )
        for index, (label, seconds) in enumerate(stages.items())
    ]
    labels = [STAGES.get(name, name) for name in names]
    longest = max(second for seconds in stages.values() for second in seconds.values())
    figure = plot(*bars, xaxis_visible=False, margin={"r": 16, "b": 12}, showlegend=several)
    figure.update_xaxes(range=[0, 1.9 * longest])
    figure.update_yaxes(
        autorange="reversed", ticksuffix="  ", showgrid=False,
        categoryorder="array", categoryarray=labels,
    )  # fmt: skip
    number = sum(map(len, trials.values()))
    if several:
        caption = "Summed over the trials of each; short stages are in the rest."
    elif number > 1:
        caption = (
            f"Summed over {count(number, 'trial')}, {duration(sum(totals.values()))} of work; "
            "where several ran at once, that is more than the time on the clock."
        )
    else:
        caption = f"{duration(sum(totals.values()))} in all."
    return Figure(
        "stages",
        "The stages of all trials" if number > 1 else "The stages",
        caption,
        figure,
        _stages_table(names, stages),
        height=40 + (12 + 18 * len(stages)) * len(names) + 30 * several,
    )


def _stages_table(names: Sequence[str], stages: dict[str, dict[str, float]]) -> Table:
    """The time of each stage, with its share for one study, with the sum for several."""
    columns: list[Column] = [("stage", [STAGES.get(name, name) for name in names])]
    for label, seconds in stages.items():
        columns.append((label, [duration(seconds.get(name, 0.0)) for name in names]))
    if len(stages) == 1:
        total = sum(seconds.values())
        columns[1] = ("time", columns[1][1])
        columns.append(("share", [share(seconds[name], total) for name in names]))
    else:
        totals = [duration(sum(seconds.values())) for seconds in stages.values()]
        columns = [
            (header, [*cells, total])
            for (header, cells), total in zip(columns, ["all", *totals], strict=True)
        ]
    return Table.of_columns(columns, "Stages")


def _short(seconds: float) -> str:
    return clock(seconds) if seconds >= 60 else duration(seconds)


def spans_of(results: StudyResults) -> tuple[list[Span], list[float]]:
    """When each ended trial ran, by start, and where a pause was left out."""
    times: list[tuple[datetime, datetime, int]] = sorted(
        # The clock may have been set back meanwhile: a trial never ends before its start.
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
    """The first free lane for each span, so that no two spans of a lane overlap."""
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

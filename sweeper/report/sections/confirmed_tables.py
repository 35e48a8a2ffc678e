"""The tables and the plot of a confirmation."""

from __future__ import annotations

import plotly.graph_objects as go

from sweeper.console import SEEN
from sweeper.report.analysis.baselines import usual_baselines
from sweeper.report.evidence.evidence import Evidence
from sweeper.report.evidence.statistics import Comparison
from sweeper.report.rendering.page import Figure, Table
from sweeper.report.rendering.palette import plot, series
from sweeper.report.rendering.words import baseline_words, metric_words, number, signed
from sweeper.report.sections.warmth import both_metrics
from sweeper.report.subject import Subject

KINDS = {False: "the study's own test rows", True: "fresh splits"}


def name_words(name: str) -> str:
    """ "trial 17 without timestamp", "EASE"."""
    return name.replace("_", " ") if name.startswith("trial_") else baseline_words(name)


def figures_table(subject: Subject, evidence: Evidence, metric: str) -> Table:
    columns = ["configuration"]
    cells: dict[str, list[str]] = {
        name: [name_words(name)] for name in [*evidence.names, *evidence.baselines]
    }
    for each in dict.fromkeys((metric, *both_metrics(metric))):
        if each == metric:
            columns.append(f"{_short(each)}, in the search")
            for name, row in cells.items():
                row.append(number(searched_figure(subject, evidence, name, each)))
        for fresh, rows in ((False, "own test rows"), (True, "fresh splits")):
            if not (evidence.fresh if fresh else evidence.own):
                continue
            columns.append(f"{_short(each)}, {rows}")
            for name, row in cells.items():
                row.append(_summary_text(evidence, name, each, fresh))
    columns.append("beside the best")
    compared = evidence.compared(metric, fresh=not evidence.own)
    for name, row in cells.items():
        row.append(compared[name].verdict if name in compared else "–")
    return Table(
        columns,
        list(cells.values()),
        title="Mean and standard deviation over seeds",
        strong=frozenset([0]),
        note="In the search: on validation rows, after training on fewer rows. Seen-filtered: "
        f"without {SEEN[evidence.seen]}.",
    )


def _short(metric: str) -> str:
    return metric_words(metric).removesuffix(" accuracy")


def searched_figure(subject: Subject, evidence: Evidence, name: str, metric: str) -> float | None:
    """A configuration's or a baseline's figure in the search, on validation rows."""
    if name in evidence.baselines or name == (subject.reference or {}).get("name"):
        return usual_baselines(subject, metric).get(name)
    start, _, number_of_trial = name.partition("_")
    if start != "trial":
        return None
    results = [row.result for row in subject.rows if str(row.number) == number_of_trial]
    return next(((result.get("metrics") or {}).get(metric) for result in results), None)


def _summary_text(evidence: Evidence, name: str, metric: str, fresh: bool) -> str:
    summary = evidence.summary(name, metric, fresh)
    if summary is None:
        return "–"
    if summary.deviation is None or (name in evidence.baselines and not fresh):
        return number(summary.mean)
    return f"{number(summary.mean)} ± {summary.deviation:.4f}"


def confirmed_figure(subject: Subject, evidence: Evidence, metric: str) -> Figure:
    """Each configuration's mean and interval, on own rows and on fresh splits; and the search's."""
    names = [*evidence.names, *evidence.baselines]
    searched = {
        name_words(name): searched_figure(subject, evidence, name, metric) for name in names
    }
    traces = [
        go.Scatter(
            x=[value for value in searched.values() if value is not None],
            y=[name for name, value in searched.items() if value is not None],
            orientation="h",
            mode="markers",
            marker={"size": 9, "color": series(2), "symbol": "x-thin-open", "line": {"width": 2}},
            name="in the search, validation rows",
        )
    ]
    for index, (fresh, words) in enumerate(KINDS.items()):
        found = [(name, evidence.summary(name, metric, fresh)) for name in names]
        known = [(name, summary) for name, summary in found if summary]
        if not known:
            continue
        margins = [
            0.0 if summary.high is None else summary.high - summary.mean for _, summary in known
        ]
        traces.append(
            go.Scatter(
                x=[summary.mean for _, summary in known],
                y=[name_words(name) for name, _ in known],
                error_x={"type": "data", "array": margins, "thickness": 1.5, "width": 4},
                orientation="h",
                mode="markers",
                marker={"size": 9, "color": series(index), "symbol": ["circle", "diamond"][index]},
                name=words,
            )
        )
    figure = plot(*traces, x=metric_words(metric), scattermode="group")
    figure.update_yaxes(
        autorange="reversed", categoryorder="array", categoryarray=list(map(name_words, names))
    )
    return Figure(
        "confirmed",
        "Promised and confirmed",
        "Means over seeds with 95 % intervals, beside what the search had; right is better.",
        figure,
        height=140 + 48 * len(names),
    )


def comparison_table(evidence: Evidence, metric: str, fresh: bool) -> Table | None:
    compared = evidence.compared(metric, fresh)
    if not compared:
        return None
    rows = [
        [
            name_words(name),
            signed(-each.difference),
            "–" if each.low is None or each.high is None
            else f"{signed(-each.high)} to {signed(-each.low)}",
            *([] if fresh else [_bootstrap_text(each)]),
            probability(each.p_value if each.adjusted_p_value is None else each.adjusted_p_value),
            probability(each.wilcoxon_p_value),
            f"{100 * (1 - each.probability):.1f} %",
        ]
        for name, each in compared.items()
    ]  # fmt: skip
    how = (
        "a paired t-test over splits, corrected for their overlap"
        if fresh
        else "users and training seeds both being samples"
    )
    return Table(
        [
            "configuration",
            "difference",
            "95 % interval",
            *([] if fresh else ["bootstrap over users"]),
            "p",
            "Wilcoxon's p",
            "is better",
        ],
        rows,
        title=f"Against {name_words(evidence.winner)}, on {KINDS[fresh]}",
        note=f"p: {how}; adjusted by Holm for several comparisons. "
        f"Wilcoxon's: over {'splits' if fresh else 'users'}. "
        "Is better: how probable it is that the configuration beats the best."
        f"{'' if fresh else ' The bootstrap: of these very models, had other users been asked.'}",
    )


def _bootstrap_text(comparison: Comparison) -> str:
    """B less A, as all differences here."""
    if comparison.bootstrap_interval is None:
        return "–"
    low, high = comparison.bootstrap_interval
    return f"{signed(-high)} to {signed(-low)}"


def probability(value: float) -> str:
    """A p-value as a table has it."""
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"

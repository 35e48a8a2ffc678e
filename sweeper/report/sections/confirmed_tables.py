"""The tables and the plot of a confirmation."""

from __future__ import annotations

import plotly.graph_objects as go

from sweeper.report.rendering.page import Figure, Table
from sweeper.report.rendering.palette import plot, series
from sweeper.report.sections.cold_start import both_metrics
from sweeper.results.analysis.baselines import usual_baselines
from sweeper.results.evidence.evidence import Evidence
from sweeper.results.evidence.statistics import Comparison, Summary, summarize
from sweeper.results.formatting import (
    baseline_words,
    count,
    listed,
    metric_words,
    number,
    signed,
    upper_first,
)
from sweeper.results.study_results import StudyResults
from sweeper.two_tower.trial.result_tables import SEEN

OWN_ROWS = "the study's own test rows"


def rows_words(evidence: Evidence, fresh: bool) -> str:
    """Which test rows, in words: the study's own, those of later cuts too, or of other splits."""
    if fresh:
        return "fresh splits" if evidence.is_split_at_random else "earlier cuts"
    cuts = [] if evidence.is_split_at_random else evidence.cuts()
    return f"the test rows of cuts {listed(map(str, cuts))}" if len(cuts) > 1 else OWN_ROWS


def name_words(name: str) -> str:
    """ "trial 17 without timestamp", "EASE"."""
    return name.replace("_", " ") if name.startswith("trial_") else baseline_words(name)


def figures_table(subject: StudyResults, evidence: Evidence, metric: str) -> Table:
    columns = ["configuration"]
    cells: dict[str, list[str]] = {
        name: [name_words(name)] for name in [*evidence.names, *evidence.baselines]
    }
    for each in dict.fromkeys((metric, *both_metrics(metric))):
        if each == metric:
            columns.append(f"{_short(each)}, in the search")
            for name, row in cells.items():
                row.append(number(searched_figure(subject, evidence, name, each)))
        for fresh in (False, True):
            if not (evidence.fresh if fresh else evidence.own):
                continue
            rows = rows_words(evidence, fresh)
            columns.append(f"{_short(each)}, {'own test rows' if rows == OWN_ROWS else rows}")
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


def searched_figure(
    subject: StudyResults, evidence: Evidence, name: str, metric: str
) -> float | None:
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
    is_constant = name in evidence.baselines and not evidence.are_splits_samples(fresh)
    return _mean_text(summary, is_constant)


def _mean_text(summary: Summary, is_constant: bool) -> str:
    """Mean ± deviation; the deviation is left out where no seed changes the figure."""
    if summary.deviation is None or is_constant:
        return number(summary.mean)
    return f"{number(summary.mean)} ± {summary.deviation:.4f}"


def cuts_table(evidence: Evidence, metric: str) -> Table | None:
    """Each cut by itself; None where there is one alone, or a random split."""
    own = evidence.cuts()
    cuts = [*own, *evidence.cuts(fresh=True)]
    if evidence.is_split_at_random or len(cuts) < 2:
        return None
    rows = []
    for name in [*evidence.names, *evidence.baselines]:
        summaries = [summarize(evidence.values_at(cut, name, metric)) for cut in cuts]
        texts = [_mean_text(each, name in evidence.baselines) for each in summaries]
        rows.append([name_words(name), *texts])
    sizes = [count(evidence.test_rows_at(cut), "test row") for cut in cuts]
    return Table(
        ["configuration", *(f"cut {cut}{'' if cut in own else ', earlier'}" for cut in cuts)],
        rows,
        title=f"{upper_first(metric_words(metric))} cut by cut, mean and deviation over seeds",
        strong=frozenset([0]),
        note=f"Cut 0 is the latest. In this order: {', '.join(sizes)}; no row is in two.",
    )


def confirmed_figure(subject: StudyResults, evidence: Evidence, metric: str) -> Figure:
    """Each configuration's mean and interval on its test rows, and the search's figure."""
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
    for index, fresh in enumerate((False, True)):
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
                name=rows_words(evidence, fresh),
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
    over_splits = evidence.are_splits_samples(fresh)
    rows = [
        [
            name_words(name),
            signed(-each.difference),
            "–" if each.low is None or each.high is None
            else f"{signed(-each.high)} to {signed(-each.low)}",
            *([] if over_splits else [_bootstrap_text(each)]),
            probability(each.p_value if each.adjusted_p_value is None else each.adjusted_p_value),
            probability(each.wilcoxon_p_value),
            f"{100 * (1 - each.probability):.1f} %",
        ]
        for name, each in compared.items()
    ]  # fmt: skip
    how = (
        "a paired t-test over splits, corrected for their overlap"
        if over_splits
        else "users and training seeds both being samples"
    )
    bootstrap = " The bootstrap: of these very models, had other users been asked."
    bootstrap = "" if over_splits else bootstrap
    return Table(
        [
            "configuration",
            "difference",
            "95 % interval",
            *([] if over_splits else ["bootstrap over users"]),
            "p",
            "Wilcoxon's p",
            "is better",
        ],
        rows,
        title=f"Against {name_words(evidence.winner)}, on {rows_words(evidence, fresh)}",
        note=f"p: {how}; adjusted by Holm for several comparisons. "
        f"Wilcoxon's: over {'splits' if over_splits else 'users'}. "
        "Is better: how probable it is that the configuration beats the best."
        f"{bootstrap}",
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

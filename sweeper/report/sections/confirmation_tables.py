"""The tables and the plot of a confirmation."""

from __future__ import annotations

import plotly.graph_objects as go

from sweeper.report.rendering.page import Column, Figure, Table
from sweeper.report.rendering.palette import plot, series
from sweeper.results.baselines import study_baselines
from sweeper.results.confirmation import ConfirmationResults
from sweeper.results.confirmation_text import (
    OWN_ROWS,
    configuration_label,
    p_value_text,
    test_rows_label,
)
from sweeper.results.formatting import (
    count,
    metric_label,
    number,
    signed,
    upper_first,
)
from sweeper.results.scored_rows import both_metrics
from sweeper.results.statistics import Comparison, Summary, summarize
from sweeper.results.study_results import StudyResults
from sweeper.two_tower.trial.result_tables import SEEN


def means_table(results: StudyResults, confirmation: ConfirmationResults, metric: str) -> Table:
    names = [*confirmation.names, *confirmation.baselines]
    columns: list[Column] = [("configuration", list(map(configuration_label, names)))]
    found = [searched_value(results, confirmation, name, metric) for name in names]
    columns.append((f"{_short(metric)}, in the search", list(map(number, found))))
    for each in dict.fromkeys((metric, *both_metrics(metric))):
        for fresh in (False, True):
            if confirmation.fresh if fresh else confirmation.own:
                rows = test_rows_label(confirmation, fresh)
                header = f"{_short(each)}, {'own test rows' if rows == OWN_ROWS else rows}"
                texts = [_summary_text(confirmation, name, each, fresh) for name in names]
                columns.append((header, texts))
    compared = confirmation.compared(metric, fresh=not confirmation.own)
    verdicts = [compared[name].verdict if name in compared else "–" for name in names]
    columns.append(("beside the best", verdicts))
    return Table.of_columns(
        columns,
        title="Mean and standard deviation over seeds",
        strong=frozenset([0]),
        note="In the search: on validation rows, after training on fewer rows. Seen-filtered: "
        f"without {SEEN[confirmation.seen]}.",
    )


def _short(metric: str) -> str:
    return metric_label(metric).removesuffix(" accuracy")


def searched_value(
    results: StudyResults, confirmation: ConfirmationResults, name: str, metric: str
) -> float | None:
    """A configuration's or a baseline's value in the search, on validation rows."""
    if name in confirmation.baselines or name == (results.reference or {}).get("name"):
        return study_baselines(results, metric).get(name)
    start, _, number_of_trial = name.partition("_")
    if start != "trial":
        return None
    return next(
        (
            (row.result.get("metrics") or {}).get(metric)
            for row in results.rows
            if str(row.number) == number_of_trial
        ),
        None,
    )


def _summary_text(confirmation: ConfirmationResults, name: str, metric: str, fresh: bool) -> str:
    summary = confirmation.summary(name, metric, fresh)
    if summary is None:
        return "–"
    is_constant = name in confirmation.baselines and not confirmation.are_splits_samples(fresh)
    return _mean_text(summary, is_constant)


def _mean_text(summary: Summary, is_constant: bool) -> str:
    """Mean ± deviation; the deviation is left out where no seed changes the value."""
    if summary.deviation is None or is_constant:
        return number(summary.mean)
    return f"{number(summary.mean)} ± {summary.deviation:.4f}"


def cuts_table(confirmation: ConfirmationResults, metric: str) -> Table | None:
    """The means of each cut; None for a single cut, and for a random split."""
    own = confirmation.cuts()
    cuts = [*own, *confirmation.cuts(fresh=True)]
    if confirmation.is_split_at_random or len(cuts) < 2:
        return None
    rows = []
    for name in [*confirmation.names, *confirmation.baselines]:
        summaries = [summarize(confirmation.values_at(cut, name, metric)) for cut in cuts]
        texts = [_mean_text(each, name in confirmation.baselines) for each in summaries]
        rows.append([configuration_label(name), *texts])
    sizes = [count(confirmation.test_rows_at(cut), "test row") for cut in cuts]
    return Table(
        ["configuration", *(f"cut {cut}{'' if cut in own else ', earlier'}" for cut in cuts)],
        rows,
        title=f"{upper_first(metric_label(metric))} cut by cut, mean and deviation over seeds",
        strong=frozenset([0]),
        note=f"Cut 0 is the latest. In this order: {', '.join(sizes)}; no row is in two.",
    )


def confirmed_figure(
    results: StudyResults, confirmation: ConfirmationResults, metric: str
) -> Figure:
    """Each configuration's mean and interval on its test rows, and the value in the search."""
    names = [*confirmation.names, *confirmation.baselines]
    searched = {
        configuration_label(name): searched_value(results, confirmation, name, metric)
        for name in names
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
        found = [(name, confirmation.summary(name, metric, fresh)) for name in names]
        known = [(name, summary) for name, summary in found if summary]
        if not known:
            continue
        margins = [
            0.0 if summary.high is None else summary.high - summary.mean for _, summary in known
        ]
        traces.append(
            go.Scatter(
                x=[summary.mean for _, summary in known],
                y=[configuration_label(name) for name, _ in known],
                error_x={"type": "data", "array": margins, "thickness": 1.5, "width": 4},
                orientation="h",
                mode="markers",
                marker={"size": 9, "color": series(index), "symbol": ["circle", "diamond"][index]},
                name=test_rows_label(confirmation, fresh),
            )
        )
    figure = plot(*traces, x=metric_label(metric), scattermode="group")
    figure.update_yaxes(
        autorange="reversed",
        categoryorder="array",
        categoryarray=list(map(configuration_label, names)),
    )
    return Figure(
        "confirmed",
        "Promised and confirmed",
        "Means over seeds with 95 % intervals, beside what the search had; right is better.",
        figure,
        height=140 + 48 * len(names),
    )


def comparison_table(confirmation: ConfirmationResults, metric: str, fresh: bool) -> Table | None:
    compared = confirmation.compared(metric, fresh)
    if not compared:
        return None
    over_splits = confirmation.are_splits_samples(fresh)
    rows = [
        [
            configuration_label(name),
            signed(-each.difference),
            "–" if each.low is None or each.high is None
            else f"{signed(-each.high)} to {signed(-each.low)}",
            *([] if over_splits else [_bootstrap_text(each)]),
            p_value_text(each.p_value if each.adjusted_p_value is None else each.adjusted_p_value),
            p_value_text(each.wilcoxon_p_value),
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
        title=f"Against {configuration_label(confirmation.winner)}, on "
        f"{test_rows_label(confirmation, fresh)}",
        note=f"p: {how}; adjusted by Holm for several comparisons. "
        f"Wilcoxon's: over {'splits' if over_splits else 'users'}. "
        "Is better: how probable it is that the configuration beats the best."
        f"{bootstrap}",
    )


def _bootstrap_text(comparison: Comparison) -> str:
    """The interval of B less A, as all differences in the table are."""
    if comparison.bootstrap_interval is None:
        return "–"
    low, high = comparison.bootstrap_interval
    return f"{signed(-high)} to {signed(-low)}"

"""What the parameters do: how much each counts, and which values went with good results."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
import plotly.graph_objects as go

from sweeper.report.rendering.page import Block, Figure, Section, Table, Text
from sweeper.report.rendering.palette import plot, series
from sweeper.report.sections.parameter_plots import parallel_coordinates, slices
from sweeper.results.formatting import count, join_code, metric_label, share
from sweeper.results.importance import (
    MIN_TRIALS,
    importances,
    is_seed,
    study_with_pruned,
)
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.number_formats import short_names

# How many axes and slices are shown; the parameters that count least are left out.
MAX_SHOWN = 12


def parameters_section(results: StudyResults) -> Section | None:
    """Importance, parallel coordinates and slices; None where nothing was varied."""
    study = study_with_pruned(results)
    names = varied(study)
    if not names:
        return None
    weights = importances(study)
    names.sort(key=lambda name: -weights.get(name, 0.0))
    shown, left_out = names[:MAX_SHOWN], names[MAX_SHOWN:]
    blocks: list[Block] = [*_importance(results, study, weights), *_partial(study, names)]
    if len(shown) > 1:
        blocks.append(parallel_coordinates(results, study, shown))
    blocks.append(slices(results, study, shown))
    if left_out:
        blocks.append(Text(f"Left out of these plots: {join_code(left_out)}.", "note"))
    return Section("parameters", "Parameters", blocks)


def varied(study: optuna.Study) -> list[str]:
    """The parameters that have at least two values; seeds are not parameters."""
    values: dict[str, set[str]] = {}
    for trial in study.get_trials(deepcopy=False):
        for name, value in trial.params.items():
            values.setdefault(name, set()).add(str(value))
    return [name for name, found in values.items() if len(found) > 1 and not is_seed(name)]


def _partial(study: optuna.Study, names: Sequence[str]) -> list[Text]:
    """Says which parameters only some trials have."""
    trials = study.get_trials(deepcopy=False)
    having = {name: sum(name in trial.params for trial in trials) for name in names}
    partial = [f"`{name}` ({number:,})" for name, number in having.items() if number < len(trials)]
    if not partial:
        return []
    text = (
        f"Only some of the {len(trials):,} trials have {', '.join(partial)}: the importance of "
        "such a parameter is that within the trials that have it."
    )
    return [Text(text, "note")]


def _importance(
    results: StudyResults, study: optuna.Study, weights: dict[str, float]
) -> list[Figure | Text]:
    """The plot, or why there is none."""
    trials = len(study.get_trials(deepcopy=False))
    if weights:
        return [parameter_importance(results, study, weights)]
    if len(varied(study)) < 2:
        return []
    text = (
        f"{count(trials, 'trial')} with a value {'is' if trials == 1 else 'are'} too few to tell "
        f"how much each parameter counts; from {MIN_TRIALS} different ones on it can be told."
    )
    return [Text(text, "note")]


def parameter_importance(
    results: StudyResults, study: optuna.Study, weights: dict[str, float]
) -> Figure:
    """The share of each parameter as a bar."""
    names, trials = list(weights), study.get_trials(deepcopy=False)
    short = short_names(names)
    bars = go.Bar(
        x=list(weights.values()),
        y=[short[name] for name in names],
        text=[share(weights[name], 1) for name in names],
        textposition="outside",
        cliponaxis=False,
        orientation="h",
        marker={"color": series(0)},
        hovertemplate="%{y}: %{x:.1%}<extra></extra>",
    )
    figure = plot(bars, margin={"r": 48, "b": 16}, xaxis_visible=False)
    figure.update_xaxes(range=[0, 1.1 * max(weights.values())])
    figure.update_yaxes(ticksuffix="  ", showgrid=False, autorange="reversed")
    by = "being on the front" if len(results.objectives) > 1 else metric_label(results.metric)
    pruned = any(row.state == "pruned" for row in results.rows)
    return Figure(
        "parameter_importance",
        f"What decides about {by}",
        "How much each parameter has to do with being among the best tenth: conditional PED-ANOVA "
        f"over {count(len(trials), 'trial')}"
        f"{', pruned ones with the best that they reached' if pruned else ''}.",
        figure,
        Table(
            ["parameter", "importance", "trials with it"],
            [
                [name, share(weight, 1), f"{sum(name in trial.params for trial in trials):,}"]
                for name, weight in weights.items()
            ],
            "Importance",
        ),
        height=50 + 30 * len(names),
    )

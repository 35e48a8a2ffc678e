"""The answer and the table of a study whose trials differ in seeds alone."""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.report.rendering.page import Table
from sweeper.results.baselines import baseline_comparison_text, unbeaten_baselines_text
from sweeper.results.formatting import (
    count,
    metric_label,
    seen_note,
    upper_first,
)
from sweeper.results.seed_groups import (
    SeedGroup,
    baseline_over_seeds,
    baselines_over_seeds,
    mean_text,
    seed_group_significance,
    seed_groups,
    shared_seeds,
)
from sweeper.results.significance import Significance
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard_table import NO_BETTER
from sweeper.two_tower.config import baseline_name


def answer_over_seeds(results: StudyResults) -> str:
    best, *others = seed_groups(results)
    among = f" of {len(others) + 1:,} configurations" if others else ""
    who = f"`{best.label}` has the best mean{among}" if others else "The mean is"
    seeds = f"{count(len(best.values), 'trial')} with different seeds"
    over = seeds if len(best.values) > 1 else "one seed"
    text = (
        f"{who}: **{metric_label(results.metric)} {best.text}** over {over}, on "
        f"{results.evaluation_split} rows"
    )
    return f"{text}{baseline_comparison_text(best.mean, best.baselines, best.reference)}."


def table_over_seeds(results: StudyResults) -> Table:
    configurations = seed_groups(results)
    weak = unbeaten_baselines_text(each.unbeaten for each in configurations)
    shared = shared_seeds(configurations)
    significance = seed_group_significance(results, configurations)
    names = baselines_over_seeds(configurations)
    notes = [
        "± is the standard deviation over the seeds. Beside the best: on the same seeds, by a "
        "paired t-test, adjusted by Holm."
    ]
    if filtered := seen_note(results.metric, results.record):
        notes.append(filtered)
    if any(len(each.rows) > len(shared) for each in configurations):
        by = f"the {count(len(shared), 'seed')} that all have" if shared else "how many each has"
        notes.append(f"Not every configuration has every seed: the order is by {by}.")
    return Table(
        ["configuration", "trials", "mean", "95 % interval", "beside the best"],
        [
            *(list(_cells(each, significance[each.label])) for each in configurations),
            *(list(_baseline_cells(results, name, significance[name])) for name in names),
        ],
        f"{upper_first(metric_label(results.metric))} over the seeds",
        strong=frozenset({0}),
        note=" ".join([*notes, *([f"{NO_BETTER} {weak}."] if weak else [])]),
    )


def _cells(each: SeedGroup, significance: Significance) -> Iterator[str]:
    yield each.label
    yield str(len(each.values))
    yield each.text + (f" {NO_BETTER}" if each.unbeaten else "")
    yield from significance.texts


def _baseline_cells(results: StudyResults, name: str, significance: Significance) -> Iterator[str]:
    values = list(baseline_over_seeds(results, name).by_seed.values())
    yield baseline_name(name)
    yield "–"
    yield mean_text(values)
    yield from significance.texts

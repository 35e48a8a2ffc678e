"""The answer and the table of a study whose trials differ in seeds alone."""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.report.rendering.page import Table
from sweeper.results.analysis.baselines import beside_baselines, unbeaten_words
from sweeper.results.analysis.seed_groups import (
    SeedGroup,
    baseline_over_seeds,
    baselines_over_seeds,
    certainty_over_seeds,
    mean_text,
    repeated,
    shared_seeds,
)
from sweeper.results.analysis.significance import Significance
from sweeper.results.formatting import (
    baseline_words,
    count,
    metric_words,
    seen_note,
    upper_first,
)
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard_table import NO_BETTER


def answer_over_seeds(subject: StudyResults) -> str:
    best, *others = repeated(subject)
    among = f" of {len(others) + 1:,} configurations" if others else ""
    who = f"`{best.label}` has the best mean{among}" if others else "The mean is"
    seeds = f"{count(len(best.values), 'trial')} with different seeds"
    over = seeds if len(best.values) > 1 else "one seed"
    text = (
        f"{who}: **{metric_words(subject.metric)} {best.text}** over {over}, on "
        f"{subject.scored_rows} rows"
    )
    return f"{text}{beside_baselines(best.mean, best.baselines, best.reference)}."


def table_over_seeds(subject: StudyResults) -> Table:
    configurations = repeated(subject)
    weak = unbeaten_words(each.unbeaten for each in configurations)
    shared = shared_seeds(configurations)
    certain = certainty_over_seeds(subject, configurations)
    names = baselines_over_seeds(configurations)
    notes = [
        "± is the standard deviation over the seeds. Beside the best: on the same seeds, by a "
        "paired t-test, adjusted by Holm."
    ]
    if filtered := seen_note(subject.metric, subject.record):
        notes.append(filtered)
    if any(len(each.rows) > len(shared) for each in configurations):
        by = f"the {count(len(shared), 'seed')} that all have" if shared else "how many each has"
        notes.append(f"Not every configuration has every seed: the order is by {by}.")
    return Table(
        ["configuration", "trials", "mean", "95 % interval", "beside the best"],
        [
            *(list(_cells(each, certain[each.label])) for each in configurations),
            *(list(_baseline_cells(subject, name, certain[name])) for name in names),
        ],
        f"{upper_first(metric_words(subject.metric))} over the seeds",
        strong=frozenset({0}),
        note=" ".join([*notes, *([f"{NO_BETTER} {weak}."] if weak else [])]),
    )


def _cells(each: SeedGroup, certainty: Significance) -> Iterator[str]:
    yield each.label
    yield str(len(each.values))
    yield each.text + (f" {NO_BETTER}" if each.unbeaten else "")
    yield from certainty.texts


def _baseline_cells(subject: StudyResults, name: str, certainty: Significance) -> Iterator[str]:
    values = list(baseline_over_seeds(subject, name).by_seed.values())
    yield baseline_words(name)
    yield "–"
    yield mean_text(values)
    yield from certainty.texts

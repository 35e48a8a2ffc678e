"""The tables below the answer."""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.report.comparison import StudyComparison
from sweeper.report.rendering.page import Column, Table
from sweeper.report.sections.leaderboard import significance_columns
from sweeper.results.baselines import unbeaten_baselines_text
from sweeper.results.formatting import count, metric_label, number, seen_note, upper_first
from sweeper.results.scored_rows import is_accuracy
from sweeper.results.seed_groups import (
    baseline_over_seeds,
    baselines_over_seeds,
    mean_text,
    shared_seeds,
)
from sweeper.results.study_results import StudyResults
from sweeper.results.towers import layers_text
from sweeper.study.outputs.leaderboard_table import NO_BETTER
from sweeper.two_tower.config import SEEN_FILTERED, baseline_name, metric_name
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.trial.result_tables import SHOWN_METRICS, WITHOUT_SEEN, seen_by


def entries_table(comparison: StudyComparison) -> Table:
    """The best of each study, the best study first."""
    ranked, searched = comparison.ranked, {entry.label: entry for entry in comparison.entries}
    labels = [entry.label for entry in ranked]
    best = [searched[label] for label in labels]
    columns: list[Column] = [
        ("study or run", labels),
        ("best", [entry.best_label for entry in best]),
        (
            metric_label(comparison.metric),
            [_marked(entry.text, bool(entry.unbeaten)) for entry in best],
        ),
    ]
    if comparison.confirmed:
        columns.append(("confirmed", list(_confirmed_texts(comparison))))
    columns += significance_columns(comparison.significance, labels)
    columns += [
        (baseline_name(name), [number(entry.baselines.get(name)) for entry in ranked])
        for name in dict.fromkeys(name for entry in ranked for name in entry.baselines)
    ]
    layers = [layers_text(entry.record.config) if entry.record else "–" for entry in ranked]
    columns.append(("layer sizes", layers))
    strong = frozenset() if comparison.problems else frozenset({0})
    return Table.of_columns(
        columns, "The best of each", strong, " ".join(_entries_notes(comparison))
    )


def _marked(text: str, is_weak: bool) -> str:
    return f"{text} {NO_BETTER}" if is_weak else text


def _confirmed_texts(comparison: StudyComparison) -> Iterator[str]:
    searched = {entry.label: entry for entry in comparison.entries}
    for entry in comparison.ranked:
        confirmed = comparison.confirmed.get(entry.label)
        is_weak = comparison.uses_confirmation and bool(entry.unbeaten)
        yield (
            _marked(confirmed.cell(searched[entry.label].best_label), is_weak) if confirmed else "–"
        )


def _entries_notes(comparison: StudyComparison) -> Iterator[str]:
    if not comparison.problems:
        notes = (seen_note(comparison.metric, entry.record) for entry in comparison.entries)
        yield from dict.fromkeys(filter(None, notes))
    shown = [*comparison.entries, *comparison.confirmed_entries]
    if text := unbeaten_baselines_text(entry.unbeaten for entry in shown):
        yield f"{NO_BETTER} {text}."
    if comparison.confirmed:
        yield (
            "Confirmed: the mean ± standard deviation over seeds, on test rows, which guided no "
            "choice."
        )
    if comparison.uses_confirmation:
        yield "The order, the intervals and the baselines are those of the confirmed values."
        return
    most_trials = max(len(entry.results.ranked) for entry in comparison.ranked)
    if not comparison.problems and is_accuracy(comparison.metric) and most_trials > 1:
        has_verdicts = any(each.compared for each in comparison.significance.values())
        yield (
            "The value of a study is the best of many, chosen on these very rows: selection bias "
            "inflates it, the more so the larger the search"
            + (", and “worse” is overstated." if has_verdicts else ".")
        )


def seed_groups_table(comparison: StudyComparison, study: StudyResults) -> Table:
    """The configurations of a grid over seeds and their means, with the baselines below."""
    groups, shared = comparison.seed_groups, shared_seeds(comparison.seed_groups)
    baselines = baselines_over_seeds(groups)
    means = [
        mean_text(list(baseline_over_seeds(study, name).by_seed.values())) for name in baselines
    ]
    notes = [
        "± is the standard deviation over the seeds. Beside the best: on the same seeds, by a "
        "paired t-test, adjusted by Holm."
    ]
    if note := seen_note(study.metric, study.record):
        notes.append(note)
    if any(len(group.rows) > len(shared) for group in groups):
        by = f"the {count(len(shared), 'seed')} that all have" if shared else "how many each has"
        notes.append(f"Not every configuration has every seed: the order is by {by}.")
    if weak := unbeaten_baselines_text(group.unbeaten for group in groups):
        notes.append(f"{NO_BETTER} {weak}.")
    columns: list[Column] = [
        ("configuration", [*(group.label for group in groups), *map(baseline_name, baselines)]),
        ("trials", [*(str(len(group.values)) for group in groups), *["–"] * len(baselines)]),
        ("mean", [*(_marked(group.text, bool(group.unbeaten)) for group in groups), *means]),
        *significance_columns(
            comparison.significance, [*(group.label for group in groups), *baselines]
        ),
    ]
    title = f"{upper_first(metric_label(study.metric))} over the seeds"
    return Table.of_columns(columns, title, frozenset({0}), " ".join(notes))


def metric_tables(record: TrialRecord) -> Iterator[Table]:
    """The metrics of a trial beside the baselines, on each part that was scored."""
    for rows, metrics in record.metrics.items():
        scored = {"this model": metrics}
        if record.deviations.get(rows):
            scored["standard deviation"] = record.deviations[rows]
        for name, parts in record.baselines.items():
            if rows in parts:
                scored[baseline_name(name)] = parts[rows]
        total = (record.data.get("rows") or {}).get(rows)
        unseen = WITHOUT_SEEN[seen_by(record.config)]
        title = f"Metrics on {f'{total:,} ' if total else ''}{rows} rows"
        yield Table(
            ["by", "candidates", *map(metric_name, SHOWN_METRICS)],
            [
                [
                    name,
                    words if index == 0 else "",
                    *(number(metrics.get(f"{prefix}{each}")) for each in SHOWN_METRICS),
                ]
                for prefix, words in (("", "all"), (SEEN_FILTERED, unseen))
                for index, (name, metrics) in enumerate(scored.items())
            ],
            title,
            strong=frozenset({0, len(scored)}),
        )

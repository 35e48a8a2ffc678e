"""Trials as a table: the leaderboard, the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from sweeper.report.comparison import StudyComparison
from sweeper.report.rendering.page import NOTHING, Block, Column, Section, Table, Text
from sweeper.report.study_entry import ranked_by
from sweeper.results.baselines import (
    baseline_objective_index,
    study_baselines,
    unbeaten_baselines_text,
)
from sweeper.results.formatting import count, metric_label, number, seen_note
from sweeper.results.seed_groups import has_seed_groups, seed_groups
from sweeper.results.significance import Key, Significance
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import LEADERBOARD, Row, parameter_names
from sweeper.study.outputs.leaderboard_table import NO_BETTER, varying_parameters
from sweeper.study.outputs.number_formats import (
    parameter_text,
    parameters_text,
    short_names,
    values_text,
)
from sweeper.two_tower.config import baseline_name

MAX_SHOWN = 20


def leaderboard_section(comparison: StudyComparison) -> Section | None:
    """The first trials; None for a single run, and where the results can't be ranked."""
    study = comparison.single
    if study is None:
        blocks = list(_joint_leaderboard(comparison))
    else:
        blocks = list(_leaderboard(comparison, study)) if study.study else []
    return Section("leaderboard", "Leaderboard", blocks) if blocks else None


def _leaderboard(comparison: StudyComparison, study: StudyResults) -> Iterator[Block]:
    """The trials of one study, with the baselines below."""
    rows = study.rows[:MAX_SHOWN]
    if has_seed_groups(study):
        yield Text(
            "Trials with different seeds are not ranked against each other: on different splits "
            "they are scored on different rows. The table above has the means."
        )
        yield trial_table(study, rows)
    else:
        baselines = study_baselines(study)
        yield trial_table(study, rows, baselines=baselines, significance=comparison.significance)
    if len(study.rows) > MAX_SHOWN:
        yield Text(f"… and {len(study.rows) - MAX_SHOWN:,} more in `{LEADERBOARD}`.", "note")


def _joint_leaderboard(comparison: StudyComparison) -> Iterator[Block]:
    """The trials of several studies; the means of a grid over seeds, whose trials don't compete."""
    found = [] if comparison.problems else list(_joint_trials(comparison))
    if len(found) <= len(comparison.entries):
        return
    found.sort(key=lambda pair: pair[0], reverse=comparison.is_maximized)
    rows = [
        [str(rank), label, trial, number(value), parameters]
        for rank, (value, label, trial, parameters) in enumerate(found[:MAX_SHOWN], start=1)
    ]
    notes = []
    if len(found) > MAX_SHOWN:
        notes.append(f"… and {count(len(found) - MAX_SHOWN, 'complete trial')} more.")
    if comparison.uses_confirmation:
        notes.append("By what the searches found; the answer goes by what confirmed it.")
    columns = ["rank", "of", "trial", metric_label(comparison.metric), "parameters"]
    yield Table(columns, rows, strong=frozenset({0}), note=" ".join(notes))


def _joint_trials(comparison: StudyComparison) -> Iterator[tuple[float, str, str, str]]:
    """The value, the study's label, the trial, its parameters."""
    for entry in comparison.entries:
        results = ranked_by(entry.results, comparison.metric, comparison.is_maximized)
        if has_seed_groups(results):
            for group in seed_groups(results):
                yield group.mean, entry.label, f"mean of {len(group.rows)}", group.label
            continue
        short = short_names(parameter_names(results.rows))
        for row in results.rows:
            parameters = parameters_text(row.params, short) or "–"
            yield row.values[0], entry.label, str(row.number), parameters


def trial_table(
    results: StudyResults,
    rows: Sequence[Row],
    title: str = "",
    baselines: Collection[str] = (),
    significance: Mapping[Key, Significance] | None = None,
) -> Table:
    """These trials with their values, the parameters in which any differ, and what they cost.

    Args:
      baselines: those to list below the trials.
      significance: how sure the values are, as far as that is known.
    """
    significance = significance or {}
    columns: list[Column] = []

    def add(
        header: str,
        of_trial: Callable[[Row], str],
        of_baseline: Callable[[str], str] = lambda name: "–",
    ) -> None:
        columns.append((header, [*map(of_trial, rows), *map(of_baseline, baselines)]))

    rank = "rank" if len(results.objectives) == 1 else "front"
    add(rank, lambda row: "–" if row.rank is None else str(row.rank))
    add("trial", lambda row: str(row.number), baseline_name)
    if {row.state for row in rows} != {"complete"}:
        add("state", lambda row: row.state, lambda name: "baseline")
    for index, objective in enumerate(results.objectives):
        found = study_baselines(results, objective.metric)
        values = [_value_text(results, index, row) for row in rows]
        theirs = [number(found.get(name)) for name in baselines]
        columns.append((metric_label(objective.metric), [*values, *theirs]))
    columns += significance_columns(significance, [*(row.number for row in rows), *baselines])
    short = short_names(parameter_names(results.rows))
    names = varying_parameters(results.rows)
    for name in names:
        texts = [parameter_text(row.params[name]) if name in row.params else "–" for row in rows]
        columns.append((short[name], [*texts, *["–"] * len(baselines)]))
    add(
        "trained" if "epochs" in map(short.get, names) else "epochs",
        lambda row: "–" if (epochs := row.result.get("epochs")) is None else f"{epochs:,}",
    )
    add("seconds", lambda row: "–" if row.seconds is None else f"{row.seconds:,.1f}")
    if any(row.reason and row.state != "pruned" for row in rows):
        add("reason", lambda row: (row.reason or " ").splitlines()[0].strip())
    best = frozenset(index for index, row in enumerate(rows) if row.rank == 1)
    return Table.of_columns(
        columns,
        title,
        frozenset() if len(best) == len(rows) + len(baselines) else best,
        " ".join([*_notes(results, rows), *_significance_notes(significance)]),
    )


def _value_text(results: StudyResults, index: int, row: Row) -> str:
    """A trial's value by the objective of this index, marked where a baseline is as good."""
    texts = values_text(row.values, row.result, results.objectives)
    if index >= len(texts):
        return "–"
    is_weak = index == baseline_objective_index(results) and results.unbeaten_baseline(row)
    return f"{texts[index]} {NO_BETTER}" if is_weak else texts[index]


def significance_columns(
    significance: Mapping[Key, Significance], keys: Sequence[Key]
) -> Iterator[Column]:
    """How sure the values are and whether the best is better; no column that says nothing."""
    for index, header in enumerate(("95 % interval", "beside the best")):
        texts = [significance[key].texts[index] if key in significance else "–" for key in keys]
        if any(text not in NOTHING for text in texts):
            yield header, texts


def _significance_notes(significance: Mapping[Key, Significance]) -> Iterator[str]:
    compared = [each.compared for each in significance.values() if each.compared]
    if any(each.users for each in compared):
        yield (
            "Interval: of this very training, had other users been asked. Beside the best: on the "
            "same rows, users being the sample, adjusted by Holm."
        )
    elif compared:
        yield "Interval: over the splits. Beside the best: on the same splits, adjusted by Holm."
    if compared:
        yield (
            "The best trial was chosen on these very rows: selection bias inflates it, so that "
            "“worse” is overstated and “not distinguishable” is not."
        )


def _notes(results: StudyResults, rows: Sequence[Row]) -> Iterator[str]:
    filtered = (seen_note(objective.metric, results.record) for objective in results.objectives)
    yield from dict.fromkeys(filter(None, filtered))
    unbeaten = list(filter(None, map(results.unbeaten_baseline, rows)))
    if unbeaten:
        trials = count(len(unbeaten), "trial")
        yield f"{NO_BETTER} {unbeaten_baselines_text(unbeaten)}: {trials}."
    if any(row.result.get("deviations") for row in rows):
        yield "± is the standard deviation over the split seeds."
    if any(row.state == "pruned" for row in rows):
        yield "A pruned trial has the value that it told last."

"""Trials as a table: the leaderboard, the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sweeper.report.rendering.page import Block, Section, Table, Text
from sweeper.results.baselines import (
    baseline_objective_index,
    study_baselines,
    unbeaten_baselines_text,
)
from sweeper.results.formatting import (
    count,
    metric_label,
    number,
    seen_note,
)
from sweeper.results.seed_groups import has_seed_groups
from sweeper.results.significance import Key, Significance
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import LEADERBOARD, Row, parameter_names
from sweeper.study.outputs.leaderboard_table import NO_BETTER, varying_parameters
from sweeper.study.outputs.reading import parameter_text, short_names, values_text
from sweeper.two_tower.config import baseline_name

SHOWN = 20


@dataclass(frozen=True)
class Column:
    """What a column has of a trial, and of a baseline, by its name."""

    header: str
    of_trial: Callable[[Row], str]
    of_baseline: Callable[[str], str] = lambda name: "–"


def leaderboard_section(results: StudyResults) -> Section | None:
    """The first trials, with the baselines below; None of a single run."""
    if results.study is None:
        return None
    rows = results.rows[:SHOWN]
    if has_seed_groups(results):
        note = (
            "Trials of different seeds don't compete: those on different splits are scored on "
            "different rows. The table above has the means."
        )
        blocks: list[Block] = [Text(note), trial_table(results, rows)]
        return Section("leaderboard", "Leaderboard", [*blocks, *_more(results)])
    table = trial_table(
        results, rows, baselines=study_baselines(results), significance=results.significance
    )
    return Section("leaderboard", "Leaderboard", [table, *_more(results)])


def _more(results: StudyResults) -> list[Block]:
    more = len(results.rows) - SHOWN
    return [Text(f"… and {more:,} more in `{LEADERBOARD}`.", "note")] if more > 0 else []


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
      certain: how sure the figures are, as far as that is known.
    """
    known = {
        key: each for key, each in (significance or {}).items() if each.interval or each.compared
    }
    columns = list(_columns(results, rows, known))
    cells = [[column.of_trial(row) for column in columns] for row in rows]
    cells += [[column.of_baseline(name) for column in columns] for name in baselines]
    best = frozenset(index for index, row in enumerate(rows) if row.rank == 1)
    return Table(
        [column.header for column in columns],
        cells,
        title,
        frozenset() if len(best) == len(cells) else best,
        " ".join([*_notes(results, rows), *_significance_notes(known)]),
    )


def _columns(
    results: StudyResults, rows: Sequence[Row], significance: Mapping[Key, Significance]
) -> Iterator[Column]:
    several = len(results.objectives) > 1
    yield Column(
        "front" if several else "rank", lambda row: "–" if row.rank is None else str(row.rank)
    )
    yield Column("trial", lambda row: str(row.number), baseline_name)
    if {row.state for row in rows} != {"complete"}:
        yield Column("state", lambda row: row.state, lambda name: "baseline")
    for index, objective in enumerate(results.objectives):
        yield _value_column(results, index, objective.metric)
    if significance:
        for part, header in enumerate(("95 % interval", "beside the best")):
            yield _significance_column(header, part, significance)
    short = short_names(parameter_names(results.rows))
    names = varying_parameters(results.rows)
    for name in names:
        yield _parameter_column(name, short[name])
    taken = "epochs" in map(short.get, names)
    yield Column("trained" if taken else "epochs", lambda row: _whole(row.result.get("epochs")))
    yield Column("seconds", lambda row: "–" if row.seconds is None else f"{row.seconds:,.1f}")
    if any(row.reason and row.state != "pruned" for row in rows):
        yield Column("reason", lambda row: (row.reason or " ").splitlines()[0].strip())


def _value_column(results: StudyResults, index: int, metric: str) -> Column:
    marked = index == baseline_objective_index(results)

    def value(row: Row) -> str:
        texts = values_text(row.values, row.result, results.objectives)
        if index >= len(texts):
            return "–"
        return (
            f"{texts[index]} {NO_BETTER}"
            if marked and results.unbeaten_baseline(row)
            else texts[index]
        )

    baselines = study_baselines(results, metric)
    return Column(metric_label(metric), value, lambda name: number(baselines.get(name)))


def _significance_column(
    header: str, part: int, significance: Mapping[Key, Significance]
) -> Column:
    def text(key: Key) -> str:
        return significance[key].texts[part] if key in significance else "–"

    return Column(header, lambda row: text(row.number), text)


def _parameter_column(name: str, short: str) -> Column:
    return Column(
        short, lambda row: parameter_text(row.params[name]) if name in row.params else "–"
    )


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
            "The best was chosen on these very rows: that flatters it, so that “worse” is said too "
            "soon, and “not distinguishable” is not."
        )


def _whole(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


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

"""Trials as a table: the leaderboard, the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sweeper.report.rendering.page import Block, Section, Table, Text
from sweeper.results.analysis.baselines import (
    accuracy_index,
    is_no_better,
    mark_words,
    usual_baselines,
)
from sweeper.results.analysis.seed_groups import seeds_varied
from sweeper.results.analysis.significance import Key, Significance, certainties
from sweeper.results.formatting import (
    baseline_words,
    count,
    metric_words,
    number,
    seen_note,
)
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import LEADERBOARD, Row, parameter_names
from sweeper.study.outputs.leaderboard_table import NO_BETTER, varying_parameters
from sweeper.study.outputs.reading import parameter_text, short_names, values_text

SHOWN = 20


@dataclass(frozen=True)
class Column:
    """What a column has of a trial, and of a baseline, by its name."""

    header: str
    of_trial: Callable[[Row], str]
    of_baseline: Callable[[str], str] = lambda name: "–"


def leaderboard_section(subject: StudyResults) -> Section | None:
    """The first trials, with the baselines below; None of a single run."""
    if subject.study is None:
        return None
    rows = subject.rows[:SHOWN]
    if seeds_varied(subject):
        note = (
            "Trials of different seeds don't compete: those on different splits are scored on "
            "different rows. The table above has the means."
        )
        blocks: list[Block] = [Text(note), trial_table(subject, rows)]
        return Section("leaderboard", "Leaderboard", [*blocks, *_more(subject)])
    table = trial_table(
        subject, rows, baselines=usual_baselines(subject), certain=certainties(subject)
    )
    return Section("leaderboard", "Leaderboard", [table, *_more(subject)])


def _more(subject: StudyResults) -> list[Block]:
    more = len(subject.rows) - SHOWN
    return [Text(f"… and {more:,} more in `{LEADERBOARD}`.", "note")] if more > 0 else []


def trial_table(
    subject: StudyResults,
    rows: Sequence[Row],
    title: str = "",
    baselines: Collection[str] = (),
    certain: Mapping[Key, Significance] | None = None,
) -> Table:
    """These trials with their values, the parameters in which any differ, and what they cost.

    Args:
      baselines: those to list below the trials.
      certain: how sure the figures are, as far as that is known.
    """
    known = {key: each for key, each in (certain or {}).items() if each.interval or each.compared}
    columns = list(_columns(subject, rows, known))
    cells = [[column.of_trial(row) for column in columns] for row in rows]
    cells += [[column.of_baseline(name) for column in columns] for name in baselines]
    best = frozenset(index for index, row in enumerate(rows) if row.rank == 1)
    return Table(
        [column.header for column in columns],
        cells,
        title,
        frozenset() if len(best) == len(cells) else best,
        " ".join([*_notes(subject, rows), *_certainty_notes(known)]),
    )


def _columns(
    subject: StudyResults, rows: Sequence[Row], certain: Mapping[Key, Significance]
) -> Iterator[Column]:
    several = len(subject.objectives) > 1
    yield Column(
        "front" if several else "rank", lambda row: "–" if row.rank is None else str(row.rank)
    )
    yield Column("trial", lambda row: str(row.number), baseline_words)
    if {row.state for row in rows} != {"complete"}:
        yield Column("state", lambda row: row.state, lambda name: "baseline")
    for index, objective in enumerate(subject.objectives):
        yield _value_column(subject, index, objective.metric)
    if certain:
        for part, header in enumerate(("95 % interval", "beside the best")):
            yield _certainty_column(header, part, certain)
    short = short_names(parameter_names(subject.rows))
    names = varying_parameters(subject.rows)
    for name in names:
        yield _parameter_column(name, short[name])
    taken = "epochs" in map(short.get, names)
    yield Column("trained" if taken else "epochs", lambda row: _whole(row.result.get("epochs")))
    yield Column("seconds", lambda row: "–" if row.seconds is None else f"{row.seconds:,.1f}")
    if any(row.reason and row.state != "pruned" for row in rows):
        yield Column("reason", lambda row: (row.reason or " ").splitlines()[0].strip())


def _value_column(subject: StudyResults, index: int, metric: str) -> Column:
    marked = index == accuracy_index(subject)

    def value(row: Row) -> str:
        texts = values_text(row.values, row.result, subject.objectives)
        if index >= len(texts):
            return "–"
        return (
            f"{texts[index]} {NO_BETTER}" if marked and is_no_better(subject, row) else texts[index]
        )

    baselines = usual_baselines(subject, metric)
    return Column(metric_words(metric), value, lambda name: number(baselines.get(name)))


def _certainty_column(header: str, part: int, certain: Mapping[Key, Significance]) -> Column:
    def text(key: Key) -> str:
        return certain[key].texts[part] if key in certain else "–"

    return Column(header, lambda row: text(row.number), text)


def _parameter_column(name: str, short: str) -> Column:
    return Column(
        short, lambda row: parameter_text(row.params[name]) if name in row.params else "–"
    )


def _certainty_notes(certain: Mapping[Key, Significance]) -> Iterator[str]:
    compared = [each.compared for each in certain.values() if each.compared]
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


def _notes(subject: StudyResults, rows: Sequence[Row]) -> Iterator[str]:
    filtered = (seen_note(objective.metric, subject.record) for objective in subject.objectives)
    yield from dict.fromkeys(filter(None, filtered))
    weak = sum(is_no_better(subject, row) for row in rows)
    if weak:
        yield f"{NO_BETTER} {mark_words(subject, rows)}: {count(weak, 'trial')}."
    if any(row.result.get("deviations") for row in rows):
        yield "± is the standard deviation over the split seeds."
    if any(row.state == "pruned" for row in rows):
        yield "A pruned trial has the value that it told last."

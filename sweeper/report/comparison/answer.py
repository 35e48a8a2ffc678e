"""The answer of a comparison: which study or run is the best, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sweeper.report.comparison.compared import Compared
from sweeper.report.comparison.entries import StudyEntry
from sweeper.report.comparison.protocols import protocol_table
from sweeper.report.rendering.page import NOTHING, Block, Section, Table, Text
from sweeper.results.baselines import (
    baseline_gaps_text,
    key_baselines,
    unbeaten_baseline_text,
    unbeaten_baselines_text,
)
from sweeper.results.formatting import metric_label, number, seen_note
from sweeper.results.scored_rows import is_accuracy
from sweeper.results.statistics import NOT_DISTINGUISHABLE
from sweeper.results.towers import layers_text
from sweeper.study.outputs.leaderboard_table import NO_BETTER
from sweeper.two_tower.config import baseline_name


@dataclass(frozen=True)
class Column:
    """What a column has of each one's standing."""

    header: str
    of: Callable[[StudyEntry], str]


def answer_section(compared: Compared) -> Section:
    blocks: list[Block] = [Text(answer_text(compared), "lead")]
    if compared.ranked:
        strong = frozenset() if compared.problems else frozenset({0})
        columns = list(_columns(compared))
        rows = [[column.of(standing) for column in columns] for standing in compared.ranked]
        headers = [column.header for column in columns]
        notes = " ".join(_notes(compared))
        blocks.append(Table(headers, rows, "The best of each", strong, notes))
    return Section("answer", "The answer", blocks)


def answer_text(compared: Compared) -> str:
    """The sentence that the comparison is for."""
    if not compared.ranked:
        return "None of them has a finished trial: there is no answer."
    if compared.problems:
        return f"No one is named the best: {_obstacle(compared)}."
    first, *others = compared.ranked
    text = (
        f"`{first.label}` is the best: **{metric_label(compared.metric)} {first.text}** "
        f"({first.which})"
    )
    if others:
        text += _beside_text(compared, first, others[0])
    assert first.value is not None
    if weak := unbeaten_baseline_text(first.value, first.baselines, first.reference):
        return f"{text}. It {weak}."
    against = baseline_gaps_text(first.value, key_baselines(first.baselines, first.reference))
    return f"{text}{f'; {against}' if against else ''}."


def _obstacle(compared: Compared) -> str:
    if protocol_table(compared.standings, ""):
        return "their figures are of different rows"
    return "which rows their figures are of isn't known of all"


def _beside_text(compared: Compared, first: StudyEntry, second: StudyEntry) -> str:
    assert first.value is not None
    assert second.value is not None
    gap = number(abs(first.value - second.value))
    beside = compared.significance[second.label].compared
    alike = beside is not None and beside.verdict == NOT_DISTINGUISHABLE
    return f", {gap} from `{second.label}` ({second.text})" + (
        ", from which it is not distinguishable" if alike else ""
    )


def _columns(compared: Compared) -> Iterator[Column]:
    searched = {standing.label: standing for standing in compared.standings}
    yield Column("study or run", lambda standing: standing.label)
    yield Column("best", lambda standing: searched[standing.label].which)
    yield Column(metric_label(compared.metric), lambda standing: _marked(searched[standing.label]))
    if compared.confirmed:
        yield Column("confirmed", lambda standing: _confirmed_text(compared, standing))
    for part, header in enumerate(("95 % interval", "beside the best")):
        texts = {label: each.texts[part] for label, each in compared.significance.items()}
        if any(text not in NOTHING for text in texts.values()):
            yield _text_column(header, texts)
    for name in dict.fromkeys(name for standing in compared.ranked for name in standing.baselines):
        yield _baseline_column(name)
    yield Column(
        "layer sizes",
        lambda standing: layers_text(standing.record.config) if standing.record else "–",
    )


def _text_column(header: str, texts: dict[int | str, str]) -> Column:
    return Column(header, lambda standing: texts[standing.label])


def _baseline_column(name: str) -> Column:
    return Column(baseline_name(name), lambda standing: number(standing.baselines.get(name)))


def _marked(standing: StudyEntry) -> str:
    return standing.text + (f" {NO_BETTER}" if standing.unbeaten else "")


def _confirmed_text(compared: Compared, standing: StudyEntry) -> str:
    confirmed = compared.confirmed.get(standing.label)
    if confirmed is None:
        return "–"
    which = next(s.which for s in compared.standings if s.label == standing.label)
    weak = compared.goes_by_confirmation and standing.unbeaten
    return confirmed.cell(which) + (f" {NO_BETTER}" if weak else "")


def _notes(compared: Compared) -> Iterator[str]:
    filtered = [seen_note(compared.metric, standing.record) for standing in compared.standings]
    yield from dict.fromkeys(filter(None, filtered if not compared.problems else []))
    shown = [*compared.standings, *compared.told]
    if text := unbeaten_baselines_text(standing.unbeaten for standing in shown):
        yield f"{NO_BETTER} {text}."
    if compared.confirmed:
        yield (
            "Confirmed: the mean ± standard deviation over seeds, on test rows, by which no search "
            "chose."
        )
    if compared.goes_by_confirmation:
        yield "The order, the intervals and the baselines are those of the confirmed figures."
    elif not compared.problems and _was_chosen(compared):
        yield (
            "The figure of a study is the best of many, chosen on these very rows: that flatters "
            "it, the larger search the more"
            + (", so that “worse” is said too soon." if _has_verdicts(compared) else ".")
        )


def _was_chosen(compared: Compared) -> bool:
    """Whether a figure on some rows is the best of several on these."""
    trials = [
        sum(row.rank is not None for row in standing.results.rows) for standing in compared.ranked
    ]
    return is_accuracy(compared.metric) and max(trials) > 1


def _has_verdicts(compared: Compared) -> bool:
    return any(each.compared for each in compared.significance.values())

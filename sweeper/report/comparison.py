"""A report on several studies and runs: what each came to, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from sweeper.report.baselines import POPULARITY, against_baselines
from sweeper.report.certainty import Certainty, Key, beside_first, ratio_of_rows
from sweeper.report.compared_figures import best_curves, compared_histories, compared_stages
from sweeper.report.compared_protocols import difference_table, protocol_problems
from sweeper.report.grouping import layers_text
from sweeper.report.head import problems_of, wall_seconds, written
from sweeper.report.page import Block, KeyFigure, Page, Section, Table, Text
from sweeper.report.question import protocol_rows, states_text
from sweeper.report.reproduction import commands
from sweeper.report.standing import Standing, compared_metric, figure_of, standings_of
from sweeper.report.statistics import ALIKE
from sweeper.report.subject import Subject
from sweeper.report.words import (
    NOTHING_BEATEN,
    baseline_words,
    code_listed,
    count,
    duration,
    listed,
    metric_words,
    number,
)
from sweeper.study.leaderboard import parameter_names
from sweeper.study.leaderboard_table import NO_BETTER
from sweeper.study.reading import parameters_text, short_names

SHOWN = 20


@dataclass(frozen=True)
class Compared:
    """What all sections of a comparison go by."""

    subjects: Sequence[Subject]

    @cached_property
    def metric(self) -> str:
        return compared_metric(self.subjects)

    @cached_property
    def is_maximized(self) -> bool:
        first = self.subjects[0]
        return first.is_maximized if first.metric == self.metric else True

    @cached_property
    def standings(self) -> list[Standing]:
        return standings_of(self.subjects, self.metric)

    @cached_property
    def ranked(self) -> list[Standing]:
        """Those with a figure, best first."""
        turn = -1 if self.is_maximized else 1
        known = [(turn * s.value, s) for s in self.standings if s.value is not None]
        return [standing for _, standing in sorted(known, key=lambda pair: pair[0])]

    @cached_property
    def certain(self) -> dict[Key, Certainty]:
        """How sure the figures are, by label; empty where they must not be ranked."""
        if self.problems or not self.ranked:
            return {}
        first = self.ranked[0]
        return beside_first(
            {standing.label: standing.scored for standing in self.ranked},
            ratio_of_rows(first.subject, first.subject.rows[0]),
        )

    @cached_property
    def problems(self) -> list[str]:
        """Why they must not be ranked against each other."""
        return protocol_problems(self.standings)


def comparison_of(
    subjects: Sequence[Subject],
    on_section: Callable[[int, int], None] = lambda done, total: None,
) -> Page:
    """The whole report.

    Args:
      subjects: two or more.
      on_section: told after each section, as (done, of so many).
    """
    compared = Compared(subjects)
    sections = []
    for index, make in enumerate(SECTIONS, start=1):
        sections.append(make(compared))
        on_section(index, len(SECTIONS))
    labels = [standing.label for standing in compared.standings]
    return Page(
        title=" · ".join(labels) if len(labels) <= 3 else f"{len(labels)} studies and runs",
        subtitle=f"Comparison of {listed(str(s.directory) for s in subjects)}{written()}",
        sections=[section for section in sections if section],
        key_figures=[_key_figure(standing) for standing in compared.standings],
        problems=[*compared.problems, *(line for each in subjects for line in problems_of(each))],
    )


def _key_figure(standing: Standing) -> KeyFigure:
    return KeyFigure(standing.label, standing.text, standing.which)


def _question(compared: Compared) -> Section:
    end = "highest" if compared.is_maximized else "lowest"
    rows = [
        [
            standing.label,
            "study" if standing.subject.study else "run",
            str(standing.subject.directory),
            listed(parameter_names(standing.subject.rows) or ["nothing"]),
            states_text(standing.subject),
            duration(wall_seconds(standing.subject) or 0.0),
        ]
        for standing in compared.standings
    ]
    return Section(
        "question",
        "The question",
        [
            Text(f"Which of these has the {end} {metric_words(compared.metric)}?", "lead"),
            Table(["name", "kind", "directory", "varied", "trials", "wall time"], rows, "Compared"),
        ],
    )


def _protocol(compared: Compared) -> Section | None:
    blocks: list[Block] = []
    table = difference_table(compared.standings, True, "Where the protocols differ")
    if table:
        blocks += [Text("**The figures are not of the same rows.**"), table]
    first = next((s for s in compared.standings if s.record is not None), None)
    if first is None or first.record is None:
        return None
    rows = [list(row) for row in protocol_rows(first.subject, first.record)]
    title = f"As {first.label} has it" if table else "As all of them have it"
    blocks.append(Table(["part", "as it was done"], rows, title))
    return Section("protocol", "The protocol", blocks)


def _answer(compared: Compared) -> Section:
    names = list(dict.fromkeys(name for s in compared.standings for name in s.baselines))
    rows = [
        [
            standing.label,
            standing.which,
            standing.text + (f" {NO_BETTER}" if standing.is_no_better else ""),
            *(compared.certain[standing.label].texts if compared.certain else ()),
            *(number(standing.baselines.get(name)) for name in names),
            layers_text(standing.record.config) if standing.record else "–",
        ]
        for standing in compared.ranked
    ]
    columns = [
        "study or run",
        "best",
        metric_words(compared.metric),
        *(["95 % interval", "beside the best"] if compared.certain else []),
        *map(baseline_words, names),
        "layer sizes",
    ]
    weak = any(standing.is_no_better for standing in compared.ranked)
    note = f"{NO_BETTER} no better than popularity." if weak else ""
    blocks: list[Block] = [Text(answer_text(compared), "lead")]
    if rows:
        strong = frozenset() if compared.problems else frozenset({0})
        blocks.append(Table(columns, rows, "The best of each", strong, note))
    return Section("answer", "The answer", blocks)


def answer_text(compared: Compared) -> str:
    """The sentence that the comparison is for."""
    if not compared.ranked:
        return "None of them has a finished trial: there is no answer."
    if compared.problems:
        return "No one is named the best: their figures are of different rows."
    first, *others = compared.ranked
    assert first.value is not None
    words = metric_words(compared.metric)
    text = f"`{first.label}` is the best: **{words} {first.text}** ({first.which})"
    if others and others[0].value is not None:
        gap = number(abs(first.value - others[0].value))
        text += f", {gap} from `{others[0].label}` ({others[0].text})"
        beside = compared.certain[others[0].label].compared if compared.certain else None
        text += (
            ", from which it is not distinguishable" if beside and beside.verdict == ALIKE else ""
        )
    if first.is_no_better:
        popular = number(first.baselines[POPULARITY])
        return f"{text}. It does not beat popularity ({popular}): {NOTHING_BEATEN}."
    against = against_baselines(first.value, first.baselines)
    return f"{text}{f'; {against}' if against else ''}."


def _leaderboard(compared: Compared) -> Section | None:
    """The first trials of all studies together."""
    if compared.problems:
        return None
    turn = -1 if compared.is_maximized else 1
    found = []
    for standing in compared.standings:
        short = short_names(parameter_names(standing.subject.rows))
        for row in standing.subject.of_states("complete"):
            value = figure_of(standing.subject, row, compared.metric)
            if value is not None:
                cells = [standing.label, str(row.number), number(value)]
                found.append((turn * value, [*cells, parameters_text(row.params, short) or "–"]))
    found.sort(key=lambda pair: pair[0])
    if len(found) <= len(compared.standings):
        return None
    rows = [[str(place), *cells] for place, (_, cells) in enumerate(found[:SHOWN], start=1)]
    columns = ["rank", "of", "trial", metric_words(compared.metric), "parameters"]
    more = len(found) - SHOWN
    note = f"… and {count(more, 'complete trial')} more." if more > 0 else ""
    return Section(
        "leaderboard", "Leaderboard", [Table(columns, rows, strong=frozenset({0}), note=note)]
    )


def _curves(compared: Compared) -> Section | None:
    figure = best_curves(compared.standings, compared.metric, not compared.problems)
    return Section("curves", "Validation curves", [figure]) if figure else None


def _history(compared: Compared) -> Section | None:
    figure = compared_histories(compared.standings, compared.metric)
    return Section("history", "Optimisation history", [figure]) if figure else None


def _times(compared: Compared) -> Section | None:
    figure = compared_stages(compared.standings)
    return Section("times", "Where the time went", [figure]) if figure else None


def _configurations(compared: Compared) -> Section | None:
    table = difference_table(compared.standings, False, "Where the best configurations differ")
    return Section("configurations", "Configurations", [table]) if table else None


def _reproduction(compared: Compared) -> Section:
    blocks: list[Block] = []
    for standing in compared.standings:
        if standing.record is not None:
            blocks.append(Text(f"**{standing.label}**"))
            blocks += commands(standing.subject, standing.record)
    directories = code_listed(str(subject.directory) for subject in compared.subjects)
    blocks.append(
        Text(f"`python -m sweeper.report DIRECTORY` has more on each of {directories}.", "note")
    )
    return Section("reproduce", "To have it again", blocks)


SECTIONS: tuple[Callable[[Compared], Section | None], ...] = (
    _question,
    _protocol,
    _answer,
    _leaderboard,
    _curves,
    _history,
    _times,
    _configurations,
    _reproduction,
)

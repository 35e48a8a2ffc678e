"""A report on several studies and runs: what each came to, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sweeper.report.comparison.answer import answer_section
from sweeper.report.comparison.compared import Compared
from sweeper.report.comparison.entries import StudyEntry, by_metric
from sweeper.report.comparison.figures import best_curves, compared_histories, compared_stages
from sweeper.report.comparison.protocols import (
    configuration_table,
    how_it_was_done,
    protocol_table,
)
from sweeper.report.rendering.page import Block, KeyFigure, Page, Section, Table, Text
from sweeper.report.sections.head import problems_of, written
from sweeper.report.sections.question import states_text
from sweeper.report.sections.reproduction import commands
from sweeper.results.formatting import (
    count,
    duration,
    join_code,
    join_names,
    metric_label,
    number,
)
from sweeper.results.seed_groups import has_seed_groups, seed_groups
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import parameter_names
from sweeper.study.outputs.reading import parameters_text, short_names

SHOWN = 20


def comparison_of(
    studies: Sequence[StudyResults],
    on_section: Callable[[int, int], None] = lambda done, total: None,
) -> Page:
    """The whole report.

    Args:
      studies: two or more.
      on_section: told after each section, as (done, of so many).
    """
    compared = Compared(studies)
    sections = []
    for index, make in enumerate(SECTIONS, start=1):
        sections.append(make(compared))
        on_section(index, len(SECTIONS))
    labels = [standing.label for standing in compared.standings]
    return Page(
        title=" · ".join(labels) if len(labels) <= 3 else f"{len(labels)} studies and runs",
        subtitle=f"Comparison of {join_names(str(s.directory) for s in studies)}{written()}",
        sections=[section for section in sections if section],
        key_figures=[_key_figure(standing) for standing in compared.told],
        problems=[*compared.problems, *(line for each in studies for line in problems_of(each))],
    )


def _key_figure(standing: StudyEntry) -> KeyFigure:
    return KeyFigure(standing.label, standing.text, standing.which)


def _question(compared: Compared) -> Section:
    end = "highest" if compared.is_maximized else "lowest"
    rows = [
        [
            standing.label,
            "study" if standing.results.study else "run",
            str(standing.results.directory),
            join_names(parameter_names(standing.results.rows) or ["nothing"]),
            states_text(standing.results),
            _wall_time(standing.results),
        ]
        for standing in compared.standings
    ]
    return Section(
        "question",
        "The question",
        [
            Text(f"Which of these has the {end} {metric_label(compared.metric)}?", "lead"),
            Table(["name", "kind", "directory", "varied", "trials", "wall time"], rows, "Compared"),
        ],
    )


def _wall_time(results: StudyResults) -> str:
    return "–" if results.wall_seconds is None else duration(results.wall_seconds)


def _protocol(compared: Compared) -> Section | None:
    blocks: list[Block] = []
    if table := protocol_table(compared.standings, "Where the protocols differ"):
        blocks += [Text("**The figures are not of the same rows.**"), table]
    blocks += how_it_was_done(compared.standings)
    return Section("protocol", "The protocol", blocks) if blocks else None


def _leaderboard(compared: Compared) -> Section | None:
    """The first trials of all studies together."""
    if compared.problems:
        return None
    turn = -1 if compared.is_maximized else 1
    found = []
    for standing in compared.standings:
        for value, trial, parameters in _entries(standing, compared):
            found.append((turn * value, [standing.label, trial, number(value), parameters]))
    found.sort(key=lambda pair: pair[0])
    if len(found) <= len(compared.standings):
        return None
    rows = [[str(place), *cells] for place, (_, cells) in enumerate(found[:SHOWN], start=1)]
    columns = ["rank", "of", "trial", metric_label(compared.metric), "parameters"]
    table = Table(columns, rows, strong=frozenset({0}), note=" ".join(_notes(compared, len(found))))
    return Section("leaderboard", "Leaderboard", [table])


def _entries(standing: StudyEntry, compared: Compared) -> Iterator[tuple[float, str, str]]:
    """(figure, trial, parameters); of a grid over seeds its means: seeds don't compete."""
    seen = by_metric(standing.results, compared.metric, compared.is_maximized)
    if has_seed_groups(seen):
        for each in seed_groups(seen):
            yield each.mean, f"mean of {len(each.rows)}", each.label
        return
    short = short_names(parameter_names(seen.rows))
    for row in seen.rows:
        yield row.values[0], str(row.number), parameters_text(row.params, short) or "–"


def _notes(compared: Compared, trials: int) -> Iterator[str]:
    if trials > SHOWN:
        yield f"… and {count(trials - SHOWN, 'complete trial')} more."
    if compared.goes_by_confirmation:
        yield "By what the searches found; the answer goes by what confirmed it."


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
    table = configuration_table(compared.standings, "Where the best configurations differ")
    return Section("configurations", "Configurations", [table]) if table else None


def _reproduction(compared: Compared) -> Section:
    blocks: list[Block] = []
    for standing in compared.standings:
        if standing.record is not None:
            blocks.append(Text(f"**{standing.label}**"))
            blocks += commands(standing.results, standing.record)
    directories = join_code(str(results.directory) for results in compared.studies)
    blocks.append(
        Text(f"`python -m sweeper.report DIRECTORY` has more on each of {directories}.", "note")
    )
    return Section("reproduce", "To have it again", blocks)


SECTIONS: tuple[Callable[[Compared], Section | None], ...] = (
    _question,
    _protocol,
    answer_section,
    _leaderboard,
    _curves,
    _history,
    _times,
    _configurations,
    _reproduction,
)

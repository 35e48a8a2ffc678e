"""A report on one study or several: its sections, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sweeper.report.comparison import StudyComparison
from sweeper.report.rendering.page import Page, Section
from sweeper.report.sections import head
from sweeper.report.sections.answer import answer_section
from sweeper.report.sections.architecture import architecture_section
from sweeper.report.sections.confirmation import confirmation_section
from sweeper.report.sections.curves import curves_section
from sweeper.report.sections.history import history_section
from sweeper.report.sections.leaderboard import leaderboard_section
from sweeper.report.sections.parameters import parameters_section
from sweeper.report.sections.pareto import pareto_section
from sweeper.report.sections.protocol import configurations_section, protocol_section
from sweeper.report.sections.question import question_section
from sweeper.report.sections.reproduction import reproduction_section
from sweeper.report.sections.savings import savings_section
from sweeper.report.sections.segments import segments_section
from sweeper.report.sections.times import times_section
from sweeper.results.study_results import StudyResults

MakeSection = Callable[[StudyComparison], Section | None]


def of_one_study(make: Callable[[StudyResults], Section | None]) -> MakeSection:
    """A section that only the report on a single study or run has."""
    return lambda comparison: make(comparison.single) if comparison.single else None


# Each gives its section, or None where there is nothing for it.
SECTIONS: tuple[MakeSection, ...] = (
    question_section,
    protocol_section,
    answer_section,
    of_one_study(confirmation_section),
    of_one_study(segments_section),
    leaderboard_section,
    curves_section,
    history_section,
    of_one_study(pareto_section),
    of_one_study(parameters_section),
    of_one_study(architecture_section),
    of_one_study(savings_section),
    times_section,
    configurations_section,
    reproduction_section,
)


def page_of(
    studies: Sequence[StudyResults], on_section: Callable[[int, int], None] = lambda a, b: None
) -> Page:
    """The report on one study or run, or the comparison of several.

    Args:
      on_section: called after each section, as (done, of so many).
    """
    comparison = StudyComparison(studies)
    sections = []
    for index, make in enumerate(SECTIONS, start=1):
        sections.append(make(comparison))
        on_section(index, len(SECTIONS))
    return Page(
        title=head.title(comparison),
        subtitle=head.subtitle(comparison),
        sections=[section for section in sections if section],
        key_values=head.key_values(comparison),
        problems=head.problems(comparison),
    )

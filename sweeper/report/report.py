"""A report on one study or one run: its sections, in order."""

from __future__ import annotations

from collections.abc import Callable

from sweeper.report.rendering.page import Page, Section
from sweeper.report.sections.answer import answer_section
from sweeper.report.sections.architecture import architecture_section
from sweeper.report.sections.confirmed import evidence_section
from sweeper.report.sections.head import key_figures, problems_of, subtitle
from sweeper.report.sections.optimization import optimization_section, pareto_section
from sweeper.report.sections.parameters import parameters_section
from sweeper.report.sections.question import protocol_section, question_section
from sweeper.report.sections.reproduction import reproduction_section
from sweeper.report.sections.savings import savings_section
from sweeper.report.sections.segments import strengths_section
from sweeper.report.sections.times import times_section
from sweeper.report.sections.trial_table import leaderboard_section
from sweeper.report.sections.validation_curves import curves_section
from sweeper.results.study_results import StudyResults

# Each gives its section, or None where the study has nothing for it.
SECTIONS: tuple[Callable[[StudyResults], Section | None], ...] = (
    question_section,
    protocol_section,
    answer_section,
    evidence_section,
    strengths_section,
    leaderboard_section,
    curves_section,
    optimization_section,
    pareto_section,
    parameters_section,
    architecture_section,
    savings_section,
    times_section,
    reproduction_section,
)


def page_of(
    results: StudyResults, on_section: Callable[[int, int], None] = lambda a, b: None
) -> Page:
    """The whole report.

    Args:
      on_section: told after each section, as (done, of so many).
    """
    sections = []
    for index, make in enumerate(SECTIONS, start=1):
        sections.append(make(results))
        on_section(index, len(SECTIONS))
    return Page(
        title=results.name,
        subtitle=subtitle(results),
        sections=[section for section in sections if section],
        key_figures=key_figures(results),
        problems=problems_of(results),
    )

"""The head of a report: the few figures that it comes down to, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sweeper import __version__
from sweeper.report.rendering.page import KeyFigure
from sweeper.report.sections.confirmed import confirmed_metric
from sweeper.report.sections.confirmed_tables import name_words, rows_words
from sweeper.results.analysis.baselines import named_baselines
from sweeper.results.analysis.seed_groups import certainty_over_seeds, repeated, seeds_varied
from sweeper.results.analysis.significance import Key, Significance, certainties
from sweeper.results.evidence.statistics import ALIKE, Comparison
from sweeper.results.formatting import (
    baseline_words,
    count,
    duration,
    metric_words,
    number,
    signed,
)
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import baselines_of
from sweeper.study.outputs.reading import values_text


def subtitle(subject: StudyResults) -> str:
    """ "Study in outputs/architecture · written on 2026-11-24 at 16:43 by sweeper 0.1.0"."""
    kind = "Single run" if subject.study is None else "Study"
    return f"{kind} in {subject.directory}{written()}"


def written() -> str:
    """When, and by which version."""
    return f" · written on {datetime.now():%Y-%m-%d at %H:%M} by sweeper {__version__}"


def key_figures(subject: StudyResults) -> list[KeyFigure]:
    figures = [*_confirmed_figures(subject), *_best_figures(subject)]
    if subject.study is not None:
        complete = len(subject.of_states("complete"))
        figures.append(KeyFigure("trials", f"{len(subject.rows):,}", f"{complete:,} complete"))
    if seconds := subject.wall_seconds:
        parts = [f"{name} {duration(each)}" for name, each in subject.wall_parts]
        figures.append(KeyFigure("wall time", duration(seconds), ", ".join(parts)))
    return figures


def _confirmed_figures(subject: StudyResults) -> Iterator[KeyFigure]:
    """What the answer rests on."""
    evidence = subject.evidence
    if evidence is None or not evidence.is_complete:
        return
    metric, fresh = confirmed_metric(subject), not evidence.own
    summary = evidence.summary(evidence.winner, metric, fresh)
    assert summary is not None
    spread = "" if summary.deviation is None else f"± {summary.deviation:.4f}, "
    note = f"{spread}{name_words(evidence.winner)} on {rows_words(evidence, fresh)}"
    yield KeyFigure(f"{metric_words(metric)}, confirmed", number(summary.mean), note)
    compared = evidence.compared(metric, fresh)
    found = {name: evidence.summary(name, metric, fresh) for name in evidence.baselines}
    means = {name: theirs.mean for name, theirs in found.items() if theirs}
    for name, theirs in named_baselines(means, None).items():
        yield _baseline_figure(name, summary.mean, theirs, compared.get(name))


def _best_figures(subject: StudyResults) -> Iterator[KeyFigure]:
    best, words = subject.best, metric_words(subject.metric)
    if best is None:
        return
    if seeds_varied(subject):
        configurations = repeated(subject)
        first = configurations[0]
        yield KeyFigure(f"{words}, best mean", number(first.mean), first.label)
        certain = certainty_over_seeds(subject, configurations)
        baselines = named_baselines(first.baselines, first.reference)
        yield from _baseline_figures(first.mean, baselines, certain)
    elif len(subject.objectives) > 1:
        yield KeyFigure("Pareto front", f"{len(subject.front):,}", "trials")
    else:
        (value, *_) = values_text(best.values, best.result, subject.objectives)
        is_run = subject.study is None
        confirmed = subject.evidence is not None and subject.evidence.is_complete
        note = f"on {subject.scored_rows} rows" if is_run else f"trial {best.number}"
        of_search = ", in the search" if confirmed else ", best"
        yield KeyFigure(words if is_run else f"{words}{of_search}", value, note)
        if not confirmed:
            baselines = named_baselines(baselines_of(best, subject.metric), best.reference)
            yield from _baseline_figures(best.values[0], baselines, certainties(subject))


def _baseline_figures(
    value: float, baselines: dict[str, float], certain: Mapping[Key, Significance]
) -> Iterator[KeyFigure]:
    for name, theirs in baselines.items():
        known = certain.get(name)
        yield _baseline_figure(name, value, theirs, known.compared if known else None)


def _baseline_figure(
    name: str, value: float, theirs: float, compared: Comparison | None
) -> KeyFigure:
    """What the tables say of it, too; where nothing was compared, the figures alone."""
    beaten = "beaten" if value > theirs else "not beaten"
    if compared is not None and compared.verdict == ALIKE:
        beaten = ALIKE
    return KeyFigure(baseline_words(name), number(theirs), f"{beaten}, {signed(value - theirs)}")


def problems_of(subject: StudyResults) -> Sequence[str]:
    """What can't be read, and what isn't there yet."""
    return [*subject.problems, *_state_problems(subject)]


def _state_problems(subject: StudyResults) -> Iterator[str]:
    running = len(subject.of_states("running", "waiting"))
    if running and subject.study is not None:
        yield (
            f"{subject.directory}: {count(running, 'trial')} still running or waiting; the report "
            "is of what there is"
        )
    if subject.best is not None:
        return
    if subject.study is None:
        (run,) = subject.rows
        yield f"{subject.directory}: the run is {run.state}, not completed"
    else:
        yield f"{subject.directory}: no trial is complete and feasible"

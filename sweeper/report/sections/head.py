"""The head of a report: the few figures that it comes down to, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sweeper import __version__
from sweeper.report.rendering.page import KeyFigure
from sweeper.results.baselines import key_baselines
from sweeper.results.confirmation_text import configuration_label, test_rows_label
from sweeper.results.formatting import (
    count,
    duration,
    metric_label,
    number,
    signed,
)
from sweeper.results.seed_groups import has_seed_groups, seed_group_significance, seed_groups
from sweeper.results.significance import Key, Significance
from sweeper.results.statistics import NOT_DISTINGUISHABLE, Comparison
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import baselines_of
from sweeper.study.outputs.reading import values_text
from sweeper.two_tower.config import baseline_name


def subtitle(results: StudyResults) -> str:
    """ "Study in outputs/architecture · written on 2026-11-24 at 16:43 by sweeper 0.1.0"."""
    kind = "Single run" if results.study is None else "Study"
    return f"{kind} in {results.directory}{written()}"


def written() -> str:
    """When, and by which version."""
    return f" · written on {datetime.now():%Y-%m-%d at %H:%M} by sweeper {__version__}"


def key_figures(results: StudyResults) -> list[KeyFigure]:
    figures = [*_confirmed_figures(results), *_best_figures(results)]
    if results.study is not None:
        complete = len(results.of_states("complete"))
        figures.append(KeyFigure("trials", f"{len(results.rows):,}", f"{complete:,} complete"))
    if seconds := results.wall_seconds:
        parts = [f"{name} {duration(each)}" for name, each in results.wall_parts]
        figures.append(KeyFigure("wall time", duration(seconds), ", ".join(parts)))
    return figures


def _confirmed_figures(results: StudyResults) -> Iterator[KeyFigure]:
    """What the answer rests on."""
    confirmation = results.confirmation
    if confirmation is None or not confirmation.is_complete:
        return
    metric, fresh = results.confirmed_metric, not confirmation.own
    summary = confirmation.summary(confirmation.winner, metric, fresh)
    assert summary is not None
    spread = "" if summary.deviation is None else f"± {summary.deviation:.4f}, "
    winner = configuration_label(confirmation.winner)
    note = f"{spread}{winner} on {test_rows_label(confirmation, fresh)}"
    yield KeyFigure(f"{metric_label(metric)}, confirmed", number(summary.mean), note)
    compared = confirmation.compared(metric, fresh)
    found = {name: confirmation.summary(name, metric, fresh) for name in confirmation.baselines}
    means = {name: theirs.mean for name, theirs in found.items() if theirs}
    for name, theirs in key_baselines(means, None).items():
        yield _baseline_figure(name, summary.mean, theirs, compared.get(name))


def _best_figures(results: StudyResults) -> Iterator[KeyFigure]:
    best, words = results.best, metric_label(results.metric)
    if best is None:
        return
    if has_seed_groups(results):
        configurations = seed_groups(results)
        first = configurations[0]
        yield KeyFigure(f"{words}, best mean", number(first.mean), first.label)
        significance = seed_group_significance(results, configurations)
        baselines = key_baselines(first.baselines, first.reference)
        yield from _baseline_figures(first.mean, baselines, significance)
    elif len(results.objectives) > 1:
        yield KeyFigure("Pareto front", f"{len(results.front):,}", "trials")
    else:
        (value, *_) = values_text(best.values, best.result, results.objectives)
        is_run = results.study is None
        confirmed = results.confirmation is not None and results.confirmation.is_complete
        note = f"on {results.evaluation_split} rows" if is_run else f"trial {best.number}"
        of_search = ", in the search" if confirmed else ", best"
        yield KeyFigure(words if is_run else f"{words}{of_search}", value, note)
        if not confirmed:
            baselines = key_baselines(baselines_of(best, results.metric), best.reference)
            yield from _baseline_figures(best.values[0], baselines, results.significance)


def _baseline_figures(
    value: float, baselines: dict[str, float], significance: Mapping[Key, Significance]
) -> Iterator[KeyFigure]:
    for name, theirs in baselines.items():
        known = significance.get(name)
        yield _baseline_figure(name, value, theirs, known.compared if known else None)


def _baseline_figure(
    name: str, value: float, theirs: float, compared: Comparison | None
) -> KeyFigure:
    """What the tables say of it, too; where nothing was compared, the figures alone."""
    beaten = "beaten" if value > theirs else "not beaten"
    if compared is not None and compared.verdict == NOT_DISTINGUISHABLE:
        beaten = NOT_DISTINGUISHABLE
    return KeyFigure(baseline_name(name), number(theirs), f"{beaten}, {signed(value - theirs)}")


def problems_of(results: StudyResults) -> Sequence[str]:
    """What can't be read, and what isn't there yet."""
    return [*results.problems, *_state_problems(results)]


def _state_problems(results: StudyResults) -> Iterator[str]:
    running = len(results.of_states("running", "waiting"))
    if running and results.study is not None:
        yield (
            f"{results.directory}: {count(running, 'trial')} still running or waiting; the report "
            "is of what there is"
        )
    if results.best is not None:
        return
    if results.study is None:
        (run,) = results.rows
        yield f"{results.directory}: the run is {run.state}, not completed"
    else:
        yield f"{results.directory}: no trial is complete and feasible"

"""The head of a report: the few values that it comes down to, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sweeper import __version__
from sweeper.report.comparison import StudyComparison
from sweeper.report.rendering.page import KeyValue
from sweeper.results.baselines import key_baselines
from sweeper.results.confirmation_text import configuration_label, test_rows_label
from sweeper.results.formatting import count, duration, join_names, metric_label, number, signed
from sweeper.results.seed_groups import has_seed_groups
from sweeper.results.significance import Key, Significance
from sweeper.results.statistics import NOT_DISTINGUISHABLE, Comparison
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import baselines_of
from sweeper.study.outputs.number_formats import values_text
from sweeper.two_tower.config import baseline_name


def title(comparison: StudyComparison) -> str:
    labels = [entry.label for entry in comparison.entries]
    return " · ".join(labels) if len(labels) <= 3 else f"{len(labels)} studies and runs"


def subtitle(comparison: StudyComparison) -> str:
    """ "Study in outputs/architecture · written on 2026-11-24 at 16:43 by sweeper 0.1.0"."""
    kind = "Comparison of"
    if study := comparison.single:
        kind = "Single run in" if study.study is None else "Study in"
    directories = join_names(str(results.directory) for results in comparison.studies)
    now = f"{datetime.now():%Y-%m-%d at %H:%M}"
    return f"{kind} {directories} · written on {now} by sweeper {__version__}"


def problems(comparison: StudyComparison) -> list[str]:
    """What can't be read or compared, and what isn't there yet."""
    own = [line for results in comparison.studies for line in problems_of(results)]
    return [*comparison.problems, *own]


def key_values(comparison: StudyComparison) -> list[KeyValue]:
    """The few values that the report comes down to."""
    study = comparison.single
    if study is None:
        entries = comparison.confirmed_entries
        return [KeyValue(entry.label, entry.text, entry.best_label) for entry in entries]
    found = [*_confirmed_values(study), *_best_values(comparison, study)]
    if study.study is not None:
        complete = len(study.of_states("complete"))
        found.append(KeyValue("trials", f"{len(study.rows):,}", f"{complete:,} complete"))
    if seconds := study.wall_seconds:
        parts = [f"{name} {duration(each)}" for name, each in study.wall_parts]
        found.append(KeyValue("wall time", duration(seconds), ", ".join(parts)))
    return found


def _confirmed_values(results: StudyResults) -> Iterator[KeyValue]:
    """The confirmed value beside the baselines."""
    confirmation = results.confirmation
    if confirmation is None or not confirmation.is_complete:
        return
    metric, fresh = results.confirmed_metric, not confirmation.own
    summary = confirmation.summary(confirmation.winner, metric, fresh)
    assert summary is not None
    spread = "" if summary.deviation is None else f"± {summary.deviation:.4f}, "
    winner = configuration_label(confirmation.winner)
    note = f"{spread}{winner} on {test_rows_label(confirmation, fresh)}"
    yield KeyValue(f"{metric_label(metric)}, confirmed", number(summary.mean), note)
    compared = confirmation.compared(metric, fresh)
    found = {name: confirmation.summary(name, metric, fresh) for name in confirmation.baselines}
    means = {name: theirs.mean for name, theirs in found.items() if theirs}
    for name, theirs in key_baselines(means, None).items():
        yield _baseline_value(name, summary.mean, theirs, compared.get(name))


def _best_values(comparison: StudyComparison, study: StudyResults) -> Iterator[KeyValue]:
    best, label = study.best, metric_label(study.metric)
    if best is None:
        return
    if has_seed_groups(study):
        first = comparison.seed_groups[0]
        yield KeyValue(f"{label}, best mean", number(first.mean), first.label)
        baselines = key_baselines(first.baselines, first.reference)
        yield from _baseline_values(first.mean, baselines, comparison.significance)
    elif len(study.objectives) > 1:
        yield KeyValue("Pareto front", f"{len(study.front):,}", "trials")
    else:
        (value, *_) = values_text(best.values, best.result, study.objectives)
        is_run = study.study is None
        is_confirmed = study.confirmation is not None and study.confirmation.is_complete
        note = f"on {study.evaluation_split} rows" if is_run else f"trial {best.number}"
        of_search = ", in the search" if is_confirmed else ", best"
        yield KeyValue(label if is_run else f"{label}{of_search}", value, note)
        if not is_confirmed:
            baselines = key_baselines(baselines_of(best, study.metric), best.reference)
            yield from _baseline_values(best.values[0], baselines, comparison.significance)


def _baseline_values(
    value: float, baselines: dict[str, float], significance: Mapping[Key, Significance]
) -> Iterator[KeyValue]:
    for name, theirs in baselines.items():
        known = significance.get(name)
        yield _baseline_value(name, value, theirs, known.compared if known else None)


def _baseline_value(
    name: str, value: float, theirs: float, compared: Comparison | None
) -> KeyValue:
    """What the tables say of it, too; where nothing was compared, the values alone."""
    beaten = "beaten" if value > theirs else "not beaten"
    if compared is not None and compared.verdict == NOT_DISTINGUISHABLE:
        beaten = NOT_DISTINGUISHABLE
    return KeyValue(baseline_name(name), number(theirs), f"{beaten}, {signed(value - theirs)}")


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

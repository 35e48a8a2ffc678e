"""The baselines that a model has to beat, and sentences that compare a value with them."""

from __future__ import annotations

from collections.abc import Iterable

from sweeper.results.formatting import NOTHING_BEATEN, number
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import (
    baselines_of,
    best_of,
    no_better_text,
)
from sweeper.two_tower.config import baseline_name

POPULARITY = "popularity"
# A sentence names at most this many baselines; the tables list all of them.
MAX_NAMED = 3


def baseline_objective_index(results: StudyResults) -> int | None:
    """Returns the index of the first objective that baselines have; None if none has baselines."""
    for index, objective in enumerate(results.objectives):
        if any(baselines_of(row, objective.metric) for row in results.rows):
            return index
    return None


def study_baselines(results: StudyResults, metric: str | None = None) -> dict[str, float]:
    """Returns the baselines of the best trial that has any.

    Args:
      metric: of their values; None: the first objective that baselines have.
    """
    if metric is None:
        index = baseline_objective_index(results)
        if index is None:
            return {}
        metric = results.objectives[index].metric
    found = (baselines_of(row, metric) for row in results.rows)
    return next((baselines for baselines in found if baselines), {})


def unbeaten_baselines_text(unbeaten_baselines: Iterable[tuple[str, float] | None]) -> str:
    """ "no better than EASE (0.4618)", of trials; None stands for a trial that beats all."""
    unbeaten = [each for each in unbeaten_baselines if each]
    return no_better_text(unbeaten, baseline_name) if unbeaten else ""


def best_unbeaten_baseline(
    value: float, baselines: dict[str, float], reference: str | None
) -> tuple[str, float] | None:
    """Returns the name and the value of the best baseline; None if the value is above it.

    Args:
      reference: the name among the baselines that is a trained model.
    """
    name = best_of(baselines, reference)
    return (name, baselines[name]) if name and value <= baselines[name] else None


def baseline_comparison_text(
    value: float, baselines: dict[str, float], reference: str | None
) -> str:
    """Ends a sentence about a value with its distance from the baselines; may be empty.

    ", 0.1573 above popularity (0.2943), 0.0102 above EASE (0.4416)", or ", which does not beat
    the best baseline, EASE (0.4618)".
    """
    if weak := unbeaten_baseline_text(value, baselines, reference):
        return f", which {weak}"
    against = baseline_gaps_text(value, key_baselines(baselines, reference))
    return f", {against}" if against else ""


def unbeaten_baseline_text(value: float, baselines: dict[str, float], reference: str | None) -> str:
    """ "does not beat the best baseline, EASE (0.4618)"; "" if the value beats all."""
    unbeaten = best_unbeaten_baseline(value, baselines, reference)
    if unbeaten is None:
        return ""
    name, theirs = unbeaten
    if name == POPULARITY:
        return f"does not beat popularity ({number(theirs)}): {NOTHING_BEATEN}"
    shown = key_baselines(baselines, reference)
    against = baseline_gaps_text(value, {key: shown[key] for key in shown if key != name})
    text = f"does not beat the best baseline, {baseline_name(name)} ({number(theirs)})"
    return f"{text}; it is {against}" if against else text


def key_baselines(baselines: dict[str, float], reference: str | None) -> dict[str, float]:
    """Selects the baselines that a sentence names: the best, popularity and the reference."""
    if len(baselines) <= MAX_NAMED:
        return baselines
    names = (best_of(baselines, reference), POPULARITY, reference)
    return {name: baselines[name] for name in dict.fromkeys(names) if name and name in baselines}


def baseline_gaps_text(value: float, baselines: dict[str, float]) -> str:
    """ "0.1573 above popularity (0.2943), 0.0102 below EASE (0.4618)"; may be empty."""
    return ", ".join(
        f"{number(abs(value - theirs))} {'above' if value > theirs else 'below'} "
        f"{baseline_name(name)} ({number(theirs)})"
        for name, theirs in baselines.items()
    )

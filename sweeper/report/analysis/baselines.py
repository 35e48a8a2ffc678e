"""What every figure has to beat: popularity, and EASE where it was fitted."""

from __future__ import annotations

from sweeper.report.rendering.words import baseline_words, number
from sweeper.report.subject import Subject
from sweeper.study.results.leaderboard import Row, beats_popularity

POPULARITY = "popularity"


def baselines_of(row: Row, metric: str) -> dict[str, float]:
    """The metric of each baseline, on the rows that this trial was scored on."""
    scores: dict[str, dict[str, float]] = row.result.get("baselines") or {}
    return {name: metrics[metric] for name, metrics in scores.items() if metric in metrics}


def accuracy_index(subject: Subject) -> int | None:
    """Which objective the baselines have too; None if none, as of a loss."""
    for index, objective in enumerate(subject.objectives):
        if any(baselines_of(row, objective.metric) for row in subject.rows):
            return index
    return None


def usual_baselines(subject: Subject, metric: str | None = None) -> dict[str, float]:
    """The baselines of the best trial that has them, by the first objective that they have."""
    if metric is None:
        index = accuracy_index(subject)
        if index is None:
            return {}
        metric = subject.objectives[index].metric
    found = (baselines_of(row, metric) for row in subject.rows)
    return next((baselines for baselines in found if baselines), {})


def is_no_better(subject: Subject, row: Row) -> bool:
    """Whether a list of the most popular candidates is as good as this trial, or better."""
    return beats_popularity(row, subject.objectives) is False


def against_baselines(value: float, baselines: dict[str, float]) -> str:
    """ "0.1573 above popularity (0.2943), 0.0102 below EASE (0.4618)"; may be empty."""
    return ", ".join(
        f"{number(abs(value - theirs))} {'above' if value > theirs else 'below'} "
        f"{baseline_words(name)} ({number(theirs)})"
        for name, theirs in baselines.items()
    )

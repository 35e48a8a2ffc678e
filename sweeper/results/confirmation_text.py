"""Sentences about the results of a confirmation."""

from __future__ import annotations

from sweeper.results.confirmation import ConfirmationResults
from sweeper.results.formatting import count, join_names, metric_label, number, signed, upper_first
from sweeper.results.statistics import NOT_DISTINGUISHABLE, Comparison, Summary
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import best_of
from sweeper.two_tower.config import baseline_name

OWN_ROWS = "the study's own test rows"


def test_rows_label(confirmation: ConfirmationResults, fresh: bool) -> str:
    """Names the test rows: the study's own, those of later cuts too, or of other splits."""
    if fresh:
        return "fresh splits" if confirmation.is_split_at_random else "earlier cuts"
    cuts = [] if confirmation.is_split_at_random else confirmation.cuts()
    return f"the test rows of cuts {join_names(map(str, cuts))}" if len(cuts) > 1 else OWN_ROWS


def configuration_label(name: str) -> str:
    """ "trial 17 without timestamp", "EASE"."""
    return name.replace("_", " ") if name.startswith("trial_") else baseline_name(name)


def confirmed_text(results: StudyResults, confirmation: ConfirmationResults) -> str:
    """States the answer in a sentence, by values on rows that the search never used."""
    fresh, metric = not confirmation.own, results.confirmed_metric
    summary = confirmation.summary(confirmation.winner, metric, fresh)
    assert summary is not None
    compared = confirmation.compared(metric, fresh)

    def those(verdict: str) -> list[str]:
        return [
            configuration_label(name) for name, each in compared.items() if each.verdict == verdict
        ]

    text = (
        f"{upper_first(configuration_label(confirmation.winner))} has **{number(summary.mean)} "
        f"{metric_label(metric)}** on {test_rows_label(confirmation, fresh)}"
        f"{_interval_text(summary)}"
    )
    if worse := those("worse"):
        text += f"; it is better than {join_names(worse)}"
    if alike := those(NOT_DISTINGUISHABLE):
        text += f"; it can't be told apart from {join_names(alike)}"
    if better := those("better"):
        text += f"; {join_names(better)} {'is' if len(better) == 1 else 'are'} better"
    return f"{text}."


def _interval_text(summary: Summary) -> str:
    if summary.low is None:
        return ", one seed"
    return (
        f" (95 % interval {number(summary.low)} to {number(summary.high)}, "
        f"{count(summary.number, 'seed')})"
    )


def best_baseline_text(confirmation: ConfirmationResults, metric: str) -> str | None:
    """States how much better the winner is than the best baseline, and its significance.

    The best baseline is chosen on the same test rows, which makes it a little harder to beat. None
    without any baseline.
    """
    fresh = not confirmation.own
    found = {name: confirmation.summary(name, metric, fresh) for name in confirmation.baselines}
    means = {name: summary.mean for name, summary in found.items() if summary}
    best = best_of(means)
    if best is None:
        return None
    text = f"The best of the baselines is {configuration_label(best)} with {number(means[best])}"
    compared = confirmation.compared(metric, fresh).get(best)
    if compared is None:
        return f"{text}."
    winner = upper_first(configuration_label(confirmation.winner))
    return f"{text}. {winner} {_comparison_text(compared)}."


def _comparison_text(compared: Comparison) -> str:
    gap = f"by {number(abs(compared.difference))}"
    text = {"worse": f"beats it {gap}", "better": f"is worse {gap}"}.get(
        compared.verdict, f"can't be told apart from it, with {signed(compared.difference)}"
    )
    if compared.low is None or compared.high is None:
        return text
    adjusted = compared.adjusted_p_value
    p_value = p_value_text(compared.p_value if adjusted is None else adjusted)
    samples = "splits" if compared.users is None else f"{compared.users:,} users"
    if compared.users is not None and compared.seeds > 1:
        samples += f" and {compared.seeds} training seeds"
    return (
        f"{text} (95 % interval of the difference {signed(compared.low)} to "
        f"{signed(compared.high)}, p {p_value}; a paired test, {samples} being the sample)"
    )


def p_value_text(value: float) -> str:
    """Formats a p-value."""
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"

"""The winner of a confirmation against the best of the baselines, in a sentence."""

from __future__ import annotations

from sweeper.report.sections.confirmed_tables import name_words, probability
from sweeper.results.evidence.evidence import Evidence
from sweeper.results.evidence.statistics import Comparison
from sweeper.results.formatting import number, signed, upper_first
from sweeper.study.outputs.leaderboard import best_of


def best_baseline_text(evidence: Evidence, metric: str) -> str | None:
    """How much better the winner is than the best baseline, and how sure that is.

    By the test rows: the best of several on the very rows that are compared is a little lucky,
    which makes it the harder to beat. None without any baseline.
    """
    fresh = not evidence.own
    found = {name: evidence.summary(name, metric, fresh) for name in evidence.baselines}
    means = {name: summary.mean for name, summary in found.items() if summary}
    best = best_of(means)
    if best is None:
        return None
    text = f"The best of the baselines is {name_words(best)} with {number(means[best])}"
    compared = evidence.compared(metric, fresh).get(best)
    if compared is None:
        return f"{text}."
    return f"{text}. {upper_first(name_words(evidence.winner))} {_told(compared)}."


def _told(compared: Comparison) -> str:
    gap = f"by {number(abs(compared.difference))}"
    told = {"worse": f"beats it {gap}", "better": f"is worse {gap}"}.get(
        compared.verdict, f"can't be told apart from it, with {signed(compared.difference)}"
    )
    if compared.low is None or compared.high is None:
        return told
    adjusted = compared.adjusted_p_value
    p_value = probability(compared.p_value if adjusted is None else adjusted)
    samples = "splits" if compared.users is None else f"{compared.users:,} users"
    if compared.users is not None and compared.seeds > 1:
        samples += f" and {compared.seeds} training seeds"
    return (
        f"{told} (95 % interval of the difference {signed(compared.low)} to "
        f"{signed(compared.high)}, p {p_value}; a paired test, {samples} being the sample)"
    )

"""Confidence intervals and paired tests of values, such as one per seed or split.

Scored rows are compared in `sweeper.results.clustered_tests`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats  # type: ignore[import-untyped]

NOT_DISTINGUISHABLE = "not distinguishable"


@dataclass(frozen=True)
class Summary:
    """Several values of the same quantity, such as one per seed.

    Attributes:
      deviation: the sample standard deviation; None for a single value.
      low, high: Student's confidence interval of the mean; None for a single value.
      number: the number of values.
    """

    mean: float
    deviation: float | None
    low: float | None
    high: float | None
    number: int

    @property
    def interval(self) -> tuple[float, float] | None:
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True)
class Comparison:
    """The comparison of configuration A with B.

    Attributes:
      difference: the mean of A minus that of B.
      standard_error, degrees_of_freedom: of the difference; None, like `low` and
        `high`, if there is a single user or pair.
      low, high: the confidence interval of the difference.
      p_value: two-sided, of no difference; 1 if there is no interval, 0 if all users
        and seeds, or pairs, differ by exactly the same.
      wilcoxon_p_value: of Wilcoxon's signed-rank test, two-sided: over users of
        these very models, each user counted alike, or over pairs.
      probability: that A beats B, to one who had no opinion before; it is the
        one-sided confidence, 0.5 where there is no interval.
      seeds: the number of training seeds or splits.
      users: the number of users; None if values were paired by split.
      bootstrap_interval: of the difference between these very models, over users; None
        if it was not computed, or for a single user.
      adjusted_p_value: `p_value` adjusted by Holm; None for a single comparison.
    """

    difference: float
    standard_error: float | None
    degrees_of_freedom: float | None
    low: float | None
    high: float | None
    p_value: float
    wilcoxon_p_value: float
    probability: float
    seeds: int
    users: int | None = None
    bootstrap_interval: tuple[float, float] | None = None
    adjusted_p_value: float | None = None

    def distinguishable(self, level: float = 0.05) -> bool:
        """Returns whether the p-value, adjusted if it is one of several, is below the level."""
        adjusted = self.adjusted_p_value
        return (self.p_value if adjusted is None else adjusted) < level

    @property
    def verdict(self) -> str:
        """How B compares with A: "worse", "better" or `NOT_DISTINGUISHABLE`."""
        if not self.distinguishable():
            return NOT_DISTINGUISHABLE
        return "worse" if self.difference > 0 else "better"

    @property
    def verdict_where_less_is_better(self) -> str:
        """The verdict if a lower value is better."""
        return {"worse": "better", "better": "worse"}.get(self.verdict, NOT_DISTINGUISHABLE)


def summarize(
    values: ArrayLike, confidence: float = 0.95, *, test_to_train: float = 0.0
) -> Summary:
    """Returns mean, deviation and Student's interval of several values.

    Args:
      test_to_train: 0 if the values are independent; for splits of the same data, which overlap,
        as in `compare_pairs`, so that the interval is wider.

    Raises:
      ValueError: there is no value, or one is not finite.
    """
    values = _checked_values(values, "values")
    mean, number = float(values.mean()), len(values)
    if number == 1:
        return Summary(mean, None, None, None, number)
    deviation = float(values.std(ddof=1))
    error = deviation * (1 / number + test_to_train) ** 0.5
    margin = _margin(error, number - 1, confidence)
    return Summary(mean, deviation, mean - margin, mean + margin, number)


def adjusted_by_holm(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Adjusts the p-values of several comparisons that are read together."""
    adjusted = holm([comparison.p_value for comparison in comparisons])
    return [
        replace(comparison, adjusted_p_value=float(p_value))
        for comparison, p_value in zip(comparisons, adjusted, strict=True)
    ]


def compare_pairs(
    a: ArrayLike, b: ArrayLike, *, test_to_train: float, confidence: float = 0.95
) -> Comparison:
    """Compares values that are paired by split, by a corrected paired t-test.

    Splits of the same data overlap, so that the plain test is too bold. The mean's
    variance is that of the differences times (1 / pairs + test rows / training rows)
    instead of 1 / pairs (Nadeau and Bengio 2003, "Inference for the generalization
    error"). Wilcoxon's test isn't corrected; under six pairs it never gets below 0.05.

    Args:
      a, b: [splits], the value of each configuration on each split.
      test_to_train: test rows / training rows of a split, 0.25 of 20 % and 80 %;
        0 if the pairs are independent, which gives the plain paired t-test.

    Raises:
      ValueError: the lengths differ, there is no pair, a value is not finite, or
        the ratio is negative.
    """
    a, b = _checked_values(a, "a"), _checked_values(b, "b")
    if a.shape != b.shape:
        raise ValueError(f"a has the shape {a.shape}, b {b.shape}; they must be the same")
    if not test_to_train >= 0:
        raise ValueError(f"test_to_train: got {test_to_train}; it must be 0 or more")
    differences, pairs = a - b, len(a)
    variance = freedom = None
    if pairs > 1:
        variance = float(differences.var(ddof=1) * (1 / pairs + test_to_train))
        freedom = pairs - 1.0
    comparison = by_student(float(differences.mean()), variance, freedom, pairs, confidence)
    return replace(comparison, wilcoxon_p_value=wilcoxon_p_value(differences))


def holm(p_values: ArrayLike) -> np.ndarray:
    """Returns Holm's (1979) adjusted p-values, in the order given.

    If all below a level are called significant, the probability of at least one error is at most
    that level, whatever the dependence between the tests.

    Raises:
      ValueError: a value is not between 0 and 1.
    """
    p_values = np.asarray(p_values, float)
    if not ((p_values >= 0) & (p_values <= 1)).all():
        raise ValueError(f"p_values: got {p_values.tolist()}; each must be between 0 and 1")
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1)
    return adjusted


def _checked_values(values: ArrayLike, name: str) -> np.ndarray:
    """Returns the values as floats, [number], after checking that there are some, all finite."""
    checked = np.asarray(values, float)
    if checked.ndim != 1 or not len(checked):
        raise ValueError(f"{name} has the shape {checked.shape}; it must be [number], 1 or more")
    if not np.isfinite(checked).all():
        raise ValueError(f"{name}: got {checked.tolist()}; all must be finite")
    return checked


def by_student(
    difference: float,
    variance: float | None,
    freedom: float | None,
    seeds: int,
    confidence: float,
) -> Comparison:
    """Returns the comparison by Student's t; the p-value of Wilcoxon's test is left at 1."""
    if variance is None or freedom is None:
        return Comparison(difference, None, None, None, None, 1.0, 1.0, 0.5, seeds)
    error = variance**0.5
    margin = _margin(error, freedom, confidence)
    if error > 0:
        statistic = difference / error
    else:
        statistic = np.copysign(np.inf, difference) if difference else 0.0
    return Comparison(
        difference=difference,
        standard_error=error,
        degrees_of_freedom=freedom,
        low=difference - margin,
        high=difference + margin,
        p_value=float(2 * stats.t.sf(abs(statistic), freedom)),
        wilcoxon_p_value=1.0,
        probability=float(stats.t.cdf(statistic, freedom)),
        seeds=seeds,
    )


def _margin(error: float, freedom: float, confidence: float) -> float:
    """Returns half the width of Student's interval."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: got {confidence}; it must be between 0 and 1")
    return float(stats.t.ppf((1 + confidence) / 2, freedom)) * error


def wilcoxon_p_value(differences: np.ndarray) -> float:
    """Returns the p-value of Wilcoxon's signed-rank test; 1 if all differences are 0."""
    return float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0

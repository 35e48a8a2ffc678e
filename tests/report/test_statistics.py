"""Textbook numbers, variances by hand, and simulated studies that must not fool the tests."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from sweeper.results.clustered_tests import (
    compare_on_rows,
    compare_with_best,
    interval_over_users,
)
from sweeper.results.statistics import Comparison, compare_pairs, holm, summarize

pytestmark = pytest.mark.filterwarnings("error")

# Hours of sleep gained with one drug less those with the other (Student 1908, after
# Cushny and Peebles); R's `t.test(sleep)` gives the figures of the tests below.
SLEEP_A = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
SLEEP_B = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
# Darwin's maize, the example of `scipy.stats.wilcoxon`: p = 0.041259765625.
MAIZE = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75]


def p_value_of_two_degrees(statistic: float) -> float:
    """Student's t with two degrees of freedom has a closed form."""
    return 1 - abs(statistic) / sqrt(2 + statistic**2)


# The 97.5 % quantile of the same.
QUANTILE_OF_TWO_DEGREES = 4.302652729911275


def test_summary_of_students_sleep() -> None:
    summary = summarize(np.subtract(SLEEP_A, SLEEP_B))
    assert (summary.mean, summary.deviation) == pytest.approx((1.58, 1.229995), abs=1e-6)
    assert (summary.low, summary.high) == pytest.approx((0.7001142, 2.4598858), abs=1e-7)
    assert summary.number == 10


def test_summary_by_hand_at_another_confidence() -> None:
    # Two degrees of freedom; the 90 % quantile, two-sided 80 %, is 1.885618.
    summary = summarize([1, 2, 3], confidence=0.8)
    assert (summary.mean, summary.deviation) == (2, 1)
    assert summary.high == pytest.approx(2 + 1.885618 / sqrt(3), abs=1e-6)


def test_summary_of_one_value_and_of_none() -> None:
    summary = summarize([0.25])
    assert (summary.mean, summary.number) == (0.25, 1)
    assert summary.deviation is summary.low is summary.high is None
    with pytest.raises(ValueError, match=r"values has the shape \(0,\)"):
        summarize([])


def test_pairs_without_overlap_are_students_paired_test() -> None:
    result = compare_pairs(SLEEP_A, SLEEP_B, test_to_train=0)
    assert result.difference == pytest.approx(1.58)
    assert result.p_value == pytest.approx(0.002833, abs=1e-6)
    assert (result.low, result.high) == pytest.approx((0.7001142, 2.4598858), abs=1e-7)
    assert result.p_value == pytest.approx(stats.ttest_rel(SLEEP_A, SLEEP_B).pvalue, rel=1e-12)
    assert result.probability == pytest.approx(1 - 0.002833 / 2, abs=1e-6)
    assert (result.seeds, result.users) == (10, None)


def test_pairs_of_overlapping_splits_by_hand() -> None:
    # Mean 2, variance 1: the mean's variance is 1/3 + 1/4 = 7/12, with two degrees.
    result = compare_pairs([3, 5, 7], [2, 3, 4], test_to_train=0.25)
    assert result.standard_error == pytest.approx(sqrt(7 / 12))
    assert result.p_value == pytest.approx(p_value_of_two_degrees(2 / sqrt(7 / 12)))
    assert result.low == pytest.approx(2 - QUANTILE_OF_TWO_DEGREES * sqrt(7 / 12))
    assert result.probability == pytest.approx(1 - result.p_value / 2)


def test_wilcoxon_of_darwins_maize_over_pairs_and_over_users() -> None:
    pairs = compare_pairs(MAIZE, np.zeros(15), test_to_train=0)
    assert pairs.wilcoxon_p_value == pytest.approx(0.041259765625)
    # User 0 has three rows; the mean over them and both seeds is 6 again.
    hits = np.array([[0, *MAIZE, 15], [1, *MAIZE, 8]])
    users = [0, *range(15), 0]
    rows = compare_on_rows(hits, np.zeros((2, 17)), users, resamples=0)
    assert rows.wilcoxon_p_value == pytest.approx(0.041259765625)


def test_holm_by_hand() -> None:
    # In order 0.005, 0.01, 0.03, 0.04, times 4, 3, 2, 1; 0.04 may not be below 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.4]) == pytest.approx([0.9, 0.8])
    assert holm([0.6, 0.7]) == pytest.approx([1, 1])
    assert holm([]).tolist() == []


@pytest.mark.parametrize("wrong", [-0.1, 1.1, np.nan])
def test_holm_refuses_what_is_no_probability(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"p_values: got .* between 0 and 1"):
        holm([0.5, wrong])


def test_users_of_one_seed_by_hand() -> None:
    # Sums of A - B 2, 0, 0 over 2, 1, 1 rows: the estimate is 2 / 4, what is left of
    # the sums 1, -1/2, -1/2, over 4 rows; the variance 3/2 (1 + 1/4 + 1/4) / 16 = 9/64.
    result = compare_on_rows([[1, 1, 1, 0]], [[0, 0, 1, 0]], [7, 7, 3, 5])
    assert result.difference == 0.5
    assert result.standard_error == pytest.approx(3 / 8)
    assert result.degrees_of_freedom == 2
    assert result.p_value == pytest.approx(p_value_of_two_degrees(4 / 3))
    assert result.low == pytest.approx(0.5 - QUANTILE_OF_TWO_DEGREES * 3 / 8)
    assert (result.seeds, result.users) == (1, 3)


def test_one_user_of_great_weight_leaves_few_degrees_of_freedom_by_hand() -> None:
    # Nine users, of whom one differs by 9: what is left of the mean 1 is 8 and eight
    # times -1; squares 72, fourth powers 4,104.
    result = compare_on_rows([[9, *[0] * 8]], np.zeros((1, 9)), range(9), resamples=0)
    assert result.standard_error == pytest.approx(sqrt(9 / 8 * 72) / 9)
    assert result.degrees_of_freedom == pytest.approx(3 * 72**2 / 4_104)


def test_users_and_seeds_by_hand() -> None:
    # Two users of one row, two seeds, A - B is 3 and 1, 1 and -1; the estimate 1.
    # Users: means 2 and 0, variance 2 / 2 = 1. Seeds: the same. Nothing is left to
    # both together, so that the variance is 2, with 2^2 / (1^2 / 1 + 1^2 / 1) degrees.
    result = compare_on_rows([[3, 1], [1, -1]], np.zeros((2, 2)), [0, 1])
    assert result.difference == 1
    assert result.standard_error == pytest.approx(sqrt(2))
    assert result.degrees_of_freedom == pytest.approx(2)
    assert result.p_value == pytest.approx(p_value_of_two_degrees(1 / sqrt(2)))


def test_the_interval_of_one_model_by_hand() -> None:
    """Users with one row each are Student's sample, but for the degrees of freedom."""
    hits = np.array([1.0, 0, 1, 1, 0, 1, 1, 0])
    low, high = interval_over_users(hits, np.arange(8))
    error = hits.std(ddof=1) / 8**0.5
    centred = (hits - hits.mean()) ** 2
    freedom = min(7, 3 * centred.sum() ** 2 / (centred**2).sum())
    margin = stats.t.ppf(0.975, freedom) * error
    assert (low, high) == pytest.approx((hits.mean() - margin, hits.mean() + margin))
    # Twice the rows of each user tell nothing more.
    assert interval_over_users(np.tile(hits, 2), np.tile(np.arange(8), 2)) == pytest.approx(
        (low, high)
    )
    assert interval_over_users(hits, np.zeros(8)) is None


def test_what_users_and_seeds_share_counts_once_and_never_below_either() -> None:
    # A - B is 2 and 0, 0 and 2: all users alike, all seeds alike, yet the estimate of
    # what both share is 1. Neither part is negative, and the variance 0.
    result = compare_on_rows([[2, 0], [0, 2]], np.zeros((2, 2)), [0, 1], resamples=0)
    assert (result.standard_error, result.degrees_of_freedom) == (0, 1)
    # 5 and 1, 1 and 1: means 3 and 1 of either, 1 for each part and 1 for both.
    result = compare_on_rows([[5, 1], [1, 1]], np.zeros((2, 2)), [0, 1], resamples=0)
    assert (result.standard_error, result.degrees_of_freedom) == (1, 1)
    # 6 and 2, 0 and 2: users 3 and 2, a part of 1/4; seeds 4 and 1, a part of 9/4;
    # both 9/4, of which no more is taken off than the users' part.
    result = compare_on_rows([[6, 2], [0, 2]], np.zeros((2, 2)), [0, 1], resamples=0)
    assert result.standard_error == pytest.approx(sqrt(9 / 4))


def test_equals_the_analysis_of_variance_where_all_users_have_as_many_rows() -> None:
    rng = np.random.default_rng(3)
    seeds, users, rows = 4, 12, 5
    table = rng.normal(size=(seeds, 1)) + rng.normal(size=users) + rng.normal(size=(seeds, users))
    mean = table.mean()
    square_users = seeds * np.sum((table.mean(0) - mean) ** 2) / (users - 1)
    square_seeds = users * np.sum((table.mean(1) - mean) ** 2) / (seeds - 1)
    rest = table - table.mean(0) - table.mean(1)[:, None] + mean
    square_rest = np.sum(rest**2) / (users - 1) / (seeds - 1)
    squares = square_users + square_seeds - square_rest
    deviations = table.mean(0) - mean
    users_freedom = 3 * np.sum(deviations**2) ** 2 / np.sum(deviations**4)
    assert users_freedom < users - 1
    freedom = squares**2 / (
        square_users**2 / users_freedom
        + square_seeds**2 / (seeds - 1)
        + square_rest**2 / users_freedom / (seeds - 1)
    )
    hits = np.repeat(table, rows, axis=1)
    result = compare_on_rows(hits, np.zeros_like(hits), np.repeat(np.arange(users), rows))
    assert result.standard_error == pytest.approx(sqrt(squares / seeds / users))
    assert result.degrees_of_freedom == pytest.approx(freedom)


def test_no_spread_between_users_leaves_the_seeds() -> None:
    # Each seed's difference is that of all users: a t-test of three seeds.
    hits = np.repeat([[1.0], [2.0], [3.0]], 6, axis=1)
    result = compare_on_rows(hits, np.zeros((3, 6)), [0, 0, 0, 1, 1, 2])
    assert result.degrees_of_freedom == pytest.approx(2)
    assert result.p_value == pytest.approx(p_value_of_two_degrees(2 * sqrt(3)))
    assert result.bootstrap_interval == (2, 2)


def simulated_hits(
    rng: np.random.Generator,
    seeds: int = 5,
    users: int = 200,
    configurations: int = 2,
    advantage: float = 0.0,
    of_users: float = 0.3,
    of_rows: float = 0.3,
    of_seeds: float = 0.1,
    of_both: float = 0.1,
    noise: float = 0.3,
) -> tuple[list[np.ndarray], np.ndarray, float]:
    """Hits of each configuration [seeds, rows], users [rows], the true first difference.

    A row is hit where a normal score is above 1. Users and rows are harder or easier
    for all; the deviations are those of what each configuration, and each of its
    seeds, adds. Rows per user are as skewed as in MovieLens 100K's test rows (median
    13, mean 21, at most 135), but half as many.
    """
    counts = np.clip(np.round(np.exp(rng.normal(1.8, 1, users))), 1, 200).astype(int)
    asked = np.repeat(np.arange(users), counts)
    rows = len(asked)
    score = rng.normal(0, 0.6, users)[asked] + rng.normal(size=rows) - 1
    hits = []
    for _ in range(configurations):
        own = score + rng.normal(0, of_users, users)[asked] + rng.normal(0, of_rows, rows)
        own = own + rng.normal(0, of_seeds, (seeds, 1)) + rng.normal(0, noise, (seeds, rows))
        own += rng.normal(0, of_both, (seeds, users))[:, asked]
        hits.append(own + (0 if hits else advantage) > 0)
    parts = (0.6, 1, of_users, of_rows, of_seeds, of_both, noise)
    deviation = sqrt(sum(part**2 for part in parts))
    true = stats.norm.cdf((advantage - 1) / deviation) - stats.norm.cdf(-1 / deviation)
    return hits, asked, true


SITUATIONS = {
    "users and seeds": {},
    "mostly seeds": {"of_seeds": 0.3},
    "no seeds": {"of_seeds": 0},
    "users of one seed": {"seeds": 1, "of_seeds": 0, "of_both": 0, "of_users": 0.5},
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_one_in_twenty_of_equal_configurations_differ(situation: str) -> None:
    rng = np.random.default_rng(0)
    p_values, probabilities = np.empty(1_000), np.empty(1_000)
    for study in range(1_000):
        (a, b), users, _ = simulated_hits(rng, **SITUATIONS[situation])
        result = compare_on_rows(a, b, users, resamples=0)
        p_values[study], probabilities[study] = result.p_value, result.probability
    print(f"{situation}: {np.mean(p_values < 0.05):.3f} called different")
    assert 0.035 <= np.mean(p_values < 0.05) <= 0.065
    assert 0.17 <= np.mean(abs(probabilities - 0.5) > 0.4) <= 0.23


@pytest.mark.parametrize("situation", SITUATIONS)
def test_nineteen_of_twenty_intervals_hold_the_true_difference(situation: str) -> None:
    rng = np.random.default_rng(1)
    held = np.empty(1_000, bool)
    for study in range(1_000):
        (a, b), users, true = simulated_hits(rng, advantage=0.2, **SITUATIONS[situation])
        result = compare_on_rows(a, b, users, resamples=0)
        held[study] = result.low <= true <= result.high
    print(f"{situation}: {held.mean():.3f} hold the true difference of {true:.3f}")
    assert 0.935 <= held.mean() <= 0.965


def test_where_only_rows_chance_tells_them_apart_the_test_is_careful() -> None:
    # The users' and the seeds' parts are the same, and the larger one is taken.
    rng = np.random.default_rng(2)
    chance = {"of_users": 0, "of_rows": 0, "of_seeds": 0, "of_both": 0, "noise": 0.5}
    p_values = []
    for _ in range(500):
        (a, b), users, _ = simulated_hits(rng, **chance)
        p_values.append(compare_on_rows(a, b, users, resamples=0).p_value)
    print(f"chance alone: {np.mean(np.array(p_values) < 0.05):.3f} called different")
    assert 0.01 <= np.mean(np.array(p_values) < 0.05) <= 0.05


def test_the_bootstrap_over_users_holds_the_true_difference() -> None:
    rng = np.random.default_rng(3)
    held = np.empty(1_000, bool)
    for study in range(1_000):
        (a, b), users, true = simulated_hits(rng, advantage=0.2, **SITUATIONS["users of one seed"])
        low, high = compare_on_rows(a, b, users, resamples=499).bootstrap_interval
        held[study] = low <= true <= high
    print(f"bootstrap: {held.mean():.3f} hold the true difference")
    assert 0.925 <= held.mean() <= 0.965


def test_the_bootstrap_over_users_is_students_interval_where_users_are_many() -> None:
    (a, b), users, _ = simulated_hits(np.random.default_rng(4), seeds=1, users=2_000)
    result = compare_on_rows(a, b, users, seed=3)
    width = result.high - result.low
    assert result.bootstrap_interval == pytest.approx((result.low, result.high), abs=width / 20)
    assert compare_on_rows(a, b, users, seed=3) == result
    assert compare_on_rows(a, b, users, seed=4).bootstrap_interval != result.bootstrap_interval


def test_the_summarys_interval_holds_the_mean() -> None:
    samples = np.random.default_rng(5).normal(3, 2, (1_000, 5))
    summaries = [summarize(sample) for sample in samples]
    held = np.mean([summary.low <= 3 <= summary.high for summary in summaries])
    print(f"summary: {held:.3f} hold the mean")
    assert 0.935 <= held <= 0.965


def test_independent_pairs_differ_once_in_twenty_and_their_intervals_hold() -> None:
    rng = np.random.default_rng(6)
    shared = rng.normal(0, 3, (1_000, 5))
    a, b = shared + rng.normal(1, 1, (1_000, 5)), shared + rng.normal(1, 2, (1_000, 5))
    results = [compare_pairs(*pair, test_to_train=0) for pair in zip(a, b, strict=True)]
    called = share_called_different(results)
    held = np.mean([result.low <= 0 <= result.high for result in results])
    print(f"pairs: {called:.3f} called different, {held:.3f} hold the difference")
    assert 0.035 <= called <= 0.065
    assert 0.935 <= held <= 0.965


def figures_of_overlapping_splits(rng: np.random.Generator) -> list[float]:
    """The model is fixed; each of five splits draws 100 of the 500 rows to test on."""
    rows = rng.normal(size=500)
    return [rng.choice(rows, 100, replace=False).mean() for _ in range(5)]


def test_overlapping_splits_fool_the_plain_test_but_not_the_corrected_one() -> None:
    rng = np.random.default_rng(7)
    plain, corrected = [], []
    for _ in range(1_000):
        figures = figures_of_overlapping_splits(rng)
        plain.append(compare_pairs(figures, np.zeros(5), test_to_train=0))
        corrected.append(compare_pairs(figures, np.zeros(5), test_to_train=100 / 400))
    print(f"splits: {share_called_different(plain):.3f} called different by the plain test")
    print(f"splits: {share_called_different(corrected):.3f} by the corrected one")
    assert share_called_different(plain) > 0.1
    assert 0.035 <= share_called_different(corrected) <= 0.065


def share_called_different(results: list[Comparison]) -> float:
    return float(np.mean([result.distinguishable() for result in results]))


def test_intervals_over_overlapping_splits_hold_the_mean_of_all_rows() -> None:
    rng = np.random.default_rng(8)
    plain, corrected = [], []
    for _ in range(4_000):
        figures = figures_of_overlapping_splits(rng)
        # What the rows are a sample of has the mean 0.
        for held, ratio in ((plain, 0.0), (corrected, 0.25)):
            summary = summarize(figures, test_to_train=ratio)
            held.append(summary.low <= 0 <= summary.high)
    print(f"over splits: {np.mean(plain):.3f} plain, {np.mean(corrected):.3f} corrected")
    assert np.mean(plain) < 0.9
    assert 0.935 <= np.mean(corrected) <= 0.965


def test_a_better_configuration_is_told_apart_with_the_right_sign() -> None:
    (a, b), users, _ = simulated_hits(np.random.default_rng(8), advantage=1)
    result, turned = compare_on_rows(a, b, users), compare_on_rows(b, a, users)
    assert 0 < result.low < result.difference < result.high
    assert 0 < result.bootstrap_interval[0] < result.difference < result.bootstrap_interval[1]
    assert max(result.p_value, result.wilcoxon_p_value) < 0.01
    assert result.probability == pytest.approx(1 - result.p_value / 2)
    assert turned.difference == -result.difference
    assert turned.p_value == pytest.approx(result.p_value)
    assert turned.probability == pytest.approx(1 - result.probability)


def test_the_numbers_of_users_and_the_order_of_rows_change_nothing() -> None:
    rng = np.random.default_rng(9)
    (a, b), users, _ = simulated_hits(rng, users=30)
    order = rng.permutation(len(users))
    names = rng.permutation(10_000)[users] - 5_000
    result = compare_on_rows(a, b, users, resamples=0)
    other = compare_on_rows(a[:, order], b[:, order], names[order], resamples=0)
    assert other.difference == result.difference
    assert other.p_value == pytest.approx(result.p_value)
    assert other.wilcoxon_p_value == pytest.approx(result.wilcoxon_p_value)


@pytest.mark.parametrize("seeds", [1, 5])
def test_a_configuration_does_not_differ_from_itself(seeds: int) -> None:
    (a, _), users, _ = simulated_hits(np.random.default_rng(10), seeds=seeds, users=20)
    result = compare_on_rows(a, a, users)
    assert (result.difference, result.low, result.high) == (0, 0, 0)
    assert (result.p_value, result.wilcoxon_p_value, result.probability) == (1, 1, 0.5)
    assert result.bootstrap_interval == (0, 0)
    pairs = compare_pairs(SLEEP_A, SLEEP_A, test_to_train=0.25)
    assert (pairs.difference, pairs.p_value, pairs.wilcoxon_p_value) == (0, 1, 1)


def test_one_user_or_one_pair_tells_nothing() -> None:
    rows = compare_on_rows([[1, 1], [1, 0]], [[0, 1], [0, 0]], [4, 4])
    pairs = compare_pairs([0.5], [0], test_to_train=0.25)
    assert (rows.users, rows.seeds, pairs.users, pairs.seeds) == (1, 2, None, 1)
    for result in (rows, pairs):
        assert result.difference == 0.5
        assert result.standard_error is result.degrees_of_freedom is None
        assert result.low is result.high is result.bootstrap_interval is None
        assert (result.p_value, result.wilcoxon_p_value, result.probability) == (1, 1, 0.5)


def test_a_difference_without_any_spread_is_certain() -> None:
    result = compare_on_rows(np.ones((2, 4)), np.zeros((2, 4)), [0, 0, 1, 2])
    assert (result.low, result.high, result.p_value, result.probability) == (1, 1, 0, 1)
    assert compare_pairs([1, 1], [2, 2], test_to_train=0).probability == 0


def test_the_best_against_the_others() -> None:
    rng = np.random.default_rng(11)
    (best, *others), users, _ = simulated_hits(rng, configurations=4, advantage=0.25)
    others.append(np.zeros_like(best))
    results = compare_with_best(best, others, users, resamples=99, seed=5)
    for hits, result in zip(others, results, strict=True):
        alone = compare_on_rows(best, hits, users, resamples=99, seed=5)
        assert result.p_value == alone.p_value
        assert result.bootstrap_interval == alone.bootstrap_interval
        assert alone.adjusted_p_value is None
    adjusted = [result.adjusted_p_value for result in results]
    assert adjusted == pytest.approx(holm([result.p_value for result in results]))
    assert results[-1].distinguishable()
    # The adjusted one decides.
    largest = max(results, key=lambda result: result.adjusted_p_value - result.p_value)
    between = (largest.p_value + largest.adjusted_p_value) / 2
    assert largest.p_value < between < largest.adjusted_p_value
    assert not largest.distinguishable(between)
    assert compare_with_best(best, [], users) == []


def test_of_ten_equal_configurations_few_are_called_worse_if_the_best_was_chosen_before() -> None:
    rng, wrong = np.random.default_rng(12), []
    for _ in range(200):
        hits, users, _ = simulated_hits(rng, users=100, configurations=10)
        results = compare_with_best(hits[0], hits[1:], users, resamples=0)
        wrong.append(any(result.distinguishable() for result in results))
    print(f"best of ten: {np.mean(wrong):.3f} of studies call one or more worse")
    # The deviation of 200 studies is 1.5 %.
    assert np.mean(wrong) <= 0.05 + 3 * 0.015


@pytest.mark.parametrize(
    ("a", "b", "users"),
    [((2, 5), (2, 4), (5,)), ((2, 5), (3, 5), (5,)), ((2, 5), (2, 5), (4,)), ((5,), (5,), (5,))],
)
def test_shapes_that_disagree_are_named(a, b, users) -> None:
    with pytest.raises(ValueError, match="hits_a has the shape") as caught:
        compare_on_rows(np.zeros(a), np.zeros(b), np.zeros(users, int))
    assert all(str(shape) in str(caught.value) for shape in (a, b, users))


def test_other_wrong_values() -> None:
    with pytest.raises(ValueError, match=r"\(2, 0\); it must have a seed and a row"):
        compare_on_rows(np.zeros((2, 0)), np.zeros((2, 0)), [])
    with pytest.raises(ValueError, match="not finite"):
        compare_on_rows([[1, np.nan]], [[0, 0]], [0, 1])
    with pytest.raises(ValueError, match=r"a has the shape \(2,\), b \(3,\)"):
        compare_pairs([1, 2], [1, 2, 3], test_to_train=0)
    with pytest.raises(ValueError, match=r"test_to_train: got -0\.1"):
        compare_pairs([1, 2], [1, 2], test_to_train=-0.1)
    with pytest.raises(ValueError, match="all must be finite"):
        summarize([1, np.inf])
    with pytest.raises(ValueError, match="confidence: got 95"):
        summarize([1, 2], confidence=95)

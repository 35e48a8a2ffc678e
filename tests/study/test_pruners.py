"""A contract that every pruner keeps, rungs computed by hand, and the options of each."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import optuna
import pytest

from sweeper.study.algorithms.pruners import KINDS, build_pruner, pruner_problems
from sweeper.study.config import PRUNERS, StudyConfig

OPTIONS = {"threshold": {"lower": 0.2}}


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def study_config(pruner: str, **options: object) -> StudyConfig:
    return StudyConfig(pruner=pruner, pruner_options={**OPTIONS, pruner: options or {}})


def run(
    pruner: optuna.pruners.BasePruner, curves: Sequence[Mapping[int, float]]
) -> list[int | None]:
    """Trials that report these values by step; returns the step that each was pruned at."""
    study = optuna.create_study(
        study_name="a study", direction="maximize", pruner=pruner,
        sampler=optuna.samplers.RandomSampler(seed=0),
    )  # fmt: skip
    return [_run_trial(study, curve) for curve in curves]


def _run_trial(study: optuna.Study, curve: Mapping[int, float]) -> int | None:
    trial = study.ask()
    for step, value in curve.items():
        trial.report(value, step)
        if trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return step
    study.tell(trial, value)
    return None


def flatten(value: float, every: int = 2, epochs: int = 32) -> dict[int, float]:
    """A curve that has this value at each evaluation: at epochs 2, 4, 6, …"""
    return dict.fromkeys(range(every, epochs + 1, every), value)


def test_every_name_has_a_pruner():
    assert tuple(KINDS) == PRUNERS


GOOD = [flatten(0.5 + 0.01 * index) for index in range(8)]  # each better than those before
BY_EPOCH = [name for name in PRUNERS if name not in ("wilcoxon", "none")]


@pytest.mark.parametrize("name", BY_EPOCH)
def test_a_hopeless_trial_is_pruned_and_a_good_one_is_not(name):
    options = {"lower": 0.2} if name == "threshold" else {}
    pruner = build_pruner(study_config(name, **options), max_epochs=32, eval_every_epochs=2)
    # The trial's number falls in Hyperband's second bracket, whose first rung is 2 * 3.
    *good, hopeless, better = run(pruner, [*GOOD, flatten(0.0), flatten(0.9)])
    assert good == [None] * 8
    assert hopeless == (6 if name == "hyperband" else 2)
    assert better is None


def test_none_prunes_nothing():
    pruner = build_pruner(study_config("none"), max_epochs=32)
    assert run(pruner, [*GOOD, flatten(0.0)]) == [None] * 9


def seeds(*values: float) -> dict[int, float]:
    """What a trial reports of its splits one after the other: by the seed's index, from 0."""
    return dict(enumerate(values))


def test_wilcoxon_prunes_at_the_fourth_seed():
    """With n seeds all worse p is 2 ** -n: 0.125 at the third, 0.0625 < 0.1 at the fourth."""
    pruner = build_pruner(study_config("wilcoxon"), max_epochs=1)
    best = seeds(0.5, 0.6, 0.55, 0.52, 0.58)
    worse = seeds(0.4, 0.45, 0.42, 0.38, 0.4)
    mixed = seeds(0.4, 0.65, 0.42, 0.57, 0.4)
    assert run(pruner, [best, worse, mixed]) == [None, 3, None]


def test_successive_halving_by_hand():
    """Evaluations at 2, 4, 6, …; the rungs are at epochs 2, 8 and 32, factor 4.

    Of n values at a rung, the best n // 4 go on; while there are fewer than four, the
    best one alone.
    """
    rises = flatten(0.6)
    sinks = flatten(0.6) | {4: 0.3, 6: 0.3, 8: 0.3}
    curves = [
        flatten(0.5),  # rung 2: alone
        flatten(0.4),  # 2 values, 0.5 is better
        sinks,  # best of 3; at 8 the values are 0.5 and its 0.3
        flatten(0.55),  # 4 values, the best is 0.6
        flatten(0.1),  # 5 values
        flatten(0.1),
        flatten(0.1),
        flatten(0.58),  # 8 values, the second best; at 8 best of 0.5, 0.3, 0.58
        flatten(0.57),  # 9 values, the third best
        rises | {8: 0.4},  # among the two best of 10; at 8 fourth of four
    ]
    pruner = build_pruner(study_config("successive_halving"), 32, eval_every_epochs=2)
    assert run(pruner, curves) == [None, 2, 8, 2, 2, 2, 2, None, 2, 8]


def test_rungs_before_the_first_evaluation_do_not_pile_up():
    """Evaluated each 5 epochs; with a first rung at epoch 1 the second, 4, falls there too."""
    curves = [flatten(value, 5, 20) for value in (0.5, 0.6, 0.1, 0.1, 0.1, 0.1, 0.1, 0.55)]
    ours = build_pruner(study_config("successive_halving"), 20, eval_every_epochs=5)
    assert run(ours, curves)[-1] == 20  # Its second rung, one better there.
    piled = build_pruner(study_config("successive_halving", min_resource=1), 20, 5)
    assert run(piled, curves)[-1] == 5


@pytest.mark.parametrize(
    ("max_epochs", "every", "first"), [(300, 5, 5), (300, 1, 3), (20, 1, 1), (3, 5, 3)]
)
def test_where_the_first_rung_is(max_epochs, every, first):
    for name in ("successive_halving", "hyperband"):
        pruner = build_pruner(study_config(name), max_epochs, every)
        assert pruner._min_resource == first
    assert pruner._max_resource == max_epochs


def test_hyperband_has_its_brackets_before_a_trial_is_complete():
    pruner = build_pruner(study_config("hyperband"), max_epochs=27, eval_every_epochs=1)
    run(pruner, [flatten(0.5, 1, 27)])
    assert pruner._n_brackets == 4  # 1, 3, 9, 27
    assert build_pruner(study_config("hyperband", max_resource=9), 27)._max_resource == 9


def test_a_pruner_must_be_chosen_first():
    with pytest.raises(ValueError, match=r"study\.pruner is null"):
        build_pruner(StudyConfig(), 10)


def problems_of(pruner: str = "none", **options: object) -> list[str]:
    return pruner_problems(StudyConfig(pruner=pruner, pruner_options=options), pruner, 20, 2)


def test_options_reach_the_constructor():
    assert build_pruner(study_config("percentile"), 10)._percentile == 25.0
    assert build_pruner(study_config("percentile", percentile=10), 10)._percentile == 10
    assert build_pruner(study_config("wilcoxon", p_threshold=0.2), 10)._p_threshold == 0.2
    assert build_pruner(study_config("successive_halving", min_resource="auto"), 10)
    assert problems_of(threshold={"upper": 1}, median={"n_warmup_steps": 4}) == []
    assert problems_of(successive_halving={"bootstrap_count": 3, "reduction_factor": 2}) == []


KEY = "study.pruner_options"


@pytest.mark.parametrize(
    ("pruner", "options", "problem"),
    [
        ("threshold", {}, f"{KEY}.threshold: Either lower or upper must be specified."),
        ("none", {"threshold": {}}, f"{KEY}.threshold: Either lower or upper must be specified."),
        ("none", {"threshold": {"lower": 2, "upper": 1}}, "lower should be smaller than upper."),
        ("none", {"threshold": {"lower": "0.2"}}, "got '0.2'; must be a number or null"),
        (
            "median",
            {"median": {"n_warmup": 3}},
            f"{KEY}.median.n_warmup: is not an option of MedianPruner. Did you mean "
            "'n_warmup_steps'?",
        ),
        (
            "none",
            {"none": {"x": 1}},
            f"{KEY}.none.x: is not an option of pruner none, which has no options",
        ),
        ("none", {"medain": {}}, f"{KEY}.medain: is unknown; must be one of successive_halving"),
        ("none", {"median": {"interval_steps": 0}}, "Pruning interval steps must be at least 1"),
        ("none", {"percentile": {"percentile": 101}}, "between 0 and 100 inclusive"),
        ("none", {"wilcoxon": {"p_threshold": 2}}, "p_threshold must be between 0 and 1"),
        (
            "none",
            {"wilcoxon": {"p_treshold": 0.2}},
            "not an option of WilcoxonPruner. Did you mean",
        ),
        ("none", {"successive_halving": {"reduction_factor": 1}}, "but must be `reduction_factor"),
        ("none", {"successive_halving": {"min_resource": 2.5}}, "must be text or a whole number"),
        (
            "none",
            {"hyperband": {"min_resource": 0}},
            f"{KEY}.hyperband: The value of `min_resource",
        ),
        ("none", {"hyperband": {"reduction_factor": 1}}, "but must be `reduction_factor >= 2`"),
        (
            "none",
            {"hyperband": {"min_resource": 21}},
            "min_resource 21 is more than max_resource 20",
        ),
        ("none", {"hyperband": {"max_resource": "all"}}, "should be integer or 'auto'"),
        (
            "none",
            {"hyperband": {"max_resources": 4}},
            "not an option of HyperbandPruner. Did you mean",
        ),
    ],
)
def test_options_that_are_refused(pruner, options, problem):
    problems = problems_of(pruner, **options)
    assert len(problems) == 1
    assert problem in problems[0]

"""One configuration on several splits: each as by itself, and means checked by hand."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path

import pytest
from rich.console import Console
from small_trials import ids_features, small_config

from sweeper.common.errors import ConfigError, OutputError, TrialError, TrialPruned
from sweeper.two_tower import record as records
from sweeper.two_tower.config import METRICS, Config, EvaluationConfig, TrainConfig
from sweeper.two_tower.evaluation.ranking import Ranks
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.trial.aggregation import aggregate, mean_history, statistic_of
from sweeper.two_tower.trial.repeats import run_repeats
from sweeper.two_tower.trial.trial import run_trial

MODES = ("lockstep", "sequential")
QUIET = Console(file=open(os.devnull, "w"))  # noqa: SIM115


def repeats_config(**train: object) -> Config:
    settings = {"epochs": 3, "batch_size": 256, "eval_every_epochs": 1, "xla": False}
    config = small_config(train=TrainConfig(**(settings | train)))
    config.model.input_dropout = 0.2
    return config


def repeats(
    directory: Path, seeds, mode: str, report=lambda *_: None, config=None, **settings
) -> TrialRecord:
    config = config or repeats_config()
    return run_repeats(
        config, seeds, mode, directory, report, **({"console": QUIET, "draw": False} | settings)
    )


def figures(trial: TrialRecord) -> tuple[object, ...]:
    """All that follows from the configuration: no times."""
    history = [
        [row[name] for name in ("epoch", "loss", "top_100", "top_10")] for row in trial.history
    ]
    return (
        history, trial.metrics, trial.baselines, trial.epochs, trial.best_epoch,
        trial.stopped_early, trial.state, trial.num_parameters, trial.config, trial.data,
    )  # fmt: skip


# An accuracy that falls stops a seed early, each at its own time.
PATIENT = {"epochs": 8, "patience_evaluations": 1}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("train", [{}, PATIENT], ids=["to the end", "stopping early"])
def test_each_seed_is_to_the_last_bit_the_trial_of_that_split(tmp_path, mode, train) -> None:
    config, seeds = repeats_config(**train), [3, 0, 5]
    summary = repeats(tmp_path / "all", seeds, mode, config=config)
    assert [repeat["split_seed"] for repeat in summary.repeats] == seeds
    ends = set()
    for repeat in summary.repeats:
        alone = repeats_config(**train)
        alone.data.split_seed = repeat["split_seed"]
        expected = run_trial(alone, tmp_path / str(repeat["split_seed"]), console=QUIET)
        own = records.read(tmp_path / "all" / repeat["directory"])
        assert figures(own) == figures(expected)
        assert repeat["metrics"] == expected.metrics
        assert (repeat["epochs"], repeat["best_epoch"]) == (expected.epochs, expected.best_epoch)
        assert repeat["state"] == "completed"
        ends.add(expected.epochs)
    # Else nothing would be shown of seeds that stop at different times.
    assert (len(ends) > 1) == bool(train)
    # The configuration is as it was given, the split seed too.
    assert config.data.split_seed == summary.config["data"]["split_seed"] == 42


@pytest.mark.parametrize("mode", MODES)
def test_means_and_deviations_of_two_seeds_by_hand(tmp_path, mode) -> None:
    summary = repeats(tmp_path, [0, 1], mode)
    first, second = (records.read(tmp_path / f"split_seed_{seed}") for seed in (0, 1))
    assert set(summary.metrics) == set(summary.deviations) == {"validation", "test"}
    assert first.metrics != second.metrics
    for rows, metrics in first.metrics.items():
        assert set(summary.metrics[rows]) == set(summary.deviations[rows]) == set(metrics)
        for name, one in metrics.items():
            other = second.metrics[rows][name]
            assert summary.metrics[rows][name] == pytest.approx((one + other) / 2, abs=1e-15)
            # Two numbers lie half their distance from their mean: s = d / sqrt(2).
            deviation = abs(one - other) / math.sqrt(2)
            assert summary.deviations[rows][name] == pytest.approx(deviation, abs=1e-15)
    for name in first.baselines["popularity"]["test"]:
        both = [record.baselines["popularity"]["test"][name] for record in (first, second)]
        assert summary.baselines["popularity"]["test"][name] == pytest.approx(sum(both) / 2)
    assert summary.epochs == first.epochs + second.epochs == 6
    assert (summary.best_epoch, summary.state) == (None, "completed")
    assert summary.num_parameters == first.num_parameters
    assert summary.data == first.data
    for stage in ("train", "evaluate", "set_up", "total"):
        both = first.seconds[stage] + second.seconds[stage]
        assert summary.seconds[stage] == pytest.approx(both, abs=1e-3)
    assert [row["epoch"] for row in summary.history] == [1, 2, 3]
    for mean, one, other in zip(summary.history, first.history, second.history, strict=True):
        for name in ("loss", "top_100", "seen_filtered_top_1"):
            assert mean[name] == pytest.approx((one[name] + other[name]) / 2)
    assert records.read(tmp_path) == summary
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        records.HISTORY, "split_seed_0", "split_seed_1", records.TRIAL,
    ]  # fmt: skip


def test_lockstep_reports_the_means_of_each_round(tmp_path) -> None:
    reports, states = [], []

    def report(epoch, metrics) -> None:
        reports.append((epoch, metrics))
        states.append([records.read(tmp_path / f"split_seed_{s}").state for s in (0, 1)])

    summary = repeats(tmp_path, [0, 1], "lockstep", report)
    assert [epoch for epoch, _ in reports] == [1, 2, 3]
    for (_, metrics), row in zip(reports, summary.history, strict=True):
        assert metrics == {name: row[name] for name in metrics}
        assert tuple(metrics) == METRICS
    # No seed is ahead of the others, nor through before the last report.
    assert states == 3 * [["running", "running"]]


def test_a_seed_that_stopped_early_goes_on_with_what_it_kept(tmp_path) -> None:
    reports = []
    summary = repeats(
        tmp_path, [3, 0, 5], "lockstep", lambda *step: reports.append(step),
        repeats_config(**PATIENT),
    )  # fmt: skip
    seeds = [records.read(tmp_path / f"split_seed_{seed}") for seed in (3, 0, 5)]
    longest = max(seed.epochs for seed in seeds)
    assert min(seed.epochs for seed in seeds) < longest
    assert [epoch for epoch, _ in reports] == list(range(1, longest + 1))
    for epoch, metrics in reports:
        values = []
        for seed in seeds:
            at = epoch if epoch <= seed.epochs else seed.best_epoch
            values.append(seed.history[at - 1]["top_100"])
        assert metrics["top_100"] == pytest.approx(sum(values) / 3, abs=1e-15)
    assert [row["top_100"] for row in summary.history] == [m["top_100"] for _, m in reports]
    assert summary.stopped_early == all(seed.stopped_early for seed in seeds)


def test_sequential_reports_each_seed_when_it_is_through(tmp_path) -> None:
    reports = []

    def report(index, metrics) -> None:
        there = sorted(path.name for path in tmp_path.glob("split_seed_*"))
        reports.append((index, metrics, there))

    summary = repeats(tmp_path, [4, 2], "sequential", report)
    validation = [repeat["metrics"]["validation"] for repeat in summary.repeats]
    assert reports == [
        (0, validation[0], ["split_seed_4"]),
        (1, validation[1], ["split_seed_2", "split_seed_4"]),
    ]


ENDS = [
    (TrialPruned("after step 2"), "pruned", "after step 2"),
    (KeyboardInterrupt(), "interrupted", "interrupted by Ctrl-C"),
    (RuntimeError("no storage"), "failed", "RuntimeError: no storage"),
]


def raising_at(step: int, error: BaseException):
    def report(now, metrics) -> None:
        if now == step:
            raise error

    return report


@pytest.mark.parametrize(("error", "state", "reason"), ENDS, ids=[end[1] for end in ENDS])
def test_a_report_in_lockstep_ends_all_seeds_alike(tmp_path, error, state, reason) -> None:
    with pytest.raises(type(error)) as raised:
        repeats(tmp_path, [0, 1, 2], "lockstep", raising_at(2, error))
    assert raised.value is error
    summary = records.read(tmp_path)
    assert (summary.state, summary.reason) == (state, reason)
    assert [repeat["state"] for repeat in summary.repeats] == 3 * [state]
    for repeat in summary.repeats:
        own = records.read(tmp_path / repeat["directory"])
        assert (own.state, own.reason, own.epochs) == (state, reason, 2)
        assert len(own.history) == 2
    # No look at the test rows; two epochs of each of three.
    assert set(summary.metrics) == {"validation"}
    assert summary.epochs == 6
    assert [row["epoch"] for row in summary.history] == [1, 2]


@pytest.mark.parametrize(("error", "state", "reason"), ENDS, ids=[end[1] for end in ENDS])
def test_a_report_between_seeds_ends_the_rest(tmp_path, error, state, reason) -> None:
    with pytest.raises(type(error)):
        repeats(tmp_path, [0, 1, 2], "sequential", raising_at(1, error))
    summary = records.read(tmp_path)
    assert (summary.state, summary.reason) == (state, reason)
    # Those that were through are complete; the third was never begun.
    assert [repeat["state"] for repeat in summary.repeats] == ["completed", "completed"]
    assert not (tmp_path / "split_seed_2").exists()
    assert summary.epochs == 6
    assert summary.metrics["validation"]["top_100"] == pytest.approx(
        sum(repeat["metrics"]["validation"]["top_100"] for repeat in summary.repeats) / 2
    )


@pytest.fixture
def failing(monkeypatch):
    """Has the n-th evaluation of the process raise an error."""

    def prepare(number: int, error: BaseException) -> None:
        seen = []
        original = Ranks.metrics

        def metrics(ranks):
            # Popularity is ranked too, with the model before it or after.
            seen.append(1)
            if len(seen) == number:
                raise error
            return original(ranks)

        monkeypatch.setattr(Ranks, "metrics", metrics)
        monkeypatch.setattr("sweeper.two_tower.trial.trial.prepared_baselines", lambda *_: {})
        monkeypatch.setattr("sweeper.two_tower.trial.trial.metrics_by_cold_start", lambda *_: {})
        monkeypatch.setattr("sweeper.two_tower.trial.trial.metrics_by_repetition", lambda *_: {})
        monkeypatch.setattr("sweeper.two_tower.trial.trial.metrics_by_segment", lambda *_: {})

    return prepare


def test_a_failing_seed_in_lockstep_fails_the_whole_and_is_named(tmp_path, failing) -> None:
    # Round 1 is evaluations 1 to 3; the fifth is that of the second seed in round 2.
    failing(5, TrialError("a score is not finite"))
    with pytest.raises(TrialError):
        repeats(tmp_path, [7, 8, 9], "lockstep")
    summary = records.read(tmp_path)
    assert summary.state == "failed"
    assert summary.reason == "split_seed 8: TrialError: a score is not finite"
    assert [(r["state"], r["epochs"]) for r in summary.repeats] == [
        ("interrupted", 2), ("failed", 1), ("interrupted", 1),
    ]  # fmt: skip
    others = records.read(tmp_path / "split_seed_9")
    assert others.reason == "ended by its caller"
    assert [row["epoch"] for row in summary.history] == [1]
    assert (tmp_path / records.TRACEBACK).exists()


def test_a_failing_seed_in_sequence_leaves_the_means_of_those_through(tmp_path, failing) -> None:
    # Three evaluations and the test rows of the first seed, then the second's second.
    failing(6, TrialError("a score is not finite"))
    with pytest.raises(TrialError):
        repeats(tmp_path, [7, 8, 9], "sequential")
    summary = records.read(tmp_path)
    assert summary.reason == "split_seed 8: TrialError: a score is not finite"
    assert [(r["state"], r["epochs"]) for r in summary.repeats] == [("completed", 3), ("failed", 1)]
    assert summary.metrics == summary.repeats[0]["metrics"]
    assert summary.deviations == {}
    assert summary.epochs == 4


@pytest.mark.parametrize(
    ("mode", "number", "states"),
    [
        ("lockstep", 5, ["interrupted", "interrupted", "interrupted"]),
        # During the first set-up round the third seed has not begun.
        ("lockstep", 2, ["interrupted", "interrupted"]),
        ("sequential", 5, ["completed", "interrupted"]),
    ],
)
def test_ctrl_c_within_a_seed_interrupts_all(tmp_path, failing, mode, number, states) -> None:
    failing(number, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        repeats(tmp_path, [7, 8, 9], mode)
    summary = records.read(tmp_path)
    assert (summary.state, summary.reason) == ("interrupted", "interrupted by Ctrl-C")
    assert [repeat["state"] for repeat in summary.repeats] == states


def test_without_seeds_it_is_one_trial_as_configured(tmp_path) -> None:
    reports = []
    config = repeats_config()
    trial = repeats(tmp_path / "a", [], "lockstep", lambda *step: reports.append(step), config)
    assert [epoch for epoch, _ in reports] == [1, 2, 3]
    assert (trial.repeats, trial.deviations, trial.best_epoch is not None) == ([], {}, True)
    assert figures(trial) == figures(run_trial(config, tmp_path / "b", console=QUIET))
    assert not list((tmp_path / "a").glob("split_seed_*"))


@pytest.mark.parametrize("mode", MODES)
def test_one_seed_has_no_deviation(tmp_path, mode) -> None:
    summary = repeats(tmp_path, [6], mode)
    own = records.read(tmp_path / "split_seed_6")
    assert (summary.metrics, summary.deviations) == (own.metrics, {})
    assert len(summary.repeats) == 1


@pytest.mark.parametrize(
    ("seeds", "split", "words"),
    [
        ([0, 1, 0], "random", r"study\.split_seeds: got 0 2 times; must be given once"),
        ([-1, 2], "random", r"study\.split_seeds: got -1; must be whole numbers of at least 0"),
        ([0, 1], "temporal", r"got \[0, 1\] with data\.split 'temporal', which has no seed"),
        ([0, 1], "leave_last_out", r"has no seed"),
    ],
)
def test_seeds_that_make_no_sense_are_refused_before_anything(tmp_path, seeds, split, words):
    config = repeats_config()
    config.data.split = split
    with pytest.raises(ConfigError, match=words):
        repeats(tmp_path / "run", seeds, "lockstep", config=config)
    config = repeats_config()
    config.features = ids_features(dim=0)
    with pytest.raises(ConfigError, match=r"features\.embedding_dim"):
        repeats(tmp_path / "run", [0, 1], "lockstep", config=config)
    assert not (tmp_path / "run").exists()


def test_a_directory_that_holds_a_trial_is_left_as_it_is(tmp_path) -> None:
    run_trial(repeats_config(), tmp_path, console=QUIET, draw=False)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OutputError, match="already holds a trial"):
        repeats(tmp_path, [0, 1], "lockstep")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("terminal", [False, True])
def test_what_a_person_sees_ends_with_the_means(tmp_path, mode, terminal) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=terminal, width=110, color_system=None)
    summary = repeats(tmp_path, [0, 1], mode, console=console)
    table = shown.getvalue().split("Metrics on 200 test rows")[-1]
    assert "this model, mean of 2 splits" in table
    assert f"{summary.metrics['test']['top_100']:.4f}" in table
    assert "standard deviation" in table
    assert f"{summary.deviations['test']['top_100']:.4f}" in table
    assert "trial.json, split_seed_0, split_seed_1" in table.replace("\n", "")


def test_in_a_search_the_means_are_of_validation_rows_alone(tmp_path) -> None:
    config = repeats_config()
    config.evaluation = EvaluationConfig(score_test=False, measure_latency=True)
    summary = repeats(tmp_path, [0, 1], "lockstep", config=config, draw=True)
    assert set(summary.metrics) == set(summary.deviations) == {"validation"}
    times = [
        records.read(tmp_path / repeat["directory"]).milliseconds_per_query
        for repeat in summary.repeats
    ]
    assert summary.milliseconds_per_query == pytest.approx(sum(times) / 2)
    assert summary.value("milliseconds_per_query") == summary.milliseconds_per_query
    # Pictures are the seeds' own.
    assert not (tmp_path / records.CURVES).exists()
    assert (tmp_path / "split_seed_1" / records.CURVES).exists()


def test_a_statistic_of_nested_figures_is_of_those_that_all_have() -> None:
    scores = [{"a": {"x": 1.0, "y": 5.0}, "b": 2.0}, {"a": {"x": 3.0}, "b": 4.0, "c": 9.0}]
    assert statistic_of(sum, scores) == {"a": {"x": 4.0}, "b": 6.0}


def test_the_mean_history_goes_as_far_as_all_seeds_do() -> None:
    """One stopped early after epoch 2 and kept 1; one was cut off after epoch 3."""

    def trial(losses, **settings) -> TrialRecord:
        history = [
            {"epoch": epoch, "loss": loss, "top_100": loss / 10, "train_seconds": 1.0}
            for epoch, loss in enumerate(losses, start=1)
        ]
        metrics = {"validation": {"top_100": 0.0}}
        config = {"evaluation": {"split": "validation"}}
        return TrialRecord(config, history=history, metrics=metrics, **settings)

    stopped = trial([4.0, 8.0], stopped_early=True, best_epoch=1)
    cut_off = trial([2.0, 4.0, 6.0])
    longest = trial([6.0, 6.0, 5.0, 4.0])
    assert mean_history([stopped, cut_off, longest]) == [
        {"epoch": 1, "loss": 4.0, "top_100": pytest.approx(0.4)},
        {"epoch": 2, "loss": 6.0, "top_100": pytest.approx(0.6)},
        {"epoch": 3, "loss": 5.0, "top_100": pytest.approx(0.5)},
    ]


def test_the_coverage_is_the_mean_where_all_have_one() -> None:
    def taken(*coverages: dict[str, float] | None) -> dict[str, float] | None:
        summary = TrialRecord({})
        aggregate(summary, [TrialRecord({}, coverage=coverage) for coverage in coverages])
        return summary.coverage

    assert taken({"model": 0.25, "popularity": 0.5}, {"model": 0.75, "popularity": 0.5}) == {
        "model": 0.5,
        "popularity": 0.5,
    }
    assert taken({"model": 0.25}, None) is None

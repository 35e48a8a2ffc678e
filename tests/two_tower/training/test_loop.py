"""The compiled loop against plain Python and TFRS; stopping, restoring, repeating."""

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_recommenders as tfrs
from small_trials import skewed_interactions, small_config, tutorial_features

from sweeper.common.errors import TrialError
from sweeper.two_tower.config import Config, ModelConfig, OptimizerConfig, TaskConfig, TrainConfig
from sweeper.two_tower.training import loop
from sweeper.two_tower.training.batches import BatchPlanner
from sweeper.two_tower.training.loop import Callbacks, History, train
from sweeper.two_tower.training.setup import Training, set_up_training

INTERACTIONS = skewed_interactions(num_rows=300)
# 260 rows in batches of 48: five whole batches and one of 20.
TRAINING_ROWS = np.random.default_rng(3).permutation(300)[:260]
BATCH = 48
FREQUENCY = np.bincount(INTERACTIONS.items[TRAINING_ROWS], minlength=40) / 260
UNIFORM = 24

TASKS = {
    "in_batch": TaskConfig("in_batch_softmax"),
    "hard_negatives": TaskConfig("in_batch_softmax", num_hard_negatives=5),
    "corrected": TaskConfig("corrected_softmax", temperature=0.5, remove_accidental_hits=True),
    "mixed": TaskConfig("corrected_softmax", num_uniform_negatives=UNIFORM),
    "full": TaskConfig("full_softmax"),
}


def config_of(task: TaskConfig, xla: bool, **model: object) -> Config:
    return small_config(
        features=tutorial_features(dim=8),
        model=ModelConfig(layer_sizes=[16, 8], **model),
        task=task,
        optimizer=OptimizerConfig("adagrad", learning_rate=0.1),
        train=TrainConfig(epochs=1, batch_size=BATCH, eval_every_epochs=1, xla=xla),
    )


def set_up(config: Config, threads: int = 1) -> Training:
    return set_up_training(config, INTERACTIONS, TRAINING_ROWS, threads)


def compiled_losses(config: Config, epochs: int = 1, threads: int = 1, **planner) -> np.ndarray:
    training = set_up(config, threads)
    if planner:
        other = BatchPlanner(
            TRAINING_ROWS, INTERACTIONS.items, 40, BATCH, False, config.train.seed, **planner
        )
        training = dataclasses.replace(training, planner=other)
    plans = [plan for epoch in range(1, epochs + 1) for plan in training.planner.epoch(epoch)]
    return np.concatenate([training.runner(plan) for plan in plans])


def probability(task: TaskConfig) -> tf.Tensor:
    """Of each of the 40 candidates to be one that a batch holds."""
    mixed = (BATCH * FREQUENCY + UNIFORM / 40) / (BATCH + UNIFORM)
    return tf.constant(mixed if task.num_uniform_negatives else FREQUENCY, tf.float32)


def plain_losses(config: Config) -> list[float]:
    """A Python loop of `model.train_step` over the same batches."""
    run = set_up(config)
    losses = []
    for plan in run.planner.epoch(1):
        for step in range(plan.steps):
            rows, candidates = plan.rows[step], plan.candidates[step]
            batch = {
                "query": {k: tf.constant(v[rows]) for k, v in run.encoded.query.items()},
                "candidate": {
                    k: tf.constant(v[candidates]) for k, v in run.encoded.candidate.items()
                },
                "sample_weight": tf.constant(plan.sample_weight[step]),
                "positions": tf.constant(plan.positions[step]),
                "counts": tf.constant(plan.counts[step]),
                "probability": tf.gather(probability(config.task), candidates),
            }
            losses.append(float(run.model.train_step(batch)["loss"]))
    return losses


def reference_losses(config: Config) -> list[float]:
    """`tfrs.tasks.Retrieval` on each batch's whole rows, without padding or distinct items."""
    run = set_up(config)
    model, losses = run.model, []
    for plan in run.planner.epoch(1):
        for step in range(plan.steps):
            rows = plan.rows[step][plan.sample_weight[step] > 0]
            items = INTERACTIONS.items[rows]
            drawn = _beside(items, plan.candidates[step], plan.counts[step])
            with tf.GradientTape() as tape:
                queries = model.query_tower(
                    {k: tf.constant(v[rows]) for k, v in run.encoded.query.items()}, training=True
                )
                loss = _reference_loss(config.task, run, queries, items, drawn)
            gradients = tape.gradient(loss, model.trainable_variables)
            model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            losses.append(float(loss))
    return losses


def _beside(items: np.ndarray, candidates: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The candidates of a batch, as often as they count, without those of its rows."""
    every = np.zeros(INTERACTIONS.num_items, int)
    np.add.at(every, candidates, counts.astype(int))
    drawn = np.maximum(every - np.bincount(items, minlength=len(every)), 0)
    return np.repeat(np.arange(len(every)), drawn)


def _reference_loss(
    task: TaskConfig, run, queries: tf.Tensor, items: np.ndarray, drawn: np.ndarray
) -> tf.Tensor:
    whole = task.name == "full_softmax"
    chosen = np.arange(INTERACTIONS.num_items) if whole else np.concatenate([items, drawn])
    assert whole or len(drawn) == (task.num_uniform_negatives or 0)
    candidates = run.model.candidate_tower(
        {k: tf.constant(v[chosen]) for k, v in run.encoded.candidate.items()}, training=True
    )
    if whole:
        return tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")(
            items, tf.matmul(queries, candidates, transpose_b=True)
        )
    corrected = task.name == "corrected_softmax"
    return tfrs.tasks.Retrieval(
        temperature=task.temperature,
        num_hard_negatives=task.num_hard_negatives,
        remove_accidental_hits=task.remove_accidental_hits,
    )(
        queries,
        candidates,
        candidate_ids=chosen,
        candidate_sampling_probability=(
            tf.gather(probability(task), chosen) if corrected else None
        ),
        compute_metrics=False,
    )


@pytest.mark.parametrize("name", TASKS)
def test_compiled_loop_equals_plain_python_and_tfrs_at_every_step(name: str) -> None:
    compiled = compiled_losses(config_of(TASKS[name], xla=True))
    assert len(compiled) == 6
    config = config_of(TASKS[name], xla=False)
    np.testing.assert_allclose(compiled, plain_losses(config), rtol=1e-5)
    np.testing.assert_allclose(compiled, reference_losses(config), rtol=1e-5)
    # The last batch has 20 rows of 48; its loss is their sum, padding left out.
    assert compiled[5] < 0.6 * compiled[4]


def test_cutting_an_epoch_into_several_plans_changes_no_loss() -> None:
    config = config_of(TASKS["in_batch"], xla=False)
    whole = compiled_losses(config)
    np.testing.assert_allclose(compiled_losses(config, steps_per_block=4), whole, rtol=1e-6)


def test_blocks_of_rows_for_several_threads_change_no_loss() -> None:
    config = config_of(TASKS["corrected"], xla=True)
    np.testing.assert_allclose(
        compiled_losses(config, threads=4), compiled_losses(config), rtol=1e-5
    )


def test_l2_is_trained_on_but_is_no_part_of_the_reported_loss() -> None:
    plain = compiled_losses(config_of(TASKS["in_batch"], xla=False))
    strong = compiled_losses(config_of(TASKS["in_batch"], xla=False, l2=10.0))
    assert strong[0] == pytest.approx(plain[0], rel=1e-6)
    assert not np.allclose(strong[1:], plain[1:], rtol=1e-3)


@pytest.mark.parametrize("xla", [False, True])
def test_same_configuration_twice_gives_the_same_bits(xla: bool) -> None:
    config = config_of(TASKS["in_batch"], xla=xla, dropout=0.3, input_dropout=0.2)
    first, second = (compiled_losses(config, epochs=2) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    config.train.seed = 43
    assert not np.allclose(compiled_losses(config, epochs=2), first, rtol=1e-4)


class EpochCounter:
    """A model whose one weight is the number of epochs it was trained for."""

    def __init__(self) -> None:
        self.trained = 0

    def get_weights(self) -> list[int]:
        return [self.trained]

    def set_weights(self, weights: list[int]) -> None:
        (self.trained,) = weights


def run_scripted(
    accuracies: list[float],
    on_evaluation=lambda evaluation: None,
    mrr: list[float] | None = None,
    **settings: object,
) -> tuple[History, EpochCounter]:
    """Trains an EpochCounter, one plan of two steps an epoch, whose evaluations are given."""
    model, history = EpochCounter(), History()
    config = TrainConfig(**({"epochs": len(accuracies), "eval_every_epochs": 1} | settings))
    planner = BatchPlanner(np.arange(6), np.arange(6), 6, 3, False, seed=0)

    def runner(plan):
        model.trained += 1
        return np.array([6.0, 3.0], np.float32)

    script = zip(accuracies, mrr or [0.0] * len(accuracies), strict=True)
    callbacks = Callbacks(lambda: dict(zip(("top_100", "mrr"), next(script), strict=True)))
    steps = train(config, Training(model, None, planner, runner), "top_100", callbacks, history)
    for evaluation in steps:
        with contextlib.suppress(KeyboardInterrupt):
            on_evaluation(evaluation)
            continue
        steps.close()
    return history, model


@pytest.mark.parametrize(
    ("accuracies", "mrr", "kept"),
    [
        ([0.1, 0.5, 0.4, 0.2], [0.0, 0.1, 0.3, 0.0], 2),
        # Of equal ones the best by MRR, of those equal by both the last.
        ([0.1, 0.4, 0.4, 0.2], [0.0, 0.2, 0.1, 0.9], 2),
        ([0.1, 0.4, 0.4, 0.2], [0.0, 0.1, 0.2, 0.9], 3),
        ([0.1, 0.4, 0.4, 0.2], [0.0, 0.1, 0.1, 0.9], 3),
        # A constant objective decides nothing.
        ([1.0, 1.0, 1.0, 1.0], [0.1, 0.3, 0.4, 0.2], 3),
        ([0.0, 0.0, 0.0, 0.0], [0.1, 0.3, 0.4, 0.2], 3),
        ([1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], 4),
        ([0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], 4),
    ],
)
def test_restore_best_ends_with_the_weights_of_the_best_evaluation(accuracies, mrr, kept) -> None:
    history, model = run_scripted(accuracies, mrr=mrr)
    assert model.trained == kept
    assert history.kept is history.evaluations[kept - 1]
    assert [c.epoch for c in history.evaluations] == [1, 2, 3, 4]
    assert not history.stopped_early


def test_without_restore_best_the_last_weights_stay() -> None:
    history, model = run_scripted([0.1, 0.4, 0.2], restore_best=False)
    assert (history.kept.epoch, model.trained) == (3, 3)


def test_patience_counts_evaluations_since_the_best() -> None:
    # Best at 2; the second evaluation without a better one is the fourth.
    history, model = run_scripted([0.1, 0.4, 0.3, 0.2, 0.9], patience_evaluations=2)
    assert [c.epoch for c in history.evaluations] == [1, 2, 3, 4]
    assert history.stopped_early
    assert model.trained == 2


@pytest.mark.parametrize(
    ("mrr", "epochs", "kept"),
    [
        # As long as nothing tells the evaluations apart, nothing stops the training.
        ([0.2, 0.2, 0.2, 0.2, 0.2, 0.2], 6, 6),
        # Two without a better MRR.
        ([0.2, 0.3, 0.1, 0.2, 0.4, 0.5], 4, 2),
        ([0.2, 0.3, 0.1, 0.4, 0.3, 0.5], 6, 6),
    ],
)
def test_by_a_constant_objective_patience_goes_by_mrr(mrr, epochs, kept) -> None:
    history, model = run_scripted([1.0] * 6, mrr=mrr, patience_evaluations=2)
    assert len(history.evaluations) == epochs
    assert history.stopped_early == (epochs < 6)
    assert model.trained == history.kept.epoch == kept


def test_equal_evaluations_use_up_the_patience_once_there_was_a_better_one() -> None:
    history, model = run_scripted([0.1, 0.4, 0.4, 0.4, 0.9], patience_evaluations=2)
    assert [c.epoch for c in history.evaluations] == [1, 2, 3, 4]
    assert model.trained == 4


def test_a_better_evaluation_starts_the_patience_anew() -> None:
    history, model = run_scripted([0.4, 0.3, 0.5, 0.2, 0.6], patience_evaluations=2)
    assert len(history.evaluations) == 5
    assert not history.stopped_early
    assert model.trained == 5


@pytest.mark.parametrize(
    ("epochs", "every", "evaluated"), [(7, 3, [3, 6, 7]), (2, 5, [2]), (4, 4, [4])]
)
def test_evaluates_every_few_epochs_and_after_the_last(
    epochs: int, every: int, evaluated: list[int]
) -> None:
    history, _ = run_scripted([0.1, 0.2, 0.3], epochs=epochs, eval_every_epochs=every)
    assert [c.epoch for c in history.evaluations] == evaluated


def test_loss_is_the_mean_of_a_row() -> None:
    # Six rows; the two steps' sums are 6 and 3.
    history, _ = run_scripted([0.1])
    assert history.evaluations[0].loss == 1.5


def test_history_keeps_what_there_is_when_the_training_is_left() -> None:
    def stop(evaluation) -> None:
        if evaluation.epoch == 2:
            raise KeyboardInterrupt

    history, _ = run_scripted([0.1, 0.5, 0.6], on_evaluation=stop)
    assert [c.epoch for c in history.evaluations] == [1, 2]
    assert history.kept.epoch == 2


def test_it_stops_at_each_evaluation_and_goes_on_when_asked() -> None:
    """So that several trainings can take turns: nothing runs ahead of its turn."""
    model, history = EpochCounter(), History()

    def runner(plan):
        model.trained += 1
        return np.array([1.0, 1.0], np.float32)

    planner = BatchPlanner(np.arange(6), np.arange(6), 6, 3, False, seed=0)
    callbacks = Callbacks(evaluate=lambda: {"top_100": float(model.trained), "mrr": 0.0})
    config = TrainConfig(epochs=4, eval_every_epochs=2)
    steps = train(config, Training(model, None, planner, runner), "top_100", callbacks, history)
    assert model.trained == 0
    assert (next(steps).epoch, model.trained) == (2, 2)
    assert (next(steps).metrics, model.trained) == ({"top_100": 4.0, "mrr": 0.0}, 4)
    assert next(steps, None) is None


def test_times_and_speed_are_of_what_they_say(monkeypatch) -> None:
    """By a clock that goes on by hand: an epoch takes 2 s, an evaluation 5 s."""
    now = [0.0]
    monkeypatch.setattr(loop.time, "perf_counter", lambda: now[0])

    def runner(plan):
        now[0] += 2.0
        return np.array([1.0, 1.0], np.float32)

    def evaluate():
        now[0] += 5.0
        return {"top_100": 0.5, "mrr": 0.1}

    planner = BatchPlanner(np.arange(6), np.arange(6), 6, 3, False, seed=0)
    model, history = EpochCounter(), History()
    training = Training(model, None, planner, runner)
    config = TrainConfig(epochs=3, eval_every_epochs=2, restore_best=False)
    for _ in train(config, training, "top_100", Callbacks(evaluate), history):
        now[0] += 100.0  # between two steps: nobody's time
    first, last = history.evaluations
    assert history.first_epoch_seconds == 2.0
    assert (first.train_seconds, first.evaluate_seconds) == (4.0, 5.0)
    assert (last.train_seconds, last.evaluate_seconds) == (6.0, 10.0)
    # Six rows in two seconds.
    assert first.examples_per_second == last.examples_per_second == 3.0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_names_its_epoch_and_step(value: float) -> None:
    # Ten rows two at a time: five steps an epoch, in plans of two.
    planner = BatchPlanner(np.arange(10), np.arange(10), 10, 2, False, seed=0, steps_per_block=2)
    calls = []

    def runner(plan):
        calls.append(plan)
        # The second epoch's second plan: its steps are 3 and 4.
        last = value if len(calls) == 5 else 1.0
        return np.array([1.0, last], np.float32)[: plan.steps]

    config, model = TrainConfig(epochs=3, eval_every_epochs=1), EpochCounter()
    callbacks = Callbacks(evaluate=lambda: {"top_100": 0.0, "mrr": 0.0})
    with pytest.raises(TrialError, match=rf"became {value} at epoch 2, step 4 of 5"):
        list(train(config, Training(model, None, planner, runner), "top_100", callbacks, History()))
    assert len(calls) == 5

"""`train.precision`: dense layers in half the bits, all else in float32."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console
from small_trials import skewed_interactions, small_config, tutorial_features

from sweeper.two_tower.config import (
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    SyntheticConfig,
    TrainConfig,
)
from sweeper.two_tower.model import embeddings
from sweeper.two_tower.training import setup
from sweeper.two_tower.training.setup import set_up_training
from sweeper.two_tower.trial.trial import run_trial

MODEL = ModelConfig(layer_sizes=[16, 8], dropout=0.1, input_dropout=0.1, layer_norm=True)

HALF = pytest.mark.parametrize("half", ["bfloat16", "float16"])


@HALF
@pytest.mark.parametrize("xla", [False, True])
def test_dense_layers_compute_in_half_the_bits_and_variables_stay_float32(
    half: str, xla: bool
) -> None:
    config = small_config(
        features=tutorial_features(dim=4),
        model=MODEL,
        train=TrainConfig(batch_size=64, xla=xla, precision=f"mixed_{half}"),
    )
    made = set_up_training(config, skewed_interactions(), np.arange(250), threads=1)
    for tower in (made.model.query_tower, made.model.candidate_tower):
        assert {layer.compute_dtype for layer in tower.stack} == {half}
        assert {layer.compute_dtype for layer in tower.feature_layers} == {"float32"}
    assert {variable.dtype for variable in made.model.trainable_variables} == {tf.float32}
    (plan,) = made.planner.epoch(1)
    losses = made.runner(plan)
    assert losses.dtype == np.float32
    assert np.isfinite(losses).all()
    inputs = {name: value[:3] for name, value in made.encoded.query.items()}
    assert made.model.embed_queries(inputs, training=False).dtype == tf.float32
    # The next trial of the process is none the wiser.
    assert tf.keras.mixed_precision.global_policy().name == "float32"


@HALF
def test_the_towers_output_is_near_that_of_float32(half: str) -> None:
    outputs = []
    for precision in ("float32", f"mixed_{half}"):
        config = small_config(
            features=tutorial_features(dim=4),
            model=replace(MODEL, dropout=0.0, input_dropout=0.0),
            train=TrainConfig(batch_size=64, xla=False, precision=precision),
        )
        made = set_up_training(config, skewed_interactions(), np.arange(250), threads=1)
        inputs = {name: tf.constant(value) for name, value in made.encoded.query.items()}
        outputs.append(made.model.embed_queries(inputs, training=False).numpy())
    assert (outputs[0] != outputs[1]).any()
    # bfloat16 has eight bits of mantissa: 0.4 % a rounding, some of them one after the other;
    # float16 has eleven.
    np.testing.assert_allclose(outputs[1], outputs[0], atol=0.03 * np.abs(outputs[0]).max())


def test_it_learns_what_float32_learns(tmp_path: Path) -> None:
    figures = {}
    for precision in ("float32", "mixed_bfloat16", "mixed_float16"):
        config = small_config(
            data=DataConfig(
                name="synthetic",
                synthetic=SyntheticConfig(num_users=200, num_items=150, num_interactions=6_000),
            ),
            features=tutorial_features(dim=8),
            model=ModelConfig(layer_sizes=[16, 8]),
            optimizer=OptimizerConfig("adam", 0.01),
            train=TrainConfig(
                epochs=8, batch_size=256, eval_every_epochs=8, xla=False, precision=precision
            ),
        )
        record = run_trial(config, tmp_path / precision, console=Console(quiet=True))
        figures[precision] = record.metrics["test"]["top_50"]
    popularity = record.baselines["popularity"]["test"]["top_50"]
    assert figures["mixed_bfloat16"] == pytest.approx(figures["float32"], abs=0.04)
    assert figures["mixed_float16"] == pytest.approx(figures["float32"], abs=0.04)
    assert figures["float32"] > 0.5 * popularity


def change(precision: str, weight: float = 1.0) -> np.ndarray:
    """Of all variables in one step of plain SGD, over a learning rate of 0.01 / `weight`."""
    config = small_config(
        features=tutorial_features(dim=4),
        model=ModelConfig(layer_sizes=[16, 8]),
        optimizer=OptimizerConfig("sgd", 0.01 / weight),
        train=TrainConfig(batch_size=250, xla=False, precision=precision),
    )
    interactions = replace(skewed_interactions(), weights=np.full(300, weight, np.float32))
    made = set_up_training(config, interactions, np.arange(250), threads=1)
    before = made.model.get_weights()
    (plan,) = made.planner.epoch(1)
    made.runner(plan)
    pairs = zip(made.model.get_weights(), before, strict=True)
    return np.concatenate([(after - old).ravel() for after, old in pairs])


def error(changes: np.ndarray, right: np.ndarray) -> float:
    return float(np.linalg.norm(changes - right) / np.linalg.norm(right))


def test_a_scaled_loss_keeps_gradients_that_float16_has_no_number_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of rows of weight 1e-6: many in the dense layers are near 6e-8, its least number."""
    right = change("float32")
    assert error(change("mixed_float16"), right) < 0.002
    assert error(change("mixed_float16", weight=1e-6), right) < 0.02
    monkeypatch.setattr(setup, "with_loss_scale", lambda optimizer, batch_size: optimizer)
    assert error(change("mixed_float16", weight=1e-6), right) > 0.1


def test_a_scaled_loss_reaches_sparse_gradients_as_dense_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dense = change("mixed_float16")
    monkeypatch.setattr(embeddings, "LARGE_TABLE", 1)
    monkeypatch.setattr(embeddings, "CODES_SHARE", 0)
    look_ups, sparse_lookup = [], embeddings.sparse_lookup
    monkeypatch.setattr(
        embeddings, "sparse_lookup", lambda *given: look_ups.append(given) or sparse_lookup(*given)
    )
    assert error(change("mixed_float16"), dense) < 1e-5
    assert look_ups


def test_a_step_whose_scaled_gradients_overflow_changes_the_scale_alone() -> None:
    """Rows of weight 1e5: 2^15 / 64 times their gradients is beyond float16's 65,504."""
    config = small_config(
        features=tutorial_features(dim=4),
        model=ModelConfig(layer_sizes=[16, 8]),
        train=TrainConfig(batch_size=64, xla=False, precision="mixed_float16"),
    )
    interactions = replace(skewed_interactions(), weights=np.full(300, 1e5, np.float32))
    made = set_up_training(config, interactions, np.arange(64), threads=1)
    before = made.model.get_weights()
    assert float(made.model.optimizer.loss_scale) == 512
    (plan,) = made.planner.epoch(1)
    assert np.isfinite(made.runner(plan)).all()
    for after, old in zip(made.model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(after, old)
    assert float(made.model.optimizer.loss_scale) == 256

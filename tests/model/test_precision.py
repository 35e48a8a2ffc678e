"""`train.precision`: dense layers in bfloat16, all else in float32."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console
from small_trials import skewed_interactions, small_config, tutorial_features

from sweeper.config import DataConfig, ModelConfig, OptimizerConfig, SyntheticConfig, TrainConfig
from sweeper.training.setup import set_up_training
from sweeper.trial import run_trial

MODEL = ModelConfig(layer_sizes=[16, 8], dropout=0.1, input_dropout=0.1, layer_norm=True)


@pytest.mark.parametrize("xla", [False, True])
def test_dense_layers_compute_in_bfloat16_and_variables_stay_float32(xla: bool) -> None:
    config = small_config(
        features=tutorial_features(dim=4),
        model=MODEL,
        train=TrainConfig(batch_size=64, xla=xla, precision="mixed_bfloat16"),
    )
    made = set_up_training(config, skewed_interactions(), np.arange(250), threads=1)
    for tower in (made.model.query_tower, made.model.candidate_tower):
        assert {layer.compute_dtype for layer in tower.stack} == {"bfloat16"}
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


def test_the_towers_output_is_near_that_of_float32() -> None:
    outputs = []
    for precision in ("float32", "mixed_bfloat16"):
        config = small_config(
            features=tutorial_features(dim=4),
            model=replace(MODEL, dropout=0.0, input_dropout=0.0),
            train=TrainConfig(batch_size=64, xla=False, precision=precision),
        )
        made = set_up_training(config, skewed_interactions(), np.arange(250), threads=1)
        inputs = {name: tf.constant(value) for name, value in made.encoded.query.items()}
        outputs.append(made.model.embed_queries(inputs, training=False).numpy())
    assert (outputs[0] != outputs[1]).any()
    # bfloat16 has eight bits of mantissa: 0.4 % a rounding, some of them one after the other.
    np.testing.assert_allclose(outputs[1], outputs[0], atol=0.03 * np.abs(outputs[0]).max())


def test_it_learns_what_float32_learns(tmp_path: Path) -> None:
    figures = {}
    for precision in ("float32", "mixed_bfloat16"):
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
    assert figures["float32"] > 0.5 * popularity

"""A contract over every optimizer: dense updates equal Keras's sparse ones; options; schedules."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from sweeper.common.errors import ConfigError
from sweeper.two_tower.config import OPTIMIZERS, OptimizerConfig
from sweeper.two_tower.training.optimizer import build_optimizer, learning_rate

ROWS, DIM, STEPS = 12, 3, 6
START = np.random.default_rng(1).normal(size=(ROWS, DIM)).astype("f")

# Beyond each optimizer's defaults, the options under which a row without a
# gradient still moves.
VARIANTS = [(name, {}) for name in OPTIMIZERS] + [
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "nesterov": True}),
    ("rmsprop", {"momentum": 0.9}),
    ("rmsprop", {"centered": True}),
    ("adam", {"amsgrad": True}),
    ("adamw", {"amsgrad": True}),
]


def gradients(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(codes, values) of each step; codes repeat, and some rows occur in one step alone."""
    rng = np.random.default_rng(seed)
    return [
        (rng.integers(0, ROWS - 2, 5).astype(np.int32), rng.normal(size=(5, DIM)).astype("f"))
        for _ in range(STEPS)
    ]


def updated_table(config: OptimizerConfig, sparse: bool) -> np.ndarray:
    optimizer = build_optimizer(config, STEPS)
    table = tf.Variable(START)
    for codes, values in gradients(seed=5):
        gradient = tf.IndexedSlices(values, codes, [ROWS, DIM])
        dense = tf.math.unsorted_segment_sum(values, codes, ROWS)
        optimizer.apply_gradients([(gradient if sparse else dense, table)])
    return table.numpy()


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_a_dense_gradient_updates_a_table_as_a_sparse_one_does(name, options) -> None:
    config = OptimizerConfig(name, learning_rate=0.05, options=options)
    dense, sparse = (updated_table(config, sparse) for sparse in (False, True))
    assert np.abs(dense - START).max() > 1e-4
    np.testing.assert_allclose(dense, sparse, rtol=0, atol=2e-6)


# FTRL computes the whole table anew from its sums of gradients at each step.
@pytest.mark.parametrize("name", sorted({*OPTIMIZERS} - {"ftrl"}))
def test_weight_decay_is_decoupled_and_reaches_rows_without_a_gradient(name: str) -> None:
    config = OptimizerConfig(name, learning_rate=0.05, weight_decay=0.1)
    dense, sparse = (updated_table(config, sparse) for sparse in (False, True))
    np.testing.assert_allclose(dense, sparse, rtol=0, atol=2e-6)
    # The last two rows never have a gradient: each step takes rate * decay = 0.005 of them.
    untouched = START[-2:] * (1 - 0.005) ** STEPS
    np.testing.assert_allclose(dense[-2:], untouched, rtol=1e-5)


def test_one_step_of_adagrad_by_hand() -> None:
    # The accumulator starts at 0.1: 1 - 0.1 * 3 / sqrt(0.1 + 9) after a gradient of 3.
    optimizer = build_optimizer(OptimizerConfig("adagrad", learning_rate=0.1), 1)
    variable = tf.Variable([1.0])
    optimizer.apply_gradients([(tf.constant([3.0]), variable)])
    assert variable.numpy()[0] == pytest.approx(1 - 0.1 * 3 / np.sqrt(9.1), rel=1e-5)


def test_options_reach_the_optimizer() -> None:
    # Two steps of gradient 1 at rate 0.1 with momentum 0.5: -0.1, then -(0.1 + 0.05).
    config = OptimizerConfig("sgd", learning_rate=0.1, options={"momentum": 0.5})
    optimizer, variable = build_optimizer(config, 2), tf.Variable([0.0])
    for _ in range(2):
        optimizer.apply_gradients([(tf.constant([1.0]), variable)])
    assert variable.numpy()[0] == pytest.approx(-0.25)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_option_that_keras_does_not_take_is_a_configuration_error(name: str) -> None:
    config = OptimizerConfig(name, options={"momentun": 0.9})
    with pytest.raises(ConfigError, match=r"optimizer\.options\.momentun: .*" + name):
        build_optimizer(config, 1)


def test_an_option_of_a_wrong_value_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.options: got .*momentum.*between"):
        build_optimizer(OptimizerConfig("sgd", options={"momentum": 1.5}), 1)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_options_may_not_set_what_has_a_key_of_its_own(name: str) -> None:
    config = OptimizerConfig(name, learning_rate=0.1, options={"learning_rate": 0.5})
    with pytest.raises(ConfigError, match=r"must be given as optimizer\.learning_rate"):
        build_optimizer(config, 1)


@pytest.mark.parametrize(
    ("options", "right"), [({"momentum": "high"}, "a number"), ({"nesterov": 3}, "true or false")]
)
def test_an_option_of_a_wrong_type_is_told(options: dict, right: str) -> None:
    with pytest.raises(ConfigError, match=rf"optimizer\.options\.\w+: got .*must be {right}"):
        build_optimizer(OptimizerConfig("sgd", options=options), 1)


def steps_of_sgd(config: OptimizerConfig, *gradient: list[float]) -> list[list[float]]:
    """How far plain SGD of rate 1 moves with these gradients, one variable each."""
    variables = [tf.Variable([0.0] * len(part)) for part in gradient]
    optimizer = build_optimizer(config, 1)
    optimizer.apply_gradients(
        [(tf.constant(part), v) for part, v in zip(gradient, variables, strict=True)]
    )
    return [(-v.numpy()).tolist() for v in variables]


def test_clipping_by_hand() -> None:
    def clipped(**settings: float) -> list[list[float]]:
        config = OptimizerConfig("sgd", learning_rate=1.0, **settings)
        return steps_of_sgd(config, [3.0, 4.0], [0.0, -12.0])

    assert clipped() == [[3, 4], [0, -12]]
    assert clipped(clip_value=3.5) == [[3, 3.5], [0, -3.5]]
    # Norms 5 and 12 each cut to 1; together the norm is 13.
    np.testing.assert_allclose(clipped(clip_norm=1.0), [[0.6, 0.8], [0, -1]], rtol=1e-6)
    np.testing.assert_allclose(
        clipped(global_clip_norm=1.0), [[3 / 13, 4 / 13], [0, -12 / 13]], rtol=1e-6
    )


def test_two_kinds_of_clipping_at_once_are_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="clip"):
        build_optimizer(OptimizerConfig(clip_norm=1.0, global_clip_norm=1.0), 1)


def rates(config: OptimizerConfig, steps: list[int], total: int) -> list[float]:
    schedule = learning_rate(config, total)
    return [float(schedule(step)) for step in steps]


def test_schedules_by_hand() -> None:
    constant = OptimizerConfig(learning_rate=0.2)
    assert learning_rate(constant, 100) == 0.2
    cosine = OptimizerConfig(learning_rate=0.2, schedule="cosine")
    # 0.2 * (1 + cos(pi * share)) / 2 at 0, a third, a half and all of the training.
    assert rates(cosine, [0, 100, 150, 300], 300) == pytest.approx([0.2, 0.15, 0.1, 0.0])
    exponential = OptimizerConfig(learning_rate=0.2, schedule="exponential", final_share=0.01)
    # A hundredth at the end, so a tenth halfway.
    assert rates(exponential, [0, 150, 300], 300) == pytest.approx([0.2, 0.02, 0.002])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_follows_a_schedule(name: str) -> None:
    config = OptimizerConfig(name, 0.1, schedule="exponential", final_share=0.01)
    optimizer, variable = build_optimizer(config, total_steps=2), tf.Variable(START)
    followed = []
    for _ in range(2):
        optimizer.apply_gradients([(tf.constant(-START), variable)])
        followed.append(float(optimizer.learning_rate))
    # The rates of the first and the second of two steps: 0.1 and 0.1 * 0.01 ** (1 / 2).
    assert followed == pytest.approx([0.1, 0.01])
    assert np.isfinite(variable.numpy()).all()

"""Keras optimizers from the configuration, through Keras's own registry."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import tensorflow as tf

from sweeper.common.errors import ConfigError, closest
from sweeper.two_tower.config import OptimizerConfig, supports_sparse_updates

# Options of Keras's optimizers that have a key of their own in the configuration.
OWN_KEYS = {
    "learning_rate": "learning_rate",
    "weight_decay": "weight_decay",
    "clipvalue": "clip_value",
    "clipnorm": "clip_norm",
    "global_clipnorm": "global_clip_norm",
}
INTERNAL = {"name", "is_legacy_optimizer", "jit_compile"}


def learning_rate(
    config: OptimizerConfig, total_steps: int
) -> float | tf.keras.optimizers.schedules.LearningRateSchedule:
    """Returns the learning rate, or its schedule over `total_steps` steps."""
    if config.schedule == "cosine":
        return tf.keras.optimizers.schedules.CosineDecay(config.learning_rate, total_steps)
    if config.schedule == "exponential":
        return tf.keras.optimizers.schedules.ExponentialDecay(
            config.learning_rate, total_steps, config.final_share
        )
    return config.learning_rate


def build_optimizer(config: OptimizerConfig, total_steps: int) -> tf.keras.optimizers.Optimizer:
    """Makes the optimizer that the configuration names.

    Raises:
      ConfigError: the optimizer does not take one of `optimizer.options`.
    """
    settings = {keras: getattr(config, own) for keras, own in OWN_KEYS.items()}
    settings["learning_rate"] = learning_rate(config, total_steps)
    settings = {key: value for key, value in settings.items() if value is not None}
    optimizer_class = type(tf.keras.optimizers.get(config.name))
    _check_options(config, optimizer_class().get_config())
    try:
        return optimizer_class(**settings, **config.options)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"optimizer.options: got {config.options} for {config.name!r}, which Keras refuses: "
            f"{error}"
        ) from error


def with_loss_scale(
    optimizer: tf.keras.optimizers.Optimizer, batch_size: int
) -> tf.keras.optimizers.Optimizer:
    """Wraps the optimizer so that it scales the loss and no gradient in float16 vanishes.

    A step whose gradients are not finite only halves the scale; after 2,000 other steps it is
    doubled. Micikevicius et al., "Mixed precision training", ICLR 2018. Keras begins with 2^15,
    which is for losses that are means over a batch; these are sums.
    """
    return tf.keras.mixed_precision.LossScaleOptimizer(
        optimizer, initial_scale=max(1.0, 2**15 / batch_size)
    )


def prepare_for_sparse_gradients(
    optimizer: tf.keras.optimizers.Optimizer,
    config: OptimizerConfig,
    tables: Collection[tf.Variable],
) -> None:
    """Changes a built optimizer so that a sparse gradient updates only the rows that it has.

    Sparse gradients of `tables` must have distinct rows or zeros, as
    `model.embeddings.sparse_lookup` makes them; Keras would search equal rows with `tf.unique`,
    which XLA can't compile. Sparse gradients of other variables, such as those of a user's own
    layers, are made dense. Plain SGD loses its momentum, which Keras adds as a table of zeros as
    large as each variable.
    """
    optimizer._deduplicate_sparse_grad = lambda gradients: gradients
    apply, distinct = optimizer.apply_gradients, {table.ref() for table in tables}

    def apply_gradients(pairs, *arguments, **options):  # type: ignore[no-untyped-def]
        prepared = [
            (gradient, variable)
            if gradient is None or variable.ref() in distinct
            else (tf.convert_to_tensor(gradient), variable)
            for gradient, variable in pairs
        ]
        return apply(prepared, *arguments, **options)

    optimizer.apply_gradients = apply_gradients
    if config.name == "sgd" and supports_sparse_updates(config):
        optimizer.momentums = [None] * len(optimizer.momentums)


def _check_options(config: OptimizerConfig, defaults: dict[str, Any]) -> None:
    """Checks the names and types of `optimizer.options`; Keras does not check all of them.

    Raises:
      ConfigError: an option is unknown, has a key of its own, or has a wrong type.
    """
    choices = sorted(set(defaults) - set(OWN_KEYS) - INTERNAL)
    problems = []
    for name, value in config.options.items():
        key, wanted = f"optimizer.options.{name}", type(defaults.get(name))
        if name in OWN_KEYS:
            problems.append(f"{key}: must be given as optimizer.{OWN_KEYS[name]}")
        elif name not in choices:
            problems.append(
                f"{key}: {config.name!r} has no such option; must be one of "
                f"{', '.join(choices)}{closest(name, choices)}"
            )
        elif wanted is float and type(value) not in (int, float):
            problems.append(f"{key}: got {value!r}; must be a number")
        elif wanted is bool and not isinstance(value, bool):
            problems.append(f"{key}: got {value!r}; must be true or false")
    if problems:
        raise ConfigError(problems)

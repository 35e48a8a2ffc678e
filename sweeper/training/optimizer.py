"""Keras optimizers from the configuration, through Keras's own registry."""

from __future__ import annotations

import tensorflow as tf

from sweeper.config import OptimizerConfig
from sweeper.errors import ConfigError


def learning_rate(
    config: OptimizerConfig, total_steps: int
) -> float | tf.keras.optimizers.schedules.LearningRateSchedule:
    """The rate, or its schedule over `total_steps` steps."""
    if config.schedule == "cosine":
        return tf.keras.optimizers.schedules.CosineDecay(config.learning_rate, total_steps)
    if config.schedule == "exponential":
        return tf.keras.optimizers.schedules.ExponentialDecay(
            config.learning_rate, total_steps, config.final_share
        )
    return config.learning_rate


def build_optimizer(config: OptimizerConfig, total_steps: int) -> tf.keras.optimizers.Optimizer:
    """The optimizer named by the configuration.

    Raises:
      ConfigError: the optimizer does not take one of `optimizer.options`.
    """
    settings = {
        "weight_decay": config.weight_decay,
        "clipvalue": config.clip_value,
        "clipnorm": config.clip_norm,
        "global_clipnorm": config.global_clip_norm,
    }
    settings = {key: value for key, value in settings.items() if value is not None}
    optimizer_class = type(tf.keras.optimizers.get(config.name))
    try:
        return optimizer_class(
            learning_rate=learning_rate(config, total_steps), **settings, **config.options
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"optimizer.options: got {config.options} for {config.name!r}, which Keras refuses: "
            f"{error}"
        ) from error

"""The samplers, by their names in `study.sampler`."""

from __future__ import annotations

import dataclasses
import importlib.util
from typing import Any

import numpy as np
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from sweeper.common.errors import ConfigError, install_command
from sweeper.study.algorithms.options import Kind, option_problems, options_of
from sweeper.study.config import StudyConfig

MISSING_TORCH = (
    f"study.sampler: got 'gp', which needs PyTorch; install it with {install_command('gp')}"
)


def _stream(stream: int, _: int) -> dict[str, Any]:
    return {"seed": stream}


def _quiet_stream(stream: int, _: int) -> dict[str, Any]:
    # The sampler draws parameters that it can't model (choices and conditional ones) at random.
    # Optuna would log a warning for each such parameter of each trial.
    return {"seed": stream, "warn_independent_sampling": False}


def _tree_parzen_estimator(stream: int, _: int) -> dict[str, Any]:
    # `group` is off in Optuna by default, but only with it are conditional parameters sampled
    # jointly. `constant_liar`, which makes workers choose different points, is on since Optuna 5.
    return {"multivariate": True, "group": True, "constant_liar": True, "seed": stream}


def _quasi_monte_carlo(stream: int, seed: int) -> dict[str, Any]:
    # All workers and starts share one sequence, whose index is in the storage, and therefore one
    # seed. Without scrambling, the sequence would ignore the seed and begin in a corner. Only
    # values outside the sequence, such as those of the first trial, have their own stream.
    return {
        "seed": seed,
        "scramble": True,
        "independent_sampler": RandomSampler(seed=stream),
        "warn_independent_sampling": False,
    }


_SEED = {"seed": "study.seed"}

KINDS: dict[str, Kind] = {
    "tpe": Kind(TPESampler, _tree_parzen_estimator, _SEED),
    "random": Kind(RandomSampler, _stream, _SEED),
    # The points of a grid are enqueued, in order and each once, so that the sampler never has to
    # choose a value. Optuna's own GridSampler may give the same point to two workers.
    "grid": Kind(RandomSampler, _stream, _SEED, label="sampler grid, which has no options"),
    "qmc": Kind(QMCSampler, _quasi_monte_carlo, _SEED),
    "cmaes": Kind(CmaEsSampler, _quiet_stream, _SEED),
    "nsga2": Kind(NSGAIISampler, _stream, _SEED),
    "gp": Kind(GPSampler, _quiet_stream, _SEED),
}


def build_sampler(study_config: StudyConfig, worker: int, finished: int) -> BaseSampler:
    """Constructs the sampler of a worker for one start of a study.

    Args:
      study_config: the study's configuration, with its sampler resolved (see
        `sweeper.study.algorithms.choices`).
      worker: the index of the worker; each worker draws from its own random stream.
      finished: the number of trials finished before this start, so that a resumed study
        continues with other points than it began with.

    Raises:
      ConfigError: a package that the sampler needs is missing.
    """
    if study_config.sampler is None:
        raise ValueError("study.sampler is null; see sweeper.study.algorithms.choices")
    return _build(study_config.sampler, study_config, worker, finished)


def sampler_problems(study_config: StudyConfig, chosen: str) -> list[str]:
    """Returns a line for each problem of `study.sampler_options`, given the chosen sampler."""
    seeded = dataclasses.replace(study_config, seed=0)  # The study's own seed may be out of range.
    return list(
        option_problems(
            "study.sampler_options",
            study_config.sampler_options,
            chosen,
            KINDS,
            lambda name: _build(name, seeded, worker=0, finished=0),
        )
    )


def _build(name: str, study_config: StudyConfig, worker: int, finished: int) -> BaseSampler:
    if name == "gp" and importlib.util.find_spec("torch") is None:
        raise ConfigError(MISSING_TORCH)
    stream = np.random.SeedSequence([study_config.seed, worker, finished]).generate_state(1)[0]
    options = options_of(study_config.sampler_options, name)
    return KINDS[name].build(options, int(stream), study_config.seed)

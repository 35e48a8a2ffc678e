"""Config-driven hyperparameter sweeps for two-tower retrieval models."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sweeper.report.loaded import LoadedStudy

__version__ = "0.2.0"

# TensorFlow Recommenders needs Keras 2; TensorFlow reads this when it is imported.
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def load_study(directory: str | os.PathLike[str]) -> LoadedStudy:
    """What a study, or a single run, has left, for a notebook: data frames and plots.

    Raises:
      sweeper.common.errors.OutputError: there is none, or it can't be read.
    """
    # Only when it is asked for: a trial needs none of it.
    from pathlib import Path

    from sweeper.report.loaded import LoadedStudy

    return LoadedStudy(Path(directory))

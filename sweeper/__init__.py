"""Config-driven hyperparameter sweeps for two-tower retrieval models."""

from __future__ import annotations

import os

__version__ = "0.1.0"

# TensorFlow Recommenders needs Keras 2; TensorFlow reads this when it is imported.
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

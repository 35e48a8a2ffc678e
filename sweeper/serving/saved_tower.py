"""The query tower of an export that is written into another one, as it was saved."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from sweeper.serving.query_tower import DEFAULT, Inputs


class SavedQueryTower(tf.Module):
    """Embeds queries by a SavedModel of a query tower.

    Args:
      directory: of the SavedModel.
      user: the name of the input of users; None: there is none.
      seen_bias: what the model adds to the scores of what a request's history holds; None: nothing.
    """

    def __init__(self, directory: Path, user: str | None, seen_bias: float | None) -> None:
        super().__init__()
        self.seen_bias = None if seen_bias is None else tf.constant(seen_bias, tf.float32)
        self.user = user
        self._directory = str(directory)
        self._loaded = tf.saved_model.load(self._directory)
        self._signature = self._loaded.signatures[DEFAULT]

    @property
    def specs(self) -> Mapping[str, tf.TensorSpec]:
        """The shape and type of each input, by its name."""
        return self._signature.structured_input_signature[1]  # type: ignore[no-any-return]

    def embed(self, **inputs: tf.Tensor) -> Inputs:
        """Returns `embedding`, [rows, width], and what else the saved tower says of each row."""
        return dict(self._signature(**inputs))

    def save(self, directory: Path) -> None:
        """Copies the SavedModel, to the last byte."""
        shutil.copytree(self._directory, directory)

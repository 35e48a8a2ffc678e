"""Training steps: a loop in the graph that is compiled once and takes integers."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from sweeper.two_tower.model.dropout import traced_for_xla
from sweeper.two_tower.model.two_tower import EncodedFeatures, TwoTowerModel
from sweeper.two_tower.training.batches import BatchBlock
from sweeper.two_tower.training.seen import SeenCandidates

Marks = dict[str, SeenCandidates]


class StepRunner:
    """Runs the steps of a block in one call: a loop in the graph, compiled by XLA.

    Args:
      model: compiled with its optimizer.
      encoded: every row's and every candidate's features.
      sampling_probability: [candidates].
      xla: whether XLA compiles the steps.
      marks: by the model's input, finds which of a batch's candidates a row's user has had before:
        those that are not negatives (`excluded`), those whose scores have a bias (`seen`).
    """

    def __init__(
        self,
        model: TwoTowerModel,
        encoded: EncodedFeatures,
        sampling_probability: np.ndarray,
        xla: bool,
        marks: Marks | None = None,
    ) -> None:
        self._model, self._marks, self._xla = model, marks or {}, xla
        self._query = {name: tf.constant(value) for name, value in encoded.query.items()}
        self._candidate = {name: tf.constant(value) for name, value in encoded.candidate.items()}
        self._probability = tf.constant(sampling_probability, tf.float32)
        self._run = tf.function(self._steps, jit_compile=xla, reduce_retracing=False)

    def __call__(self, block: BatchBlock) -> np.ndarray:
        """Trains on the block; returns the summed loss of each step, [block.steps]."""
        losses = self._run(
            tf.constant(block.steps),
            tf.constant(block.rows),
            tf.constant(block.sample_weight),
            tf.constant(block.candidates),
            tf.constant(block.positions),
            tf.constant(block.counts),
        )
        return losses.numpy()[: block.steps]

    def _steps(self, steps, rows, sample_weight, candidates, positions, counts):  # type: ignore[no-untyped-def]
        losses = tf.zeros([rows.shape[0]], tf.float32)
        step = tf.constant(0)
        # With `tf.range(steps)`, XLA would compile one program for each number of steps.
        while step < steps:
            batch = self._batch(
                rows[step], sample_weight[step], candidates[step], positions[step], counts[step]
            )
            with traced_for_xla(self._xla):
                loss = self._model.train_step(batch)["loss"]
            losses = tf.tensor_scatter_nd_update(losses, [[step]], [loss])
            step += 1
        return losses

    def _batch(self, rows, sample_weight, candidates, positions, counts):  # type: ignore[no-untyped-def]
        return {
            "query": {name: tf.gather(value, rows) for name, value in self._query.items()},
            "candidate": {
                name: tf.gather(value, candidates) for name, value in self._candidate.items()
            },
            "sample_weight": sample_weight,
            "positions": positions,
            "counts": counts,
            "probability": tf.gather(self._probability, candidates),
            **{name: mark(rows, candidates, counts) for name, mark in self._marks.items()},
        }

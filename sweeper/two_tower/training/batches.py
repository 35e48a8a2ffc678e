"""The batches of training: the rows and distinct candidates of each step, as integers.

A block has the batches of several steps and no features: these are encoded in memory, and each
step gathers its own. All arrays have the same shape in each block, so that XLA compiles once;
short ones are padded with weight 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sweeper.common.errors import DataError

# The number of batches from which the number of distinct candidates in one is estimated.
SAMPLED_BATCHES = 64
DEVIATIONS, WIDTH_MULTIPLE = 4, 32
# Keras's optimizers add 1e-7 to the root of the squared gradients before they divide by it: with
# smaller weights the quotient, which is the step, vanishes. It was measured with adam and adagrad.
MIN_WEIGHT = 1e-7
# Separates the random numbers of the uniform negatives from those of the shuffle.
UNIFORM_NEGATIVES = 1


@dataclass(frozen=True)
class BatchBlock:
    """The batches of up to `steps_per_block` steps.

    Attributes:
      steps: the number of leading entries that are steps; the others are padding.
      rows: [steps_per_block, batch] int32, rows of the data.
      sample_weight: [steps_per_block, batch] float32; 0 marks padding.
      candidates: [steps_per_block, width] int32, distinct candidates.
      positions: [steps_per_block, batch] int32, each row's column in `candidates`.
      counts: [steps_per_block, width] float32, occurrences in the batch; 0 marks
        padding.
    """

    steps: int
    rows: np.ndarray
    sample_weight: np.ndarray
    candidates: np.ndarray
    positions: np.ndarray
    counts: np.ndarray


class BatchPlanner:
    """Shuffles the training rows in each epoch and cuts them into blocks of batches.

    Args:
      rows: the training rows, [n].
      items: the candidate of each row of the data.
      num_candidates: the size of the catalogue.
      batch_size: rows per step; the last batch of an epoch may be shorter.
      whole_catalogue: whether each batch has all candidates once (the full softmax) instead of
        its own ones.
      seed: the order of epoch e depends on (seed, e) alone.
      steps_per_block: the largest number of steps in one block.
      weights: the weight of each row of the data in the loss; None: 1 each.
      uniform_negatives: the number of candidates, drawn uniformly from the catalogue with
        replacement, that are added to each batch's own.
      candidate_weights: float32 [num_candidates], above 0, the weight of one occurrence of each
        candidate; 1 for those that a row has. None: 1 for all.

    Raises:
      DataError: all training rows have weights too small for anything to be learned.
    """

    def __init__(
        self,
        rows: np.ndarray,
        items: np.ndarray,
        num_candidates: int,
        batch_size: int,
        whole_catalogue: bool,
        seed: int,
        steps_per_block: int = 64,
        weights: np.ndarray | None = None,
        uniform_negatives: int = 0,
        candidate_weights: np.ndarray | None = None,
    ) -> None:
        self._rows = rows.astype(np.int32)
        self._items = items
        self._num_candidates = num_candidates
        self._whole_catalogue = whole_catalogue
        self._seed = seed
        self._weights = weights
        self._uniform_negatives = uniform_negatives
        self._candidate_weights = candidate_weights
        self.num_rows = len(rows)
        self.total_weight = len(rows) if weights is None else float(weights[rows].sum(dtype=float))
        self.largest_weight = 1.0 if weights is None else float(weights[rows].max(initial=0.0))
        if self.largest_weight < MIN_WEIGHT:
            raise DataError(
                f"data.columns.weight: the largest weight of a training row is "
                f"{self.largest_weight:g}; at least one must be {MIN_WEIGHT:g} or more: smaller "
                "gradients vanish beside the epsilon of Keras's optimizers, and nothing is learned"
            )
        self.batch_size = min(batch_size, len(rows))
        self.steps_per_epoch = -(-len(rows) // self.batch_size)
        self.steps_per_block = min(steps_per_block, self.steps_per_epoch)
        self._width = num_candidates if whole_catalogue else self._guess_width()

    def epoch(self, epoch: int) -> Iterator[BatchBlock]:
        """Yields the blocks of one epoch, in order."""
        order = np.random.default_rng([self._seed, epoch]).permutation(self._rows)
        drawing = np.random.default_rng([self._seed, epoch, UNIFORM_NEGATIVES])
        for first in range(0, self.steps_per_epoch, self.steps_per_block):
            start = first * self.batch_size
            yield self._block(
                order[start : start + self.steps_per_block * self.batch_size], drawing
            )

    def _guess_width(self) -> int:
        """Estimates the number of distinct candidates of a batch; a larger block raises it."""
        rng = np.random.default_rng([self._seed, 1])
        order = rng.permutation(self._rows)[: SAMPLED_BATCHES * self.batch_size]
        distinct = [
            len(np.union1d(self._items[order[start : start + self.batch_size]], self._draw(rng)))
            for start in range(0, len(order) - self.batch_size + 1, self.batch_size)
        ]
        # Few batches of a long training have more than this, with little padding.
        return self._round_width(int(np.mean(distinct) + DEVIATIONS * np.std(distinct)))

    def _round_width(self, distinct: int) -> int:
        rounded = -(-distinct // WIDTH_MULTIPLE) * WIDTH_MULTIPLE
        return min(rounded, self.batch_size + self._uniform_negatives, self._num_candidates)

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        """Draws the uniform negatives of one batch."""
        return rng.integers(self._num_candidates, size=self._uniform_negatives, dtype=np.int32)

    def _block(self, order: np.ndarray, drawing: np.random.Generator) -> BatchBlock:
        steps = -(-len(order) // self.batch_size)
        shape = (self.steps_per_block, self.batch_size)
        rows = np.full(shape, order[0], np.int32)
        rows.reshape(-1)[: len(order)] = order
        weight = np.zeros(shape, np.float32)
        weight.reshape(-1)[: len(order)] = 1.0 if self._weights is None else self._weights[order]
        if self._whole_catalogue:
            candidates = np.broadcast_to(
                np.arange(self._num_candidates, dtype=np.int32), (shape[0], self._num_candidates)
            )
            counts = np.ones_like(candidates, dtype=np.float32)
            positions = self._items[rows].astype(np.int32)
        else:
            candidates, positions, counts = self._distinct(rows, len(order), drawing)
        if self._candidate_weights is not None:
            counts *= self._candidate_weights[candidates]
        return BatchBlock(steps, rows, weight, candidates, positions, counts)

    def _distinct(
        self, rows: np.ndarray, used: int, drawing: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Finds the candidates, in ascending order, the positions and the counts of each batch."""
        items = self._items[rows]
        # These cover the whole catalogue; each batch touches its own candidates only.
        in_batch = np.zeros(self._num_candidates, bool)
        position = np.zeros(self._num_candidates, np.int32)
        positions = np.zeros(items.shape, np.int32)
        found = []
        for step in range(-(-used // self.batch_size)):
            real = items[step, : min(self.batch_size, used - step * self.batch_size)]
            real = np.concatenate([real, self._draw(drawing)])
            in_batch[real] = True
            distinct = np.flatnonzero(in_batch)
            in_batch[distinct] = False
            position[distinct] = np.arange(len(distinct), dtype=np.int32)
            positions[step] = position[items[step]]
            found.append((distinct, np.bincount(position[real])))
        most = max(len(distinct) for distinct, _ in found)
        if most > self._width:
            self._width = self._round_width(most)
        candidates = np.zeros((len(items), self._width), np.int32)
        counts = np.zeros((len(items), self._width), np.float32)
        for step, (distinct, occurrences) in enumerate(found):
            candidates[step] = distinct[0]
            candidates[step, : len(distinct)] = distinct
            counts[step, : len(distinct)] = occurrences
        positions.reshape(-1)[used:] = 0
        return candidates, positions, counts

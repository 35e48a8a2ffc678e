"""Features: how a column of the data becomes the numbers that a tower takes.

A feature is fitted on the training rows alone (`sweeper.two_tower.model.fitting`), then encodes
every row once, so that training reads integers and floats only. This file is NumPy;
`model.feature_graphs` has the same encodings as TensorFlow graphs, for an exported model. The
layers above are in `sweeper.two_tower.model.feature_layers`.
"""

from __future__ import annotations

import string
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sweeper.two_tower.config import SequenceConfig
from sweeper.two_tower.data.columns import (
    CategoricalColumn,
    CategoricalListColumn,
    Column,
    NumericColumn,
)

PADDING, OUT_OF_VOCABULARY = 0, 0
LIST_OUT_OF_VOCABULARY = 1


# The punctuation that Keras's TextVectorization strips. Python lower-cases a Greek sigma to another
# letter at the end of a word; with both as one, no letter depends on its neighbours.
_STRIP_PUNCTUATION = str.maketrans("ς", "σ", string.punctuation)


@dataclass(frozen=True)
class LookupFeature:
    """Codes of single values; [rows] int32, 0 is out of vocabulary."""

    name: str
    vocabulary: tuple[str, ...]
    dim: int
    multivalued: ClassVar[bool] = False

    @property
    def table_rows(self) -> int:
        return len(self.vocabulary) + 1

    def encode(self, column: Column) -> np.ndarray:
        assert isinstance(column, CategoricalColumn)
        return _codes(column.categories, self.vocabulary, first=1, unknown=OUT_OF_VOCABULARY)[
            column.codes
        ]


@dataclass(frozen=True)
class ListFeature:
    """Codes of several values, whose embeddings are averaged; [rows, longest] int32.

    0 is padding, 1 is out of vocabulary. An empty value in a list counts as padding.
    """

    name: str
    vocabulary: tuple[str, ...]
    dim: int
    tokenize: bool
    multivalued: ClassVar[bool] = True

    @property
    def table_rows(self) -> int:
        return len(self.vocabulary) + 2

    def encode(self, column: Column) -> np.ndarray:
        if isinstance(column, CategoricalColumn):
            lists = [tokens(category) for category in column.categories]
            words = sorted({word for words in lists for word in words})
            codes = _codes(words, self.vocabulary, first=2, unknown=LIST_OUT_OF_VOCABULARY)
            position = {word: index for index, word in enumerate(words)}
            flat = np.array([position[word] for words in lists for word in words], np.int32)
            sizes = np.array([len(words) for words in lists], np.int64)
            return _padded(codes[flat] if len(flat) else flat, sizes)[column.codes]
        assert isinstance(column, CategoricalListColumn)
        codes = _codes(column.categories, self.vocabulary, 2, LIST_OUT_OF_VOCABULARY)
        codes[np.array(column.categories, object) == ""] = PADDING
        return _padded(codes[column.codes], np.diff(column.offsets))


@dataclass(frozen=True)
class BucketFeature:
    """Index of the bucket between boundaries; [rows] int32. NaN counts as `missing`."""

    name: str
    boundaries: np.ndarray
    missing: float
    dim: int
    multivalued: ClassVar[bool] = False

    @property
    def table_rows(self) -> int:
        return len(self.boundaries) + 1

    def encode(self, column: Column) -> np.ndarray:
        assert isinstance(column, NumericColumn)
        values = _filled(column.values, self.missing)
        return np.searchsorted(self.boundaries, values, side="right").astype(np.int32)


@dataclass(frozen=True)
class ScaledFeature:
    """(value - mean) / deviation; [rows] float32. Mean 0 and deviation 1 change nothing.

    NaN counts as `missing`. Values too small for a normal float32 become 0, as in TensorFlow.
    """

    name: str
    mean: float
    deviation: float
    missing: float
    dim: ClassVar[int] = 1

    def encode(self, column: Column) -> np.ndarray:
        assert isinstance(column, NumericColumn)
        values = _filled(column.values, self.missing)
        scaled = ((values - self.mean) / self.deviation).astype(np.float32)
        scaled[np.abs(scaled) < np.finfo(np.float32).tiny] = 0.0
        return scaled


@dataclass(frozen=True)
class HistoryFeature:
    """The candidates that occur with a row's category in the training rows: a user's history.

    A training row's own candidate is left out, since the model must predict it.

    Attributes:
      counts: [categories + 1, candidates] float32, how often the two occur together; the first
        category is out of vocabulary and has no candidates.
      own: [rows] int32, the candidate of each training row, from 1; 0 for all other rows.
    """

    name: str
    counts: np.ndarray
    own: np.ndarray
    dim: int

    def encode(self, column: Column) -> np.ndarray:
        """Returns [rows, 2]: the row's category, from 1, and `own`."""
        assert isinstance(column, CategoricalColumn)
        return np.stack([column.codes + 1, self.own], axis=1).astype(np.int32)


@dataclass(frozen=True)
class SequenceFeature:
    """The user's latest items before each row, each by a feature of the catalogue.

    Attributes:
      items: int32 [known rows], the candidates that histories are ranges of; see
        `sweeper.two_tower.data.histories`.
      ranges: int32 [rows, 2], where each row's history begins in `items`, and where it ends.
      item_feature: turns an item's value into codes; fitted on the items of the training rows.
      item_codes: [candidates] or [candidates, longest] int32, of the whole catalogue.
      dim: the width of an item's vector.
      settings: length, encoder and the rest.
      shared_with: the name of the candidate tower's feature that has the same vectors; None: the
        vectors are not shared.
    """

    name: str
    items: np.ndarray
    ranges: np.ndarray
    item_feature: LookupFeature | ListFeature
    item_codes: np.ndarray
    dim: int
    settings: SequenceConfig
    shared_with: str | None

    def encode(self, column: Column) -> np.ndarray:
        """Returns the ranges, from which each batch reads its sequences."""
        return self.ranges


@dataclass(frozen=True)
class HistoryNumberFeature:
    """A number that describes the user's history before each row, scaled; [rows] float32.

    Attributes:
      numbers: [rows] float64, for every row of the data; NaN where there is none.
      scaled: scales the numbers.
    """

    name: str
    numbers: np.ndarray
    scaled: ScaledFeature
    dim: ClassVar[int] = 1

    def encode(self, column: Column) -> np.ndarray:
        """Returns the scaled numbers; the column is not read."""
        return self.scaled.encode(NumericColumn(self.numbers))


class CustomFeature(ABC):
    """Base class of a user's own features; `features.query[].kind: package.module:Name`.

    An instance is made once the data is read, and its constructor fits it:

      Name(name, column, rows, dim, **options)

    Args:
      name: the feature's name, which its layer should have, too.
      column: the feature's column, for all rows of the data or for all candidates.
      rows: the indices of the training rows, [training rows]; the feature must learn nothing from
        other rows.
      dim: the width that the configuration asks for.
      options: the values of `options` in YAML.

    Attributes:
      name: as given.
      dim: the width of the layer's output.
    """

    name: str
    dim: int

    @abstractmethod
    def encode(self, column: Column) -> np.ndarray:
        """Encodes each row of a column like the feature's own; [rows, ...], int32 or float32.

        It must also encode values that no training row has.
        """

    @abstractmethod
    def layer(self) -> Any:
        """Makes a Keras layer that takes encoded rows, [rows, ...], to float32 [rows, dim]."""

    def graph(self) -> Any:
        """Makes what encodes a request's raw values as `encode` does, in TensorFlow.

        It is a function or a `tf.Module` of [rows] strings, or of float64 numbers with NaN for a
        missing one. Without it (None), a model with this feature in its query tower can't be
        exported. If the feature is in the candidate tower, the export leaves out that tower, so
        that a newer catalogue needs another training.
        """
        return None


Feature = (
    CustomFeature
    | LookupFeature
    | ListFeature
    | BucketFeature
    | ScaledFeature
    | HistoryFeature
    | SequenceFeature
    | HistoryNumberFeature
)


def tokens(text: str) -> list[str]:
    """Splits a text on white space; lower-cased, with ς as σ and without punctuation.

    Keras's TextVectorization does the same, but lower-cases ASCII letters alone and knows only
    ASCII white space.
    """
    return text.lower().translate(_STRIP_PUNCTUATION).split()


def _codes(
    categories: list[str], vocabulary: tuple[str, ...], first: int, unknown: int
) -> np.ndarray:
    """Returns the code of each category in the vocabulary, from `first`; [categories] int32."""
    position = {word: index for index, word in enumerate(vocabulary, start=first)}
    return np.array([position.get(category, unknown) for category in categories], np.int32)


def _filled(values: np.ndarray, missing: float) -> np.ndarray:
    """Returns the numbers in float64, with `missing` for NaN."""
    values = values.astype(np.float64, copy=False)
    is_missing = np.isnan(values)
    return np.where(is_missing, missing, values) if is_missing.any() else values


def _padded(codes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Makes a matrix of lists that lie end to end, padded with 0; [lists, longest] int32."""
    width = max(1, int(sizes.max(initial=1)))
    matrix = np.full((len(sizes), width), PADDING, np.int32)
    matrix[np.arange(width)[None, :] < sizes[:, None]] = codes
    return matrix

"""Features: how a column of the data becomes numbers that a tower takes.

A feature is fitted on the rows of the training part alone (vocabulary, bucket
boundaries, mean and deviation), then encodes every row once, so that training
touches integers and floats only. This file is NumPy; the layers on top are in
`sweeper.model.towers`.
"""

from __future__ import annotations

import string
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sweeper.config import FeatureConfig, FeaturesConfig
from sweeper.data.columns import CategoricalColumn, CategoricalListColumn, Column, NumericColumn
from sweeper.data.interactions import Interactions
from sweeper.errors import ConfigError, closest, either

PADDING, OUT_OF_VOCABULARY = 0, 0
LIST_OUT_OF_VOCABULARY = 1

DEFAULT_BOUNDARIES = 1_000
DEFAULT_TOKENS = 10_000

# Of categories x candidates: a dense matrix of 400 MB.
LARGEST_HISTORY = 100_000_000

# What a column holds, and the kinds of feature that can be made of it.
FITTING_KINDS = {
    NumericColumn: ("numbers", ("buckets", "normalized", "numeric")),
    CategoricalColumn: ("single strings", ("embedding", "text", "history")),
    CategoricalListColumn: ("lists of strings", ("embedding",)),
}

# The punctuation that Keras's TextVectorization strips.
_STRIP_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class LookupFeature:
    """Codes into an embedding table; [rows] int32, 0 is out of vocabulary."""

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
    """Codes of several values, averaged; [rows, longest] int32, 0 is padding, 1 unknown."""

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
        return _padded(codes[column.codes], np.diff(column.offsets))


@dataclass(frozen=True)
class BucketFeature:
    """Index of the bucket between boundaries; [rows] int32."""

    name: str
    boundaries: np.ndarray
    dim: int
    multivalued: ClassVar[bool] = False

    @property
    def table_rows(self) -> int:
        return len(self.boundaries) + 1

    def encode(self, column: Column) -> np.ndarray:
        assert isinstance(column, NumericColumn)
        return np.searchsorted(self.boundaries, column.values, side="right").astype(np.int32)


@dataclass(frozen=True)
class ScaledFeature:
    """(value - mean) / deviation; [rows] float32. Mean 0 and deviation 1 leave it as it is."""

    name: str
    mean: float
    deviation: float
    dim: ClassVar[int] = 1

    def encode(self, column: Column) -> np.ndarray:
        assert isinstance(column, NumericColumn)
        return ((column.values - self.mean) / self.deviation).astype(np.float32)


@dataclass(frozen=True)
class HistoryFeature:
    """The candidates that go with a row's category in the training rows, as a user's history.

    A training row's own candidate is left out of it: it is what the row asks for.

    Attributes:
      counts: [categories + 1, candidates] float32, how often the two go together; the first
        category is out of vocabulary and has none.
      own: [rows] int32, the candidate of each training row, from 1; 0 of all other rows.
    """

    name: str
    counts: np.ndarray
    own: np.ndarray
    dim: int

    def encode(self, column: Column) -> np.ndarray:
        """[rows, 2]: the row's category, from 1, and `own`."""
        assert isinstance(column, CategoricalColumn)
        return np.stack([column.codes + 1, self.own], axis=1).astype(np.int32)


Feature = LookupFeature | ListFeature | BucketFeature | ScaledFeature | HistoryFeature


def tokens(text: str) -> list[str]:
    """Lower-cased, without punctuation, split on white space.

    As Keras's TextVectorization, except that it lower-cases ASCII letters alone.
    """
    return text.lower().translate(_STRIP_PUNCTUATION).split()


def fit_features(
    configs: list[FeatureConfig],
    columns: dict[str, Column],
    rows: np.ndarray,
    embedding_dim: int,
    key: str,
    items: np.ndarray | None = None,
) -> list[Feature]:
    """Fits each feature of one tower on `rows` of its columns.

    Args:
      configs: the features as configured.
      columns: the columns that the tower may use.
      rows: the training rows (for candidates: those that occur in training).
      embedding_dim: the width of embeddings that set no `dim`.
      key: the YAML key of the list, for errors ("features.query").
      items: the candidate of each row; None where the rows are candidates themselves.

    Raises:
      ConfigError: naming each feature's key: an unknown column, a kind that
        doesn't fit the column's type, an empty vocabulary.
    """
    problems, features = [], []
    for index, config in enumerate(configs):
        try:
            features.append(_fit(config, columns, rows, config.dim or embedding_dim, items))
        except ConfigError as error:
            problems += [f"{key}[{index}]{problem}" for problem in error.problems]
    names = Counter(feature.name for feature in features)
    problems += [f"{key}: {name} is listed {n} times" for name, n in names.items() if n > 1]
    if problems:
        raise ConfigError(problems)
    return features


def check_columns(config: FeaturesConfig, interactions: Interactions) -> None:
    """Raises ConfigError as `fit_features` would for unknown columns and unfit kinds."""
    problems = []
    for tower, columns in (
        ("query", interactions.query_columns),
        ("candidate", interactions.candidate_columns),
    ):
        for index, feature in enumerate(getattr(config, tower)):
            try:
                _column(feature, columns, is_query=tower == "query")
            except ConfigError as error:
                problems += [f"features.{tower}[{index}]{line}" for line in error.problems]
    if problems:
        raise ConfigError(problems)


def _column(config: FeatureConfig, columns: dict[str, Column], is_query: bool) -> Column:
    """The feature's column, if there is one and the kind fits it; a candidate has no history."""
    if config.column not in columns:
        raise ConfigError(
            f".column: got {config.column!r}; must be one of {', '.join(sorted(columns))}."
            + closest(config.column, columns)
        )
    column = columns[config.column]
    words, fitting = FITTING_KINDS[type(column)]
    kinds = [kind for kind in fitting if is_query or kind != "history"]
    if config.kind not in kinds:
        raise ConfigError(
            f".kind: got {config.kind!r} for {config.column!r}, a column of {words}; "
            f"must be {either(kinds)} for it"
        )
    return column


def _fit(
    config: FeatureConfig,
    columns: dict[str, Column],
    rows: np.ndarray,
    dim: int,
    items: np.ndarray | None,
) -> Feature:
    column = _column(config, columns, is_query=items is not None)
    name = f"{config.column}_{config.kind}"
    if isinstance(column, CategoricalListColumn):
        return ListFeature(name, _vocabulary(config, column, rows), dim, tokenize=False)
    if isinstance(column, CategoricalColumn):
        if config.kind == "history":
            assert items is not None
            return _history(config, name, column, rows, dim, items)
        if config.kind == "text":
            return ListFeature(name, _text_vocabulary(config, column, rows), dim, tokenize=True)
        return LookupFeature(name, _vocabulary(config, column, rows), dim)
    values = column.values[rows].astype(np.float64)
    if not np.isfinite(values).all():
        raise ConfigError(f".column: {config.column!r} holds values that are not finite")
    if config.kind == "numeric":
        return ScaledFeature(name, 0.0, 1.0)
    if config.kind == "normalized":
        return ScaledFeature(name, float(values.mean()), float(values.std()) or 1.0)
    boundaries = np.linspace(
        values.min(), values.max(), config.num_boundaries or DEFAULT_BOUNDARIES
    )
    return BucketFeature(name, boundaries, dim)


def _history(
    config: FeatureConfig,
    name: str,
    column: CategoricalColumn,
    rows: np.ndarray,
    dim: int,
    items: np.ndarray,
) -> HistoryFeature:
    num_items = int(items.max()) + 1
    shape = (len(column.categories) + 1, num_items)
    if shape[0] * shape[1] > LARGEST_HISTORY:
        raise ConfigError(
            f".kind: got 'history' of {shape[0] - 1:,} values of {config.column!r} and "
            f"{num_items:,} candidates; their product must be at most {LARGEST_HISTORY:,}"
        )
    counts = np.zeros(shape, np.float32)
    np.add.at(counts, (column.codes[rows] + 1, items[rows]), 1.0)
    own = np.zeros(len(items), np.int32)
    own[rows] = items[rows] + 1
    return HistoryFeature(name, counts, own, dim)


def _vocabulary(
    config: FeatureConfig, column: CategoricalColumn | CategoricalListColumn, rows: np.ndarray
) -> tuple[str, ...]:
    """The categories that occur in `rows`, in the order of their codes."""
    codes = column.codes if isinstance(column, CategoricalColumn) else column.take(rows).codes
    used = np.unique(codes[rows] if isinstance(column, CategoricalColumn) else codes)
    vocabulary = tuple(column.categories[code] for code in used)
    return _not_empty(config, vocabulary)


def _text_vocabulary(
    config: FeatureConfig, column: CategoricalColumn, rows: np.ndarray
) -> tuple[str, ...]:
    """The most frequent words of the distinct texts in `rows`, ties by alphabet.

    Two of `max_tokens` are for padding and for unknown words, as in Keras.
    """
    texts = [column.categories[code] for code in np.unique(column.codes[rows])]
    frequency = Counter(word for text in texts for word in tokens(text))
    ordered = sorted(frequency, key=lambda word: (-frequency[word], word))
    return _not_empty(config, tuple(ordered[: max(0, (config.max_tokens or DEFAULT_TOKENS) - 2)]))


def _not_empty(config: FeatureConfig, vocabulary: tuple[str, ...]) -> tuple[str, ...]:
    if not vocabulary:
        raise ConfigError(
            f": the vocabulary of {config.column!r} ({config.kind}) is empty; the column must "
            "hold at least one value in the training rows"
            + (", and max_tokens be at least 3" if config.kind == "text" else "")
        )
    return vocabulary


def _codes(
    categories: list[str], vocabulary: tuple[str, ...], first: int, unknown: int
) -> np.ndarray:
    """For each category its code in the vocabulary, counted from `first`; [categories] int32."""
    position = {word: index for index, word in enumerate(vocabulary, start=first)}
    return np.array([position.get(category, unknown) for category in categories], np.int32)


def _padded(codes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Lists laid end to end as a matrix, padded with 0; [lists, longest] int32."""
    width = max(1, int(sizes.max(initial=1)))
    matrix = np.full((len(sizes), width), PADDING, np.int32)
    matrix[np.arange(width)[None, :] < sizes[:, None]] = codes
    return matrix

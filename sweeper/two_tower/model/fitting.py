"""Fits features on the training rows: vocabularies, boundaries, means, histories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from sweeper.common.errors import ConfigError, closest, either
from sweeper.common.plugins import is_path, make
from sweeper.two_tower.config import (
    ITEM_KINDS,
    QUERY_KINDS,
    TIMED_KINDS,
    FeatureConfig,
    FeaturesConfig,
    sequence_settings,
)
from sweeper.two_tower.data.columns import (
    CategoricalColumn,
    CategoricalListColumn,
    Column,
    DataColumns,
    NumericColumn,
)
from sweeper.two_tower.model.features import (
    BucketFeature,
    CustomFeature,
    Feature,
    HistoryFeature,
    ListFeature,
    LookupFeature,
    ScaledFeature,
    tokens,
)
from sweeper.two_tower.model.sequence_fitting import (
    SequenceSource,
    fit_history_number,
    fit_sequence,
)

DEFAULT_BOUNDARIES = 1_000
DEFAULT_TOKENS = 10_000

# The largest product of categories and candidates: a dense matrix of 400 MB.
MAX_HISTORY = 100_000_000

# The content of a type of column, and the kinds of feature that can be made of it.
FITTING_KINDS = {
    NumericColumn: ("numbers", ("buckets", "normalized", "numeric")),
    CategoricalColumn: ("single strings", ("embedding", "text", "history")),
    CategoricalListColumn: ("lists of strings", ("embedding",)),
}


def fit_features(
    configs: list[FeatureConfig],
    columns: dict[str, Column],
    rows: np.ndarray,
    embedding_dim: int,
    key: str,
    items: np.ndarray | None = None,
    sequences: SequenceSource | None = None,
) -> list[Feature]:
    """Fits each feature of one tower on `rows` of its columns.

    Args:
      configs: the features as configured.
      columns: the columns that the tower may use.
      rows: the training rows (for candidates: those that occur in training).
      embedding_dim: the width of embeddings that set no `dim`.
      key: the YAML key of the list, for errors ("features.query").
      items: the candidate of each row; None where the rows are candidates themselves.
      sequences: the users' histories; None where no feature reads them.

    Raises:
      ConfigError: a column is unknown, a kind doesn't fit the column's type, or a vocabulary is
        empty; names each feature's key.
    """
    problems, features = [], []
    for index, config in enumerate(configs):
        try:
            dim = config.dim or embedding_dim
            if config.kind in TIMED_KINDS:
                assert sequences is not None
                features.append(_fit_timed(config, sequences, rows, dim))
            else:
                features.append(_fit(config, columns, rows, dim, items))
        except ConfigError as error:
            problems += [f"{key}[{index}]{problem}" for problem in error.problems]
    names = Counter(feature.name for feature in features)
    problems += [f"{key}: {name} is listed {n} times" for name, n in names.items() if n > 1]
    if problems:
        raise ConfigError(problems)
    return features


def check_columns(config: FeaturesConfig, data: DataColumns) -> None:
    """Checks the columns and kinds of all features before any is fitted.

    Raises:
      ConfigError: a column is unknown, a kind doesn't fit its column, or a sequence shares a table
        that the candidate tower doesn't have; names each feature's key.
    """
    problems = []
    for tower in ("query", "candidate"):
        for index, feature in enumerate(getattr(config, tower)):
            try:
                feature_column(feature, data, is_query=tower == "query")
            except ConfigError as error:
                problems += [f"features.{tower}[{index}]{line}" for line in error.problems]
            else:
                if tower == "query" and feature.kind == "sequence":
                    lines = _sharing_problems(feature, config)
                    problems += [f"features.query[{index}]{line}" for line in lines]
    if problems:
        raise ConfigError(problems)


def _sharing_problems(feature: FeatureConfig, config: FeaturesConfig) -> Iterator[str]:
    """Yields why a sequence can't share a table with the candidate tower."""
    if not sequence_settings(feature, config.sequence).share_with_candidates:
        return
    item_kind = feature.item_kind or "embedding"
    alike = [
        each for each in config.candidate if (each.column, each.kind) == (feature.column, item_kind)
    ]
    if not alike:
        yield (
            f".share_with_candidates: got True, but features.candidate has no feature of column "
            f"{feature.column!r} and kind {item_kind!r} to share with; add it, or set this "
            "to false"
        )
        return
    default = config.embedding_dim
    for option, own, other in (
        ("dim", feature.dim or default, alike[0].dim or default),
        ("max_tokens", feature.max_tokens, alike[0].max_tokens),
    ):
        if own != other:
            yield (
                f".{option}: got {own}, shared with features.candidate's {feature.column!r} "
                f"({item_kind}) of {other}; must be the same, or share_with_candidates be false"
            )


def feature_column(config: FeatureConfig, data: DataColumns, is_query: bool) -> Column:
    """Finds the column of the data that a feature is made of.

    Raises:
      ConfigError: there is no such column, or the kind doesn't fit it.
    """
    if config.kind not in TIMED_KINDS or not is_query:
        columns = data.query_columns if is_query else data.candidate_columns
        return _column(config, columns, is_query)
    if data.timestamp_column is None:
        raise ConfigError(
            f".kind: got {config.kind!r}, which goes by the order of a user's rows, and the data "
            "has no times; must be another kind, or data.columns.timestamp a column of it"
        )
    if config.kind == "sequence":
        return data.candidate_columns[_item_of_sequence(config, data.candidate_columns).column]
    wanted = data.user_column if config.kind == "history_length" else data.timestamp_column
    if config.column != wanted:
        raise ConfigError(
            f".column: got {config.column!r} for kind {config.kind!r}; must be {wanted!r}"
        )
    return data.query_columns[wanted]


def _fit_timed(
    config: FeatureConfig, source: SequenceSource, rows: np.ndarray, dim: int
) -> Feature:
    """Fits a feature of the users' histories."""
    if config.kind != "sequence":
        feature_column(config, source.interactions, is_query=True)
        return fit_history_number(config, source, rows)
    columns, items = source.interactions.candidate_columns, source.training_items
    item = _item_of_sequence(config, columns)
    item_feature = _fit(item, columns, items, dim, items=None)
    assert isinstance(item_feature, LookupFeature | ListFeature)
    return fit_sequence(config, source, item_feature, dim)


def _item_of_sequence(config: FeatureConfig, columns: Mapping[str, Column]) -> FeatureConfig:
    """Returns what a sequence reads of each item, as a feature of the catalogue.

    Raises:
      ConfigError: the catalogue has no such column, or the item's kind doesn't fit it.
    """
    name, kind = config.column, config.item_kind or "embedding"
    fitting = {
        each: [kind for kind in FITTING_KINDS[type(column)][1] if kind in ITEM_KINDS]
        for each, column in columns.items()
    }
    words = FITTING_KINDS[type(columns[name])][0] if name in columns else ""
    if not fitting.get(name):
        what = f"a column of {words}" if words else "no column"
        right = sorted(each for each in columns if fitting[each])
        raise ConfigError(
            f".column: got {name!r}, {what} of the catalogue; a sequence reads strings of it: must "
            f"be {either(right)}{closest(name, right)}"
        )
    if kind not in fitting[name]:
        raise ConfigError(
            f".item_kind: got {kind!r} for {name!r}, a column of {words}; must be "
            f"{either(fitting[name])} for it"
        )
    return replace(config, kind=kind)


def _column(config: FeatureConfig, columns: Mapping[str, Column], is_query: bool) -> Column:
    """Returns the feature's column, after checking that it exists and that the kind fits it."""
    if config.column not in columns:
        raise ConfigError(
            f".column: got {config.column!r}; must be one of {', '.join(sorted(columns))} "
            f"(features=ids fits any data){closest(config.column, columns)}"
        )
    column = columns[config.column]
    if is_path(config.kind):
        return column
    words, fitting = FITTING_KINDS[type(column)]
    kinds = [kind for kind in fitting if is_query or kind not in QUERY_KINDS]
    if config.kind not in kinds:
        raise ConfigError(
            f".kind: got {config.kind!r} for {config.column!r}, a column of {words}; "
            f"must be {either(kinds)} for it"
        )
    if config.id_dropout is not None and not isinstance(column, CategoricalColumn):
        raise ConfigError(
            f".id_dropout: got {config.id_dropout} for {config.column!r}, a column of {words}; "
            "must be null for it, since only single strings are ids"
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
    if is_path(config.kind):
        name = f"{config.column}_{config.kind.partition(':')[2]}"
        return make(".kind", config.kind, CustomFeature, name, column, rows, dim, **config.options)
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
    mean = float(values.mean())
    if config.kind == "numeric":
        return ScaledFeature(name, 0.0, 1.0, missing=mean)
    if config.kind == "normalized":
        return ScaledFeature(name, mean, float(values.std()) or 1.0, missing=mean)
    boundaries = np.linspace(
        values.min(), values.max(), config.num_boundaries or DEFAULT_BOUNDARIES
    )
    return BucketFeature(name, boundaries, mean, dim)


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
    if shape[0] * shape[1] > MAX_HISTORY:
        raise ConfigError(
            f".kind: got 'history' of {shape[0] - 1:,} values of {config.column!r} and "
            f"{num_items:,} candidates; their product must be at most {MAX_HISTORY:,}"
        )
    counts = np.zeros(shape, np.float32)
    np.add.at(counts, (column.codes[rows] + 1, items[rows]), 1.0)
    own = np.zeros(len(items), np.int32)
    own[rows] = items[rows] + 1
    return HistoryFeature(name, counts, own, dim)


def _vocabulary(
    config: FeatureConfig, column: CategoricalColumn | CategoricalListColumn, rows: np.ndarray
) -> tuple[str, ...]:
    """Returns the categories in `rows`, in the order of their codes, without "" in lists."""
    is_list = isinstance(column, CategoricalListColumn)
    used = np.unique(column.take(rows).codes)
    words = [column.categories[code] for code in used]
    vocabulary = tuple(word for word in words if word or not is_list)
    return _not_empty(config, vocabulary)


def _text_vocabulary(
    config: FeatureConfig, column: CategoricalColumn, rows: np.ndarray
) -> tuple[str, ...]:
    """Returns the most frequent words of the distinct texts in `rows`, ties by alphabet.

    Two of `max_tokens` are reserved for padding and for unknown words, as in Keras.
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

"""The schema of `features`: which columns of the data the towers read, and how."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from omegaconf import MISSING

from sweeper.common.ranges import (
    NOT_EMPTY,
    SHARE,
    at_least,
    constrained_field,
    one_of,
    one_of_or_path,
    within,
)

FEATURE_KINDS = (
    "embedding", "buckets", "normalized", "text", "numeric", "history", "sequence", "time_gap",
    "history_length",
)  # fmt: skip
# Only a query tower can have these: they describe what its user did before the row.
QUERY_KINDS = ("history", "sequence", "time_gap", "history_length")
# Kinds that need the order in which users chose.
TIMED_KINDS = ("sequence", "time_gap", "history_length")
SEQUENCE_ENCODERS = ("mean", "recency", "gru", "self_attention")
ITEM_KINDS = ("embedding", "text")
# Attention scores alone are rows x heads x length x length numbers: more would fill any memory.
MAX_SEQUENCE_LENGTH = 1_000


@dataclass
class FeatureConfig:
    """One feature of a tower: a column of the data, and how it is encoded.

    Attributes:
      column: the name of the column.
      kind: `embedding`: one vector for each value. `text`: the mean of the words' vectors.
        `sequence`: the user's latest items before the row, each with a vector of its value in a
        column of the catalogue, read by an encoder. `time_gap`: of the column of times, the
        standardized logarithm of the seconds since the user's previous row. `history_length`: of
        the column of users, the standardized logarithm of the number of the user's earlier rows.
        `history`: the mean of the vectors of the user's other items in the training rows, later
        ones included. `buckets`: one vector for each interval of a number. `normalized`: a
        standardized number. `numeric`: a number as it is. Or the Python path of a class of your
        own.
      dim: the width of the vectors; null for `features.embedding_dim`.
      num_boundaries: of `buckets`, the number of boundaries, evenly spaced from the lowest to the
        highest training value; null for 1,000.
      max_tokens: of texts, the size of the vocabulary, the most frequent words first; two entries
        are for padding and unknown words; null for 10,000.
      item_kind: of a sequence, how an item's value becomes a vector: `embedding` or `text`; null
        for `embedding`.
      max_length: of a sequence; null for `features.sequence.max_length`.
      encoder: of a sequence; null for `features.sequence.encoder`.
      share_with_candidates: of a sequence; null for `features.sequence.share_with_candidates`.
      id_dropout: of an embedding of single values, or of each item of a sequence; null for
        `features.id_dropout` in embeddings of the ids of users and items, and 0 in others.
      options: arguments of a class of your own.
    """

    column: str = constrained_field(MISSING, NOT_EMPTY)
    kind: str = constrained_field(MISSING, one_of_or_path(*FEATURE_KINDS))
    dim: int | None = constrained_field(None, at_least(1))
    num_boundaries: int | None = constrained_field(None, at_least(1))
    max_tokens: int | None = constrained_field(None, at_least(1))
    item_kind: str | None = constrained_field(None, one_of(*ITEM_KINDS))
    max_length: int | None = constrained_field(None, within(1, MAX_SEQUENCE_LENGTH))
    encoder: str | None = constrained_field(None, one_of_or_path(*SEQUENCE_ENCODERS))
    share_with_candidates: bool | None = None
    id_dropout: float | None = constrained_field(None, SHARE)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class SequenceConfig:
    """How features of kind `sequence` read a user's latest items, unless they say otherwise.

    Attributes:
      max_length: how many of the latest items to read.
      encoder: `mean`: the average of the items' vectors. `recency`: several averages side by side
        that weigh recent items more, from slow to fast decay, and the last item's vector. `gru`: a
        gated recurrent unit. `self_attention`: the blocks of SASRec. Or the Python path of a class
        of your own.
      share_with_candidates: whether an item has the same vector here as in the candidate tower's
        feature of the same column and kind.
      num_decays: of `recency`, the number of averages.
      num_blocks: of `self_attention`, the number of blocks.
      num_heads: of `self_attention`, the number of heads; must divide the width of the vectors.
      dropout: of `self_attention`, the dropout rate in training.
      options: arguments of an encoder of your own.
    """

    max_length: int = constrained_field(50, within(1, MAX_SEQUENCE_LENGTH))
    encoder: str = constrained_field("recency", one_of_or_path(*SEQUENCE_ENCODERS))
    share_with_candidates: bool = True
    num_decays: int = constrained_field(4, at_least(1))
    num_blocks: int = constrained_field(2, at_least(1))
    num_heads: int = constrained_field(2, at_least(1))
    dropout: float = constrained_field(0.2, SHARE)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class FeaturesConfig:
    """The features of the towers.

    Attributes:
      embedding_dim: the width of features without a `dim`, and of the towers' output if
        `model.layer_sizes` is empty.
      query: the features of the query tower, which describe the user and the row.
      candidate: the features of the candidate tower, which describe the items.
      id_dropout: in training, the probability that the id of a row's user, or of a candidate, is
        replaced by the unknown id, so that the towers learn to do without ids and to rank new
        items by their other features. It applies to `embedding` features of `data.columns.user`
        and `data.columns.item`. Items in sequences keep their ids, which measures better, unless
        the feature has its own `id_dropout`.
    """

    embedding_dim: int = constrained_field(32, at_least(1))
    query: list[FeatureConfig] = constrained_field([], NOT_EMPTY)
    candidate: list[FeatureConfig] = constrained_field([], NOT_EMPTY)
    id_dropout: float = constrained_field(0.0, SHARE)
    sequence: SequenceConfig = field(default_factory=SequenceConfig)


def sequence_settings(feature: FeatureConfig, defaults: SequenceConfig) -> SequenceConfig:
    """Returns the settings of a feature of kind `sequence`: its own, and the defaults."""
    own = {
        name: getattr(feature, name)
        for name in ("max_length", "encoder", "share_with_candidates")
        if getattr(feature, name) is not None
    }
    return replace(defaults, **own)


def is_id(feature: FeatureConfig, ids: Collection[str]) -> bool:
    """Tells whether a feature has one vector for each user, or for each item.

    Args:
      ids: the columns of the users' and of the items' ids.
    """
    return feature.kind == "embedding" and feature.column in ids


def id_dropout_of(feature: FeatureConfig, settings: FeaturesConfig, ids: Collection[str]) -> float:
    """Returns the probability that a feature's id is replaced by the unknown id in training.

    Args:
      ids: the columns of the users' and of the items' ids, to which `features.id_dropout` applies.
    """
    if feature.id_dropout is not None:
        return feature.id_dropout
    return settings.id_dropout if is_id(feature, ids) else 0.0

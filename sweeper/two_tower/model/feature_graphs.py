"""The features' encodings as TensorFlow graphs, since an exported model takes raw values.

Each graph returns exactly what the feature's own `encode` returns in NumPy for the same values;
tests/two_tower/model/test_feature_graphs.py checks this for every kind of feature. Once saved, the
graphs need neither Python nor this package.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from sweeper.common.errors import ConfigError, shortened
from sweeper.two_tower.data.columns import (
    CategoricalColumn,
    CategoricalListColumn,
    Column,
    NumericColumn,
)
from sweeper.two_tower.model.features import (
    LIST_OUT_OF_VOCABULARY,
    OUT_OF_VOCABULARY,
    PADDING,
    BucketFeature,
    CustomFeature,
    Feature,
    HistoryFeature,
    ListFeature,
    LookupFeature,
    ScaledFeature,
    tokens,
)

SURROGATES = range(0xD800, 0xE000)
# The only letter that Python lower-cases to two.
DOTTED_I, LOWER_DOTTED_I = "İ", "i̇"
DELETED = -1


def input_spec(column: Column, name: str) -> tf.TensorSpec:
    """Returns the form in which an exported model takes a column.

    Strings are [rows]; lists of strings are [rows, longest], with "" at the end of short ones;
    numbers are [rows] float64, with NaN where one is missing.
    """
    if isinstance(column, CategoricalColumn):
        return tf.TensorSpec([None], tf.string, name)
    if isinstance(column, CategoricalListColumn):
        return tf.TensorSpec([None, None], tf.string, name)
    return tf.TensorSpec([None], tf.float64, name)


def raw_values(column: Column) -> tf.Tensor:
    """Returns the column's values in the form of `input_spec`."""
    if isinstance(column, NumericColumn):
        return tf.constant(column.values, tf.float64)
    words = tf.constant(
        [word.encode() for word in column.categories], tf.string, [len(column.categories)]
    )
    values = tf.gather(words, column.codes)
    if isinstance(column, CategoricalColumn):
        return values
    return tf.RaggedTensor.from_row_splits(values, column.offsets).to_tensor("")


def same_rows(inputs: Mapping[str, tf.Tensor], first: str) -> list[tf.Operation]:
    """Checks that all inputs have as many rows as the input `first`, for control dependencies."""
    rows = tf.shape(inputs[first])[0]
    checks = [
        tf.debugging.assert_equal(
            tf.shape(values)[0], rows, f"{name}: must have as many rows as {first}"
        )
        for name, values in inputs.items()
    ]
    return [check for check in checks if check is not None]


class StringLookup(tf.Module):
    """Maps strings to int32 codes; a string that is not in `words` has the code `unknown`."""

    def __init__(self, words: Sequence[str], first: int, unknown: int) -> None:
        super().__init__()
        codes = np.arange(first, first + len(words), dtype=np.int32)
        keys = tf.constant([word.encode() for word in words], tf.string, [len(words)])
        initializer = tf.lookup.KeyValueTensorInitializer(keys, codes)
        self.table = tf.lookup.StaticHashTable(initializer, unknown)

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        return self.table.lookup(values)


class Lists(tf.Module):
    """The `ListFeature.encode` of lists: [rows, longest] strings to codes; "" is padding.

    Args:
      width: the width of the rows that the model was evaluated on. Shorter lists are padded to
        it, so that their sums are computed in the same order.
    """

    def __init__(self, vocabulary: Sequence[str], width: int) -> None:
        super().__init__()
        self.lookup = StringLookup(vocabulary, 2, LIST_OUT_OF_VOCABULARY)
        self.width = width

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        codes = tf.where(values == "", PADDING, self.lookup(values))
        missing = tf.maximum(self.width - tf.shape(codes)[1], 0)
        return tf.pad(codes, [[0, 0], [0, missing]], constant_values=PADDING)


class Text(tf.Module):
    """The `ListFeature.encode` of texts: [rows] strings to the codes of their words."""

    def __init__(self, vocabulary: Sequence[str], width: int) -> None:
        super().__init__()
        self.lists = Lists(vocabulary, width)
        letters, mapped = letter_table()
        initializer = tf.lookup.KeyValueTensorInitializer(letters, mapped)
        self.table = tf.lookup.StaticHashTable(initializer, DELETED - 1)

    def tokens(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Computes `sweeper.two_tower.model.features.tokens` of each text."""
        texts = tf.strings.regex_replace(texts, DOTTED_I, LOWER_DOTTED_I)
        letters = tf.strings.unicode_decode(texts, "UTF-8")
        mapped = self.table.lookup(letters.flat_values)
        mapped = tf.where(mapped < DELETED, letters.flat_values, mapped)
        kept = tf.ragged.boolean_mask(letters.with_flat_values(mapped), letters.with_flat_values(
            mapped != DELETED
        ))  # fmt: skip
        return tf.strings.split(tf.strings.unicode_encode(kept, "UTF-8"))

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        return self.lists(self.tokens(texts).to_tensor(""))


@functools.cache
def letter_table() -> tuple[np.ndarray, np.ndarray]:
    """Returns the letters that `tokens` changes and what it changes them to, as code points.

    White space becomes a blank, and letters that are left out become `DELETED`. TensorFlow's own
    lower-casing and white space follow another version of Unicode than Python's, and depend on the
    machine's language.
    """
    mapped = {}
    for code in range(sys.maxunicode + 1):
        letter = chr(code)
        if code in SURROGATES or letter == DOTTED_I:
            continue
        if letter.isspace():
            mapped[code] = ord(" ")
        else:
            made = "".join(tokens(letter))
            mapped[code] = ord(made) if made else DELETED
    changed = {code: to for code, to in mapped.items() if code != to}
    return np.array(list(changed), np.int32), np.array(list(changed.values()), np.int32)


class Buckets(tf.Module):
    """The `BucketFeature.encode`: [rows] float64 to the index of each one's bucket."""

    def __init__(self, feature: BucketFeature) -> None:
        super().__init__()
        self.boundaries = tf.constant(feature.boundaries, tf.float64)
        self.missing = tf.constant(feature.missing, tf.float64)

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        return tf.searchsorted(self.boundaries, _filled(values, self.missing), side="right")


class Scaled(tf.Module):
    """The `ScaledFeature.encode`: computed in float64, rounded to float32 at the end."""

    def __init__(self, feature: ScaledFeature) -> None:
        super().__init__()
        self.mean = tf.constant(feature.mean, tf.float64)
        self.deviation = tf.constant(feature.deviation, tf.float64)
        self.missing = tf.constant(feature.missing, tf.float64)

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        values = _filled(values, self.missing)
        return tf.cast((values - self.mean) / self.deviation, tf.float32)


class HistoryOf(tf.Module):
    """The `HistoryFeature.encode` of rows outside of training, which have no own candidate."""

    def __init__(self, column: CategoricalColumn) -> None:
        super().__init__()
        self.lookup = StringLookup(column.categories, first=1, unknown=0)

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        codes = self.lookup(values)
        return tf.stack([codes, tf.zeros_like(codes)], axis=1)


Encoder = Callable[[tf.Tensor], tf.Tensor]


def feature_graph(feature: Feature, column: Column, encoded: np.ndarray) -> Encoder:
    """Makes the graph that encodes raw values of the feature's column, see `input_spec`.

    Args:
      feature: fitted.
      column: the feature's column of the data.
      encoded: the column as the feature encodes it.

    Raises:
      ConfigError: this kind of feature has no graph.
    """
    if isinstance(feature, LookupFeature):
        return StringLookup(feature.vocabulary, first=1, unknown=OUT_OF_VOCABULARY)
    if isinstance(feature, ListFeature):
        graph = Text if feature.tokenize else Lists
        return graph(feature.vocabulary, width=encoded.shape[1])
    if isinstance(feature, BucketFeature):
        return Buckets(feature)
    if isinstance(feature, ScaledFeature):
        return Scaled(feature)
    if isinstance(feature, HistoryFeature) and isinstance(column, CategoricalColumn):
        return HistoryOf(column)
    if isinstance(feature, CustomFeature) and (graph := feature.graph()) is not None:
        return graph  # type: ignore[no-any-return]
    raise ConfigError(
        f"features.query: {feature.name!r} is a {type(feature).__name__}, which has no TensorFlow "
        "graph; must give one (`graph`), or be of one of the shipped kinds, to be exported"
    )


def _filled(values: tf.Tensor, missing: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.math.is_nan(values), missing, values)


def check_graph(feature: CustomFeature, values: tf.Tensor, expected: np.ndarray, key: str) -> None:
    """Checks that `graph` encodes values as `encode` does.

    Args:
      values: raw values, as in a request.
      expected: the same values as `encode` encodes them, [rows, ...].

    Raises:
      ConfigError: it does not; the line begins with `key`.
    """
    try:
        graph = tf.function(feature.graph())
        found = graph(values).numpy()
    except Exception as error:
        raise ConfigError(f"{key}, whose graph fails: {reason_of(error)}") from error
    if found.shape != expected.shape:
        raise ConfigError(
            f"{key}, whose graph gives {list(found.shape)} for {len(values)} rows; must give "
            f"{list(expected.shape)}, as encode does"
        )
    same = np.isclose(found, expected, rtol=1e-5, atol=1e-6).reshape(len(expected), -1).all(axis=1)
    if not same.all():
        row = int(np.argmin(same))
        raise ConfigError(
            f"{key}, whose graph gives {_text(found[row])} for {_text(values[row].numpy())}; must "
            f"give {_text(expected[row])}, as encode does"
        )


def reason_of(error: Exception) -> str:
    """Returns the line of an error that says what is wrong."""
    lines = str(error).strip().splitlines() or [""]
    # An error within a graph ends with the message itself, after the lines of the user's code.
    line = lines[-1] if lines[0].startswith("in user code") else lines[0]
    return shortened(f"{type(error).__name__}: {line.strip()}", 300)


def _text(value: object) -> str:
    return shortened(str(value.decode() if isinstance(value, bytes) else value))

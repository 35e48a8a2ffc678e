"""Reads and encodes records that TFDS has prepared.

The rows keep TFDS's order, on which the published split depends.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sweeper.common.console import stage
from sweeper.common.errors import DataError
from sweeper.two_tower.data.columns import (
    CategoricalColumn,
    CategoricalListColumn,
    Column,
    NumericColumn,
    encode_words,
)
from sweeper.two_tower.data.interactions import Interactions, assemble

MOVIE_COLUMNS = ("movie_title", "movie_genres", "movie_id")
FIRST_COLUMNS = ("user_id", "timestamp", "user_rating")
BATCH_SIZE = 8192


def read_records(
    ratings: Path, movies: Path, source: str, say: Callable[[str], None]
) -> Interactions:
    """Encodes the ratings and the catalogue that TFDS prepared in two directories.

    Args:
      ratings: TFDS's directory of `<version>-ratings`, with `dataset_info.json`.
      movies: the same of `<version>-movies`.
      source: where the records came from, for people.
      say: receives a line for each stage.

    Raises:
      DataError: the records can't be read, or rate a title that the catalogue lacks.
    """
    import tensorflow as tf

    try:
        candidates = read_catalogue(movies)
        query_columns, titles = _read_ratings(ratings, say)
    except (tf.errors.OpError, OSError, ValueError, AssertionError, KeyError) as error:
        raise DataError(
            f"TFDS's records in {ratings.parent.parent} can't be read: "
            f"{type(error).__name__}: {error}"
        ) from error
    items = _candidate_indices(titles, candidates["movie_title"])
    return assemble(query_columns, items, candidates, source)


def read_catalogue(directory: Path) -> dict[str, Column]:
    """Returns the distinct titles, sorted, each with the genres and id of its first record."""
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(directory)
    genre_names = np.array(builder.info.features["movie_genres"].feature.names, object)
    titles, ids, genres, lengths = [], [], [], []
    for batch in builder.as_dataset(split="train").ragged_batch(BATCH_SIZE):
        titles.append(batch["movie_title"].numpy())
        ids.append(batch["movie_id"].numpy())
        genres.append(genre_names[batch["movie_genres"].flat_values.numpy()])
        lengths.append(batch["movie_genres"].row_lengths().numpy())
    title = encode_words(_words(np.concatenate(titles)))
    codes, first_records = np.unique(title.codes, return_index=True)
    genre = encode_words(_words(np.concatenate(genres)))
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
    all_genres = CategoricalListColumn(genre.codes, offsets, genre.categories)
    return {
        "movie_title": CategoricalColumn(codes.astype(np.int32), title.categories),
        "movie_genres": all_genres.take(first_records),
        "movie_id": encode_words(_words(np.concatenate(ids)[first_records])),
    }


def _read_ratings(
    directory: Path, say: Callable[[str], None]
) -> tuple[dict[str, Column], CategoricalColumn]:
    """Returns the query columns, and the title of each row, over the titles that occur."""
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(directory)
    features = builder.info.features
    others = sorted(set(features) - set(MOVIE_COLUMNS) - set(FIRST_COLUMNS))
    names = [*FIRST_COLUMNS, *others, "movie_title"]
    records = builder.as_dataset(split="train").map(
        lambda record: {name: record[name] for name in names}
    )
    chunks: dict[str, list[Any]] = {name: [] for name in names}
    total = builder.info.splits["train"].num_examples
    with stage(say, f"Encoding {total:,} ratings", total) as advance:
        for batch in records.batch(BATCH_SIZE).as_numpy_iterator():
            for name, values in batch.items():
                chunks[name].append(_encode_chunk(features[name], values))
            advance(len(batch["movie_title"]))
    columns = {name: _join(chunks[name]) for name in names}
    titles = columns.pop("movie_title")
    assert isinstance(titles, CategoricalColumn)
    return columns, titles


def _encode_chunk(feature: Any, values: np.ndarray) -> pa.DictionaryArray | np.ndarray:
    """Encodes one batch of a column, as words, int64 or float64."""
    if hasattr(feature, "int2str"):
        return _words(np.array(feature.names, object)[values]).dictionary_encode()
    if values.dtype == np.bool_:
        return _words(np.where(values, "True", "False").astype(object)).dictionary_encode()
    if values.dtype == object:
        return _words(values).dictionary_encode()
    return values.astype(np.int64 if values.dtype.kind in "iu" else np.float64)


def _join(chunks: list[Any]) -> Column:
    if isinstance(chunks[0], np.ndarray):
        return NumericColumn(np.concatenate(chunks))
    return encode_words(pa.chunked_array(chunks))


def _words(values: np.ndarray) -> pa.Array:
    """Converts Python's or TensorFlow's strings (bytes in UTF-8)."""
    return pa.array(values, pa.binary()).cast(pa.string())


def _candidate_indices(titles: CategoricalColumn, candidates: Column) -> np.ndarray:
    assert isinstance(candidates, CategoricalColumn)
    index_of = {title: index for index, title in enumerate(candidates.categories)}
    unknown = [title for title in titles.categories if title not in index_of]
    if unknown:
        raise DataError(
            f"{len(unknown)} of the rated titles are not in the catalogue of "
            f"{len(index_of)}, the first being {unknown[0]!r}. Ratings and movies should be "
            "of the same data set and release."
        )
    indices = np.array([index_of[title] for title in titles.categories], np.int32)
    return indices[titles.codes]

"""Reads a data set of TFDS as an Arrow table."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sweeper.common.errors import DataError
from sweeper.common.output_files import temporary_files_in
from sweeper.common.runtime import start_tensorflow

BATCH_SIZE = 8_192


def read_records(key: str, name: str) -> pa.Table:
    """Reads all splits of `name`, in their order; TFDS downloads it if needed.

    Features with one value for each record, and lists of such values, become columns; class labels
    become their names. Others, such as images, are left out.

    Raises:
      DataError: TFDS has no data set of that name, or can't prepare it.
    """
    start_tensorflow()
    import tensorflow_datasets as tfds

    from sweeper.two_tower.data.tfds_builder import quiet

    try:
        # TFDS leaves a directory behind wherever it makes temporary ones.
        with (
            quiet(),
            tempfile.TemporaryDirectory(prefix="sweeper_") as place,
            temporary_files_in(Path(place)),
        ):
            builder = tfds.builder(name)
            builder.download_and_prepare()
            names = [each for each, feature in builder.info.features.items() if _is_flat(feature)]
            records = builder.as_dataset(split="all").map(
                lambda record: {each: record[each] for each in names}
            )
            chunks: dict[str, list[pa.Array]] = {each: [] for each in names}
            for batch in records.ragged_batch(BATCH_SIZE):
                for each in names:
                    chunks[each].append(_to_arrow(builder.info.features[each], batch[each]))
    except Exception as error:  # TFDS raises whatever its downloader and parser do
        raise DataError(
            f"{key}: got 'tfds:{name}', which TFDS can't give: {type(error).__name__}: {error}"
        ) from error
    return pa.table({each: pa.chunked_array(arrays) for each, arrays in chunks.items()})


def _is_flat(feature: Any) -> bool:
    """Tells whether a feature is one value for each record, or a list of values."""
    inside = getattr(feature, "feature", feature)
    return getattr(inside, "shape", None) == () and len(feature.shape) <= 1


def _to_arrow(feature: Any, values: Any) -> pa.Array:
    inside = getattr(feature, "feature", feature)
    if hasattr(values, "row_splits"):
        offsets = pa.array(values.row_splits.numpy().astype(np.int32))
        return pa.ListArray.from_arrays(offsets, _flat(inside, values.flat_values.numpy()))
    return _flat(inside, values.numpy())


def _flat(feature: Any, values: np.ndarray) -> pa.Array:
    if hasattr(feature, "int2str"):
        return pa.array(np.array(feature.names, object)[values], pa.string())
    if values.dtype == object:
        return pa.array(values, pa.binary()).cast(pa.string())
    return pa.array(values)

"""Describes the inputs and outputs of an export's signatures, for its manifest."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from sweeper.serving.candidate_tower import KNOWN, CandidateTower
from sweeper.serving.input_names import EXCLUDE, GAP, HISTORY, UNKNOWN_HISTORY, UNSEEN, K
from sweeper.serving.query_tower import DEFAULT, QueryInputs
from sweeper.serving.saved_model import EXCLUDE_SPEC, K_SPEC
from sweeper.serving.tables import CANDIDATE_TOWER, EMBEDDING, QUERY_TOWER


def signatures(inputs: QueryInputs, item_column: str, has_bias: bool) -> dict[str, Any]:
    """Returns `Manifest.signatures`, without that of the candidate tower.

    Args:
      inputs: of the query tower.
      item_column: the column of the catalogue whose values are the titles.
      has_bias: whether the model has a `Manifest.seen_bias`.
    """
    columns = {name: column for column, name in inputs.names.items()}
    descriptions = {
        HISTORY: f"what was chosen before, as values of {item_column!r}, the most recent last, of "
        'any length, also 0; "" is padding wherever it stands; a value that the catalogue lacks is '
        f"left out and counted in {UNKNOWN_HISTORY}"
        + (
            "; the number of known values in the request is the length of the history, which the "
            "model goes by: give the whole history"
            if inputs.reads_length
            else ""
        ),
        GAP: "the seconds from the user's last row to now; NaN where there is none, or it is not "
        "known",
    }
    asked = {
        name: _tensor(
            spec, descriptions[name] if name in inputs.reads else f"the column {columns[name]!r}"
        )
        for name, spec in inputs.specs.items()
    }
    k = {K: _tensor(K_SPEC, "how many titles each row is to have")}
    excluded = _tensor(EXCLUDE_SPEC, 'titles to leave out; "" is padding')
    titles = {
        "titles": _described("string", [None, None], f"values of {item_column!r}, best first"),
        "scores": _described("float32", [None, None], "of the titles"),
    }
    counted = {}
    if inputs.history is not None:
        text = "how many values of the history the catalogue lacks"
        counted[UNKNOWN_HISTORY] = _described("int32", [None], text)
    text = "of each row's query; a score is its product with a candidate's embedding"
    if has_bias:
        text += ", and seen_bias more where the history holds the candidate"
    embedding = {"embedding": _described("float32", [None, None], text)}
    return {
        DEFAULT: {"inputs": asked | k, "outputs": titles | counted},
        UNSEEN: {"inputs": asked | {EXCLUDE: excluded} | k, "outputs": titles | counted},
        f"{QUERY_TOWER}/{DEFAULT}": {"inputs": asked, "outputs": embedding | counted},
    }


def candidate_signature(tower: CandidateTower) -> dict[str, Any]:
    """Returns the entry of the candidate tower in `Manifest.signatures`."""
    columns = {name: column for column, name in tower.names.items()}
    outputs = {EMBEDDING: _described("float32", [None, None], "of each item")}
    if tower.reads_ids:
        text = "whether the model was trained with the item's id"
        outputs[KNOWN] = _described("bool", [None], text)
    inputs = {
        name: _tensor(spec, f"the catalogue's column {columns[name]!r}")
        for name, spec in tower.specs.items()
    }
    return {f"{CANDIDATE_TOWER}/{DEFAULT}": {"inputs": inputs, "outputs": outputs}}


def _tensor(spec: tf.TensorSpec, text: str) -> dict[str, Any]:
    return _described(spec.dtype.name, spec.shape.as_list(), text)


def _described(dtype: str, shape: list[int | None], text: str) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "is": text}

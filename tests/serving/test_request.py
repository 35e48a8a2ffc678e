"""The request that docs/exporting.md shows, held to the signature and sent to the model."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from processes import ROOT
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

DOCS = ROOT / "docs" / "exporting.md"
REQUEST, RESPONSE = map(json.loads, re.findall(r"```json\n(.*?)```", DOCS.read_text(), re.DOTALL))
# What JSON has for each type of a tensor's values.
JSON_TYPES = {tf.string: str, tf.float64: int | float, tf.float32: int | float, tf.int32: int}


def signature(exported, name: str) -> Any:
    """As TensorFlow Serving reads it."""
    model = SavedModel.FromString((exported.version / "saved_model.pb").read_bytes())
    (graph,) = model.meta_graphs
    assert "serve" in graph.meta_info_def.tags
    return graph.signature_def[name]


def check(values: dict[str, Any], tensors: Any) -> None:
    """Each tensor's name, number of axes and type, in the columnar format."""
    assert set(values) == set(tensors)
    for name, tensor in tensors.items():
        array = np.array(values[name], object)
        assert array.ndim == len(tensor.tensor_shape.dim), name
        for value in array.reshape(-1):
            assert isinstance(value, JSON_TYPES[tf.dtypes.as_dtype(tensor.dtype)]), name


def test_the_request_and_the_answer_have_the_signatures_form(exported) -> None:
    assert set(REQUEST) == {"signature_name", "inputs"}
    unseen = signature(exported, REQUEST["signature_name"])
    check(REQUEST["inputs"], unseen.inputs)
    check(RESPONSE["outputs"], unseen.outputs)
    # Rows are [n] in each column, so that two users are asked for.
    rows = {name: len(values) for name, values in REQUEST["inputs"].items() if name != "k"}
    assert set(rows.values()) == {2}


def test_without_exclude_it_is_a_request_of_the_default_signature(exported) -> None:
    inputs = {name: values for name, values in REQUEST["inputs"].items() if name != "exclude"}
    check(inputs, signature(exported, "serving_default").inputs)


def test_what_the_request_holds_is_answered_in_the_answers_form(exported) -> None:
    model = tf.saved_model.load(str(exported.version)).signatures[REQUEST["signature_name"]]
    types = {name: spec.dtype for name, spec in model.structured_input_signature[1].items()}
    inputs = {name: tf.constant(values, types[name]) for name, values in REQUEST["inputs"].items()}
    answer = {name: values.numpy() for name, values in model(**inputs).items()}
    for name, values in RESPONSE["outputs"].items():
        assert answer[name].shape == np.shape(values)


def test_a_request_with_a_wrong_name_type_or_shape_would_be_seen(exported) -> None:
    inputs, tensors = REQUEST["inputs"], signature(exported, "unseen").inputs
    for wrong in ({"k": [3]}, {"user_id": "42"}, {"timestamp": ["1", "2"]}, {"user": ["42"]}):
        with pytest.raises(AssertionError):
            check(inputs | wrong, tensors)

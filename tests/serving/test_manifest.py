"""An export is what was written, or it is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from sweeper.common.errors import OutputError
from sweeper.serving.loaded_export import LoadedExport
from sweeper.serving.manifest import read_manifest
from sweeper.serving.versions import find_version


@pytest.fixture
def copy(exported, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported.output, tmp_path / "export"))


def rewrite(version: Path, **fields) -> None:
    content = json.loads((version / "manifest.json").read_text())
    (version / "manifest.json").write_text(json.dumps(content | fields))


FILES = ["saved_model.pb", "candidates.npy", "users.parquet", "query_tower/saved_model.pb",
         "variables/variables.data-00000-of-00001", "model_card.md"]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_refused_by_name(copy: Path, name: str) -> None:
    path = copy / "1" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(OutputError) as error:
        LoadedExport(copy)
    assert str(error.value) == (
        f"{path}: is not the file that was exported: its checksum isn't the manifest's; must be "
        "as python -m sweeper.export wrote it: copy or export it again"
    )


@pytest.mark.parametrize("name", FILES[:2])
def test_a_missing_file_is_refused_by_name(copy: Path, name: str) -> None:
    (copy / "1" / name).unlink()
    with pytest.raises(OutputError, match=f"{name}: can't be read .No such file or directory.; "):
        LoadedExport(copy)


def test_a_newer_version_of_the_format_is_refused_and_says_whose(copy: Path) -> None:
    rewrite(copy / "1", format_version=4, sweeper_version="9.0.0", invented=True)
    with pytest.raises(OutputError) as error:
        read_manifest(copy / "1")
    assert str(error.value) == (
        f"{copy}/1/manifest.json: has format version 4, written by sweeper 9.0.0; "
        "this sweeper reads 1, 2 or 3"
    )


def test_a_manifest_of_version_1_is_read_and_its_export_asked(copy: Path) -> None:
    """Then each input was named as its column."""
    path = copy / "1" / "manifest.json"
    content = json.loads(path.read_text())
    for name in ("input_names", "embedding_column", "known_words", "reads", "signatures"):
        del content[name]
    path.write_text(json.dumps(content | {"format_version": 1}))
    manifest = read_manifest(copy / "1")
    assert manifest.input_names == {name: name for name in manifest.inputs}
    assert manifest.embedding_column == "embedding"
    export = LoadedExport(copy)
    assert export.embeddings.shape == (120, 4)
    assert set(export.user("user_07") or {}) == set(manifest.inputs)


def test_a_manifest_of_version_2_is_read_as_of_a_model_without_histories(copy: Path) -> None:
    path = copy / "1" / "manifest.json"
    content = json.loads(path.read_text())
    for name in ("reads", "signatures", "candidate_inputs", "candidate_input_names", "catalogue"):
        del content[name]
    path.write_text(json.dumps(content | {"format_version": 2}))
    manifest = read_manifest(copy / "1")
    assert (manifest.reads, manifest.signatures) == ([], {})
    assert manifest.known_words == content["known_words"]
    assert (manifest.candidate_inputs, manifest.catalogue) == ({}, None)
    assert manifest.known_rows == "training rows"


@pytest.mark.parametrize("which", ["exported", "exported_sequence"])
def test_the_signatures_are_those_of_the_saved_models(which: str, request) -> None:
    version = request.getfixturevalue(which).version
    told = read_manifest(version).signatures
    towers = {"query_tower/serving_default", "candidate_tower/serving_default"}
    assert set(told) == {"serving_default", "unseen"} | towers
    for signature, each in told.items():
        directory, _, name = signature.rpartition("/")
        path = version / directory / "saved_model.pb"
        (graph,) = SavedModel.FromString(path.read_bytes()).meta_graphs
        saved = graph.signature_def[name]
        assert forms(each["inputs"]) == tensors(saved.inputs)
        assert forms(each["outputs"]) == tensors(saved.outputs)
    inputs = told["serving_default"]["inputs"]
    if which == "exported":
        assert inputs["raw_user_age"]["is"] == "the column 'raw_user_age'"
    else:
        assert set(inputs) == {"history", "seconds_since_last", "k"}
        assert "the most recent last" in inputs["history"]["is"]


def forms(told) -> dict:
    return {name: (each["dtype"], len(each["shape"])) for name, each in told.items()}


def tensors(saved) -> dict:
    return {
        name: (tf.dtypes.as_dtype(each.dtype).name, len(each.tensor_shape.dim))
        for name, each in saved.items()
    }


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"format_version": "1"}', "[" * 5000])
def test_what_is_no_manifest_is_refused(copy: Path, text: str) -> None:
    (copy / "1" / "manifest.json").write_text(text)
    with pytest.raises(OutputError, match=r"manifest\.json: (no manifest can be read|has format)"):
        read_manifest(copy / "1")


@pytest.mark.parametrize("files", [{"a": {}}, {"a": 7}, ["a"], None])
def test_a_manifest_of_another_form_is_refused(copy: Path, files) -> None:
    rewrite(copy / "1", files=files)
    with pytest.raises(OutputError, match=r"manifest\.json: isn't a manifest of this version"):
        read_manifest(copy / "1")


def test_the_newest_version_is_found_a_given_one_too_and_one_by_itself(copy: Path) -> None:
    for number in ("2", "10"):
        shutil.copytree(copy / "1", copy / number)
    (copy / ".unfinished_x").mkdir()
    (copy / "11").mkdir()  # of no manifest: another program's
    assert find_version(copy, None) == copy / "10"
    assert find_version(copy, 2) == copy / "2"
    assert find_version(copy / "2", None) == copy / "2"
    with pytest.raises(OutputError, match=r"version: got 3; must be one that .* has: 1, 2, 10"):
        find_version(copy, 3)


def test_a_directory_of_no_export_is_refused_with_what_lies_below(copy: Path) -> None:
    with pytest.raises(OutputError) as error:
        find_version(copy.parent, None)
    assert str(error.value) == (
        f"{copy.parent}: holds no export (manifest.json); must be a directory that python -m "
        f"sweeper.export wrote: {copy}"
    )
    with pytest.raises(OutputError, match=r"nowhere: holds no export .* sweeper\.export wrote$"):
        find_version(Path("nowhere"), None)


def test_a_version_of_one_version_is_refused(copy: Path) -> None:
    with pytest.raises(OutputError, match=r"version: got 2, but .*/1 is one version itself"):
        find_version(copy / "1", 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("inputs", {"user_id": 3}),
        ("candidates", "120"),
        ("newest", []),
        ("index", 1),
        ("input_names", {"user_id": "user_id"}),
        ("reads", "history"),
        ("signatures", ["unseen"]),
        ("embedding_column", 3),
        ("candidate_inputs", {"movie_title": 3}),
        ("catalogue", "newer"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(copy: Path, name: str, value) -> None:
    rewrite(copy / "1", **{name: value})
    with pytest.raises(OutputError, match=rf"isn't a manifest of this version: .*{name} "):
        read_manifest(copy / "1")

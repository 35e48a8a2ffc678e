"""`python -m sweeper.export`: what it writes, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from served_models import raw

from sweeper import export as command
from sweeper import recommend
from sweeper.common.errors import ConfigError
from sweeper.serving.manifest import read_manifest
from sweeper.serving.retrained_model import recorded_config
from sweeper.serving.versions import list_versions, write_version
from sweeper.two_tower import record as records
from sweeper.two_tower.config import METRICS
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.data.split import split_interactions

INPUTS = {
    "user_id": "string", "timestamp": "number", "raw_user_age": "number",
    "user_gender": "string", "user_occupation_text": "string",
}  # fmt: skip


def run_of(exported, tmp_path: Path) -> Path:
    """A copy of the run, to be changed."""
    return Path(shutil.copytree(exported.run, tmp_path / "run"))


def change(run: Path, **fields) -> None:
    record = records.read(run)
    for name, value in fields.items():
        setattr(record, name, value)
    records.write(run, record)


def failure(arguments: list[str], capsys) -> list[str]:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()


def test_a_version_has_all_files_and_their_checksums(exported) -> None:
    names = {path.name for path in exported.version.iterdir()}
    assert {
        "saved_model.pb", "variables", "assets", "query_tower", "candidate_tower",
        "candidates.parquet",
        "candidates.npy", "users.parquet", "model_card.md", "manifest.json",
    } <= names  # fmt: skip
    assert exported.version == exported.output / "1"
    manifest = read_manifest(exported.version)
    join_names = {str(p.relative_to(exported.version)) for p in exported.version.rglob("*")
              if p.is_file() and p.name != "manifest.json"}  # fmt: skip
    assert set(manifest.files) == join_names
    assert manifest.inputs == INPUTS
    assert manifest.candidate_inputs == {"movie_title": "string", "movie_genres": "strings"}
    assert manifest.candidate_input_names == {name: name for name in manifest.candidate_inputs}
    assert manifest.no_candidate_tower is None
    assert (manifest.user_column, manifest.item_column) == ("user_id", "movie_title")
    assert manifest.data == exported.record.data
    assert manifest.made_of["rows"] == "train"


def test_it_is_the_recorded_model_to_the_last_bit(exported) -> None:
    """The served scores have the ranks that the trial left of each of its rows."""
    ranks = pq.read_table(exported.run / "test_rows.parquet")
    loaded = tf.saved_model.load(str(exported.version)).signatures["serving_default"]
    titles = pq.read_table(exported.version / "candidates.parquet")["movie_title"].to_pylist()
    inputs, items = rows_of_the_test(exported)
    assert items.tolist() == ranks["item"].to_pylist()
    answer = loaded(k=tf.constant(len(titles)), **inputs)
    place = {title.encode(): index for index, title in enumerate(titles)}
    order = np.vectorize(place.get)(answer["titles"].numpy())
    scores = np.empty(order.shape, np.float32)
    np.put_along_axis(scores, order, answer["scores"].numpy(), axis=1)
    own = scores[np.arange(len(items)), items]
    found = (scores >= own[:, None]).sum(axis=1) - 1
    assert found.tolist() == ranks["model_rank"].to_pylist()


def rows_of_the_test(exported) -> tuple[dict[str, tf.Tensor], np.ndarray]:
    """The raw columns of the run's test rows, and their candidates."""
    config = recorded_config(exported.record)
    interactions = load_interactions(config.data)
    rows = split_interactions(config.data, interactions).test
    columns = {name: interactions.query_columns[name].take(rows) for name in INPUTS}
    return {name: raw(column) for name, column in columns.items()}, interactions.items[rows]


def test_the_embeddings_are_there_as_parquet_and_as_numpy(exported) -> None:
    embeddings = np.load(exported.version / "candidates.npy")
    table = pq.read_table(exported.version / "candidates.parquet")
    assert embeddings.shape == (120, 4)
    assert embeddings.dtype == np.float32
    assert table.column_names == ["movie_title", "movie_genres", "movie_id", "embedding"]
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist(), np.float32), embeddings)
    # The tower alone and the embeddings give the scores of the whole model.
    inputs, _ = rows_of_the_test(exported)
    tower = tf.saved_model.load(str(exported.version / "query_tower"))
    queries = tower.signatures["serving_default"](**inputs)["embedding"].numpy()
    whole = tf.saved_model.load(str(exported.version)).signatures["serving_default"]
    best = whole(k=tf.constant(1), **inputs)["scores"].numpy()[:, 0]
    np.testing.assert_allclose((queries @ embeddings.T).max(axis=1), best, rtol=1e-5)


def test_the_model_card_has_the_figures_and_their_limits(exported) -> None:
    card = (exported.version / "model_card.md").read_text()
    record = exported.record
    assert record.data["fingerprint"] in card
    assert "Its metrics are those of the record, to the last bit." in card
    for rows in ("validation", "test"):
        metrics, ease = record.metrics[rows], record.baselines["ease"][rows]
        assert f"| top-100 accuracy | {metrics['top_100']:.4f} |" in card
        assert f"| {ease['top_100']:.4f} |" in card
        scores = {"popularity": record.baselines["popularity"][rows], "EASE": ease}
        best = max(scores, key=lambda name: scores[name]["top_100"])
        theirs = scores[best]["top_100"]
        assert (
            f"The best baseline by top-100 accuracy is {best} ({theirs:.4f}): "
            f"{abs(metrics['top_100'] - theirs):.4f} "
        ) in card
    assert "Seen-filtered metrics leave out what the user has in the training rows." in card
    assert "None: this configuration was not trained anew with fresh seeds" in card
    assert "the query tower sees `timestamp`, and the rows were split at random" in card
    assert "kind: history" in card


def test_another_export_is_another_version_on_all_rows_if_asked(exported, tmp_path, capsys):
    output = Path(shutil.copytree(exported.output, tmp_path / "export"))
    command.main([str(exported.run), "rows=all", f"output={output}"])
    assert list_versions(output) == [1, 2]
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"output   {output}/2 (")
    manifest = read_manifest(output / "2")
    assert manifest.made_of["rows"] == "all"
    assert manifest.made_of["config"]["train"]["epochs"] == exported.record.best_epoch
    seen = pq.read_table(output / "2" / "users.parquet")["seen"].to_pylist()
    assert sum(map(len, seen)) == 1_000
    card = (output / "2" / "model_card.md").read_text()
    assert "trained on all 1,000 rows, test rows included" in card
    assert "No row is left to score it on" in card
    assert "| metric | the recorded model |" in card
    first, second = (np.load(output / each / "candidates.npy") for each in "12")
    assert (first != second).any()


def test_metrics_that_another_machine_would_have_are_told(exported, tmp_path, capsys) -> None:
    run = run_of(exported, tmp_path)
    metrics = json.loads(json.dumps(exported.record.metrics))
    metrics["test"]["top_50"] += 0.25
    change(run, metrics=metrics)
    command.main([str(run), f"output={tmp_path / 'export'}"])
    now = exported.record.metrics["test"]["top_50"]
    number = 2 * len(METRICS)
    words = (
        f"1 of {number} metrics differ from the record's, test top_50 the most: {now:.4f} instead "
        "of"
    )
    assert words in capsys.readouterr().out
    card = (tmp_path / "export" / "1" / "model_card.md").read_text()
    assert words in card
    assert f"| top-50 accuracy | {now:.4f} | – |" in card


def test_other_data_than_the_records_is_refused(exported, tmp_path, capsys) -> None:
    run = run_of(exported, tmp_path)
    change(run, data=exported.record.data | {"fingerprint": "0" * 64})
    (line,) = failure([str(run), f"output={tmp_path / 'export'}"], capsys)
    assert "error: data: " in line
    assert "must be the same data, else the recorded metrics are not this model's" in line
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize("state", ["failed", "interrupted", "running", "pruned"])
def test_a_run_that_did_not_end_is_refused(exported, tmp_path, capsys, state: str) -> None:
    run = run_of(exported, tmp_path)
    change(run, state=state)
    (line,) = failure([str(run), f"output={tmp_path / 'export'}"], capsys)
    assert line == (
        f"error: {run}: its run is {state}; must have come to its end, so that there is "
        "something to export"
    )
    assert not (tmp_path / "export").exists()


def test_an_approximate_index_is_written_with_its_recall_and_asked(
    exported, tmp_path, capsys
) -> None:
    output = str(tmp_path / "export")
    # Of so small a catalogue nothing is saved with more.
    command.main([str(exported.run), f"output={output}", "index=approximate", "recall=0.2"])
    lines = capsys.readouterr().out.splitlines()
    small, line = [line for line in lines if line.startswith("index")]
    assert small == (
        "index    the exact search of 120 titles is as fast: an approximate index pays from some "
        "100,000 on"
    )
    manifest = read_manifest(tmp_path / "export" / "1")
    assert manifest.index is not None
    assert manifest.index["recall"] >= 0.2
    assert (manifest.index["k"], manifest.index["queries"]) == (100, 1_000)
    assert f"{manifest.index['recall']:.3f} of the exact top 100 for 1,000 queries" in line
    assert "candidates.faiss" in manifest.files
    card = (tmp_path / "export" / "1" / "model_card.md").read_text()
    assert (
        f"- Index, {line.removeprefix('index').strip()}. The SavedModel searches exactly." in card
    )

    def asked(*arguments: str) -> dict:
        recommend.main([output, "user_id=user_07", *(arguments or ["k=5"]), "--json"])
        return json.loads(capsys.readouterr().out)

    assert asked()["index"] == manifest.index
    assert len(asked()["answers"][0]["recommendations"]) == 5
    # Its recall was measured of no more.
    assert asked("k=100")["index"] == manifest.index
    assert asked("k=101")["index"] is None
    exact = asked("k=5", "--exact")
    assert exact["index"] is None
    recommend.main([str(exported.output), "user_id=user_07", "k=5", "--json"])
    assert exact["answers"] == json.loads(capsys.readouterr().out)["answers"]
    recommend.main([output, "user_id=user_07"])
    assert f"{line}; --exact scores all" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["recall=0.9"], "recall: only applies to index=approximate, and must be left out"),
        (["index=exact", "recall=0.9"], "recall: only applies to index=approximate"),
        (["index=approximate", "recall=1.1"], "recall: got '1.1'; must be a number above 0"),
        (["index=approximate", "recall=0"], "recall: got '0'; must be a number above 0"),
        (["index=approximate", "recall=nan"], "recall: got 'nan'; must be a number above 0"),
        (["index=aproximate"], "index: got 'aproximate'; must be exact or approximate. Did you"),
    ],
)
def test_a_recall_that_can_not_be_is_refused(exported, tmp_path, capsys, arguments, words) -> None:
    output = tmp_path / "export"
    lines = failure([str(exported.run), f"output={output}", *arguments], capsys)
    assert lines[-1].startswith(f"error: {words}")
    assert not list(output.glob("*"))


def test_a_recall_that_saves_nothing_leaves_an_exact_export(exported, tmp_path, capsys) -> None:
    """The training isn't lost: the exact search has the recall that is wanted."""
    output = str(tmp_path / "export")
    command.main([str(exported.run), f"output={output}", "index=approximate", "recall=1"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("index")]
    assert lines[-1].startswith(
        "index    none is written: 1 of 3 clusters, the most that save time, find 0."
    )
    assert lines[-1].endswith("of the exact top 100, less than 1.0; the export searches exactly")
    manifest = read_manifest(tmp_path / "export" / "1")
    assert manifest.index is None
    assert "candidates.faiss" not in manifest.files


def test_wrong_settings_are_all_named_at_once(exported, capsys) -> None:
    lines = failure(
        [str(exported.run), "seven", "trail=1", "rows=al", "seed=-1", "output="], capsys
    )
    assert lines == [
        "error: seven: is not a setting; must be KEY=VALUE, of trial, seed, rows, output, index, "
        "recall",
        "error: trail: is not a setting; must be one of trial, seed, rows, output, index, "
        "recall. Did you mean 'trial'?",
        "error: rows: got 'al'; must be train or all. Did you mean 'all'?",
        "error: seed: got '-1'; must be a whole number of at least 0",
        "error: output: got ''; must be given, not empty",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere: is not a directory; must be the directory of a study or a run"),
        (["{run}", "trial=3"], "trial: got 3, but {run} is a single run; must be left out"),
        (["{run}", "seed=3"], "was trained on one split, of seed 42; must be left out"),
        (["{run}", "output={run}/trial.json/x"], "trial.json/x: Not a directory; must be a dir"),
        (["{run}", "seed=1", "seed=2"], "seed: is given twice; must be given once"),
        (["{run}", "output={run}"], "output: got {run}, which holds a study or a run; must be an"),
    ],
)
def test_what_cannot_be_is_one_line(exported, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    arguments = [argument.format(run=exported.run) for argument in arguments]
    (line,) = failure(arguments, capsys)
    assert words.format(run=exported.run) in line
    assert list(tmp_path.iterdir()) == []


def test_a_crash_leaves_no_half_version(tmp_path) -> None:
    def fail(place: Path) -> None:
        (place / "saved_model.pb").write_bytes(b"half")
        raise RuntimeError("the power is cut")

    with pytest.raises(RuntimeError):
        write_version(tmp_path, fail)
    assert list(tmp_path.iterdir()) == []


def test_a_number_that_another_export_took_meanwhile_is_not_written_over(tmp_path, monkeypatch):
    def write(place: Path) -> None:
        (place / "manifest.json").write_text(place.name)

    write_version(tmp_path, write)
    monkeypatch.setattr("sweeper.serving.versions.next_version", lambda output: 1)
    before = (tmp_path / "1" / "manifest.json").read_text()
    assert write_version(tmp_path, write) == tmp_path / "2"
    assert (tmp_path / "1" / "manifest.json").read_text() == before
    assert sorted(os.listdir(tmp_path)) == ["1", "2"]


def test_exports_of_two_runs_of_one_name_are_not_mixed(
    exported, tmp_path, monkeypatch, capsys
) -> None:
    for name in ("one", "other"):
        shutil.copytree(exported.run, tmp_path / name / "run")
    monkeypatch.chdir(tmp_path)
    command.main(["one/run"])
    command.main(["one/run"])
    assert list_versions(tmp_path / "outputs" / "exports" / "run") == [1, 2]
    (line,) = failure(["other/run"], capsys)
    assert line == (
        "error: output: is not given, and outputs/exports/run holds exports of one/run; must be "
        "given, as output=DIRECTORY"
    )
    (tmp_path / "outputs" / "exports" / "run" / "2" / "manifest.json").write_text("{}")
    (line,) = failure(["one/run"], capsys)
    assert "outputs/exports/run/2/manifest.json: has format version None" in line


def test_what_is_wrong_with_the_study_is_said(exported, tmp_path, capsys) -> None:
    run = run_of(exported, tmp_path)
    (run / records.ROWS["validation"]).write_bytes(b"damaged")
    command.main([str(run), f"output={tmp_path / 'export'}"])
    lines = capsys.readouterr().out.splitlines()
    (problem,) = [line for line in lines if line.startswith("problem")]
    assert str(run / records.ROWS["validation"]) in problem


def test_own_parts_are_tried_before_the_training(exported, tmp_path, monkeypatch, capsys) -> None:
    def refuse(retrained, inputs) -> None:
        raise ConfigError(f"own parts of {sorted(inputs.specs)}")

    monkeypatch.setattr("sweeper.serving.custom_parts.check_custom_parts", refuse)
    (line,) = failure([str(exported.run), f"output={tmp_path / 'export'}"], capsys)
    assert line == f"error: own parts of {sorted(INPUTS)}"
    assert not (tmp_path / "export").exists()


def test_without_a_candidate_tower_it_says_why(exported, tmp_path, monkeypatch, capsys) -> None:
    """The candidates' embeddings are there all the same."""
    reason = "own:Feature has no TensorFlow graph (`graph`)"
    monkeypatch.setattr("sweeper.serving.custom_parts.why_no_candidate_tower", lambda _: reason)
    command.main([str(exported.run), f"output={tmp_path / 'export'}"])
    assert f"items    the candidate tower is left out: {reason}" in capsys.readouterr().out
    version = tmp_path / "export" / "1"
    manifest = read_manifest(version)
    assert (manifest.candidate_inputs, manifest.no_candidate_tower) == ({}, reason)
    assert not (version / "candidate_tower").exists()
    assert (
        f"the candidate tower is left out, as {reason}" in (version / "model_card.md").read_text()
    )


def test_own_modules_are_looked_for_beside_config_dir(exported, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "")
    (tmp_path / "project" / "conf").mkdir(parents=True)
    (tmp_path / "project" / "own_export_parts.py").touch()
    run = run_of(exported, tmp_path)
    config = records.read(run).config
    config["model"]["tower"] = "own_export_parts:Tower"
    change(run, config=config)
    arguments = [str(run), f"output={tmp_path / 'export'}"]
    (line,) = failure(arguments, capsys)
    assert "there is no module 'own_export_parts'" in line
    (line,) = failure([*arguments, "--config-dir", str(tmp_path / "project" / "conf")], capsys)
    assert "own_export_parts.py has no 'Tower'" in line
    (line,) = failure([*arguments, "--config-dir", str(tmp_path / "nowhere")], capsys)
    assert line == f"error: --config-dir: got {tmp_path / 'nowhere'}, which is not a directory"

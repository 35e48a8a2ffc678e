"""A newer catalogue of a model that reads histories: these are of the items it was trained with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from sweeper import embed as command
from sweeper import recommend
from sweeper.serving.loaded_export import LoadedExport
from sweeper.serving.manifest import read_manifest
from sweeper.serving.saved_tower import SavedQueryTower
from sweeper.serving.search import ExactSearch
from sweeper.serving.served import ServedModel

NEW = "Title 999 amber"


@pytest.fixture(scope="module")
def newer(exported_sequence, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version without the last item that `user_07` chose, and with a new one."""
    place = tmp_path_factory.mktemp("newer")
    output = Path(shutil.copytree(exported_sequence.output, place / "export"))
    films = pq.read_table(output / "1" / "candidates.parquet").drop_columns("embedding")
    gone = LoadedExport(output).history("user_07")[-1]
    rows = [row for row in films.to_pylist() if row["movie_title"] != gone]
    rows.insert(0, {**rows[0], "movie_title": NEW})
    pq.write_table(pa.Table.from_pylist(rows, films.schema), place / "newer.parquet")
    command.main([str(output), f"items={place / 'newer.parquet'}"])
    return output


def ask(capsys, *arguments: object) -> dict:
    recommend.main([str(argument) for argument in (*arguments, "--json")])
    (answer,) = json.loads(capsys.readouterr().out)["answers"]
    return answer


def test_a_known_users_history_is_what_it_was_with_items_that_are_gone(newer: Path, capsys) -> None:
    before, now = LoadedExport(newer, 1), LoadedExport(newer, 2)
    (gone,) = read_manifest(newer / "2").catalogue["gone_items"]  # type: ignore[index]
    assert now.history("user_07") == before.history("user_07")
    assert gone in now.history("user_07")
    assert [now.titles[item] for item in now.seen("user_07")] == [
        title for item in before.seen("user_07") if (title := before.titles[item]) != gone
    ]
    # So that the query is the same, and each title that both have scores as before.
    one, two = (
        ask(capsys, newer, "user_id=user_07", "k=100", f"version={version}") for version in (1, 2)
    )
    scores = {each["title"]: each["score"] for each in one["recommendations"]}
    found = {each["title"]: each["score"] for each in two["recommendations"]}
    assert gone not in found
    assert len(set(found) & set(scores)) > 50
    for title in set(found) & set(scores):
        assert found[title] == pytest.approx(scores[title], rel=1e-4, abs=1e-5)


def test_a_new_item_in_a_history_is_unknown_until_the_next_training(newer: Path, capsys) -> None:
    (gone,) = read_manifest(newer / "2").catalogue["gone_items"]  # type: ignore[index]
    known = LoadedExport(newer).titles[5]
    history = f"history={json.dumps([gone, NEW, known])}"
    answer = ask(capsys, newer, history, "k=118")
    assert answer["history"]["value"] == [gone, known]
    assert answer["unknown_history"] == [NEW]
    assert answer["notices"]["titles"].startswith(
        f"the model was not trained with 1 of 3 titles in the history, left out here: {NEW!r}"
    )
    # It has been chosen before all the same.
    titles = {each["title"] for each in answer["recommendations"]}
    assert titles.isdisjoint([NEW, known, gone])


def test_the_saved_model_excludes_a_history_by_the_newer_catalogue(newer: Path) -> None:
    (gone,) = read_manifest(newer / "2").catalogue["gone_items"]  # type: ignore[index]
    titles = LoadedExport(newer).titles
    loaded = tf.saved_model.load(str(newer / "2"))
    unseen = loaded.signatures["unseen"]
    specs = unseen.structured_input_signature[1]
    more = {
        name: tf.zeros([1], spec.dtype) if spec.dtype == tf.float64 else tf.fill([1], "")
        for name, spec in specs.items()
        if name not in ("history", "exclude", "k")
    }
    answer = unseen(
        history=tf.constant([[gone, NEW, titles[5], "no such title"]]),
        exclude=tf.constant([[titles[7]]]),
        k=tf.constant(len(titles)),
        **more,
    )
    found = [title.decode() for title in answer["titles"].numpy()[0] if title]
    assert sorted(found) == sorted(set(titles) - {NEW, titles[5], titles[7]})
    # Of these the model knows what it was trained with.
    assert answer["unknown_history"].numpy().tolist() == [2]


def test_the_bias_on_what_was_chosen_before_goes_by_the_newer_catalogue(newer: Path) -> None:
    export = LoadedExport(newer, 1)
    items, embeddings = export.titles[::-1], export.embeddings[::-1]
    inputs = {
        "history": tf.constant([[items[3], items[9], items[3]]]),
        "seconds_since_last": tf.constant([60.0], tf.float64),
        "k": tf.constant(len(items)),
    }

    def scores(bias: float | None) -> dict[bytes, float]:
        tower = SavedQueryTower(export.directory / "query_tower", None, bias)
        answer = ServedModel(tower, ExactSearch(embeddings), items, None).recommend(**inputs)
        return dict(zip(answer["titles"].numpy()[0], answer["scores"].numpy()[0], strict=True))

    plain, biased = scores(None), scores(0.5)
    for title, score in biased.items():
        added = 0.5 if title.decode() in (items[3], items[9]) else 0.0
        assert score == pytest.approx(plain[title] + added, abs=1e-5)

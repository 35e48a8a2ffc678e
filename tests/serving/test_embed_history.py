"""A newer catalogue of a model that reads histories: these are of the items it was trained with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from rich.console import Console
from small_trials import compose_config

from sweeper import embed as command
from sweeper import recommend
from sweeper.serving.catalogue_reading import ItemsFile
from sweeper.serving.catalogue_update import embed
from sweeper.serving.export import export
from sweeper.serving.loaded_export import LoadedExport
from sweeper.serving.manifest import read_manifest
from sweeper.serving.query_tower import SavedQueryTower
from sweeper.serving.saved_model import ExactSearch, ServedModel
from sweeper.two_tower.config import FeatureConfig
from sweeper.two_tower.trial.trial import run_trial

NEW = "Title 999 amber"


@pytest.fixture(scope="module")
def of_users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that sees the user beside the history, exported, and embedded with the same items."""
    place = tmp_path_factory.mktemp("of_users")
    config = compose_config(
        "data=synthetic", "features=sequence", "train=quick", "train.epochs=1",
        "train.eval_every_epochs=1", "train.xla=false", "data.synthetic.num_users=40",
        "data.synthetic.num_items=60", "data.synthetic.num_interactions=600",
        "features.embedding_dim=4", "evaluation.baselines=[]",
    )  # fmt: skip
    config.features.query.append(FeatureConfig("user_id", "embedding"))
    quiet = Console(quiet=True)
    run_trial(config, place / "run", console=quiet, draw=False)
    export(place / "run", quiet, output=place / "export")
    films = pq.read_table(place / "export" / "1" / "candidates.parquet")
    pq.write_table(films.drop_columns("embedding"), place / "same.parquet")
    embed(place / "export", ItemsFile(str(place / "same.parquet")), quiet)
    return place / "export"


@pytest.mark.slow
def test_a_catalogue_of_the_same_items_has_the_same_answers(of_users: Path) -> None:
    """Of each signature, and of users whose latest rows were not trained on."""
    export = LoadedExport(of_users, 1)
    users = pq.read_table(of_users / "1" / "users.parquet").to_pylist()
    assert any(0 < user["training_rows"] < len(user["history"]) for user in users)
    rows, titles = len(users), export.titles
    asked = {
        "user_id": tf.constant([user["user_id"] for user in users]),
        "history": tf.constant([[titles[item] for item in user["history"][:2]] for user in users]),
        "seconds_since_last": tf.fill([rows], tf.constant(60.0, tf.float64)),
        "exclude": tf.fill([rows, 1], titles[5]),
        "k": tf.constant(len(titles)),
    }
    answers: list[dict[str, dict]] = []
    for version in ("1", "2"):
        answers.append({})
        for part in (".", "query_tower"):
            loaded = tf.saved_model.load(str(of_users / version / part))
            for name, signature in loaded.signatures.items():
                wanted = signature.structured_input_signature[1]
                found = signature(**{key: asked[key] for key in wanted})
                answers[-1][f"{part}/{name}"] = {key: found[key].numpy() for key in found}
    before, now = answers
    assert list(before) == list(now) == [
        "./serving_default", "./unseen", "query_tower/serving_default",
    ]  # fmt: skip
    for name, outputs in before.items():
        for key, values in outputs.items():
            np.testing.assert_array_equal(now[name][key], values, f"{name}: {key}")
    # Neither trained on nor in the request: seen all the same, as in `python -m sweeper.recommend`.
    for row, user in enumerate(users):
        shown = {title.decode() for title in before["./unseen"]["titles"][row] if title}
        assert shown == set(titles) - {titles[item] for item in user["seen"]} - {titles[5]}
    card = (of_users / "1" / "model_card.md").read_text()
    assert "by `unseen`, nor what the request's user has in any row of the data." in card


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

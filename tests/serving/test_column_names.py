"""A model of columns with any names is exported, asked by these names, and asked by TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from rich.console import Console
from small_trials import compose_config

from sweeper import recommend as command
from sweeper.serving.export import export
from sweeper.serving.manifest import Manifest, read_manifest_unverified
from sweeper.two_tower.config import ColumnsConfig, FeatureConfig, FeaturesConfig
from sweeper.two_tower.trial.trial import run_trial

USER, ITEM, TIME = "User ID", 'the "item"', "Ordered At"
NUMBERS = ["k", "2nd größe", "a=b"]
WORDS = ["users", "input.k", "user id", "タイトル", "class", "seen", "[a.b]"]
LISTS = ["similar"]
KINDS = dict.fromkeys(NUMBERS, "number") | dict.fromkeys(WORDS, "string")
KINDS |= {TIME: "number", USER: "string", LISTS[0]: "strings"}
ROWS, USERS, ITEMS = 400, 40, 30


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of a model that sees a column of each of these names."""
    place, rng = tmp_path_factory.mktemp("names"), np.random.default_rng(1)
    users, items = rng.integers(0, USERS, ROWS), rng.integers(0, ITEMS, ROWS)
    rows = {
        USER: [f"u{user:02d}" for user in users],
        ITEM: [f"p{item:02d}" for item in items],
        TIME: 1_600_000_000 + 60 * np.arange(ROWS),
    }
    rows |= {name: rng.integers(0, 50, ROWS).astype(float) for name in NUMBERS}
    rows |= {name: [f"w{code}" for code in rng.integers(0, 3, ROWS)] for name in WORDS}
    rows |= {LISTS[0]: [["x", "y"][: 1 + code] for code in rng.integers(0, 2, ROWS)]}
    pq.write_table(pa.table(rows), place / "rows.parquet")
    catalogue = {
        ITEM: [f"p{item:02d}" for item in range(ITEMS)],
        "Title": [f"Film {item % 25}" for item in range(ITEMS)],
        "embedding": [f"e{item % 4}" for item in range(ITEMS)],
    }
    pq.write_table(pa.table(catalogue), place / "items.parquet")
    config = compose_config(
        "data=table", f"data.path={place}/rows.parquet", f"data.items.path={place}/items.parquet",
        f"data.cache_dir={place}/cache", "model.layer_sizes=[4]", "train=quick", "train.epochs=1",
        "train.eval_every_epochs=1", "train.xla=false",
    )  # fmt: skip
    config.data.columns = ColumnsConfig(USER, ITEM, TIME)
    config.features = FeaturesConfig(
        4,
        [
            FeatureConfig(USER, "embedding"),
            FeatureConfig(USER, "history"),
            FeatureConfig(TIME, "normalized"),
            *(FeatureConfig(name, "numeric") for name in NUMBERS),
            *(FeatureConfig(name, "embedding") for name in (*WORDS, *LISTS)),
        ],
        [FeatureConfig(ITEM, "embedding"), FeatureConfig("embedding", "embedding")],
    )
    console = Console(quiet=True)
    run_trial(config, place / "run", console=console, draw=False)
    return export(place / "run", console, output=place / "export")


@pytest.fixture(scope="module")
def manifest(version: Path) -> Manifest:
    return read_manifest_unverified(version)


def test_the_manifest_maps_each_column_to_its_input(manifest: Manifest) -> None:
    assert manifest.inputs == KINDS
    assert manifest.user_column == USER
    assert manifest.input_names == {
        USER: "User_ID", TIME: "Ordered_At", "k": "column_k", "2nd größe": "column_2nd_gro_e",
        "a=b": "a_b_2", "users": "column_users", "input.k": "input_k", "user id": "user_id_2",
        "タイトル": "column", "class": "column_class", "seen": "column_seen", "[a.b]": "a_b",
        "similar": "column_similar",
    }  # fmt: skip


def test_the_signatures_have_these_names_and_answer_by_them(version: Path, manifest) -> None:
    model = tf.saved_model.load(str(version))
    inputs = set(model.signatures["serving_default"].structured_input_signature[1])
    assert inputs == {*manifest.input_names.values(), "k"}
    users = pq.read_table(version / "users.parquet")
    assert users.column_names == [*manifest.input_names.values(), "seen"]
    assert len(users) == len(set(users["User_ID"].to_pylist())) <= USERS
    values = {
        manifest.input_names[column]: tf.constant(
            users[manifest.input_names[column]].to_pylist()[:1],
            {"string": tf.string, "strings": tf.string, "number": tf.float64}[kind],
        )
        for column, kind in manifest.inputs.items()
    }
    answer = model.signatures["unseen"](
        k=tf.constant(3), exclude=tf.constant([["", "p00"]]), **values
    )
    assert answer["titles"].shape == (1, 3)


def test_the_model_card_has_the_mapping(version: Path, manifest: Manifest) -> None:
    card = (version / "model_card.md").read_text()
    assert "| User ID | `User_ID` | a string |" in card
    assert "| \\[a.b\\] | `a_b` | a string |" in card
    assert "| similar | `column_similar` | strings |" in card


def ask(version: Path, capsys, *arguments: str) -> dict:
    command.main([str(version), "--json", *arguments])
    return json.loads(capsys.readouterr().out)


def test_the_columns_own_names_and_their_inputs_are_settings(version: Path, capsys) -> None:
    own = [
        "User ID=u03", "column_k=7", "2nd größe=1.5", "a=b=3", "input.users=w1", "input.k=w2",
        "user id=w0", "タイトル=w1", "class=null", "seen=w0", "[a.b]=w2", "input.similar=x,y",
        "Ordered At=1600000000", "k=4",
    ]  # fmt: skip
    derived = [
        "User_ID=u03", "input.column_k=7", "column_2nd_gro_e=1.5", "a_b_2=3", "column_users=w1",
        "input_k=w2", "user_id_2=w0", "column=w1", "column_class=", "column_seen=w0", "a_b=w2",
        "column_similar=x,y", "Ordered_At=1600000000", "k=4",
    ]  # fmt: skip
    found = ask(version, capsys, *own)
    assert found == ask(version, capsys, *derived)
    (answer,) = found["answers"]
    assert answer["user"] == "u03"
    assert len(answer["recommendations"]) == 4
    columns = answer["columns"]
    assert set(columns) == set(KINDS) - {USER}
    assert {each["is"] for each in columns.values()} == {"as given"}
    assert (columns["k"]["value"], columns["users"]["value"]) == (7, "w1")
    assert (columns["a=b"]["value"], columns["class"]["value"]) == (3, "")
    assert columns["similar"]["value"] == ["x", "y"]


def test_where_input_k_is_a_column_it_is_not_k(version: Path, capsys) -> None:
    with pytest.raises(SystemExit):
        command.main([str(version), "User ID=u03", "column_k=old", "input.no=3"])
    first, second, _ = capsys.readouterr().err.split("\n", 2)
    assert first == (
        "error: column_k: got 'old'; must be a finite number, or null where it is missing"
    )
    assert second.startswith(
        "error: input.no: is not a setting; must be one of User ID, Ordered At, column_k, "
        "2nd größe, "
    )


def test_a_column_is_given_once_by_whatever_name(version: Path, capsys) -> None:
    with pytest.raises(SystemExit):
        command.main([str(version), "User ID=u03", "User_ID=u04"])
    assert capsys.readouterr().err == "error: User ID: is given twice; must be given once\n"
    with pytest.raises(SystemExit):
        command.main([str(version)])
    assert capsys.readouterr().err == (
        "error: User ID: is missing; must be given as 'User ID=ID', or users=FILE instead\n"
    )


def test_a_column_of_the_catalogue_may_be_called_embedding(version: Path, manifest) -> None:
    table = pq.read_table(version / "candidates.parquet")
    assert table.column_names == [ITEM, "Title", "embedding", "embedding_2"]
    assert manifest.embedding_column == "embedding_2"
    embeddings = np.array(table["embedding_2"].to_pylist(), np.float32)
    np.testing.assert_array_equal(embeddings, np.load(version / "candidates.npy"))
    assert table["embedding"].to_pylist()[:2] == ["e0", "e1"]


def test_titles_are_shown_beside_ids(version: Path, capsys) -> None:
    found = ask(version, capsys, "User ID=u03", "k=3")
    assert found["title_column"] == "Title"
    (answer,) = found["answers"]
    for each in answer["recommendations"]:
        assert each["display_title"] == f"Film {int(each['title'][1:]) % 25}"
    command.main([str(version), "User ID=u03", "k=3"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith(f"rank  {ITEM}  Title")
    for line, each in zip(lines[2:5], answer["recommendations"], strict=True):
        assert line.split()[1:4] == [each["title"], *each["display_title"].split()]
    seen = int(answer["seen"][0][1:]) % 25
    assert lines[2].rstrip().endswith(f"Film {seen}")


def test_another_column_is_shown_or_none(version: Path, capsys) -> None:
    found = ask(version, capsys, "User ID=u03", "k=1", "--title-column", "embedding")
    assert found["title_column"] == "embedding"
    (each,) = found["answers"][0]["recommendations"]
    assert each["display_title"] == f"e{int(each['title'][1:]) % 4}"
    found = ask(version, capsys, "User ID=u03", "k=1", "--title-column", "")
    assert found["title_column"] is None
    assert "display_title" not in found["answers"][0]["recommendations"][0]


def test_similar_takes_an_id_or_a_title_that_is_one_candidates_alone(version: Path, capsys) -> None:
    found = ask(version, capsys, "similar=Film 7", "k=2")
    assert found["titles"] == ask(version, capsys, "similar=p07", "k=2")["titles"]
    assert {"title", "display_title"} <= set(found["titles"][0])
    for given, words in (
        ("Film 0", "'Film 0', which 2 candidates have as their 'Title'; must be one of their ids: "
         "p00, p25"),
        ("Film 99", f"'Film 99', which is no {ITEM!r} and no 'Title' of the 30 candidates; did "
         "you mean 'Film 9'"),
    ):  # fmt: skip
        with pytest.raises(SystemExit):
            command.main([str(version), f"similar={given}"])
        assert capsys.readouterr().err.startswith(f"error: similar: got {words}")

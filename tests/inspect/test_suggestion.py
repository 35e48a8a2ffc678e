"""Suggested features: what is suggested by hand, and that it composes and fits when pasted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from inspected_data import ODD, OWN, odd_interactions, own_interactions
from omegaconf import OmegaConf

from sweeper.cli.composition import composed
from sweeper.inspect.columns import ColumnProfile, columns_of, constant_for
from sweeper.inspect.profile import DataProfile, profile_data
from sweeper.inspect.suggestion import (
    embedding_width,
    features_of,
    features_yaml,
    suggest,
    why_not,
)
from sweeper.two_tower.config import ColumnsConfig, DataConfig, SideTableConfig, SyntheticConfig
from sweeper.two_tower.data.columns import CategoricalColumn, CategoricalListColumn
from sweeper.two_tower.data.interactions import Interactions, assemble
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.data.split import split_interactions
from sweeper.two_tower.model.two_tower import encode_features

MADE_UP = DataConfig(name="synthetic", synthetic=SyntheticConfig(300, 200, 3_000))
DATA_SETS = {
    "synthetic": (MADE_UP, load_interactions(MADE_UP)),
    "synthetic, temporal": (replace(MADE_UP, split="temporal"), load_interactions(MADE_UP)),
    "own": (OWN, own_interactions()),
    "without times": (ODD, replace(odd_interactions(), timestamps=None)),
}


def profile(config: DataConfig, interactions: Interactions) -> DataProfile:
    split = split_interactions(config, interactions)
    return profile_data(interactions, split, columns_of(config, interactions))


OF_SYNTHETIC = profile(*DATA_SETS["synthetic"])


def test_the_whole_file_by_hand():
    assert suggest(profile(OWN, own_interactions()), OWN.split).features.splitlines()[1:] == [
        "embedding_dim: 32",
        "query:",
        "  # The items that the user chose before, also known of users without a training row.",
        '  - {column: "product: name", kind: sequence}',
        "  - {column: customer, kind: embedding}",
        "  # In production, a query is later than all of these times.",
        '  - {column: "bought {at}", kind: buckets, num_boundaries: 1000}',
        '  - {column: "bought {at}", kind: normalized}',
        "  - {column: age, kind: buckets, num_boundaries: 10, dim: 8}",
        "  - {column: age, kind: normalized}",
        '  - {column: "is member", kind: normalized}',
        r'  - {column: "town \\${x}", kind: embedding, dim: 4}',
        "candidate:",
        '  - {column: "product: name", kind: embedding}',
        '  - {column: "product: name", kind: text, max_tokens: 10000}',
        "  - {column: colour, kind: embedding, dim: 4}",
        "  - {column: tags, kind: embedding, dim: 4}",
        "  - {column: price, kind: buckets, num_boundaries: 10, dim: 8}",
        "  - {column: price, kind: normalized}",
        "# Left out: stars, the rating: it is known only once the row is.",
        "# Left out: height, 5 numbers are missing.",
        "# Left out: mail, 8 values for 8 users: nearly an id.",
        "# Left out: number, 120 values for 120 items: nearly an id.",
        "# Left out: kind, one value for all.",
    ]


@pytest.mark.parametrize("name", DATA_SETS)
def test_what_is_suggested_composes_and_fits_when_it_is_pasted(tmp_path, name: str):
    config, interactions = DATA_SETS[name]
    suggestion = suggest(profile(config, interactions), config.split)
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "mine.yaml").write_text(suggestion.features, encoding="utf-8")
    pasted = composed(["features=mine", f"task={suggestion.task}"], tmp_path)
    training = split_interactions(config, interactions).train
    encoded = encode_features(pasted, interactions, training)
    assert len(encoded.query) == len(pasted.features.query) >= 2
    assert len(encoded.candidate) == len(pasted.features.candidate) >= 1
    used = {each.column for each in [*pasted.features.query, *pasted.features.candidate]}
    columns = config.columns
    assert not used & {columns.rating, columns.weight, "user_rating"}


def test_a_time_is_noted_or_left_out():
    assert (
        "# Under a random split a row's time reveals its session"
        in suggest(OF_SYNTHETIC, "random").features
    )
    temporal = suggest(OF_SYNTHETIC, "temporal").features
    assert "{column: timestamp" not in temporal
    assert "# Left out: timestamp, the time: held-out rows are later" in temporal


def test_the_task_goes_by_the_size_of_the_catalogue():
    assert suggest(replace(OF_SYNTHETIC, items=10_000), "random").task == "full_softmax"
    assert suggest(replace(OF_SYNTHETIC, items=10_001), "random").task == "corrected_softmax"


def test_without_times_a_history_is_suggested_as_far_as_it_fits():
    for items, fits in ((100_000, True), (100_001, False)):
        without = replace(OF_SYNTHETIC, users=999, items=items, first=None, last=None)
        text = suggest(without, "random").features
        assert ("kind: history" in text) is fits
        assert "kind: sequence" not in text
        assert "{column: user_id, kind: embedding}" in text


@pytest.mark.parametrize(
    ("split", "kinds"),
    [
        ("random", {"sequence", "embedding", "buckets", "normalized"}),
        ("temporal", {"sequence"}),
        ("leave_last_out", {"sequence", "embedding", "buckets", "normalized"}),
    ],
)
def test_where_there_are_times_the_sequence_of_items_is_read(split: str, kinds: set[str]):
    """And after a cut in time no id of users, most of whom have no training row."""
    columns = [
        each for each in OF_SYNTHETIC.columns
        if each.role in ("user", "time") or each.tower == "candidate"
    ]  # fmt: skip
    found = replace(OF_SYNTHETIC, columns=columns)
    features = OmegaConf.create(features_yaml(found, split))
    assert features.query[0] == {"column": "movie_title", "kind": "sequence"}
    assert {each.kind for each in features.query} == kinds
    test_rows = found.parts["test"]
    reason = (
        f"# Left out: user_id, the user's id: {test_rows.cold_user:,} of {test_rows.rows:,} test "
        "rows are of users without a training row, whom it can't tell apart; add "
        "{column: user_id, kind: embedding} to try it.\n"
    )
    assert (reason in features_yaml(found, split)) is (split == "temporal")
    with_id, without = (
        [each.column for each in OmegaConf.create(features_yaml(found, split, user_id)).query]
        for user_id in (True, False)
    )
    assert with_id[1] == "user_id"
    assert without == [name for name in with_id if name != "user_id"]


@pytest.mark.parametrize(
    ("distinct", "width"), [(2, 4), (16, 4), (17, 8), (64, 8), (65, 16), (1_025, 32), (10**6, 32)]
)
def test_widths_by_hand(distinct: int, width: int):
    assert embedding_width(distinct) == width


def words(distinct: int, per_value: float) -> ColumnProfile:
    return ColumnProfile("c", "candidate", "words", distinct, 0, words=per_value)


def test_text_is_what_has_several_words_and_many_values():
    kinds = {
        (distinct, per_value): [each["kind"] for each in features_of(words(distinct, per_value))]
        for distinct in (100, 101)
        for per_value in (1.9, 2.0)
    }
    assert kinds == {
        (100, 1.9): ["embedding"],
        (100, 2.0): ["embedding"],
        (101, 1.9): ["embedding"],
        (101, 2.0): ["text"],
    }
    # Text of as many values as items is no id; a word is.
    a_thousand = replace(OF_SYNTHETIC, items=1_000)
    assert why_not(words(1_000, 6.0), a_thousand, "random") == ""
    assert "nearly an id" in why_not(words(501, 1.0), a_thousand, "random")
    assert why_not(words(500, 1.0), a_thousand, "random") == ""


def test_the_metric_goes_by_the_size_of_the_catalogue():
    assert suggest(replace(OF_SYNTHETIC, items=1_664), "random").metric == "top_100"
    assert suggest(replace(OF_SYNTHETIC, items=40), "random").metric == "top_5"
    few = suggest(replace(OF_SYNTHETIC, items=4), "random")
    assert (few.metric, few.why_metric.partition(":")[2]) == (
        "top_1", " the smallest k, as each is above a fifth of the catalogue",
    )  # fmt: skip


ROWS, USERS, ITEMS = 400, 30, 60


@pytest.fixture(scope="module")
def of_a_table(tmp_path_factory) -> dict[str, str]:
    """Why each column of three made-up tables, with all sorts of ids and numbers, is no feature."""
    place = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    row, user, item = np.arange(ROWS), rng.integers(0, USERS, ROWS), rng.integers(0, ITEMS, ROWS)
    item[:ITEMS], user[:USERS] = np.arange(ITEMS), np.arange(USERS)
    interactions = {
        "": row, "Unnamed: 0": rng.permutation(ROWS), "from one": row + 1, "index": row % 100,
        "__index_level_0__": row % 200, "transaction": rng.permutation(ROWS) * 7,
        "order": row // 2, "session_id": rng.integers(0, 50, ROWS),
        "Beleg Nr.": rng.integers(0, 50, ROWS),
        "user": [f"u{each}" for each in user], "item": [f"i{each}" for each in item],
        "when": 1_700_000_000 + 60 * row, "seconds": 60.5 * row,
        "title": [f"title {each} of {ITEMS}" for each in item], 
        "genre": [f"g{each % 4}" for each in item],
        "price": item * 0.25, "customer number": 900 + user, "age": 20 + user % 7,
        "country": [f"c{each % 3}" for each in user], "review": [f"so very good {n}" for n in row],
        "stars": rng.integers(1, 6, ROWS), "device": rng.choice(["phone", "desktop"], ROWS),
        "distance": rng.random(ROWS), "shop": np.full(ROWS, 3), "paid": rng.integers(0, 90, ROWS),
    }  # fmt: skip
    catalogue = {
        "item": [f"i{each}" for each in range(ITEMS)], "Unnamed: 0.1": np.arange(ITEMS) % 30,
        "number": np.arange(ITEMS) * 11, "year": 1990 + np.arange(ITEMS) % 20,
        "language": ["en"] * ITEMS,
    }  # fmt: skip
    users = {
        "user": [f"u{each}" for each in range(USERS)], "row_id": np.arange(USERS) + 5,
        "counted": np.arange(USERS), "height": 150 + np.arange(USERS) % 19,
    }  # fmt: skip
    for name, columns in (("rows", interactions), ("items", catalogue), ("users", users)):
        pyarrow.csv.write_csv(pa.table(columns), place / f"{name}.csv")
    config = DataConfig(
        name="table", path=str(place / "rows.csv"), split="temporal", cache_dir=str(place / "c"),
        columns=ColumnsConfig("user", "item", "when"),
        items=SideTableConfig(str(place / "items.csv")),
        users=SideTableConfig(str(place / "users.csv")),
    )  # fmt: skip
    found = profile(config, load_interactions(config, lambda text: None))
    return {each.name: why_not(each, found, "temporal") for each in found.columns}


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (
            ["", "Unnamed: 0", "from one", "index", "__index_level_0__", "Unnamed: 0.1", "row_id"],
            "the row's number",
        ),
        (["transaction"], "another number in each row"),
        (["order", "seconds"], "numbers that rise or fall with the time"),
        (["session_id", "Beleg Nr."], "an id by their name"),
        (["title", "genre", "price"], "one value for each item: it tells the item"),
        (["customer number", "counted"], "30 values for 30 users: nearly an id"),
        (["number"], "60 values for 60 items: nearly an id"),
        (["review"], "400 texts in 400 rows: nearly one for each row"),
        (["stars"], "a rating by its name"),
        (["shop", "language"], "one value for all"),
        (["when"], "the time"),
    ],
)
def test_what_is_no_feature_is_left_out_for_this_reason(of_a_table, names, reason):
    assert {name: of_a_table[name] for name in names if reason not in of_a_table[name]} == {}


def test_what_is_a_feature_is_not_left_out(of_a_table):
    features = {name for name, reason in of_a_table.items() if not reason}
    assert features == {
        "user", "age", "country", "device", "distance", "paid", "height", "item", "year",
    }  # fmt: skip


def test_rows_that_were_dropped_leave_gaps_in_their_numbers():
    number = replace(
        OF_SYNTHETIC.columns[0], holds="numbers", role="", whole=True, is_ascending=True,
        distinct=80, low=3, high=99,
    )  # fmt: skip
    dropped = replace(OF_SYNTHETIC, rows=80, rows_read=100)
    assert "the row's number" in why_not(number, dropped, "random")
    assert why_not(replace(number, high=101), dropped, "random") == "another number in each row"


def test_lists_may_be_the_same_for_each_user_or_item():
    items = np.arange(60, dtype=np.int32) % 5
    genres = CategoricalListColumn(np.arange(3, dtype=np.int32), np.array([0, 1, 1, 2, 3, 3]),
                                   ["a", "b", "c"])  # fmt: skip
    users = CategoricalColumn(np.arange(60, dtype=np.int32) % 7, list("abcdefg"))
    rows = assemble(
        query_columns={"user_id": users},
        items=items,
        candidate_columns={"item": CategoricalColumn(np.arange(5, dtype=np.int32), list("abcde"))},
        source="made in a test", item_column="item", timestamp_column=None,
    )  # fmt: skip
    assert constant_for(genres.take(items), rows) == ("item",)
    assert constant_for(genres.take(np.roll(items, 1)), rows) == ("item",)
    assert constant_for(genres.take(items[::-1] ** 2 % 5), rows) == ("item",)
    assert constant_for(genres.take(rows.users % 5), rows) == ("user",)
    assert constant_for(genres.take(np.arange(60) // 13), rows) == ()


NAMES = st.text(
    st.sampled_from("${}\\\"'#:,[]?!&*%@` \n\té\x00\x85\u2028ab-"), min_size=1
) | st.text(min_size=1)


@settings(max_examples=200, deadline=None)
@given(NAMES.filter(lambda name: name != "???"))  # OmegaConf's word for a missing value.
@example("${data.path}")
@example("\\${x}")
@example("null")
@example("1e3")
@example("nan")
@example("yes")
@example("012")
@example("a # b")
def test_a_column_of_any_name_is_named_so_in_the_yaml(name: str):
    user = replace(OF_SYNTHETIC.columns[0], name=name)
    rating = replace(user, role="rating")
    item = replace(user, role="item", tower="candidate")
    text = suggest(replace(OF_SYNTHETIC, columns=[user, rating, item]), "random").features
    parsed = OmegaConf.create(text)
    assert [(each.column, each.kind) for each in parsed.query] == [
        (name, "sequence"), (name, "embedding"),
    ]  # fmt: skip

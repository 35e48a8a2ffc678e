"""The names of inputs: for any columns valid, distinct, and the same ones each time."""

from __future__ import annotations

import keyword
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sweeper.serving.input_names import column_settings, free_name, input_names

OWN = ("users", "k", "similar", "version")
# Letters that are likely to clash once they are derived, beside any others.
NAMES = st.text(st.sampled_from("aAkK_ .2é=ß") | st.characters(), max_size=6)
COLUMNS = st.lists(
    NAMES | st.sampled_from([*OWN, "seen", "self", "class", "exclude", "input.k", "column_k"]),
    unique=True,
    max_size=8,
)


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("user_id", "user_id"),
        ("Users", "Users"),
        ("User ID", "User_ID"),
        ("user-id", "user_id"),
        ("price ($)", "price"),
        ("Größe", "Gro_e"),
        ("prénom", "prenom"),
        ("タイトル", "column"),
        ('say "hi"', "say_hi"),
        ("2nd", "column_2nd"),
        ("_id", "id"),
        ("", "column"),
        ("k", "column_k"),
        ("K", "column_K"),
        ("exclude", "column_exclude"),
        ("users", "column_users"),
        ("seen", "column_seen"),
        ("self", "column_self"),
        ("class", "column_class"),
        ("None", "column_None"),
        ("a\nb", "a_b"),
    ],
)
def test_a_name_is_as_near_to_the_columns_as_can_be(column: str, name: str) -> None:
    assert input_names([column]) == {column: name}


def test_columns_give_way_to_what_tells_of_a_history_where_it_is_read() -> None:
    columns = ["history", "History", "seconds since last", "user"]
    assert input_names(columns[2:])["seconds since last"] == "seconds_since_last"
    names = input_names(columns, ["history", "seconds_since_last"])
    assert names == {
        "history": "column_history_2", "History": "column_History", "user": "user",
        "seconds since last": "column_seconds_since_last",
    }  # fmt: skip
    keys, aliases = column_settings(names, (*OWN, "history", "seconds_since_last"))
    assert keys["history"] == "input.history"
    assert aliases["column_history_2"] == "input.history"


def test_equal_names_are_told_apart_by_a_number_and_valid_ones_stay() -> None:
    columns = ["user id", "user_id", "user-id", "user_id_2"]
    assert input_names(columns) == {
        "user id": "user_id_3", "user_id": "user_id", "user-id": "user_id_4",
        "user_id_2": "user_id_2",
    }  # fmt: skip
    # TensorFlow refuses inputs that differ in the case of their letters alone.
    assert input_names(["user", "User"]) == {"user": "user_2", "User": "User"}


@given(COLUMNS)
@example(["user", "User", "user_2"])
@example(["k", "column_k", "K"])
def test_names_are_valid_and_distinct_whatever_the_columns(columns: list[str]) -> None:
    names = input_names(columns)
    assert list(names) == columns
    assert len({name.lower() for name in names.values()}) == len(columns)
    for name in names.values():
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name, re.ASCII)
        assert not keyword.iskeyword(name)
        assert name.lower() not in ("k", "exclude")
        assert name not in (*OWN, "seen", "self")


@given(COLUMNS, st.randoms())
def test_names_depend_on_the_columns_alone_and_not_on_their_order(columns, random) -> None:
    shuffled = list(columns)
    random.shuffle(shuffled)
    assert input_names(shuffled) == input_names(columns)


@given(COLUMNS)
def test_names_of_names_are_these_names(columns: list[str]) -> None:
    names = list(input_names(columns).values())
    assert list(input_names(names).values()) == names


@given(COLUMNS)
@example(["k", "input.k", "input.column_k"])
def test_each_column_has_settings_of_its_own(columns: list[str]) -> None:
    """Its key is no other's, and is no setting of the command; its input's name is one, too."""
    names = input_names(columns)
    keys, aliases = column_settings(names, OWN)
    assert list(keys) == columns
    assert len(set(keys.values())) == len(columns)
    assert not set(keys.values()) & set(OWN)
    assert not set(aliases) & set(OWN)
    assert set(aliases.values()) <= set(keys.values())
    for column, name in names.items():
        assert keys[column] == column or column in OWN
        assert name in (keys[column], *aliases)
        assert aliases.get(name, keys[column]) == keys[column]


def test_a_column_that_is_named_as_a_setting_is_given_with_a_prefix() -> None:
    keys, aliases = column_settings(input_names(["k", "User ID"]), OWN)
    assert keys == {"k": "input.k", "User ID": "User ID"}
    assert aliases == {
        "column_k": "input.k", "input.k": "input.k", "input.column_k": "input.k",
        "User_ID": "User ID", "input.User ID": "User ID", "input.User_ID": "User ID",
    }  # fmt: skip
    # Where a column is called "input.k" itself, k is given by its input's name.
    keys, _ = column_settings(input_names(["k", "input.k"]), OWN)
    assert keys == {"k": "column_k", "input.k": "input.k"}


def test_a_free_name_is_taken_in_no_case_of_letters() -> None:
    assert free_name("embedding", ["title"]) == "embedding"
    assert free_name("embedding", ["Embedding", "embedding_2"]) == "embedding_3"

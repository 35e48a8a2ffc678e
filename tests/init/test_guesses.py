"""Which column is what, by its name."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sweeper.errors import ConfigError
from sweeper.init.guesses import guess_key, guess_lists, guess_roles


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (
            ["userId", "movieId", "rating", "timestamp"],
            ["userId", "movieId", "timestamp", "rating", None],
        ),
        (["customer_id", "sku", "Created At"], ["customer_id", "sku", "Created At", None, None]),
        (["item", "user", "plays"], ["user", "item", None, None, "plays"]),
        (["session-id", "title", "x"], ["session-id", "title", None, None, None]),
    ],
)  # fmt: skip
def test_usual_names_are_known(names: list[str], roles: list[str | None]) -> None:
    guessed = guess_roles(names, {})
    assert [guessed[role] for role in ("user", "item", "timestamp", "rating", "weight")] == roles


def test_what_is_given_is_not_guessed_and_taken_once() -> None:
    guessed = guess_roles(
        ["user", "item", "time"], {"item": "user", "user": "item", "timestamp": None}
    )
    assert (guessed["user"], guessed["item"], guessed["timestamp"]) == ("item", "user", None)


def test_users_and_items_are_needed() -> None:
    with pytest.raises(ConfigError) as told:
        guess_roles(["a", "b"], {})
    assert told.value.problems == [
        f"data.columns.{role}: no column looks like {role}s; must be given as one of a, b"
        for role in ("user", "item")
    ]


def test_keys_of_other_tables() -> None:
    assert guess_key(["title", "film"], "film", "item", "f.csv") == "film"
    assert guess_key(["title", "Film Id", "id"], "film_id", "item", "f.csv") == "Film Id"
    assert guess_key(["name", "id"], "film", "item", "f.csv") == "id"
    with pytest.raises(ConfigError, match=r"data.items.key: no column of f.csv looks like items"):
        guess_key(["a", "b"], "film", "item", "f.csv")


def test_texts_with_a_separator_are_lists() -> None:
    table = pa.table(
        {
            "genres": ["a|b", "a", None, "b|c"],
            "title": ["a | b", "c", "d", "e"],
            "year": [1, 2, 3, 4],
        }
    )
    assert guess_lists(table) == {"genres": "|"}

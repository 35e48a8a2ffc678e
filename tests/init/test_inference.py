"""Which column is what, by its name and by its values."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sweeper.common.errors import ConfigError
from sweeper.init.inference import ROLES, infer_key, infer_lists, infer_roles


def table(*names: str, **columns: list) -> pa.Table:
    """Two rows, of numbers where no values are given."""
    return pa.table({**{name: [1, 2] for name in names}, **columns})


def roles_of(interactions: pa.Table, given=None, **others: pa.Table) -> list[str | None]:
    roles, problems = infer_roles(interactions, given or {}, others)
    assert problems == []
    return [roles[role] for role in ROLES]


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
        (["", "User-ID", "ISBN", "Book-Rating"], ["User-ID", "ISBN", None, "Book-Rating", None]),
        (["Kunde", "Artikel", "Datum"], ["Kunde", "Artikel", "Datum", None, None]),
        (
            ["Kunde Nr.", "Artikel-Nr", "Zeitpunkt", "Sterne", "Menge"],
            ["Kunde Nr.", "Artikel-Nr", "Zeitpunkt", "Sterne", "Menge"],
        ),
        (["Kundennummer", "Art.-Nr.", "x"], ["Kundennummer", "Art.-Nr.", None, None, None]),
        (["Kd.Nr.", "Produktnr."], ["Kd.Nr.", "Produktnr.", None, None, None]),
        (["user.id", "item.id", "created.at"], ["user.id", "item.id", "created.at", None, None]),
        (["Customer #", "Product Code"], ["Customer #", "Product Code", None, None, None]),
        (["CustomerKey", "ItemNumber"], ["CustomerKey", "ItemNumber", None, None, None]),
        # An id goes before a bare word, and a number, which may count something, comes last.
        (["user", "film", "film_id", "Track No."], ["user", "film_id", None, None, None]),
        (["user", "title", "Track No."], ["user", "title", None, None, None]),
    ],
)  # fmt: skip
def test_usual_names_are_known(names: list[str], roles: list[str | None]) -> None:
    assert roles_of(table(*names)) == roles


def test_a_rating_or_weight_is_a_column_of_numbers() -> None:
    words = table("user", "item", score=["A", "B"], count=["few", "many"])
    assert roles_of(words) == ["user", "item", None, None, None]


def test_what_is_given_is_not_guessed_and_taken_once() -> None:
    given = {"item": "user", "user": "item", "timestamp": None}
    assert roles_of(table("user", "item", "time"), given)[:3] == ["item", "user", None]


def test_users_and_items_are_needed_and_all_problems_are_told() -> None:
    _, problems = infer_roles(table("a", "b"), {"rating": "c"}, {})
    assert problems == [
        "data.columns.rating: got 'c'; must be one of a, b",
        *(
            f"data.columns.{role}: no column looks like {role}s; must be given as one of a, b"
            for role in ("user", "item")
        ),
    ]


def test_a_column_without_a_name_is_none_to_choose() -> None:
    _, problems = infer_roles(table("", "a"), {"item": "a"}, {})
    assert problems == ["data.columns.user: no column looks like users; must be given as one of a"]


def test_a_line_of_values_in_place_of_names_is_told() -> None:
    _, problems = infer_roles(table("196", "242", "881250949"), {}, {})
    assert "'data.csv.column_names=[user,item,column_3]'" in problems[0]
    assert "column_names" not in problems[1]


def test_the_only_common_column_is_the_key_of_both() -> None:
    plays = table("", "user", "title", code=["x", "y"], made=[5, 6])
    films = table("", code=["x", "y"], genre=["g", "g"], made=[8, 9])
    # `title` is a usual name, `made` is in both; but `code` names rows of the other table.
    assert roles_of(plays, item=films)[1] == "code"
    assert infer_key(films, "item", "films.csv", "code", plays) == "code"


def test_of_several_common_columns_the_usual_name_is_the_key() -> None:
    plays = table("user", film_id=["x", "y"], name=["X", "Y"])
    films = table(name=["X", "Y"], film_id=["x", "y"])
    assert roles_of(plays, item=films)[1] == "film_id"


def test_without_a_usual_name_the_column_of_the_other_tables_ids_is_it() -> None:
    plays = table("user", "grade", thing=[70, 71])
    things = table("grade", nr=[70, 71])
    things = things.set_column(0, "level", pa.array([2, 1]))
    # The grades 1 and 2 are levels, too; the ids are the column of more values.
    plays = pa.concat_tables([plays, plays.slice(1)]).set_column(1, "grade", pa.array([1, 1, 1]))
    assert roles_of(plays, item=things)[1] == "thing"
    assert infer_key(things, "item", "t.csv", "thing", plays) == "nr"


def test_keys_of_other_tables() -> None:
    def key(names: list[str], column: str) -> str:
        return infer_key(table(*names), "item", "f.csv", column, table("other"))

    assert key(["title", "film"], "film") == "film"
    assert key(["title", "Film Id", "id"], "film_id") == "Film Id"
    assert key(["name", "id"], "film") == "id"
    with pytest.raises(ConfigError, match=r"data.items.key: no column of f.csv looks like items"):
        key(["a", "b"], "film")


def test_a_key_of_a_usual_name_that_lacks_the_ids_gives_way_to_one_that_has_them() -> None:
    plays = table("user", book=["i1", "i2"])
    books = table("id", isbn_13=["i1", "i2"])
    assert infer_key(books, "item", "books.csv", "book", plays) == "isbn_13"


def test_texts_with_a_separator_are_lists() -> None:
    lists = pa.table(
        {
            "genres": ["a|b", "a", None, "b|c"],
            "title": ["a | b", "c", "d", "e"],
            "year": [1, 2, 3, 4],
        }
    )
    assert infer_lists(lists) == {"genres": "|"}

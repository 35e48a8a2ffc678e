"""Which column of a catalogue has the titles of ids, by its name."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sweeper.common.errors import ConfigError
from sweeper.serving.titles import display_texts, title_column


def chosen(item_column: str, *names: str, given: str | None = None) -> str | None:
    fields = [(name, pa.string()) for name in (item_column, *names)]
    return title_column(pa.schema([*fields, ("year", pa.float64())]), item_column, given)


@pytest.mark.parametrize(
    ("item_column", "names", "expected"),
    [
        ("film_id", ["genre", "title"], "title"),
        ("film_id", ["name", "TITLE"], "TITLE"),
        ("product", ["brand_name", "Name"], "Name"),
        ("asin", ["description", "Book Title", "name_of_it"], "Book Title"),
        ("movieId", ["originalTitle"], "originalTitle"),
        ("track_id", ["artist_name", "track_name"], "track_name"),
        ("trackId", ["trackName"], "trackName"),
        ("sku", ["category_name", "product name"], "product name"),
        ("sku", ["brand_name", "filename", "titles", "subtitle_language"], None),
        ("movie_title", ["title", "genres"], None),  # The candidates are titles themselves.
        ("sku", [], None),
    ],
)
def test_a_column_is_chosen_by_its_name(item_column: str, names, expected) -> None:
    assert chosen(item_column, *names) == expected


def test_a_column_of_numbers_is_no_title_unless_it_is_asked_for() -> None:
    schema = pa.schema([("id", pa.string()), ("title", pa.int64())])
    assert title_column(schema, "id", None) is None
    assert title_column(schema, "id", "title") == "title"


def test_the_choice_can_be_overridden_and_left_out() -> None:
    assert chosen("film_id", "title", "genre", given="genre") == "genre"
    assert chosen("film_id", "title", given="") is None
    assert chosen("movie_title", "plot", given="plot") == "plot"


def test_another_column_than_the_catalogues_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        chosen("film_id", "title", given="titel")
    assert str(error.value) == (
        "--title-column: got 'titel', which is not a column of the catalogue; must be one of "
        "title, "
        "year. Did you mean 'title'?"
    )


def test_values_are_shown_as_texts() -> None:
    assert display_texts(["a", 3.5, ["x", "y"]]) == ["a", "3.5", "x, y"]

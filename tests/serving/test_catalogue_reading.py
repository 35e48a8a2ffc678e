"""A newer catalogue has the columns of the one before, or it is refused in a line."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sweeper.common.errors import ConfigError, DataError
from sweeper.embed import SETTINGS
from sweeper.serving.catalogue_reading import ItemsFile, read_catalogue, unknown_words
from sweeper.serving.key_value_args import read_settings
from sweeper.two_tower.config import (
    Config,
    DataConfig,
    FeatureConfig,
    FeaturesConfig,
    FilterConfig,
    SideTableConfig,
)
from sweeper.two_tower.data.columns import (
    CategoricalColumn,
    CategoricalListColumn,
    Column,
    NumericColumn,
)

OLD = pa.table(
    {
        "film": ["f1", "f2"],
        "title": ["One", "Two"],
        "code": ["007", "K1"],
        "genres": pa.array([["a"], ["a", "b"]], pa.large_list(pa.string())),
        "year": [1990, 1991],
        "in colour": ["True", "False"],
    }
)
TRIAL = DataConfig(
    name="table", items=SideTableConfig(path="films.csv", key="id", lists={"genres": ","})
)
HEAD = "id,title,code,genres,year,in colour\n"


def read(path: Path, config: DataConfig = TRIAL, **how: Any) -> dict[str, Column]:
    return read_catalogue(ItemsFile(str(path), **how), OLD, "film", config, lambda text: None)


def plain(column: Column) -> list[Any]:
    if isinstance(column, NumericColumn):
        return column.values.tolist()
    each = [column.categories[code] for code in column.codes]
    if isinstance(column, CategoricalColumn):
        return each
    assert isinstance(column, CategoricalListColumn)
    stops = column.offsets.tolist()
    return [each[start:stop] for start, stop in pairwise(stops)]


@pytest.fixture
def films(tmp_path: Path) -> Path:
    return tmp_path / "new.csv"


def test_it_is_sorted_by_id_and_has_the_old_columns_alone(films: Path) -> None:
    films.write_text(
        'in colour,more,id,code,year,genres,title\ntrue,9,f3,10,1992,"b,c",Three\n'
        "false,9,f1,007,1990,,One\n"
    )
    found = {name: plain(column) for name, column in read(films).items()}
    # A code is a word though all of them look like numbers, and a truth is as it was in training.
    assert found == {
        "film": ["f1", "f3"],
        "title": ["One", "Three"],
        "code": ["007", "10"],
        "genres": [[], ["b", "c"]],
        "year": [1990, 1992],
        "in colour": ["False", "True"],
    }


def test_parquet_and_json_lines_may_have_lists_themselves(tmp_path: Path) -> None:
    rows = [
        {"id": "f9", "title": "N", "code": "1", "genres": ["a", "z"], "year": 1, "in colour": "x"},
        {"id": "f2", "title": "T", "code": "2", "genres": [], "year": 2, "in colour": "y"},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "new.parquet")
    (tmp_path / "new.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for name in ("new.parquet", "new.jsonl"):
        columns = read(tmp_path / name)
        assert plain(columns["film"]) == ["f2", "f9"]
        assert plain(columns["genres"]) == [[], ["a", "z"]]


def test_an_exports_own_candidates_are_a_catalogue(tmp_path: Path) -> None:
    """They have the ids by the name that the interactions have for them."""
    pq.write_table(OLD, tmp_path / "candidates.parquet")
    columns = read(tmp_path / "candidates.parquet")
    assert {name: plain(column) for name, column in columns.items()} == OLD.to_pydict()


def test_where_the_trial_says_nothing_a_bar_separates_words(films: Path) -> None:
    films.write_text(HEAD.replace("id,", "film,", 1) + "f1,One,1,a|b,1990,True\n")
    assert plain(read(films, DataConfig(name="synthetic"))["genres"]) == [["a", "b"]]


def test_a_missing_number_is_filled_as_the_trial_says(films: Path) -> None:
    films.write_text(HEAD + "f1,One,1,a,1990,True\nf2,Two,1,a,,True\nf3,Two,1,a,1994,True\n")
    fill = DataConfig(name="table", items=TRIAL.items, filter=FilterConfig(missing_features="fill"))
    assert plain(read(films, fill)["year"]) == [1990, 1992, 1994]
    with pytest.raises(DataError, match="'year' has 1 missing numbers, the first in row 2"):
        read(films)


def test_how_a_csv_is_written_may_be_given(films: Path) -> None:
    films = films.with_suffix(".export")
    films.write_text(HEAD.replace(",", ";") + "f1;'One';1;a;1990;True\n")
    with pytest.raises(DataError, match=r"items\.format is set to it"):
        read(films)
    columns = read(films, format="csv", csv={"delimiter": ";", "quote_char": "'"})
    assert plain(columns["title"]) == ["One"]


@pytest.mark.parametrize(
    ("csv", "words"),
    [
        ({"delimiter": "abc"}, "Is ',' the delimiter? Then give 'items.csv.delimiter=\",\"'"),
        ({"quote_char": ","}, "items.csv.quote_char: got ',', and ',' separates the values of"),
        ({"quote_char": ",", "delimiter": ","}, "items.csv.quote_char: got ',', and ',' separates"),
    ],
)
def test_csv_settings_that_do_not_fit_the_file_are_refused(
    csv: dict[str, str], words: str, films: Path
) -> None:
    films.write_text(HEAD + "f1,One,1,a,1990,True\n")
    with pytest.raises(DataError) as caught:
        read(films, csv=csv)
    (problem,) = caught.value.problems
    assert words in problem


def test_csv_settings_are_refused_for_other_formats(tmp_path: Path) -> None:
    path = tmp_path / "new.parquet"
    pq.write_table(OLD, path)
    with pytest.raises(ConfigError) as caught:
        read(path, csv={"delimiter": ";"})
    assert caught.value.problems == [
        f"items.csv.delimiter: is given, but {path} is read as parquet; only applies to CSV files, "
        "and must be left out"
    ]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("items.csv.quote_char=xy", "got 'xy'; must be auto, one ASCII character, or null"),
        ('items.csv.quote_char="xy"', "got '\"xy\"'; must be auto, one ASCII character, or null"),
        ("items.csv.quote_char=", "got ''; must be auto, one ASCII character, or null"),
        (
            "items.csv.delimiter=",
            "got ''; must be auto, or one or more characters without quotes",
        ),
        ("items.csv.delimiter=a\nb", "got 'a\\nb'; must be auto, or one or more characters"),
    ],
)
def test_csv_settings_are_held_to_the_ranges_of_the_schema(setting: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings([setting], SETTINGS)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{setting.partition('=')[0]}: {words}")


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("delimiter=;", ";"), ('delimiter=";"', ";"), ("delimiter=\\t", "\\t"),
        ("quote_char='", "'"), ('quote_char="', '"'), (r'quote_char="\""', '"'),
        ("quote_char=null", None),
    ],
)  # fmt: skip
def test_csv_settings_may_be_given_as_errors_give_them(setting: str, found: str | None) -> None:
    (value,) = read_settings([f"items.csv.{setting}"], SETTINGS).values()
    assert value == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "new.csv: is empty; must have at least one row"),
        (HEAD, "new.csv has no row; must have at least one"),
        (
            HEAD.replace("title", "titel") + "f1,One,1,a,1990,True\n",
            "items ({path}): has no column 'title'; must have id, title, code, genres, year, in "
            "colour, as in the catalogue that the model was trained with. Did you mean 'titel'?",
        ),
        ("id;title\nf1;One\n", "has no column 'code'; must have id, title, code, genres, year"),
        (
            HEAD + "f1,One,1,a,1990,True\nf2,Two,1,a,soon,True\n",
            "items ({path}): the column 'year', row 2: got 'soon'; must be a number, as in the "
            "catalogue that the model was trained with",
        ),
        (
            HEAD + "f1,One,1,a,1990,True\nf2,T,1,a,1990,True\nf1,T,1,a,1990,True\n",
            "items ({path}): 1 keys are in the column 'id' more than once: 'f1' 2 times; must have",
        ),
        (
            HEAD + "f1,One,1,a,1990,True\n,Two,1,a,1990,True\n",
            "the column 'id' has 1 missing keys, the first in row 2; must have none",
        ),
    ],
)
def test_what_is_no_such_catalogue_is_refused_in_a_line(films: Path, text: str, words: str) -> None:
    films.write_text(text)
    with pytest.raises(DataError) as caught:
        read(films)
    (problem,) = caught.value.problems
    assert words.format(path=films) in problem


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("title", [1, 2], "the column 'title' has the type int64; must be strings, as in the"),
        ("year", ["1990", "1991"], "the column 'year' has the type string; must be numbers, as"),
        ("year", [[1], [2]], "the column 'year' has the type list<"),
        (
            "genres",
            [1, 2],
            "the column 'genres' has the type int64; must be lists of strings, or strings with '|'",
        ),
        ("code", [{"x": 1}, {"x": 2}], "the column 'code' has the type struct<"),
        ("film", [1.5, 2.0], "the column 'film', row 1: got 1.5; ids must be texts or whole numb"),
    ],
)
def test_a_column_of_another_type_is_refused_by_name(
    name: str, values: list[Any], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "new.parquet"
    pq.write_table(OLD.set_column(OLD.column_names.index(name), name, [values]), path)
    with pytest.raises(DataError) as caught:
        read(path)
    (problem,) = caught.value.problems
    assert words in problem


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"items\.path: got '.*no.csv', where there is no file"):
        read(tmp_path / "no.csv")


def test_words_that_the_old_catalogue_lacks_are_counted(films: Path) -> None:
    """Where a feature tells whole words apart; the ids are another matter."""
    films.write_text(HEAD + 'f1,One,K1,"a,y",1990,True\nf7,New title,K2,"x,y",1990,True\n')
    features = FeaturesConfig(
        candidate=[
            FeatureConfig("film", "embedding"),
            FeatureConfig("genres", "embedding"),
            FeatureConfig("code", "embedding"),
            FeatureConfig("title", "text"),
            FeatureConfig("in colour", "embedding"),
        ]
    )
    counts = unknown_words(read(films), OLD, Config(data=TRIAL, features=features), "film")
    assert counts == {"genres": 2, "code": 1}

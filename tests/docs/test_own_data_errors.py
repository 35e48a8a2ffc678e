"""The errors that docs/own_data.md prints are those that a table gets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from processes import ROOT

from sweeper.common.errors import DataError
from sweeper.two_tower.config import ColumnsConfig, DataConfig, SideTableConfig
from sweeper.two_tower.data.table import table

PAGE = ROOT / "docs" / "own_data.md"
HEAD = "customer,film_id,stars,time\n"


def errors_of_the_page() -> list[str]:
    return re.findall(r"^error: (.*)$", PAGE.read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("place", "user", "rows"),
    [
        (0, "usr", "c,f1,3,1\n"),
        (1, "customer", "c,f1,3,1\nc,f2,3,2\nc,f3,3,3\nc,f1,3,soon\n"),
        (2, "customer", "c,f1,3,1\n" + "c,f900,3,1\n" * 4 + "c,f901,3,1\n" * 3),
    ],
)
def test_an_error_is_printed_as_it_is(
    place: int, user: str, rows: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ratings.csv").write_text(HEAD + rows.replace(",1\n", ",1700000000\n"))
    Path("films.csv").write_text("film_id,title\nf1,One\n")
    config = DataConfig(
        name="table", path="ratings.csv", columns=ColumnsConfig(user, "film_id", "time", "stars")
    )
    if place == 2:
        config.items = SideTableConfig(path="films.csv")
    with pytest.raises(DataError) as told:
        table.load(config, lambda text: None)
    assert str(told.value) == errors_of_the_page()[place]

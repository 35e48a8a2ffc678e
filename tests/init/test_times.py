"""Which column tells when: by names as people write them, and by values."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sweeper.common.errors import ConfigError
from sweeper.init.times import infer_time

# Thirty rows of three users and of thirty items, an hour apart.
SECONDS = [1_700_000_000 + 3_600 * row for row in range(30)]
USERS = [row % 3 for row in range(30)]
ROWS = {"user": USERS, "item": list(range(30)), "kind": ["a", "b"] * 15}
ZONED = [f"2024-05-{1 + row:02}T18:30:00+02:00" for row in range(30)]


def time_of(**columns: list) -> str | None:
    names = {name.replace("__", " "): values for name, values in columns.items()}
    return infer_time(pa.table({**ROWS, **names}), ["user", "item"], ["user", "item"])


@pytest.mark.parametrize(
    "name",
    ["Ordered At", "Order Date", "created_at", "purchase time", "event_time", "Datum", "ts",
     "InvoiceDate", "createdAt", "orderdate", "unixReviewTime", "TIME_STAMP", "bought-on"],
)  # fmt: skip
@pytest.mark.parametrize("values", [SECONDS, ZONED, [1_000 * each for each in SECONDS]])
def test_times_of_these_names_are_known(name: str, values: list) -> None:
    assert time_of(**{name: values}) == name


@pytest.mark.parametrize("values", [SECONDS, ZONED, [text[:10] for text in ZONED]])
def test_a_name_that_tells_nothing_is_known_by_its_values(values: list) -> None:
    assert time_of(x=values) == "x"


def test_the_digits_of_dates_are_times() -> None:
    days = [20240501 + row for row in range(30)]
    assert time_of(order_date=days) == time_of(order_date=list(map(str, days))) == "order_date"


def test_a_duration_is_no_time() -> None:
    assert time_of(play_time=list(range(30))) is None
    assert time_of(play_time=list(range(30)), listened=SECONDS) == "listened"


def test_numbers_are_times_by_their_values_only_if_they_are_recent_and_no_ids() -> None:
    assert time_of(size=list(range(30))) is None
    assert time_of(play_id=SECONDS) is None


def test_what_is_the_same_for_each_user_is_not_when_it_happened() -> None:
    births = [f"199{user}-01-01" for user in USERS]
    assert time_of(birth_date=births) is None
    assert time_of(joined=births) is None
    assert time_of(joined=births, seen=ZONED) == "seen"


def test_a_usual_name_goes_first_and_texts_that_are_no_times_are_left_to_the_reader() -> None:
    """Which refuses them, with the row."""
    german = [f"{1 + row:02}.05.2024" for row in range(30)]
    assert time_of(updated_at=SECONDS, time=SECONDS) == "time"
    assert time_of(order_date=german) == "order_date"
    assert time_of(order_date=german, order_time=SECONDS) == "order_time"


def test_of_several_times_without_a_name_one_must_be_given() -> None:
    with pytest.raises(ConfigError, match="x, y hold times; must be given as one of them, or null"):
        time_of(x=SECONDS, y=ZONED)

"""KEY=VALUE settings: each value of its type, or a line that says what would be right."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.common.errors import ConfigError
from sweeper.serving.key_value_args import one_of, read_settings, text, whole_number
from sweeper.serving.request_values import number, word_list

READERS = {"k": whole_number(1, 1_000), "rows": one_of("train", "all"), "name": text}


def test_values_are_of_their_types_and_may_hold_what_separates() -> None:
    given_ = ["k=7", "rows=all", "name=a=b c=d"]
    assert read_settings(given_, READERS) == {"k": 7, "rows": "all", "name": "a=b c=d"}
    assert read_settings([], READERS) == {}


@given(st.integers(-5, 2_000))
def test_a_whole_number_is_read_within_its_range_alone(value: int) -> None:
    if 1 <= value <= 1_000:
        assert read_settings([f"k={value}"], READERS) == {"k": value}
    else:
        with pytest.raises(ConfigError, match=r"must be a whole number from 1 to 1,000"):
            read_settings([f"k={value}"], READERS)


@pytest.mark.parametrize("value", ["", "1.0", "1e2", "+1", " 1", "1_0", "٣", "9" * 5_000, "0x1"])
def test_what_is_no_plain_whole_number_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="must be a whole number from 1"):
        read_settings([f"k={value}"], READERS)


@given(st.lists(st.text(st.characters(), max_size=8), max_size=4))
def test_whatever_is_given_it_is_read_or_refused_in_a_line(texts: list[str]) -> None:
    try:
        values = read_settings(texts, READERS)
    except ConfigError as error:
        lines = len(error.problems)
    else:
        assert {key: str(value) for key, value in values.items()} == dict(
            each.split("=", 1) for each in texts
        )
        return
    assert 1 <= lines <= len(texts)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_columns_number_is_read_to_the_last_bit(value: float) -> None:
    assert number(repr(value)) == value


def test_a_missing_number_is_null_and_nothing_else() -> None:
    assert math.isnan(number("null"))
    for wrong in ("nan", "inf", "-inf", "1e999", "", "NULL", "one"):
        with pytest.raises(ValueError, match="must be a finite number, or null"):
            number(wrong)


def test_the_words_of_a_list_are_separated_by_commas() -> None:
    assert word_list("Comedy,Film noir") == ["Comedy", "Film noir"]
    assert word_list("") == []

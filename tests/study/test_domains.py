"""The domains of parameters, by hand and in decimals."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.study.space.domains import Choices, Domain, Interval


@pytest.mark.parametrize(
    ("domain", "values"),
    [
        (Interval.of(0.0, 0.5, 0.1, log=False, is_int=False), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]),
        (Interval.of(0, 0.25, 0.1, log=False, is_int=False), [0.0, 0.1, 0.2]),
        (Interval.of(1, 4, None, log=False, is_int=True), [1, 2, 3, 4]),
        (Interval.of(1, 8, 3, log=False, is_int=True), [1, 4, 7]),
        (Interval.of(2, 5, None, log=True, is_int=True), [2, 3, 4, 5]),
        (Interval.of(0, 1, None, log=False, is_int=False), None),
        (Choices.of([None, True, "a", [1, 2]]), [None, True, "a", "[1,2]"]),
    ],
)
def test_values_in_order(domain: Domain, values: list[Any] | None) -> None:
    found = domain.values()
    assert (found if found is None else list(found)) == values
    if values is not None:
        kinds = [type(value) for value in values]
        assert [type(value) for value in found or ()] == kinds
        ends = values if isinstance(domain, Choices) else [values[0], values[-1]]
        assert list(domain.extremes()) == ends


@pytest.mark.parametrize(
    ("domain", "value", "encoded"),
    [
        (Interval(0.0, 0.5, 0.1), 0.30000000000000004, 0.3),
        (Interval(0.0, 0.3, 0.1), 0.30000000000000004, 0.3),
        (Interval(0.0, 0.5, 0.1), 0, 0.0),
        (Interval(1, 4, is_int=True), 3.0, 3),
        (Choices.of([1, "1", None]), "1", "1"),
        (Choices.of([[32], [64, 32]]), [64, 32], "[64,32]"),
        (Choices.of([[32], [64, 32]]), "[64,32]", "[64,32]"),
    ],
)
def test_encode_by_hand(domain: Domain, value: Any, encoded: Any) -> None:
    assert repr(domain.encode(value)) == repr(encoded)


@pytest.mark.parametrize(
    ("domain", "value"),
    [
        (Interval(0.0, 0.5, 0.1), 0.35),
        (Interval(0.0, 0.5, 0.1), 0.6),
        (Interval(0.0, 0.5), 0.6),
        (Interval(0.0, 0.5), float("nan")),
        (Interval(0.0, 0.5, 0.1), float("inf")),
        (Interval(0.0, 1.0), True),
        (Interval(0.0, 1.0), "0.5"),
        (Interval(1, 4, is_int=True), 2.5),
        (Interval(1, 7, 3, is_int=True), 5),
        (Choices.of([1, 2]), True),
        (Choices.of([True, False]), 1),
    ],
)
def test_a_value_that_a_domain_lacks(domain: Domain, value: Any) -> None:
    assert not domain.has(value)
    with pytest.raises(ValueError, match=r"^must be "):
        domain.encode(value)


def test_choices_keep_their_text_of_the_command_line() -> None:
    choices = Choices(("a b", 1000.0), ("a\\ b", "1e3"))
    assert list(choices.values()) == ["a b", 1000.0]
    assert [choices.text(value) for value in choices.values()] == ["a\\ b", "1e3"]


@given(low=st.integers(-500, 500), step=st.integers(1, 50), extra=st.integers(1, 99))
def test_steps_are_those_of_decimals(low: int, step: int, extra: int) -> None:
    """In hundredths, whole numbers say what the values are."""
    high = low + step + extra
    domain = Interval.of(low / 100, high / 100, step / 100, log=False, is_int=False)
    expected = [hundredths / 100 for hundredths in range(low, high + 1, step)]
    assert domain.values() == expected
    assert [domain.encode(low / 100 + k * step / 100) for k in range(len(expected))] == expected

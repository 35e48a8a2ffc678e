"""Times of every type, unit and form are read to the second, or refused with their row."""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import load, write_csv, write_parquet

from sweeper.common.errors import DataError
from sweeper.two_tower.config import FilterConfig
from sweeper.two_tower.config.data_rules import timestamp_format_problem
from sweeper.two_tower.data.table.time_formats import read_formatted, read_words
from sweeper.two_tower.data.table.times import Times, read_times

PER_SECOND = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
SMALLEST, LARGEST = -(2**63), 2**63 - 1
# 2024-05-31 18:30:00 and its day.
SECONDS, DAY = 1_717_180_200, 1_717_113_600


def read(values: Any, unit: str = "auto", format_: str | None = None, type_: Any = None) -> Times:
    array = values if isinstance(values, pa.Array) else pa.array(values, type_)
    return read_times(pa.chunked_array([array]), "when", unit, format_)


def refused(values: Any, *settings: Any) -> str:
    with pytest.raises(DataError) as told:
        read(values, *settings)
    return str(told.value)


def seconds_of(moment: datetime) -> int:
    """By the calendar alone."""
    return calendar.timegm(moment.utctimetuple())


def in_unit(moment: datetime, unit: str) -> int:
    number = PER_SECOND[unit]
    return seconds_of(moment) * number + moment.microsecond * number // 10**6


def moments(first: datetime, last: datetime) -> st.SearchStrategy[list[datetime]]:
    return st.lists(st.datetimes(first, last), min_size=1, max_size=9)


ANY = (datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999))
OF_NANOSECONDS = (datetime(1678, 1, 1), datetime(2261, 12, 31))
# Later seconds may be of the form YYYYMMDDHH: 1950010100 is 2031.
TODAYS = (datetime(1990, 1, 1), datetime(2031, 1, 1))


@pytest.mark.parametrize("unit", PER_SECOND)
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_numbers_are_exact_in_every_unit(unit: str, data: st.DataObject) -> None:
    known = data.draw(moments(*(OF_NANOSECONDS if unit == "nanoseconds" else ANY)))
    numbers = [in_unit(moment, unit) for moment in known]
    expected = [seconds_of(moment) for moment in known]
    for values in (numbers, list(map(str, numbers)), list(map(Decimal, numbers))):
        times = read(values, unit)
        assert times.seconds.tolist() == expected
        assert times.reading == f"{unit} since 1970"


@pytest.mark.parametrize("unit", PER_SECOND)
@settings(deadline=None, max_examples=50)
@given(known=moments(*TODAYS))
def test_the_unit_is_told_by_the_size(unit: str, known: list[datetime]) -> None:
    times = read([in_unit(moment, unit) for moment in known])
    assert times.seconds.tolist() == [seconds_of(moment) for moment in known]
    assert times.reading == f"{unit} since 1970"


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_arrows_timestamps_are_exact(unit: str, data: st.DataObject) -> None:
    known = data.draw(moments(*(OF_NANOSECONDS if unit == "ns" else ANY)))
    known = [moment.replace(microsecond=0) if unit == "s" else moment for moment in known]
    number = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    values = [seconds_of(m) * number + m.microsecond * number // 10**6 for m in known]
    for zone in (None, "Europe/Berlin"):
        times = read(pa.array(values, pa.int64()).cast(pa.timestamp(unit, zone)))
        assert times.seconds.tolist() == [seconds_of(moment) for moment in known]


@settings(deadline=None)
@given(
    known=moments(datetime(2, 1, 1), datetime(9998, 12, 31)),
    separator=st.sampled_from("T "),
    timespec=st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"]),
    minutes=st.integers(-14 * 60, 14 * 60),
    zone=st.sampled_from(["%z", "%:z", " %:z", "Z", " UTC", ""]),
)
def test_iso_dates_are_read_as_python_reads_them(known, separator, timespec, minutes, zone) -> None:
    texts, expected = [], []
    for moment in known:
        if timespec == "minutes":
            moment = moment.replace(second=0)
        text = moment.isoformat(separator, timespec)
        if "z" in zone:
            zoned = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
            offset = zoned.isoformat()[-6:]
            text += zone.replace("%:z", offset).replace("%z", offset.replace(":", ""))
            moment = zoned
        else:
            text += zone
        texts.append(text)
        expected.append(seconds_of(moment))
    assert read(texts).seconds.tolist() == expected


@pytest.mark.parametrize(
    ("format_", "whole"),
    [
        ("%d.%m.%Y", {"hour": 0, "minute": 0, "second": 0}),
        ("%m/%d/%Y %I:%M %p", {"second": 0}),
        ("%Y-%m-%d %I:%M:%S %p", {}),
        ("%B %d, %Y", {"hour": 0, "minute": 0, "second": 0}),
        ("%a, %d %b %Y %H:%M:%S +0000", {}),
        ("%G-W%V-%u", {"hour": 0, "minute": 0, "second": 0}),
        ("%Y/%m/%d %H:%M:%S.%f", {}),
        ("%d%m%Y", {"hour": 0, "minute": 0, "second": 0}),
        ("%Y%m%d%H%M%S", {}),
        ("%j of %y", {"hour": 0, "minute": 0, "second": 0}),
    ],
)
@settings(deadline=None, max_examples=50)
@given(known=moments(datetime(1970, 1, 1), datetime(2068, 12, 31)))
def test_forms_give_back_what_they_were_written_from(format_, whole, known) -> None:
    texts = [moment.strftime(format_) for moment in known]
    expected = [seconds_of(moment.replace(**whole)) for moment in known]
    assert read(texts, format_=format_).seconds.tolist() == expected
    if format_ in ("%d%m%Y", "%Y%m%d%H%M%S"):  # Numbers have lost their leading zeros.
        numbers = [*map(int, texts), None]
        assert read(numbers, format_=format_).seconds.tolist() == [*expected, 0]


@pytest.mark.parametrize("format_", ["%d.%m.%Y", "%Y%m%d%H%M%S", "%H:%M (%m/%d/%Y)"])
@settings(deadline=None)
@given(known=moments(datetime(1, 1, 1), datetime(9999, 1, 1)), data=st.data())
def test_arrow_reads_a_form_as_python_does(format_, known, data) -> None:
    """With what isn't padded, and days that no month has."""
    digit = st.sampled_from("0123456789")
    texts = [f"{moment:{format_}}" for moment in known]
    for index, text in enumerate(texts):
        if data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(text) - 1))
            texts[index] = text[:place] + data.draw(digit | st.just("")) + text[place + 1 :]
    one, other = read_words(pa.array(texts), format_), read_formatted(texts, format_)
    assert one[1].tolist() == other[1].tolist()
    assert one[0][~one[1]].tolist() == other[0][~one[1]].tolist()


EXTREMES = [
    SMALLEST, SMALLEST + 1, -(2**53) - 1, -(10**18), -1, 0, 1, 20_231_114, 45_244, 2**31, 10**11,
    10**14, 10**17, 2**53 + 1, 253_402_300_799, LARGEST - 1, LARGEST, 99_991_231,
    99_991_231_235_959,
]  # fmt: skip
TYPES = [
    pa.int64(), pa.uint64(), pa.float64(), pa.decimal128(38, 3), pa.string(), pa.date64(),
    pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us", "UTC"), pa.timestamp("ns"),
]  # fmt: skip
UNITS = ["auto", *PER_SECOND, "days", "excel_days"]


@settings(deadline=None, max_examples=300)
@given(
    numbers=st.lists(
        st.none() | st.sampled_from(EXTREMES) | st.integers(SMALLEST, LARGEST), max_size=4
    ),
    type_=st.sampled_from(TYPES),
    unit=st.sampled_from(UNITS),
    format_=st.none() | st.sampled_from(["%Y%m%d", "%Y-%m-%d"]),
)
def test_no_int64_is_too_much(numbers, type_, unit, format_) -> None:
    if type_ == pa.uint64():
        numbers = [None if number is None else number % 2**64 for number in numbers]
        array = pa.array(numbers, type_)
    elif type_ == pa.decimal128(38, 3):
        array = pa.array([None if n is None else Decimal(n) for n in numbers], type_)
    else:
        array = pa.array(numbers, pa.int64()).cast(type_, safe=False)
    try:
        times = read(array, unit, format_)
    except DataError as error:
        assert "'when'" in str(error)  # noqa: PT017, whether it is raised depends
        return
    known = times.seconds[~times.missing]
    assert len(times.seconds) == len(numbers)
    assert ((known >= -62_135_596_800) & (known < 253_402_300_800)).all()
    if type_ == pa.float64():
        numbers = [None if number is None else float(number) for number in numbers]
    assert times.missing.tolist() == [number in (None, SMALLEST) for number in numbers]
    assert isinstance(times.description(), str)


@pytest.mark.parametrize("unit", UNITS)
def test_the_smallest_int64_is_a_missing_time_in_every_unit(unit: str) -> None:
    for values in ([5, SMALLEST], ["5", str(SMALLEST)], [5.0, float(SMALLEST)]):
        assert read(values, unit).missing.tolist() == [False, True]


@pytest.mark.parametrize("type_", TYPES[7:])
def test_a_smallest_int64_in_parquet_is_named_by_its_row(type_, tmp_path: Path) -> None:
    when = pa.array([1, 2, SMALLEST]).cast(type_, safe=False)
    path = write_parquet(
        tmp_path, pa.table({"user_id": ["u"] * 3, "item_id": ["a", "b", "c"], "when": when})
    )
    with pytest.raises(DataError, match=r"'when' has 1 missing values, the first in row 3; remove"):
        load(path)
    found = load(path, filter=FilterConfig(missing_values="drop"))
    assert found.dropped == {"no when": 1}


@pytest.mark.parametrize(
    ("values", "seconds", "reading"),
    [
        ([20240531, 20240530, 20240531], [DAY, DAY - 86_400, DAY], "%Y%m%d"),
        (["20240531", " 20240530 "], [DAY, DAY - 86_400], "%Y%m%d"),
        ([20240531.0, None], [DAY, 0], "%Y%m%d"),
        ([20240531183000], [SECONDS], "%Y%m%d%H%M%S"),
        ([202405311830], [SECONDS], "%Y%m%d%H%M"),
        ([2024053118], [SECONDS - 1800], "%Y%m%d%H"),
        ([202405], [DAY - 30 * 86_400], "%Y%m"),
        ([20240531, 99991231, 20240531], [DAY, 253_402_214_400, DAY], "%Y%m%d"),
    ],
)
def test_digits_of_dates_are_read_as_dates(values, seconds, reading) -> None:
    times = read(values)
    assert times.seconds.tolist() == seconds
    assert times.reading == f"dates of the form {reading}"


def test_numbers_that_only_give_the_order_stay_as_they_are() -> None:
    for values in (
        range(1, 4),
        range(4_000),
        [0],
        [-5, 3],
        range(0, 90_000, 7),
        range(30_000_000, 30_000_500),
    ):
        assert read(list(values)).seconds.tolist() == list(values)


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (45_443.0, datetime(2024, 5, 31)),
        (45_443.770833333336, datetime(2024, 5, 31, 18, 30)),
        # 22:13:20, as a spreadsheet writes it.
        (45_244.9259259259, datetime(2023, 11, 14, 22, 13, 20)),
        (20_000.5, datetime(1954, 10, 3, 12)),
    ],
)
def test_days_of_a_spreadsheet_keep_their_fraction(number: float, moment: datetime) -> None:
    assert read([number, None], "excel_days").seconds.tolist() == [seconds_of(moment), 0]
    assert read([str(number)], "excel_days").seconds.tolist() == [seconds_of(moment)]
    since_1970 = (moment - datetime(1970, 1, 1)) / timedelta(days=1)
    assert read([since_1970], "days").seconds.tolist() == [seconds_of(moment)]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([45_244.5], "row 1: got 45244.5, and all numbers of it may be days; set "
         "data.timestamp_unit to 'excel_days' if row 1 is of 2023-11-14, to 'days' if"),
        ([None, 19_675], "row 2: got 19675, and all numbers of it but 0, -1 and missing ones may"),
        ([0, 45_244, -1], "row 2: got 45244, and all numbers of it but 0, -1 and missing "),
        ([20231114, 0, 0], "row 2: got 0; must have the form '%Y%m%d'"),
        ([1999, 2023], "got numbers such as 1999, which may be years; set data.timestamp_fo"),
        ([20231114, 20231301, 20231115], "row 2: got 20231301; must have the form '%Y%m%d'"),
        ([20231114, 1_700_000_000, 20231115], "row 2: got 1700000000; must have the form '%Y%m%d'"),
        ([1_700_000_000, 1_700_000_000_000], "got 1700000000 in row 1 and 1700000000000 in row 2"),
        ([1_700_000_000_000] * 2 + [1_700_000_000_000_000_000], "both be nanoseconds since 1970"),
        ([1_700_000_000, 1_700_000_001, 20231114], "got 20231114 in row 3 and 1700000001 in row 2"),
        ([1_700_000_000, 45_244], "got 45244 in row 2 and 1700000000 in row 1"),
        ([1.0, float("inf")], "row 2: got inf; must be a time"),
        ([1e300], "row 1: got 1e+300; must be a time"),
        ([True], "has the type bool; times must be numbers or dates"),
        (["NULL", "soon"], "row 2: got 'soon'; must be an ISO date such as"),
        (["2024-05-31", "2024-02-30"], "row 2: got '2024-02-30'; must be an ISO date such as"),
        (["2024-05-31"] * 700 + ["2024-05-31 24:61:00"], "row 701: got '2024-05-31 24:61:00'"),
        (["0000-12-31"], "row 1: got 0000-12-31, which is not of the years 1 to 9999"),
        (["2024-05-31", "1717180200"], "row 2: got '1717180200'; must be an ISO date"),
        (["2024-05-31Z"], "row 1: got '2024-05-31Z'"),
    ],
)  # fmt: skip
def test_what_is_no_time_is_named_with_what_is_right(values, words) -> None:
    assert f"the column 'when'{'' if words.startswith(('got', 'has', 'both')) else ', '}" in (
        told := refused(values)
    )
    assert words in told


@pytest.mark.parametrize(
    ("texts", "forms"),
    [
        (["31.05.2024"], "'%d.%m.%Y'"),
        (["05/31/2024"], "'%m/%d/%Y'"),
        (["05/06/2024"], "'%d/%m/%Y' or '%m/%d/%Y'"),
        (["05/06/2024", "31/05/2024"], "'%d/%m/%Y'"),
        (["2024-05-31 06:30 PM"], "'%Y-%m-%d %I:%M %p'"),
        (["May 31, 2024", "June 1, 2024"], "'%B %d, %Y'"),
        (["Fri, 31 May 2024 18:30:00 +0200"], "'%a, %d %b %Y %H:%M:%S %z'"),
        (["2024/05/31"], "'%Y/%m/%d'"),
        (["2024-W22-5"], "'%G-W%V-%u'"),
        (["20240531T183000Z"], "'%Y%m%dT%H%M%S%z'"),
        (["2024-05"], "'%Y-%m'"),
        (["soon"], "the form that the times have, such as '%d.%m.%Y'"),
        # No form fits both.
        (["31.05.2024", "2024-05-31"], "the form that the times have, such as '%d.%m.%Y'"),
    ],
)
def test_the_form_that_would_do_is_named_and_does(texts: list[str], forms: str) -> None:
    told = refused(texts)
    assert told.endswith(f"or set data.timestamp_format to {forms}")
    if not forms.startswith("the"):
        form = forms.split("'")[1]
        assert timestamp_format_problem(form) is None
        times = read(texts, format_=form)
        assert not times.missing.any()


def test_a_form_holds_for_all_rows_and_texts_that_are_missing() -> None:
    texts = ["31.05.2024", "NULL", "", None, "1.6.2024"]
    times = read(texts, format_="%d.%m.%Y")
    assert times.seconds.tolist() == [DAY, 0, 0, 0, DAY + 86_400]
    assert times.missing.tolist() == [False, True, True, True, False]
    told = refused([*texts, "05/31/2024"], "auto", "%d.%m.%Y")
    assert "row 6: got '05/31/2024'; must have the form '%d.%m.%Y' of data.timestamp_for" in told
    assert "row 1: got '1022024'" in refused(["1022024"], "auto", "%d%m%Y")
    assert "has the type date32[day], which needs no data.timestamp_format" in refused(
        pa.array([date(2024, 5, 31)]), "auto", "%Y"
    )


@pytest.mark.parametrize(
    ("format_", "problem"),
    [
        ("%d.%m.%Y", None),
        ("%y%j", None),
        ("%Y-%m-%d %H:%M:%S.%f%z", None),
        ("%c", None),
        ("%d.%m.", "must have the year"),
        ("soon", "must have the year"),
        ("%Q", "must be a format that Python's datetime.strptime reads"),
        ("%Y %", "must be a format that"),
        ("%Y-%m-%d %I:%M", "must have %p"),
        ("%Y-%m-%d %H:%M %Z", "must have %z"),
        ("%Y-%%Z", None),
    ],
)
def test_what_is_no_form_is_told_before_anything_is_read(format_, problem) -> None:
    told = timestamp_format_problem(format_)
    assert told is None if problem is None else str(told).startswith(problem)


ROWS = {"user_id": ["u", "v", "u", "v"], "item_id": ["a", "b", "b", "a"]}


def of_times(folder: Path, when: list[Any], write: Any = write_csv, **keys: Any) -> Any:
    said: list[str] = []
    found = load(write(folder, pa.table({**ROWS, "when": when})), said.append, **keys)
    return found, said


@pytest.mark.parametrize("write", [write_csv, write_parquet])
@pytest.mark.parametrize(
    ("strange", "shown"),
    [
        (datetime(9999, 12, 31, 23, 59, 59), "9999-12-31 23:59:59"),
        (datetime(1, 1, 1), "0001-01-01"),
        (datetime(1900, 1, 1), "1900-01-01"),
        (datetime(2100, 1, 1), "2100-01-01"),
    ],
)
def test_times_that_no_interaction_has_are_refused_dropped_or_kept(
    write, strange, shown, tmp_path: Path
) -> None:
    when = pa.array([datetime(2099, 12, 31), strange, datetime(1950, 1, 1), strange])
    with pytest.raises(DataError) as told:
        of_times(tmp_path, when, write)
    assert str(told.value).endswith(
        f"the column 'when' has 2 times outside the years 1950 to 2099, the first in row 2: {shown}"
        " (read as dates); correct them, or set data.filter.implausible_times to 'drop' or 'keep'"
    )
    dropped, _ = of_times(tmp_path, when, write, filter=FilterConfig(implausible_times="drop"))
    assert dropped.dropped == {"when outside 1950 to 2099": 2}
    assert dropped.timestamps.tolist() == [4_102_358_400, -631_152_000]
    kept, _ = of_times(tmp_path, when, write, filter=FilterConfig(implausible_times="keep"))
    assert kept.timestamps[1] == seconds_of(strange)


def test_numbers_of_another_unit_than_the_one_given_are_refused_or_implausible(
    tmp_path: Path,
) -> None:
    when = [1_700_000_000_000] * 4
    with pytest.raises(
        DataError, match=r"row 1: got 1700000000000, which is not of the years 1 to"
    ):
        of_times(tmp_path, when, timestamp_unit="seconds")
    with pytest.raises(
        DataError, match=r"4 times outside .* row 1: 2238-.* as excel_days|in row 1"
    ):
        of_times(tmp_path, [123_456] * 4, timestamp_unit="excel_days")


def test_what_times_were_taken_for_is_said_and_what_zeros_may_be(tmp_path: Path) -> None:
    _, said = of_times(tmp_path, [SECONDS, 0, DAY, -1])
    assert "when: int64: when (seconds since 1970, 1969-12-31 to 2024-05-31)" in said
    assert (
        "when: rows of 1970-01-01: 2, the first of them row 2; a time of 0 often stands for a "
        "missing one"
    ) in said
    _, said = of_times(tmp_path, [0, 1, 2, 3])
    assert not any("often stands for" in line for line in said)


def test_a_form_is_read_from_every_format_with_its_leading_zeros(tmp_path: Path) -> None:
    when = ["01062024", "02062024", "31052024", "01062024"]
    for write in (write_csv, write_parquet):
        found, said = of_times(tmp_path, when, write, timestamp_format="%d%m%Y")
        assert found.timestamps.tolist() == [DAY + 86_400, DAY + 2 * 86_400, DAY, DAY + 86_400]
    assert "when: string: when (dates of the form %d%m%Y, 2024-05-31 to 2024-06-02)" in said
    # A date of ISO's, which Arrow would read, in another order.
    found, _ = of_times(tmp_path, ["2024-01-06"] * 4, timestamp_format="%Y-%d-%m")
    assert set(found.timestamps.tolist()) == {DAY + 86_400}


def test_zoned_and_unzoned_texts_of_a_csv_file_are_in_utc(tmp_path: Path) -> None:
    when = [
        "2024-05-31T20:30:00+02:00", "2024-05-31 18:30:00", "2024-05-31 18:30:00 UTC",
        "2024-05-31T18:30:00,5Z",
    ]  # fmt: skip
    found, _ = of_times(tmp_path, when)
    assert found.timestamps.tolist() == [SECONDS] * 4


def test_feature_columns_of_dates_reach_as_far_as_arrows(tmp_path: Path) -> None:
    born = pa.array([SMALLEST + 1, -1, 0, LARGEST]).cast(pa.timestamp("us"))
    path = write_parquet(tmp_path, pa.table({**ROWS, "when": [1, 2, 3, 4], "born": born}))
    values = load(path).query_columns["born"].values
    assert values.dtype == np.int64
    assert values.tolist() == [(SMALLEST + 1) // 10**6, -1, 0, LARGEST // 10**6]

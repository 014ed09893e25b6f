"""Kinds of columns, their reasons, and canonical values that do not depend on the frame's dtype."""

from __future__ import annotations

import datetime as dt
import io
import json
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schuss.errors import DataError, UsageError
from schuss.tabular.frame import as_frame
from schuss.tabular.kinds import Kind, column_values, find_kinds, row_values, rows_of
from schuss.tabular.read import Reading, lines_of, read_table, scan_table


def kind_of(values: Any, **given: Any) -> Kind:
    name = given.pop("name", "a")
    return find_kinds(as_frame({name: values}), **given)[name]


def values_of(values: Any, kind: Kind) -> list[Any]:
    return column_values(as_frame({"a": values})["a"], kind).to_list()


LONG = range(60)


@pytest.mark.parametrize(
    ("values", "name", "reason"),
    [
        ([1, 2, None, 2], "number", "integers 1 to 2"),
        (
            [2**60, 2**60 + 1, 2**60],
            "category",
            "2 levels: whole numbers beyond 2**53, which no float holds, are names",
        ),
        ([2**60 + i for i in range(60)], "id", "60 names, all different: whole numbers beyond 2**53"),
        ([1, 2, 3], "number", "integers 1 to 3, 3 values; category=['a'] if they are codes"),
        ([0.5, 2, 3], "number", "0.5 to 3"),
        ([0, 1, 1], "number", "integers 0 to 1"),
        (list(range(200, 300)), "id", "a running number, all different, 200 to 299"),
        ([float(i) for i in range(60)], "id", "a running number, all different, 0 to 59"),
        (list(range(0, 200, 2)), "number", "integers 0 to 198"),
        ([*range(58), 3, 4], "number", "integers 0 to 57"),
        ([*range(59), None], "number", "integers 0 to 58"),
        (list(range(49)), "number", "integers 0 to 48"),
        ([7, 7], "constant", "always 7"),
        ([7, None], "number", "7 or missing"),
        (["x", "x"], "constant", "always 'x'"),
        (["x", None], "category", "'x' or missing"),
        ([None, None], "empty", "no value is known"),
        (["", "NA", " ? ", None], "empty", "no value is known"),
        ([True, False, None], "boolean", "true or false"),
        ([True, True], "constant", "always True"),
        (["yes", "no", "No", "NA"], "boolean", "yes or no"),
        (["T", "F"], "boolean", "t or f"),
        (["on", "off"], "boolean", "on or off"),
        (["yes", "maybe"], "category", "2 levels"),
        (["yes", "f"], "category", "2 levels"),
        (["1,234", "5", "12,000.5"], "number", "5 to 12000.5, written as text, comma between thousands"),
        (["1.234,5", "7"], "number", "7 to 1234.5, written as text, point between thousands, comma before decimals"),
        (["1,5", "7,25"], "number", "1.5 to 7.25, written as text, comma before decimals"),
        (
            ["1 234,5", "12'000"],
            "number",
            "1234.5 to 12000, written as text, blank between thousands, comma before decimals",
        ),
        (["12 %", "7%"], "number", "integers 7 to 12, written as text, % left out"),
        (
            ["$5", "-$1,000", "($3)"],
            "number",
            "integers -1000 to 5, written as text, comma between thousands, $ left out",
        ),
        (["5 EUR", "6.5 EUR"], "number", "5 to 6.5, written as text, EUR left out"),
        (["\u22125", "+3"], "number", "integers -5 to 3, written as text"),
        ([str(i) for i in range(100, 160)], "id", "a running number, all different, 100 to 159, written as text"),
        (
            ["00501", "12345", "00501"],
            "category",
            "2 codes of 5 digits, with zeros before them; number=['a'] if they are none",
        ),
        (["7", "007", "8"], "category", "3 codes with zeros before them; number=['a'] if they are none"),
        (["area_code_415", "area_code_408"], "category", "2 levels"),
        (["12 kg", "13kg", "1,500 kg"], "number", "12 to 1500, written as text, comma between thousands, kg left out"),
        (["-3 °C", "20.5 °C"], "number", "-3 to 20.5, written as text, °C left out"),
        (["5 km/h", "6 km/h"], "number", "km/h left out"),
        (["3 sq. ft", "4 sq. ft"], "number", "sq. ft left out"),
        (["3,5 m2", "4,25 m2"], "number", "comma before decimals, m2 left out"),
        (['12"', '13"'], "number", '" left out'),
        (["12 kg", "13 lb"], "category", "2 levels"),
        (["1st", "2nd"], "category", "2 levels"),
        (["12h30", "13h30"], "category", "2 levels"),
        (["5 May 2020", "6 May 2020"], "date", "as %d %b %Y"),
        (["1e5", "2e5"], "number", "100000 to 200000, written as text"),
        ([f"word {i}" for i in LONG], "text", "60 different texts in 60 rows"),
        ([f"u{i}" for i in LONG], "id", "60 names, all different"),
        ([f"u{i // 2}" for i in range(120)], "category", "60 levels"),
        (
            [*map(str, np.linspace(0, 1, 60)), "abc"],
            "text",
            "61 different texts in 61 rows, as 'abc' is no number, most others are",
        ),
        ([dt.date(2020, 1, 31), dt.date(2021, 2, 1)], "date", "dates 2020-01-31 to 2021-02-01"),
        ([dt.datetime(2020, 1, 31, 5), None, dt.datetime(2020, 2, 1)], "date", "times 2020-01-31 to 2020-02-01"),
        ([dt.time(5), dt.time(6)], "date", "times of day"),
        ([dt.timedelta(1), dt.timedelta(2)], "number", "durations, in seconds"),
        (["2020-01-31", "2021-02-01", "?"], "date", "dates 2020-01-31 to 2021-02-01"),
        (["2020-01", "2021-02"], "date", "dates 2020-01-01 to 2021-02-01"),
        (["2020-01-31 05:00", "2021-02-01T05:00:01.5Z"], "date", "dates 2020-01-31 to 2021-02-01"),
        (["31/01/2020", "1/2/2020"], "date", "dates 2020-01-31 to 2020-02-01, as day/month/year"),
        (["01/31/2020", "2/1/2020"], "date", "dates 2020-01-31 to 2020-02-01, as month/day/year"),
        (["1.2.2020", "3.4.2021"], "date", "dates 2020-02-01 to 2021-04-03, as day/month/year"),
        ([20200131, 20200201], "number", "integers 20200131 to 20200201; date=['a'] if they are dates"),
        (["31.01.2020 08:30", "01.02.2020 09:00"], "date", "dates 2020-01-31 to 2020-02-01, as day/month/year"),
        (["1/31/20", "2/1/20"], "date", "dates 2020-01-31 to 2020-02-01, as month/day/year"),
        (["1/31/2020 5:30 PM", "2/1/2020 6:00 AM"], "date", "dates 2020-01-31 to 2020-02-01, as month/day/year"),
        (["2020/01/31", "2020/02/01"], "date", "dates 2020-01-31 to 2020-02-01, as year/month/day"),
        (["Jan 31, 2020", "Feb 1, 2020"], "date", "dates 2020-01-31 to 2020-02-01, as %b %d, %Y"),
        (["31-Jan-2020", "01-Feb-2020"], "date", "dates 2020-01-31 to 2020-02-01, as %d-%b-%Y"),
        (["08:30", "23:59:59"], "date", "times of day"),
        (["1/1/2020", "1/2/2020", "1/3/2020"], "date", "as day/month/year, as the days would all be 1"),
        (["2020-01-31", "soon"], "category", "2 levels"),
        ([Decimal("1.5"), Decimal("2")], "number", "1.5 to 2"),
        (pd.Categorical(["1", "2", "1"]), "category", "2 levels, declared as such"),
        (pd.Categorical(["yes", "no"]), "category", "2 levels, declared as such"),
    ],
)
@pytest.mark.filterwarnings("ignore:column 'a' is left out as text, as 1 of 61 values")
def test_kinds_and_reasons(values: Any, name: str, reason: str) -> None:
    kind = kind_of(pd.Series(values) if isinstance(values, pd.Categorical) else values)
    assert (kind.name, reason in kind.reason) == (name, True), kind
    assert "\n" not in kind.reason
    assert kind.used == (name in ("number", "boolean", "category", "date"))
    assert Kind(**json.loads(json.dumps(asdict(kind)))) == kind


def test_codes_by_their_name() -> None:
    for name in ("zip", "area_code", "StoreID", "product id"):
        assert (
            kind_of([10115, 20095], name=name).reason
            == f"integers 10115 to 20095; category={[name]!r} if they are codes"
        )
    for name in ("paid", "price", "no_of_rooms", "valid"):
        assert "codes" not in kind_of([10115, 20095], name=name).reason


NUMBERS = [f"{i}.5" for i in range(59)]
DAYS = [f"2020-01-{i % 28 + 1:02d}" for i in LONG]


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        (
            [*NUMBERS[:17], " abc", *NUMBERS[17:]], "text",
            "column 'a b' is left out as text, as 1 of 60 values is no number, ' abc' in t row 17; mend it, leave it "
            "empty or say missing=[*schuss.tabular.kinds.MISSING, 'abc']; if this is meant, say drop=['a b']",
        ),
        (
            ["abc", *NUMBERS, "abd"], "text",
            "as 2 of 61 values are no number, the first 'abc' in t row 0; mend them or leave them empty; if",
        ),
        ([*NUMBERS, *["unknown"] * 30], "text", "as 30 of 89 values are no number, the first 'unknown' in t row 59; "),
        (
            [*"12345" * 20, None, "x"], "category",
            "is taken as a category, as 1 of 101 values is no number, 'x' in t row 101; mend it, leave it empty or say "
            "missing=[*schuss.tabular.kinds.MISSING, 'x']; if this is meant, say category=['a b']",
        ),
        (["12 lb", *(f"{i}.5 kg" for i in LONG)], "text", "as 1 of 61 values is no number in kg, '12 lb' in t row 0"),
        (["x", *(f"$ {i}" for i in LONG)], "text", "as 1 of 61 values is no number, 'x' in t row 0"),
        ([*DAYS, "2020-02-31"], "category", "as 1 of 61 values is no date, '2020-02-31' in t row 60"),
        (["soon", *(f"{i % 12 + 1}/{i % 28 + 1}/2020" for i in LONG)], "text", "is no date, 'soon' in t row 0"),
        ([*["yes", "No"] * 30, "ye"], "category", "as 1 of 61 values is neither yes nor no, 'ye' in t row 60"),
    ],
)  # fmt: skip
def test_an_odd_value_that_decides_a_kind_is_told(values: list[Any], kind: str, said: str) -> None:
    with pytest.warns(UserWarning, match="^column 'a b' is") as caught:
        assert kind_of(values, name="a b", what="t").name == kind
    assert len(caught) == 1
    assert said in str(caught[0].message)
    given = {"category": "a b"} if kind == "category" else {"drop": "a b"}
    kind_of(values, name="a b", **given)  # said by the user: nothing is told


@pytest.mark.parametrize(
    "values",
    [
        ["1", "2", "3+"] * 20,  # a level
        ["yes", "no", "maybe"] * 20,
        ["yes", "no", "ye"],
        ["01234", "05678", "1234x"] * 20,  # codes
        [f"u{i}" for i in LONG],
        pd.Series([*"12345" * 20, "x"], dtype="category"),
    ],
)
def test_what_may_be_meant_is_not_told(values: Any) -> None:
    kind_of(values)  # warnings are errors here


def test_odd_values_of_a_target_are_told() -> None:
    with pytest.warns(UserWarning, match=r"'x' in x row 100; mend it or drop the row$"):
        kind_of([*"12345" * 20, "x"], targets="a")


def test_targets_are_never_left_out() -> None:
    for values, name in (
        (list(range(100)), "number"),
        (["x", "x"], "category"),
        ([7, 7], "number"),
        (["yes", "no"], "category"),
        ([True, True], "boolean"),
        ([f"word {i}" for i in LONG], "category"),
        (["1 star", "2 star"] * 30, "category"),  # names of classes, with their words
        ([f"{i}.5 kg" for i in LONG], "number"),
        ([None, None], "empty"),
    ):
        assert kind_of(values, targets="a").name == name


# -- what is asked for ----------------------------------------------------------------------------


def test_what_is_asked_for() -> None:
    assert kind_of([1, 2, 3], category="a").reason == "3 levels, as asked"
    assert kind_of(list(range(100)), number=["a"]).name == "number"
    assert kind_of([7, 7], number="a").reason == "7, as asked"
    assert kind_of(["00501", "12345"], number="a").reason == "integers 501 to 12345, as asked"
    assert kind_of(["1,5", "2"], number="a").decimal == ","
    assert kind_of(["x"], drop="a") == Kind("dropped", "left out as asked")
    assert kind_of(["01/02/2020", "02/03/2020"], date={"a": "%d/%m/%Y"}).format == "%d/%m/%Y"
    kind = kind_of([20200131, 20200201], date="a")
    assert values_of([20200131, None], kind) == [dt.datetime(2020, 1, 31, tzinfo=dt.UTC), None]


@pytest.mark.parametrize(
    ("values", "given", "said"),
    [
        ([1, 2], {"category": "b"}, "category: t has no column 'b'; it has 'a'"),
        ([1, 2], {"drop": ["A"]}, "drop: t has no column 'A'; did you mean 'a'?"),
        ([1, 2], {"targets": "b"}, "target: t has no column 'b'"),
        ([1, 2], {"category": "a", "number": "a"}, "number: column 'a' is asked to be category as well; name it once"),
        (
            ["1", "abc", "2"],
            {"number": "a"},
            "'abc' is no number; mend it, or leave it empty; or let it be words: category=['a']",
        ),
        ([dt.date(2020, 1, 1)], {"number": "a"}, "t row 0, column a: '2020-01-01' is no number"),
        (["2020-01-31", "soon"], {"date": "a"}, "t row 1, column a: 'soon' is no date as 2020-01-31"),
        (["31/01/2020", "soon"], {"date": {"a": "%d/%m/%Y"}}, "t row 1, column a: 'soon' is no date as %d/%m/%Y"),
        ([1.5, 2.5], {"date": "a"}, "'1.5' is no date"),
        ([20201331], {"date": "a"}, "'20201331' is no date as %Y%m%d"),
        (
            [None, "01/02/2020", "03/02/2020"],
            {},
            "t row 1, column a: '01/02/2020' and all others could be %d/%m/%Y and %m/%d/%Y; say which, as date={",
        ),
    ],
)
def test_what_cannot_be_is_told(values: Any, given: dict[str, Any], said: str) -> None:
    with pytest.raises((DataError, UsageError)) as caught:
        kind_of(values, what="t", **given)
    assert said in str(caught.value)


def test_nested_columns_are_told_and_can_be_dropped() -> None:
    frame = pl.DataFrame({"a": [[1], [2]], "b": [1, 2]})
    with pytest.raises(DataError, match=r"t: column 'a' holds list values, which no column here can; .*: drop=\['a'\]"):
        find_kinds(frame, what="t")
    assert find_kinds(frame, drop="a")["a"].name == "dropped"
    with pytest.raises(DataError, match="holds struct values"):
        find_kinds(pl.DataFrame({"a": [{"b": 1}]}))
    with pytest.raises(DataError, match="holds binary values"):
        find_kinds(pl.DataFrame({"a": [b"x"]}))


# -- values ---------------------------------------------------------------------------------------


def test_wrong_values_are_told_by_line_and_column(tmp_path: Any) -> None:
    path = tmp_path / "houses.csv"
    path.write_text('area,"sold"\n' + "12,yes\n" * 15 + '"abc",yes\n')
    kinds = {"area": Kind("number"), "sold": Kind("boolean")}
    frame = read_table(path)
    said = f"{path} line 17, column area: 'abc' is no number; mend it, or leave it empty"
    for where in (lines_of(path), next(iter(scan_table(path)))[0]):
        with pytest.raises(DataError) as caught:
            column_values(frame["area"], kinds["area"], where)
        assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        ([1.0, float("inf")], Kind("number"), "x row 1, column a: 'inf' is infinite; give a number, or leave it empty"),
        (["1", "-inf"], Kind("number"), "x row 1, column a: '-inf' is infinite"),
        ([2, 1], Kind("boolean"), "x row 0, column a: '2' is neither yes nor no; mend it, or leave it empty"),
        (["yes", "maybe"], Kind("boolean"), "x row 1, column a: 'maybe' is neither yes nor no"),
        ([dt.date(2020, 1, 1)], Kind("number"), "'2020-01-01' is no number"),
        ([1.5], Kind("date", format="iso"), "'1.5' is no date"),
        ([dt.time(8)], Kind("date", format="iso"), "is no date as 2020-01-31; mend it"),
        (["1,5"], Kind("number"), "'1,5' is no number"),
        (["1.5"], Kind("number", decimal=",", group="."), "'1.5' is no number"),
        (["5"], Kind("number", affix="%"), "'5' is no number"),
        (
            ["5 kg", "12 lb"],
            Kind("number", affix="kg"),
            "x row 1, column a: '12 lb' is no number in kg; write it in kg, or leave it empty",
        ),
        (["5"], Kind("number", affix="kg"), "'5' is no number in kg"),
        (["5 mm"], Kind("number", affix="m"), "'5 mm' is no number in m"),
        (["31/01/20"], Kind("date", format="%d/%m/%Y"), "'31/01/20' is no date as %d/%m/%Y"),
    ],
)
def test_values_of_another_kind(values: Any, kind: Kind, said: str) -> None:
    with pytest.raises(DataError) as caught:
        column_values(as_frame({"a": values})["a"], kind)
    assert said in str(caught.value)


ONE = [1, None, 3]
FORMS_OF_WHOLE_NUMBERS = [
    ONE,
    [1.0, None, 3.0],
    ["1", None, "3"],
    ["1.0", "", " 3.00 "],
    ["+1", "NA", "03"],
    [Decimal("1.0"), None, Decimal(3)],
    [1, None, "3"],
    pd.array(ONE, "Int16"),
    pd.Series(ONE, dtype="category"),
    pd.Series([1.0, None, 3.0], dtype="float32"),
    pl.Series(["1", None, "3"], dtype=pl.Categorical),
    pl.Series([1, None, 3], dtype=pl.UInt8),
    pl.Series([1, None, 3], dtype=pl.Decimal(10, 2)),
]


@pytest.mark.parametrize("values", FORMS_OF_WHOLE_NUMBERS)
def test_one_level_whatever_the_dtype(values: Any) -> None:
    assert values_of(values, Kind("category")) == ["1", None, "3"]
    assert values_of(values, Kind("number")) == [1.0, None, 3.0]


@pytest.mark.parametrize(
    ("values", "digits", "levels"),
    [
        (["007", "7", "-0", "0.0"], -1, ["7", "7", "0", "0"]),
        (["00501", "501", "12345"], 5, ["00501", "00501", "12345"]),
        ([501, 12345], 5, ["00501", "12345"]),
        ([501.0, None], 5, ["00501", None]),
        (["007", "7", "07.0"], 0, ["007", "7", "07"]),
        ([0.5, 0.1], -1, ["0.5", "0.1"]),
        (["0.50", ".1", "5e-1", "x"], -1, ["0.5", "0.1", "0.5", "x"]),
        ([True, False, None], -1, ["true", "false", None]),
        (["True", "FALSE", " a b "], -1, ["true", "false", "a b"]),
        ([2**62 + 1, 2**53 + 1], -1, [str(2**62 + 1), str(2**53 + 1)]),
        ([dt.date(2020, 1, 31)], -1, ["2020-01-31"]),
    ],
)
def test_levels(values: Any, digits: int, levels: list[str]) -> None:
    assert values_of(values, Kind("category", digits=digits)) == levels


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_has_the_level_of_its_text(x: float) -> None:
    assert values_of([repr(x)], Kind("category")) == values_of([x], Kind("category"))
    assert float(values_of([x], Kind("category"))[0]) == x


def test_float32_has_the_level_of_its_text() -> None:
    assert values_of(np.array([0.1, 0.25], np.float32), Kind("category")) == ["0.1", "0.25"]


@pytest.mark.parametrize(
    "values",
    [
        [True, False, None],
        [1, 0, None],
        [1.0, 0.0, float("nan")],
        ["yes", "no", "NA"],
        ["Y", "n", ""],
        ["True", "False", None],
        ["1", "0.0", None],
        pd.array([True, False, None], "boolean"),
    ],
)
def test_truth_whatever_the_dtype(values: Any) -> None:
    assert values_of(values, Kind("boolean")) == [1.0, 0.0, None]


NOON = dt.datetime(2020, 1, 31, 12, 30)
DAY64 = np.datetime64("2020-01-31")
HOUR = dt.timedelta(hours=1)
ZONED = NOON.replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([NOON, None], "iso"),
        ([ZONED, None], "iso"),
        ([ZONED.astimezone(dt.timezone(dt.timedelta(hours=5))), None], "iso"),
        (["2020-01-31 12:30:00", "NA"], "iso"),
        (["2020-01-31T12:30", ""], "iso"),
        (["2020-01-31T12:30:00.000000Z", None], "iso"),
        (["2020-01-31 13:30:00+01:00", None], "iso"),
        (["2020-01-31 13:30+01", None], "iso"),
        (["2020-01-31 12:30:00 UTC", None], "iso"),
        (["31/01/2020 12:30", None], "%d/%m/%Y %H:%M"),
        (["2020-01-31 12:30:00", None], "%d/%m/%Y %H:%M"),
        ([NOON, None], "%d/%m/%Y"),
        (
            pd.Series([NOON, None]).dt.tz_localize("America/New_York").dt.tz_convert("UTC") - pd.Timedelta(hours=5),
            "iso",
        ),
    ],
)
def test_dates_whatever_the_dtype(values: Any, kind: str) -> None:
    made = column_values(as_frame({"a": values})["a"], Kind("date", format=kind))
    assert made.dtype == pl.Datetime("us", "UTC")
    assert made.to_list() == [ZONED, None]


def test_times_of_day() -> None:
    wanted = [dt.datetime(1970, 1, 1, 8, 30, tzinfo=dt.UTC), None]
    for values in ([dt.time(8, 30), None], ["08:30", None], ["8:30:00", ""]):
        assert values_of(values, Kind("date", format="time")) == wanted


def test_missing_texts_are_kept_in_the_kind() -> None:
    kind = kind_of([1, -999, 5], missing=("-999",), number="a")
    assert values_of([1, -999, 5], kind) == [1, None, 5]
    assert values_of(["1", "-999", "5.0"], kind) == [1, None, 5]
    with pytest.raises(DataError, match="'NA' is no number"):
        values_of(["NA"], kind)


@pytest.mark.parametrize(
    ("kind", "texts", "numbers"),
    [
        (Kind("number", affix="$", group=","), ["$5", "-$1,000", "($3)", "($1,000.50)"], [5, -1000, -3, -1000.5]),
        (Kind("number", affix="%"), ["12 %", "\u22127%", "+1.5 %"], [12, -7, 1.5]),
        (Kind("number", decimal=",", group="."), ["1.234,5", "(7,25)", "-0,5"], [1234.5, -7.25, -0.5]),
        (Kind("number", decimal=",", group=" "), ["1 234,5", "12'000"], [1234.5, 12000]),
    ],
)
def test_numbers_are_what_their_texts_say(kind: Kind, texts: list[str], numbers: list[float]) -> None:
    assert values_of(texts, kind) == numbers
    assert [row_values({"a": text}, {"a": kind})["a"] for text in texts] == numbers


def test_an_empty_column_of_any_dtype_is_missing() -> None:
    for dtype in (pl.Null, pl.String, pl.Float64, pl.Int64, pl.Boolean):
        series = pl.Series("a", [None, None], dtype)
        for kind in (Kind("number"), Kind("boolean"), Kind("category"), Kind("date", format="iso")):
            if kind.name != "date" or dtype != pl.Boolean:
                assert column_values(series, kind).to_list() == [None, None]


DATES = ["2020-01-31", "2020-02-31", "2020-01-31 05:00", "2020-01-31T05:00:01.5Z", "2020-01-31 05:00+01:00", "2020-01"]
DATES += ["NA", "5", "2020-01-31 25:00", "2020-01-31 05:00:00 UTC", "2020-01-31 05:00 +01:00", "2020-01-31Z"]
ROWS = {
    "number": st.one_of(
        st.integers(-(10**12), 10**12),
        st.floats(allow_nan=True, allow_infinity=False),
        st.sampled_from(["5", " 1.5 ", "NA", "", "1e3", "-0", "abc", "1_0", "inf", "nan", "1,5", True, float("inf")]),
    ),
    "boolean": st.sampled_from([True, 0, 1.0, "yes", "NO", "maybe", 2, "", "True", "1.0", 0.5]),
    "category": st.one_of(
        st.integers(),
        st.floats(allow_infinity=False),
        st.text(max_size=4),
        st.text("01.e-+ ", max_size=5),
        st.booleans(),
    ),
    "date": st.one_of(
        st.datetimes(dt.datetime(1800, 1, 1), dt.datetime(2200, 1, 1)),
        st.dates(dt.date(1800, 1, 1), dt.date(2200, 1, 1)),
        st.sampled_from(DATES),
    ),
}


def check_row(value: Any, kind: Kind) -> None:
    """row_values gives what column_values gives, or the same error."""

    def told(read: Any) -> Any:
        try:
            return read()
        except DataError as error:
            return str(error)

    wanted = told(lambda: column_values(as_frame({"a": value})["a"], kind)[0])
    read = told(lambda: row_values({"a": value}, {"a": kind})["a"])
    assert read == wanted
    assert type(read) is type(wanted)


@settings(max_examples=300)
@given(st.sampled_from(sorted(ROWS)).flatmap(lambda name: st.tuples(st.just(name), ROWS[name] | st.none())))
def test_a_row_has_the_values_of_a_frame(case: tuple[str, Any]) -> None:
    check_row(case[1], Kind(case[0], format="iso" if case[0] == "date" else ""))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Kind("number", decimal=",", group="."), ["1.234,5", "-7", "1.5", "12", None]),
        (Kind("number", affix="%"), ["12 %", "7%", "5"]),
        (Kind("number", affix="sq. ft", group=","), ["12 sq. ft", "1,200sq. ft", "5", "12 sqx ft", 7, -8.5]),
        (Kind("number", affix="$", group=","), ["$5", "-$1,000", "($3)", "$ 1,00", "5"]),
        (Kind("number", group=" ", decimal=","), ["1 234,5", "12'000", "1 23"]),
        (Kind("number", missing=("-999",)), ["-999", -999, -999.0, 5]),
        (Kind("date", format="%d/%m/%Y"), ["31/01/2020", "2020-01-31", "1/31/2020", dt.date(2020, 1, 31)]),
        (Kind("date", format="time"), ["08:30", dt.time(8, 30), dt.date(2020, 1, 31)]),
        (Kind("date", format="iso"), [NOON, ZONED, ZONED.astimezone(dt.timezone(5 * HOUR))]),
        (Kind("date", format="%Y%m%d"), [20200131, "20200131", 20201331]),
        (Kind("category", digits=5), ["00501", 501, 501.0]),
        (Kind("category"), [dt.date(2020, 1, 31), dt.time(8, 30), dt.datetime(2020, 1, 31, 5), Decimal("1.50")]),
        (
            Kind("number"),
            [Decimal("1.5"), np.int8(3), np.float32(0.5), pd.NA, np.datetime64("2020-01-31"), dt.timedelta(1)],
        ),
        (Kind("boolean"), [np.True_, dt.date(2020, 1, 31)]),
    ],
)
def test_odd_rows_have_the_values_of_a_frame(kind: Kind, values: list[Any]) -> None:
    for value in values:
        check_row(value, kind)


def test_a_row_that_lacks_a_column_and_what_is_left_out() -> None:
    kinds = {"a": Kind("number"), "b": Kind("id")}
    assert row_values({"a": 1, "c": 5}, kinds) == {"a": 1.0}
    with pytest.raises(
        DataError, match="x: has no column 'a', which the model was trained on; give it, or None for it"
    ):
        row_values({"b": 1}, kinds)


@pytest.mark.parametrize("kind", ["number", "boolean", "category"])
def test_a_whole_number_that_no_float_holds(kind: str) -> None:
    check_row(10**400, Kind(kind))
    check_row(-(10**400), Kind(kind))


def test_rows_are_called_by_their_frame() -> None:
    assert rows_of("train")(3) == "train row 3"


# -- a table in all its forms ----------------------------------------------------------------------

WORDS = st.text("abcß東 -_", min_size=1, max_size=5).map(str.strip).filter(bool)
COLUMNS = {
    "n": st.integers(-(2**40), 2**40),
    "x": st.floats(-1e9, 1e9).map(lambda v: v + 0.0),
    "t": WORDS,
    "b": st.booleans(),
    "d": st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)).map(lambda d: d.replace(microsecond=0)),
}
TABLES = st.lists(st.fixed_dictionaries({k: st.none() | v for k, v in COLUMNS.items()}), min_size=1, max_size=12)


@settings(max_examples=30)
@given(TABLES)
def test_all_forms_of_a_table_have_the_same_kinds_and_values(rows: list[dict[str, Any]]) -> None:
    own = as_frame(rows)
    csv, parquet, ipc = io.BytesIO(), io.BytesIO(), io.BytesIO()
    own.write_csv(csv)
    typed = own.with_columns(pl.col(c).cast(pl.Int8) for c in own.columns if own[c].dtype == pl.Null)
    typed.write_parquet(parquet)
    typed.write_ipc(ipc)
    objects = pd.DataFrame(rows, dtype=object)
    forms = [
        read_table(io.BytesIO(csv.getvalue())),
        next(iter(scan_table(io.BytesIO(csv.getvalue()))))[1],
        read_table(io.BytesIO(parquet.getvalue())),
        read_table(io.BytesIO(ipc.getvalue())),
        as_frame(objects),
        as_frame(objects.infer_objects()),
        read_table(io.BytesIO(objects.to_csv(index=False, sep=";").encode()), Reading()),
    ]
    kinds = find_kinds(own)
    for form in forms:
        found = find_kinds(form)
        for name, kind in kinds.items():
            assert found[name].name == kind.name, (name, kind, found[name])
            if kind.used:
                wanted = column_values(own[name], kind).to_list()
                assert column_values(form[name], kind).to_list() == wanted
                assert column_values(form[name], found[name]).to_list() == wanted

"""Whatever a user holds becomes one polars frame, with nothing lost on the way."""

from __future__ import annotations

import datetime as dt
import sys
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from schuss.errors import DataError
from schuss.tabular.frame import as_frame, as_row, by_name

DAY, NOON = dt.date(2020, 1, 31), dt.datetime(2020, 1, 31, 12, 30)
BERLIN = dt.timezone(dt.timedelta(hours=1))


def column(values: Any) -> pl.Series:
    return as_frame({"a": values})["a"]


def of_pandas(values: Any, **settings: Any) -> pl.Series:
    return as_frame(pd.DataFrame({"a": pd.Series(values, **settings)}))["a"]


@pytest.mark.parametrize(
    ("values", "dtype", "held"),
    [
        ([1, None, 2**63 - 1], pl.Int64, [1, None, 2**63 - 1]),
        ([2**63, 1], pl.String, ["9223372036854775808", "1"]),
        ([1, 2.5, None], pl.Float64, [1.0, 2.5, None]),
        ([2**53 + 1, 0.5], pl.String, ["9007199254740993", "0.5"]),
        ([1.0, float("nan")], pl.Float64, [1.0, None]),
        ([Decimal("1.5"), None], pl.Float64, [1.5, None]),
        ([True, None], pl.Boolean, [True, None]),
        ([True, "x", 1.0, 2, None], pl.String, ["true", "x", "1", "2", None]),
        ([DAY, None], pl.Date, [DAY, None]),
        ([DAY, NOON], pl.Datetime("us"), [dt.datetime(2020, 1, 31), NOON]),
        ([dt.time(8), None], pl.Time, [dt.time(8), None]),
        ([dt.timedelta(1)], pl.Duration("us"), [dt.timedelta(1)]),
        ([None, None], pl.Null, [None, None]),
        ([pd.NA, pd.NaT, np.nan, None, "x"], pl.String, [None, None, None, None, "x"]),
        ([np.int8(3), np.float32(0.5)], pl.Float64, [3.0, 0.5]),
        ([pd.Timestamp("2020-01-31 12:30"), pd.NaT], pl.Datetime("us"), [NOON, None]),
        ([np.datetime64("2020-01-31T12:30", "ns")], pl.Datetime("us"), [NOON]),
    ],
)
def test_objects_are_a_column_of_their_kind(values: list[Any], dtype: Any, held: list[Any]) -> None:
    for made in (column(values), of_pandas(values, dtype=object)):
        assert made.dtype == dtype
        assert made.to_list() == held


def test_times_with_a_zone_are_utc() -> None:
    values = [dt.datetime(2020, 1, 31, 12, tzinfo=BERLIN), None]
    utc = [dt.datetime(2020, 1, 31, 11, tzinfo=dt.UTC), None]
    for made in (column(values), of_pandas(pd.to_datetime(values)), of_pandas(values, dtype=object)):
        assert made.dtype.time_zone == "UTC"  # type: ignore[attr-defined]
        assert made.to_list() == utc


@pytest.mark.parametrize(
    ("values", "dtype", "held"),
    [
        (np.array([1, -2], ">i4"), pl.Int32, [1, -2]),
        (np.array([2**64 - 1], np.uint64), pl.UInt64, [2**64 - 1]),
        (np.array([0.5, np.nan], np.float16), pl.Float32, [0.5, None]),
        (np.array([0.5, np.nan], np.longdouble), pl.Float64, [0.5, None]),
        (np.array([True, False]), pl.Boolean, [True, False]),
        (np.array(["x", "yz"]), pl.String, ["x", "yz"]),
        (np.array(["2020-01-31", "NaT"], "M8[D]"), pl.Datetime("us"), [dt.datetime(2020, 1, 31), None]),
        (np.array(["2020-01-31T12:30", "NaT"], "M8[ns]"), pl.Datetime("ns"), [NOON, None]),
        (np.array([90, "NaT"], "m8[s]"), pl.Duration("us"), [dt.timedelta(seconds=90), None]),
        (np.ma.array([1, 2], mask=[True, False]), pl.Int64, [None, 2]),
        (np.arange(6)[::2], pl.Int64, [0, 2, 4]),
    ],
)
def test_arrays(values: Any, dtype: Any, held: list[Any]) -> None:
    made = column(values)
    assert made.dtype == dtype
    assert made.to_list() == held


@pytest.mark.parametrize(
    ("values", "settings", "dtype", "held"),
    [
        ([1, None], {"dtype": "Int64"}, pl.Int64, [1, None]),
        ([2**62 + 1, None], {"dtype": "Int64"}, pl.Int64, [2**62 + 1, None]),
        ([1, None], {"dtype": "UInt8"}, pl.UInt8, [1, None]),
        ([0.5, None], {"dtype": "Float32"}, pl.Float32, [0.5, None]),
        ([True, None], {"dtype": "boolean"}, pl.Boolean, [True, None]),
        (["x", None], {"dtype": "string"}, pl.String, ["x", None]),
        (["x", None], {}, pl.String, ["x", None]),
        (["b", "a", None], {"dtype": "category"}, pl.Categorical, ["b", "a", None]),
        ([3, 1, None], {"dtype": "category"}, pl.Categorical, ["3", "1", None]),
        ([0.0, 0.0, 1.0], {"dtype": pd.SparseDtype(float, 0.0)}, pl.Float64, [0.0, 0.0, 1.0]),
        (pd.to_timedelta([1, None], "D"), {}, None, [dt.timedelta(1), None]),
    ],
)
def test_pandas_by_dtype_without_pyarrow(values: Any, settings: Any, dtype: Any, held: list[Any]) -> None:
    made = of_pandas(values, **settings)
    assert dtype is None or made.dtype == dtype
    assert made.to_list() == held


def test_pandas_columns_that_are_numbered_and_an_index_that_is_none() -> None:
    frame = pd.DataFrame(np.arange(4).reshape(2, 2), index=["p", "q"])
    assert as_frame(frame).columns == ["0", "1"]
    assert as_frame(frame[1]).to_dict(as_series=False) == {"1": [1, 3]}


def test_all_forms_of_one_table_are_one_frame() -> None:
    wanted = pl.DataFrame({"n": [1, 2, None], "t": ["a", None, "c"], "x": [0.5, None, 2.0]})
    columns = wanted.to_dict(as_series=False)
    forms = [
        wanted,
        wanted.lazy(),
        columns,
        wanted.to_dicts(),
        {"n": pl.Series([1, 2, None]), "t": np.array(["a", None, "c"], object), "x": pd.Series([0.5, None, 2.0])},
        pd.DataFrame({"n": pd.array([1, 2, None], "Int64"), "t": columns["t"], "x": columns["x"]}),
    ]
    for form in forms:
        assert_frame_equal(as_frame(form), wanted)


def test_one_row_as_a_dict() -> None:
    frame = as_frame({"n": 3, "t": "abc", "gone": None, "x": np.float32(0.5)})
    assert frame.to_dicts() == [{"n": 3, "t": "abc", "gone": None, "x": 0.5}]
    assert frame["n"].dtype == pl.Int64


def test_a_row_without_a_frame() -> None:
    row = {"n": 3, "t": "abc", "gone": None, "x": 0.5, "d": NOON}
    forms = (row, [row], pl.DataFrame([row]), pd.DataFrame([row]), pd.DataFrame([row], dtype=object))
    for form in forms:
        assert as_row(form) == row
        assert as_frame(form).to_dicts() == [row]
    assert as_row(pd.DataFrame({"a": [2**62 + 1], "b": [0.5]})) == {"a": 2**62 + 1, "b": 0.5}
    for other in (
        pd.DataFrame([row, row]),
        {"a": [1]},
        [row, row],
        np.zeros((1, 2)),
        pd.DataFrame([[1, 2]], columns=["a"] * 2),
    ):
        assert as_row(other) is None


class Stream:
    """A table of some library that gives Arrow's C stream."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return pl.DataFrame({"a": [1, None], "t": ["x", "y"]}).__arrow_c_stream__(requested_schema)


def test_whatever_gives_an_arrow_stream() -> None:
    assert as_frame(Stream()).to_dict(as_series=False) == {"a": [1, None], "t": ["x", "y"]}


def test_rows_with_other_keys_lack_the_rest() -> None:
    assert as_frame([{"a": 1}, {"b": "x", "a": 2}]).to_dicts() == [{"a": 1, "b": None}, {"a": 2, "b": "x"}]


def test_arrays_of_rows() -> None:
    x = np.arange(6.0).reshape(3, 2)
    assert as_frame(x).columns == ["column0", "column1"]
    assert as_frame(x, names=["p", "q"])["q"].to_list() == [1, 3, 5]
    assert as_frame(x.tolist(), names=["p", "q"])["q"].to_list() == [1, 3, 5]
    table = np.array([(1, 0.5)], dtype=[("n", "i8"), ("x", "f4")])
    assert as_frame(table).schema == {"n": pl.Int64, "x": pl.Float32}
    assert as_frame(np.array([[1, "a"], [2, None]], object)).to_dicts()[1] == {"column0": 2, "column1": None}


def test_pyarrow() -> None:
    pa = pytest.importorskip("pyarrow", reason="pip install '.[test]' brings pyarrow")
    table = pa.table({"n": [1, None], "t": ["a", "b"], "c": pa.array(["u", "v"]).dictionary_encode()})
    frame = as_frame(table)
    assert frame["n"].to_list() == [1, None]
    assert frame["c"].cast(pl.String).to_list() == ["u", "v"]
    with pytest.raises(DataError, match="'n' more than once"):
        as_frame(table.append_column("n", pa.array([1, 2])))
    arrows = pd.DataFrame({"a": pd.array([1, None], pd.ArrowDtype(pa.int64()))})
    assert as_frame(arrows)["a"].to_list() == [1, None]


def test_duckdb_needs_no_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    duckdb = pytest.importorskip("duckdb", reason="pip install '.[test]' brings duckdb")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert as_frame(duckdb.sql("select 1 as a, 'x' as b")).to_dicts() == [{"a": 1, "b": "x"}]


def test_modin() -> None:
    md = pytest.importorskip("modin.pandas", reason="modin takes an older pandas", exc_type=ImportError)
    assert as_frame(md.DataFrame({"a": [1, 2]}))["a"].to_list() == [1, 2]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "t: has 'a' more than once among its columns; rename"),
        ({1: [1], "1": [2]}, "'1' more than once"),
        (pd.DataFrame({"": [1]}), "column 0 has no name"),
        (pd.DataFrame(), "has no columns"),
        ({}, "has no columns"),
        ([], "has no rows"),
        ({"a": [1, 2], "b": [1]}, "column 'b' has 1 rows, 'a' has 2"),
        ({"a": [1, 2], "b": 1}, "column 'b' is a single value, others are columns"),
        ({"a": [b"x"]}, "column 'a' holds objects of bytes, the first at row 0; decode them"),
        ({"a": [1, [2]]}, "holds objects of list, the first at row 1; give each entry a column"),
        ({"a": np.array([1j])}, "of dtype complex128; give real and imaginary parts"),
        ({"a": np.array([b"x"])}, "decode it"),
        ({"a": np.zeros((2, 2))}, "an array of shape (2, 2); give each of its columns a name"),
        ({"a": [NOON, NOON.replace(tzinfo=dt.UTC)]}, "times with a time zone and without"),
        (np.zeros(3), "x.reshape(-1, 1) is a table of one column"),
        (np.zeros((2, 2, 2)), "flatten each row"),
        ([[1, 2], [3]], "row 1 has 1 entries, row 0 has 2"),
        ([1, 2], "a list of int is no table"),
        (5, "int is no table; give a frame"),
        (pd.DataFrame({"a": pd.period_range("2020", periods=2, freq="M")}), "give x['a'].dt.to_timestamp()"),
        (pd.DataFrame({"a": pd.IntervalIndex.from_breaks([0, 1, 2])}), "dtype interval[int64, right], which is no"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "join them: df.columns.map('_'.join)"),
    ],
)
def test_what_is_no_table_is_told(data: Any, said: str) -> None:
    with pytest.raises(DataError) as caught:
        as_frame(data, "t")
    assert said in str(caught.value)
    assert str(caught.value).startswith("t: ")
    assert "\n" not in str(caught.value)


CELLS = {
    "n": st.integers(-(2**63), 2**63 - 1),
    "x": st.floats(allow_nan=False, allow_infinity=False),
    "t": st.text(),
    "b": st.booleans(),
    "d": st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)),
}


@given(st.lists(st.fixed_dictionaries({k: st.none() | v for k, v in CELLS.items()}), min_size=1, max_size=8))
def test_pandas_of_objects_is_polars(rows: list[dict[str, Any]]) -> None:
    own = as_frame(rows)
    assert_frame_equal(as_frame(pd.DataFrame(rows, dtype=object)), own)
    assert own.to_dicts() == rows


def test_names_are_found_but_for_blanks_around_them() -> None:
    frame = pl.DataFrame({" price": [1], "area ": [2], "b": [3], " b": [4]})
    assert by_name(frame, ["price", "area", "b", "c"]).columns == ["price", "area", "b", " b"]
    assert by_name(frame, [" price"]) is frame


def test_names_that_could_mean_several_columns_are_refused() -> None:
    frame = pl.DataFrame({" y": [1], "y ": [2], "x": [3]})
    with pytest.raises(DataError, match="columns ' y', 'y ': are 'y' but for blanks around; rename the one"):
        by_name(frame, ["y"])
    assert by_name(frame, ["y "]) is frame
    assert by_name(frame.with_columns(y=4), ["y"]).columns == [" y", "y ", "x", "y"]
    with pytest.raises(DataError, match="columns ' x ': are ' x' or 'x' but for blanks around"):
        by_name(pl.DataFrame({" x ": [1]}), ["x", " x"])

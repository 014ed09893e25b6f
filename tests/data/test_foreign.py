"""Arrays of torch, pandas, polars and Python objects: taken where they have one meaning, else an error with a mend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from schuss.data import as_array
from schuss.errors import DataError


def refused(value: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"^x:? ?{message}") as caught:
        as_array(value, "x")
    assert "\n" not in str(caught.value)


# -- Python's objects and lists ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "dtype", "want"),
    [
        (np.array([1, 2.5, True], object), "float64", [1, 2.5, 1]),
        (np.array([[1, 2], [3, np.int8(4)]], object), "int64", [[1, 2], [3, 4]]),
        (np.array([True, np.False_], object), "bool", [True, False]),
        ([np.ones(2), np.zeros(2)], "float64", [[1, 1], [0, 0]]),
        ([np.ma.array([1, 2], mask=[0, 0])], "int64", [[1, 2]]),
    ],
)
def test_objects_that_are_numbers(value: Any, dtype: str, want: Any) -> None:
    read = as_array(value, "x")
    assert read.dtype == dtype
    assert read.tolist() == want


def test_rows_held_as_objects() -> None:
    rows = np.empty(2, object)
    rows[:] = [np.ones(3), np.zeros(3)]
    assert as_array(rows, "x").tolist() == [[1, 1, 1], [0, 0, 0]]
    rows[1] = np.zeros(2)
    refused(rows, r"holds Python objects, not numbers: an array of shape \[3\] at row 0; pass rows of equal length")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            np.array([1, None], object),
            "holds Python objects, not numbers: None, a missing value, at row 1; fill or drop",
        ),
        (np.array([[1, "a"]], object), "holds Python objects, not numbers: the text 'a' at row 0, column 1; number"),
        (np.array([2**70], object), "holds Python objects, not numbers: whole numbers beyond 64 bits"),
        (["a", "b"], "dtype <U1 is not supported: it is text; number its values"),
        (np.zeros(2, [("a", "f4"), ("b", "i4")]), r"has named fields \(a, b\)"),
        ({1, 2}, r"holds Python objects \(set\).*make a list of it"),
        ([np.ma.array([1, 2], mask=[0, 1])], "has masked entries"),
        ((np.ones(2), np.ma.array([1, 2], mask=[0, 1])), "has masked entries"),
    ],
)
def test_objects_that_are_not(value: Any, message: str) -> None:
    refused(value, message)


# -- torch -----------------------------------------------------------------------------------------------


def test_torch_tensors() -> None:
    torch = pytest.importorskip("torch")
    for value in (
        torch.ones(2, 3, requires_grad=True) * 2,
        torch.full((2, 3), 2.0, dtype=torch.bfloat16, requires_grad=True),
        torch.full((2, 3), 2.0, dtype=torch.float16),
        [torch.full((3,), 2.0, requires_grad=True), torch.full((3,), 2.0)],
    ):
        read = as_array(value, "x")
        assert read.dtype == np.float32
        assert read.tolist() == [[2, 2, 2], [2, 2, 2]]
    whole = torch.arange(3)
    assert np.shares_memory(as_array(whole, "x"), whole.numpy())
    refused(torch.eye(2).to_sparse(), "the torch tensor cannot be read.*dense tensor")


class FakeTorch:
    """What a torch tensor looks like from outside, so that the way is tested without torch."""

    __module__ = "torch.fake"
    dtype = "torch.bfloat16"

    def __init__(self, calls: list[str]) -> None:
        self.calls = calls

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def method() -> Any:
            self.calls.append(name)
            return np.ones(2, np.float32) if name == "numpy" else self

        return method

    def detach(self) -> Any:
        self.calls.append("detach")
        return self


def test_the_way_from_torch() -> None:
    calls: list[str] = []
    assert as_array(FakeTorch(calls), "x").tolist() == [1, 1]
    assert calls == ["detach", "cpu", "float", "resolve_conj", "resolve_neg", "numpy"]


# -- data frames -------------------------------------------------------------------------------------------

Frame = Callable[[dict[str, Any]], Any]


def pandas_frame(columns: dict[str, Any]) -> Any:
    pd = pytest.importorskip("pandas")
    return pd.DataFrame({k: pd.array(v, dtype="Int64") if None in v else v for k, v in columns.items()})


def polars_frame(columns: dict[str, Any]) -> Any:
    return pytest.importorskip("polars").DataFrame(columns)


both = pytest.mark.parametrize("frame", [pandas_frame, polars_frame])


@both
def test_columns_of_a_frame(frame: Frame) -> None:
    for columns, dtype in (
        ({"a": [1, 2], "b": [0.5, 1.0]}, "float64"),
        ({"a": [True, False], "b": [0.5, 1.0]}, "float64"),
        ({"a": [True, False], "b": [3, 4]}, "int64"),
        ({"a": [True, False], "b": [False, True]}, "bool"),
    ):
        made = frame(columns)
        read = as_array(made, "x")
        assert read.dtype == dtype
        assert read.tolist() == [list(row) for row in zip(*columns.values(), strict=True)]
        for name, column in columns.items():
            assert as_array(made[name], "y").tolist() == column


@both
def test_columns_that_are_no_numbers_are_named(frame: Frame) -> None:
    refused(frame({"a": [1, 2], "age": [3, None]}), "column 'age' has a missing value at row 1; fill or drop")
    refused(frame({"a": [1, 2], "city": ["x", "y"]}), "column 'city' (holds text|: holds Python objects).*number its")


def test_pandas_kinds_of_columns() -> None:
    pd = pytest.importorskip("pandas")
    nullable = pd.DataFrame({"a": pd.array([1, 2], dtype="Int64"), "b": pd.array([True, False], dtype="boolean")})
    assert as_array(nullable, "x").dtype == np.int64
    assert as_array(nullable, "x").tolist() == [[1, 1], [2, 0]]
    assert as_array(nullable["a"], "x").tolist() == [1, 2]
    assert as_array(pd.DataFrame({"a": pd.array([1.5], dtype="Float32")}), "x").dtype == np.float32
    assert as_array(pd.Series([3, 4], index=[9, 1]), "x").tolist() == [3, 4]
    assert as_array(pd.DataFrame(np.ones((2, 2)), columns=["a", "a"]), "x").shape == (2, 2)
    assert as_array(pd.DataFrame({"a": np.array([2.5, 1], object)}), "x").tolist() == [[2.5], [1]]
    unsigned = pd.DataFrame({"a": np.array([1], np.uint64), "b": [-2]})
    assert as_array(unsigned, "x").dtype == np.int64
    refused(pd.DataFrame({"kind": pd.Categorical([3, 5])}), "column 'kind' holds categories; use their codes")
    refused(pd.Series(["a", "b"], dtype="category"), "holds categories")
    refused(pd.DataFrame({"day": pd.to_datetime(["2020-01-01"])}), "column 'day' holds dates or times")
    refused(pd.Series([1, None], dtype="Int64"), "has a missing value at row 1")
    refused(pd.DataFrame({"a": np.array([1, None], object)}), "column 'a' has a missing value at row 1")
    refused(pd.DataFrame(index=range(3)), "the data frame has no columns")


def test_polars_kinds_of_columns() -> None:
    pl = pytest.importorskip("polars")
    refused(pl.DataFrame({"k": ["a"]}).with_columns(pl.col("k").cast(pl.Categorical)), "column 'k' holds categories")
    refused(pl.DataFrame({"a": [1.0, None]}), "column 'a' has a missing value at row 1")
    refused(pl.Series("a", [1, None]), "has a missing value at row 1")
    refused(pl.DataFrame({"d": [1]}).with_columns(pl.col("d").cast(pl.Date)), "column 'd' holds dates or times")
    refused(pl.DataFrame({"a": [1]}).lazy(), "is a lazy data frame; call .collect")
    assert as_array(pl.DataFrame({"a": [1, 2]}).cast(pl.Float32), "x").dtype == np.float32

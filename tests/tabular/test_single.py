"""One row goes its own way and has the bits of the way of many; quantiles of what is sorted are numpy's."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pl = pytest.importorskip("polars")
pytest.importorskip("narwhals")
from schuss.errors import SchussError  # noqa: E402
from schuss.tabular.columns import TableColumns, fit_preparation  # noqa: E402
from schuss.tabular.encoding import is_key  # noqa: E402
from schuss.tabular.kinds import find_kinds  # noqa: E402
from schuss.tabular.preparation import CHUNK, quantiles  # noqa: E402

RNG = np.random.default_rng(5)
N = 200
FRAME = pl.DataFrame(
    {
        "number": pl.Series([None if i % 9 == 0 else float(x) for i, x in enumerate(RNG.normal(size=N))]),
        "two": RNG.integers(0, 2, N),
        "key": RNG.integers(0, 40, N) * 7,
        "truth": RNG.random(N) < 0.5,
        "few": pl.Series([None if i % 11 == 0 else f"v{i % 4}" for i in range(N)]),
        "many": [f"v{i % 12}" for i in range(N)],
        "code": pl.Series([str(i % 15) for i in range(N)]),
        "day": pl.Series([date(2020, 1, 1) + timedelta(days=3 * i) for i in range(N)]),
        "moment": pl.Series([datetime(2019, 5, 1) + timedelta(minutes=977 * i) for i in range(N)]),
        "price": [f"{i * 37 % 1999:,} $" for i in range(N)],
    }
)
KINDS = find_kinds(FRAME, category=["code"])
FITTED, ROWS = fit_preparation(FRAME, KINDS, RNG.normal(size=(N, 1)))
FAST, SLOW = TableColumns(FITTED.config()), TableColumns(FITTED.config())
SLOW.__dict__["single"] = lambda x: None
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from(["", "v1", " v2 ", "NA", "7", "007", "1.50", "yes", "no", "2020-01-31", "1,234 $",
        "2020-01-31 14:05"]),
    st.text(max_size=4),
    st.dates(date(1800, 1, 1)),
    st.datetimes(datetime(1800, 1, 1), timezones=st.sampled_from([None, UTC, timezone(timedelta(hours=-5))])),
)  # fmt: skip


def told(read: Any) -> Any:
    try:
        return read().tobytes()
    except SchussError as error:
        return str(error)


@given(st.dictionaries(st.sampled_from(FRAME.columns), VALUES, max_size=3), st.integers(0, N - 1))
@example({"moment": datetime(1969, 12, 31, 23, 59, 59, 999_500)}, 0)
@example({"day": None, "moment": None}, 0)
@example({"number": 1e155, "two": -1e308, "key": 1.7e308}, 0)
@example({"number": 2**53 + 1, "code": 2**60}, 0)
@example({"few": -0.0, "many": 1e300, "code": True}, 0)
def test_a_row_has_the_bits_of_many(changed: dict[str, Any], row: int) -> None:
    known = {**FRAME.row(row, named=True), **changed}
    assert told(lambda: FAST.read(known)) == told(lambda: SLOW.read(known))


def test_what_is_far_away_is_not_in_the_middle() -> None:
    far, farther = (FAST.read({**FRAME.row(1, named=True), "number": x}) for x in (1e30, 1.7e308))
    np.testing.assert_array_equal(far, farther)
    assert 3.0 in far


def test_it_is_the_short_way_that_rows_go() -> None:
    for i in range(0, N, 7):
        known = FRAME.row(i, named=True)
        np.testing.assert_array_equal(FAST.single(known), ROWS[i : i + 1])
        frame = FRAME[i : i + 1].drop("moment")
        assert FAST.single(frame.with_columns(moment=pl.lit("2020-05-01 10:00"))) is not None
    assert FAST.single({**known, "number": np.float32(1)}) is None
    assert FAST.single(FRAME[:2]) is None
    assert FAST.single({name: [value] for name, value in known.items()}) is None


@pytest.mark.parametrize("dtype", [pl.Float32, pl.Int8, pl.UInt64, pl.String, pl.Categorical, pl.Decimal(10, 2)])
def test_frames_of_one_row(dtype: Any) -> None:
    for name in ("number", "two", "key", "few", "many", "code"):
        frame = FRAME[3:4].with_columns(
            pl.Series(name, [1]).cast(pl.String if dtype == pl.Categorical else dtype).cast(dtype)
        )
        assert told(lambda frame=frame: FAST.read(frame)) == told(lambda frame=frame: SLOW.read(frame))
    assert told(lambda: FAST.read(FRAME[3:4])) == ROWS[3:4].tobytes()


def test_pandas_frames_of_one_row() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(FRAME.drop("day", "moment").to_dict(as_series=False))
    frame["day"], frame["moment"] = FRAME["day"].to_list(), [str(t) for t in FRAME["moment"]]
    for i in (0, 4, 11, 60):
        assert FAST.single(frame[i : i + 1]) is not None
        np.testing.assert_array_equal(FAST.read(frame[i : i + 1]), ROWS[i : i + 1])
    frame["key"] = frame["key"].astype("Int64")
    np.testing.assert_array_equal(FAST.read(frame[:1]), ROWS[:1])


def test_rows_are_prepared_alike_in_any_number() -> None:
    many = pl.concat([FRAME] * (CHUNK // N + 2))
    assert len(many) > CHUNK
    np.testing.assert_array_equal(FAST.read(many), np.tile(ROWS, (CHUNK // N + 2, 1)))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_quantiles(values: list[float], q: list[float]) -> None:
    x = np.sort(values)
    np.testing.assert_array_equal(quantiles(x, np.array(q)), np.quantile(x, q))
    assert np.median(x) == (x[(len(x) - 1) // 2] + x[len(x) // 2]) / 2


def test_keys_of_many_rows_are_found_by_some() -> None:
    x = RNG.integers(0, 300, 150_000).astype(np.float64)
    effect = RNG.normal(size=300)[x.astype(int)]
    assert is_key(x, effect[:, None] + RNG.normal(size=(150_000, 1)))
    assert not is_key(x, x[:, None] + RNG.normal(size=(150_000, 1)))

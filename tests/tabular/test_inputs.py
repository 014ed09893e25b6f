"""One table in the forms in which users hold it: each is learned, and predicted, alike."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

pl = pytest.importorskip("polars")
pytest.importorskip("narwhals")

from schuss.tabular.fit import fit_table  # noqa: E402

N = 90
RNG = np.random.default_rng(3)
CITY = RNG.choice(["bern", "basel", "genf"], N).tolist()
ROOMS = [None if i % 11 == 0 else int(r) for i, r in enumerate(RNG.integers(1, 40, N))]
COST = [Decimal(int(c)) / 4 for c in RNG.integers(100, 900, N)]
SOLD = [dt.datetime(2020, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=int(h)) for h in RNG.integers(0, 9000, N)]
GARDEN = (RNG.random(N) < 0.5).tolist()
PRICE = (np.array(COST, float) + 60 * np.array([c == "bern" for c in CITY]) + RNG.normal(0, 5, N)).tolist()
PLAIN = {"city": CITY, "rooms": ROOMS, "cost": COST, "sold": SOLD, "garden": GARDEN, "price": PRICE}


def of_polars() -> Any:
    frame = pl.DataFrame({**PLAIN, "cost": [str(c) for c in COST]})
    return frame.with_columns(
        pl.col("city").cast(pl.Categorical), pl.col("rooms").cast(pl.Int16), pl.col("cost").cast(pl.Decimal(10, 2)),
        pl.col("sold").dt.convert_time_zone("Europe/Berlin"),
    )  # fmt: skip


def of_pandas() -> Any:
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(
        {
            "city": pd.Categorical(CITY, ["genf", "bern", "basel", "chur"]),  # one that no row has
            "rooms": pd.array(ROOMS, "Int16"),
            "cost": COST,
            "sold": pd.Series(SOLD).dt.tz_convert("America/New_York"),
            "garden": pd.array(GARDEN, "boolean"),
            "price": PRICE,
        }
    )


def of_arrow() -> Any:
    pa = pytest.importorskip("pyarrow", reason="pip install '.[test]' brings pyarrow")
    return pa.table(PLAIN)


def of_duckdb() -> Any:
    duckdb = pytest.importorskip("duckdb", reason="pip install '.[test]' brings duckdb")
    return duckdb.from_arrow(of_arrow())


def of_modin() -> Any:
    modin = pytest.importorskip("modin.pandas", reason="modin takes an older pandas", exc_type=ImportError)
    return modin.DataFrame(of_pandas())


def of_dask() -> Any:
    frames = pytest.importorskip("dask.dataframe", None, "pip install '.[test]' brings dask", exc_type=ImportError)
    return frames.from_pandas(of_pandas(), npartitions=3, sort=False)


FORMS: dict[str, Callable[[], Any]] = {
    "texts": lambda: {**PLAIN, "garden": ["yes" if g else "no" for g in GARDEN], "sold": [s.isoformat() for s in SOLD]},
    "words": lambda: pl.DataFrame({**PLAIN, "garden": ["NY"[g] for g in GARDEN], "cost": [float(c) for c in COST]}),
    "rows": lambda: [dict(zip(PLAIN, row, strict=True)) for row in zip(*PLAIN.values(), strict=True)],
    "lazy": lambda: of_polars().lazy(),
    "polars": of_polars, "pandas": of_pandas, "arrow": of_arrow, "duckdb": of_duckdb, "modin": of_modin,
    "dask": of_dask,
}  # fmt: skip


def learned(data: Any) -> Any:
    given: dict[str, Any] = {"preset": "fast", "folds": 2, "epochs": 1, "hidden": (4,), "backend": "reference"}
    return fit_table(data, "price", progress=False, **given)


@pytest.fixture(scope="module")
def plain() -> Any:
    return learned(PLAIN)


@pytest.mark.parametrize("form", FORMS)
def test_a_table_in_any_form(form: str, plain: Any) -> None:
    data, expected = FORMS[form](), plain.model.predict(PLAIN)
    kinds = {"city": "category", "rooms": "number", "cost": "number", "sold": "date", "garden": "boolean"}
    run = learned(data)
    assert {name: kind.name for name, kind in run.kinds.items()} == kinds
    np.testing.assert_array_equal(run.model.predict(data), expected)
    np.testing.assert_array_equal(plain.model.predict(data), expected)

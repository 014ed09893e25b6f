"""Models of tables for the page's tests: small, trained by numpy."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import schuss
from schuss.web.server import Page

ROWS = 120


def houses(seed: int = 0) -> Any:
    """A table with numbers, levels, yes or no, dates, and missing ones."""
    import polars as pl

    rng = np.random.default_rng(seed)
    area = rng.normal(100, 30, ROWS).round(1)
    city = rng.choice(["bern", "basel", "genf"], ROWS, p=[0.5, 0.3, 0.2])
    price = area * 3 + (city == "bern") * 60
    return pl.DataFrame(
        {
            "area": [None if rng.random() < 0.1 else float(a) for a in area],
            "city": city,
            "garden": rng.choice(["yes", "no"], ROWS),
            "sold": [date(2020, 1, 1) + timedelta(days=int(d)) for d in rng.integers(0, 900, ROWS)],
            "price": price.round(1),
            "kind": np.where(price > 330, "dear, very", "cheap"),
        }
    )


@cache
def model(target: str, quantiles: tuple[float, ...] | None = None) -> Any:
    """A model of houses, with the importance of its columns."""
    from schuss.nn.holding import signature_of
    from schuss.tabular import fit_table

    drop = ["price" if target == "kind" else "kind"]
    run = fit_table(
        houses(), target, drop=drop, folds=2, epochs=3, hidden=(8,), backend="reference", progress=False,
        quantiles=quantiles,
    )  # fmt: skip
    known = signature_of(run.model)
    assert known is not None
    known.record["importance"] = [
        {"columns": list(one.columns), "rise": one.mean, "error": one.error} for one in run.held.importance()
    ]
    return run.model


@cache
def labels() -> Any:
    """A model of two columns of yes and no."""
    import polars as pl

    from schuss.tabular import fit_table

    yes = pl.when(pl.col("price") > 330).then(pl.lit("yes")).otherwise(pl.lit("no"))
    frame = houses().with_columns(large=yes, near=pl.col("garden").reverse()).drop("price", "kind")
    return fit_table(
        frame, ["large", "near"], folds=2, epochs=3, hidden=(8,), backend="reference", progress=False
    ).model


def saved(folder: Path, target: str = "kind") -> tuple[Path, Path]:
    """The file of a model, and a table's."""
    file, table = folder / "houses.safetensors", folder / "houses.csv"
    schuss.save(model(target), file)
    houses().write_csv(table)
    return file, table


def page_of(target: str, frame: Any = None, quantiles: tuple[float, ...] | None = None) -> Page:
    """A page, by rows of the frame or by rows that are drawn."""
    from schuss.tabular.explainer import Explainer
    from schuss.web.tables import table_view

    asked = Explainer(labels() if target == "labels" else model(target, quantiles), frame, what="houses.csv")
    y = None if frame is None else frame[target].to_numpy()
    return Page(table_view(asked.model, "houses.safetensors", asked, y, "" if frame is None else "houses.csv")).start()

"""A raw table as libraries take it that do not read one: what a careful user does by hand, the same for all of them.

Columns   decides on training rows which columns are numbers, texts and dates and which are left out, and makes of
          any later rows a frame of floats and texts, with the missing values in it
dense     that as numbers alone: for linear models and scikit-learn's networks
Levels    that with texts as pandas' categories: for trees
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

DATE = r"\d{4}-\d{2}-\d{2}"  # how a date begins
NONE = "missing"  # the level of a text that is not there
FEW = 50  # rows below which nothing is taken for a row number, values up to which a text has levels
GAPS = 1.3  # row numbers may leave out as many as this
RARE, MOST = 10, 128  # rows of a level that has no column of its own; columns of a text
PARTS = ("year", "month", "day", "day_of_week", "hour")


def kind_of(column: pd.Series) -> str:
    """ "number", "text", "date", or "" for what is left out: constants, row numbers, texts of which most rows have
    their own."""
    known = column.dropna()
    values = known.nunique()
    if not values or (values == 1 and len(known) == len(column)):
        return ""
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return "" if _numbers_rows(column) else "number"
    if known.astype(str).str.match(DATE).mean() > 0.95:
        return "date"
    return "" if values > FEW and values > len(known) / 2 else "text"


def _numbers_rows(column: pd.Series) -> bool:
    whole = pd.api.types.is_integer_dtype(column) and len(column) >= FEW
    return bool(whole and column.is_unique and column.max() - column.min() < GAPS * len(column))


def parts_of(column: pd.Series) -> dict[str, pd.Series]:
    """Numbers of a date: its parts, and days since 1970."""
    time = pd.to_datetime(column, format="ISO8601", utc=True, errors="coerce")
    days = (time - pd.Timestamp("1970-01-01", tz="UTC")) / pd.Timedelta(days=1)
    return {part: getattr(time.dt, part) for part in PARTS} | {"days": days}


class Columns:
    """The columns of these training rows; called, those of any rows: numbers as floats, texts as objects.

    They are renamed to column0, column1_year, ...: there are libraries that refuse signs in names.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.kinds = {name: kind_of(frame[name]) for name in frame}

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        found: dict[str, pd.Series] = {}
        for i, (name, kind) in enumerate(self.kinds.items()):
            if kind == "number":
                found[f"column{i}"] = frame[name].astype(float)
            elif kind == "date":
                found |= {f"column{i}_{part}": own.astype(float) for part, own in parts_of(frame[name]).items()}
            elif kind == "text":
                found[f"column{i}"] = frame[name].map(str, na_action="ignore").astype(object)
        return pd.DataFrame(found, index=frame.index)


def texts(frame: pd.DataFrame) -> list[str]:
    """The names of its texts."""
    return list(frame.select_dtypes(object))


def dense() -> ColumnTransformer:
    """Numbers: the median and an indicator where missing, standardised. Texts: a column a level, rare ones pooled."""
    number = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    level = OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=RARE, max_categories=MOST, sparse_output=False
    )
    text = make_pipeline(SimpleImputer(strategy="constant", fill_value=NONE), level)
    return ColumnTransformer(
        [
            ("number", number, make_column_selector(dtype_exclude=object)),
            ("text", text, make_column_selector(dtype_include=object)),
        ]
    )


class Levels(TransformerMixin, BaseEstimator):
    """Texts as categories of the levels that the training rows have; any other is missing."""

    def fit(self, frame: pd.DataFrame, y: Any = None) -> Levels:
        self.dtypes_ = {
            name: pd.CategoricalDtype(pd.Index(np.sort(frame[name].dropna().unique()), dtype=object))
            for name in texts(frame)
        }
        return self

    def transform(self, frame: pd.DataFrame) -> pd.DataFrame:
        known = {name: frame[name].where(frame[name].isin(dtype.categories)) for name, dtype in self.dtypes_.items()}
        return frame.assign(**known).astype(self.dtypes_)

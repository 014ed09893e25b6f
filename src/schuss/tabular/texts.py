"""Levels of categories as text: one level has one text, whatever the dtype of the frame that it comes in.

1, 1.0, "1", " 1 ", "1.0" and "+1" are the level 1; True, "true" and "TRUE" are true; 0.50 and "0.5" are 0.5. Texts lose
the blanks around them. Leading zeros ("00501") are a matter of the column, `digits`:

    STRIPPED   they go: "007" is 7, as a frame with integers has it
    n > 0      whole numbers have n digits: 501 and "501" are "00501"
    VERBATIM   they stay: "007" and "7" are two levels

The rules are Python's, for one value, so that levels in a model file do not depend on how a library writes numbers; a
column's different values are put through them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from schuss.tabular.extra import pl

STRIPPED, VERBATIM = -1, 0
AROUND = " \t\r\n\f\v\u00a0"  # what a text loses at its ends
WHOLE = re.compile(r"([+-]?)([0-9]+)(?:\.0*)?")
BROKEN = re.compile(r"[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][+-]?[0-9]+)?")


def known_text(text: str, missing: Collection[str]) -> str | None:
    """Without the blanks around it; None if it is empty or one of the missing."""
    bare = text.strip(AROUND)
    return None if not bare or bare in missing else bare


def known_texts(texts: pl.Series, missing: Collection[str]) -> pl.Series:
    """known_text of each."""
    bare = pl.col("").str.strip_chars(AROUND)
    return (
        pl.DataFrame({"": texts}).select(pl.when(~bare.is_in(["", *missing])).then(bare)).to_series().alias(texts.name)
    )


def zeros_of(values: pl.Series) -> int:
    """The `digits` of whole numbers as text: whether leading zeros tell levels apart, or are only there."""
    if not values.str.contains("^[+-]?0[0-9]+$").any():
        return STRIPPED
    lengths = values.str.len_chars()
    if lengths.min() == lengths.max() and values.str.contains("^[0-9]+$").all():
        return int(lengths[0])
    return VERBATIM


def level_of(text: str, missing: Collection[str] = (), digits: int = STRIPPED) -> str | None:
    """The text of the level that a text is."""
    known = known_text(text, missing)
    if known is None:
        return None
    if found := WHOLE.fullmatch(known):
        number = found[2]
        if digits == STRIPPED:
            number = number.lstrip("0") or "0"
        elif digits > 0:
            number = number.zfill(digits)
        return f"-{number}" if found[1] == "-" and number.strip("0") else number
    if BROKEN.fullmatch(known):
        return level_of_number(float(known), digits)
    lower = known.lower()
    return lower if lower in ("true", "false") else known


def level_of_number(x: Any, digits: int = STRIPPED) -> str | None:
    """The text of the level that a number is. A float32 is what it is written as: 0.1."""
    if x != x:
        return None
    if abs(x) < 2**63 and x == int(x):
        return level_of(str(int(x)), (), digits)
    return str(x)


def level_texts(series: pl.Series, missing: Collection[str] = (), digits: int = STRIPPED) -> pl.Series:
    """The column as text, null where missing. missing: texts that stand for a missing value."""
    dtype = series.dtype
    if dtype.is_float():
        number = np.float32 if dtype == pl.Float32 else float
        return by_value(series, lambda x: level_of_number(number(x), digits), pl.String)
    if dtype == pl.Datetime:
        return _utc(series).dt.strftime("%Y-%m-%dT%H:%M:%S")
    texts = series.cast(pl.String)
    if dtype == pl.Boolean or dtype.is_temporal() or (dtype.is_integer() and digits <= 0 and not missing):
        return texts
    return by_value(texts, lambda text: level_of(text, missing, digits), pl.String)


def by_value(series: pl.Series, change: Callable[[Any], Any], dtype: Any) -> pl.Series:
    """change(value) of each value that is not null, computed once for each different one."""
    return by_values(series, lambda values: pl.Series(values.name, map(change, values.to_list()), dtype))


def by_values(series: pl.Series, change: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """change(series), a function of each value alone that leaves nulls, computed for the different ones."""
    values = series.unique().drop_nulls() if len(series) > 1 else series.drop_nulls()
    changed = change(values)
    if changed.dtype == series.dtype and changed.equals(values, null_equal=True):
        return series
    if not len(values):  # replace_strict gives the old dtype then
        return pl.repeat(None, len(series), dtype=changed.dtype, eager=True).alias(series.name)
    return series.replace_strict(values, changed, return_dtype=changed.dtype)


def _utc(series: pl.Series) -> pl.Series:
    return series if series.dtype.time_zone is None else series.dt.convert_time_zone("UTC")  # type: ignore[attr-defined]


__all__ = [
    "AROUND",
    "STRIPPED",
    "VERBATIM",
    "by_value",
    "by_values",
    "known_text",
    "known_texts",
    "level_of",
    "level_texts",
    "zeros_of",
]

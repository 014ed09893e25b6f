"""Levels of categories as text: one level has one text, whatever the dtype of the frame that it comes in.

1, 1.0, "1", " 1 ", "1.0" and "+1" are the level 1; True, "true" and "TRUE" are true; 0.50 and "0.5" are 0.5. Texts lose
the blanks around them. Leading zeros ("00501") are a matter of the column, `digits`:

    STRIPPED   they go: "007" is 7, as a frame with integers has it
    n > 0      whole numbers have n digits: 501 and "501" are "00501"
    VERBATIM   they stay: "007" and "7" are two levels
"""

from __future__ import annotations

from collections.abc import Collection

from schuss.tabular.extra import pl

STRIPPED, VERBATIM = -1, 0
WHOLE = r"^[+-]?[0-9]+(?:\.0*)?$"
BROKEN = r"^[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?:\.[0-9]*)?[eE][+-]?[0-9]+|\.[0-9]+[eE][+-]?[0-9]+)$"


def level_texts(series: pl.Series, missing: Collection[str] = (), digits: int = STRIPPED) -> pl.Series:
    """The column as text, null where missing. missing: texts that stand for a missing value."""
    dtype = series.dtype
    if dtype.is_float():
        texts = _of_floats(series)
    elif dtype == pl.Datetime:
        texts = _utc(series).dt.strftime("%Y-%m-%dT%H:%M:%S")
    elif dtype == pl.Boolean or dtype.is_temporal():
        return series.cast(pl.String)
    else:
        texts = series.cast(pl.String)
    if dtype.is_integer() and digits <= 0:
        return texts
    return by_value(texts, lambda values: _canonical(values, missing, digits))


def by_value(texts: pl.Series, change: object) -> pl.Series:
    """change(texts), a function of each text alone, computed for each different one."""
    values = texts.unique().drop_nulls()
    if 2 * len(values) > len(texts):
        return change(texts)  # type: ignore[operator]
    changed = change(values)  # type: ignore[operator]
    if changed.dtype == pl.String and changed.equals(values, null_equal=True):
        return texts
    return texts.replace_strict(values, changed, return_dtype=changed.dtype)


def known_texts(texts: pl.Series, missing: Collection[str]) -> pl.Series:
    """Without the blanks around them; null where empty or one of the missing."""
    bare = pl.col("").str.strip_chars()
    gone = bare.is_in(["", *missing])
    return pl.DataFrame({"": texts}).select(pl.when(~gone).then(bare)).to_series().alias(texts.name)


def _of_floats(series: pl.Series) -> pl.Series:
    x = pl.col("")
    whole = (x == x.round()) & (x.abs() < 2**53)
    text = pl.when(whole).then(x.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(x.cast(pl.String))
    return pl.DataFrame({"": series.fill_nan(None)}).select(text).to_series().alias(series.name)


def _utc(series: pl.Series) -> pl.Series:
    return series if series.dtype.time_zone is None else series.dt.convert_time_zone("UTC")  # type: ignore[attr-defined]


def _canonical(texts: pl.Series, missing: Collection[str], digits: int) -> pl.Series:
    texts = known_texts(texts, missing)
    t = pl.col("")
    whole = t.str.replace(r"\.0*$", "").str.replace(r"^\+", "")
    if digits == STRIPPED:
        whole = whole.str.replace(r"^(-?)0+([0-9])", "${1}${2}")
    elif digits > 0:
        whole = whole.str.zfill(digits)
    whole = pl.when(whole == "-0").then(pl.lit("0")).otherwise(whole)
    lower = t.str.to_lowercase()
    frame = pl.DataFrame({"": texts})
    changed = pl.when(t.str.contains(WHOLE)).then(whole).when(lower.is_in(["true", "false"])).then(lower).otherwise(t)
    broken = texts.str.contains(BROKEN).fill_null(False) & ~texts.str.contains(WHOLE).fill_null(False)
    out = frame.select(changed).to_series().alias(texts.name)
    if not broken.any():
        return out
    return out.scatter(broken.arg_true(), _of_floats(texts.filter(broken).cast(pl.Float64, strict=False)))


__all__ = ["STRIPPED", "VERBATIM", "by_value", "known_texts", "level_texts"]

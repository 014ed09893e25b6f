"""Whatever a user holds, as a polars DataFrame.

    as_frame(data, what="x", names=None) -> polars.DataFrame
    as_row(data) -> dict | None     {column: value} of what is one row, as it is: quicker than a frame of it

data    a data frame of polars (lazy, too), pandas, pyarrow, modin, cuDF or dask, a DuckDB relation, whatever else
        narwhals knows or gives an Arrow stream; a Series; a dict of columns, or of one row; a list of dicts; an array
        [N, columns]
what    what messages call it
names   of an array's columns, in place of column0, column1, ...

A missing value is null, whatever it was (None, NaN, NaT, pandas.NA), and everything else stays what it is: integers
keep their 64 bits, categories become Categorical with their levels as text, Python objects of one kind a column of that
kind. Columns of mixed objects become text. The index of a pandas frame is no column. DataError, with the column and the
mend, for what cannot be a column: two of one name, lists, bytes, complex numbers, periods, lengths that differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from schuss.errors import DataError, one_line
from schuss.frames import listed
from schuss.ir.executor import Array
from schuss.tabular.extra import narwhals, pl
from schuss.tabular.objects import known_where, plain, series_of_array, series_of_objects

SMALL = 64


def as_frame(data: Any, what: str = "x", names: Sequence[str] | None = None) -> pl.DataFrame:
    """The data as a frame; see the module's head."""
    if isinstance(data, pl.LazyFrame):
        data = data.collect()
    if isinstance(data, pl.DataFrame):
        return _tidy(data, what)
    if isinstance(data, Mapping):
        return _tidy(_of_dict(data, what), what)
    if isinstance(data, np.ndarray):
        return _tidy(_of_array(data, what, names), what)
    if isinstance(data, list | tuple):
        return _tidy(_of_rows(data, what, names), what)
    return _tidy(_of_foreign(data, what, names), what)


def _tidy(frame: pl.DataFrame, what: str) -> pl.DataFrame:
    """NaN is null; objects are columns of their kind."""
    mended = []
    for name, dtype in frame.schema.items():
        if dtype.is_float() and _has_nan(frame[name]):
            mended.append(frame[name].fill_nan(None))
        elif dtype == pl.Object:
            mended.append(series_of_objects(frame[name].to_list(), name, what))
    return frame.with_columns(mended) if mended else frame


def _has_nan(series: pl.Series) -> bool:
    if len(series) < SMALL:  # a row is quickly looked at
        return any(x != x for x in series.to_list())
    return bool(series.is_nan().any())


def checked_names(labels: Sequence[Any], what: str) -> list[str]:
    """The names of columns as text. DataError where one is empty or there twice."""
    names = [str(label) for label in labels]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{what}: has {listed(twice)} more than once among its columns; rename all but one of each")
    if "" in names:
        raise DataError(f"{what}: column {names.index('')} has no name; give it one")
    if not names:
        raise DataError(f"{what}: has no columns")
    return names


def by_name(frame: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    """The frame with columns of these names, where it has them but for blanks around: " price" for "price".

    DataError where several could be meant.
    """
    wanted = list(dict.fromkeys(names))
    lacking, spare = _by_bare(set(wanted) - set(frame.columns)), _by_bare(set(frame.columns) - set(wanted))
    for bare, (name, *more) in lacking.items():
        several = spare.get(bare, [])
        if several and len(several) + len(more) > 1:
            raise DataError(
                f"columns {', '.join(map(repr, several))}: are {' or '.join(map(repr, [name, *more]))} but for blanks "
                "around; rename the one that is meant"
            )
    found = {spare[bare][0]: name for bare, (name, *_) in lacking.items() if bare in spare}
    return frame.rename(found) if found else frame


def _by_bare(names: Iterable[str]) -> dict[str, list[str]]:
    """The names, in order, by themselves without blanks around."""
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        found.setdefault(name.strip(), []).append(name)
    return found


def as_row(data: Any) -> dict[str, Any] | None:
    """The values by column of a frame, list or dict that is one row; None for anything else."""
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if isinstance(data, Mapping):
        return {str(name): value for name, value in data.items()} if all(map(_is_single, data.values())) else None
    if isinstance(data, pl.DataFrame):
        return data.row(0, named=True) if data.height == 1 else None
    if narwhals().dependencies.is_pandas_dataframe(data) and len(data) == 1 and data.columns.is_unique:
        cell = data.iat  # of a row, a tenth of itertuples' time
        return {str(name): plain(cell[0, i]) for i, name in enumerate(data.columns)}
    return None


# -- dicts, lists, arrays -------------------------------------------------------------------------


def _of_dict(data: Mapping[Any, Any], what: str) -> pl.DataFrame:
    names = checked_names(list(data), what)
    single = [_is_single(value) for value in data.values()]
    if all(single):  # a row
        return pl.DataFrame([series_of_objects([v], name, what) for name, v in zip(names, data.values(), strict=True)])
    if any(single):
        odd = names[single.index(True)]
        raise DataError(
            f"{what}: column {odd!r} is a single value, others are columns; give columns, or one value for each"
        )
    return _joined([_series(v, name, what) for name, v in zip(names, data.values(), strict=True)], what)


def _is_single(value: Any) -> bool:
    return isinstance(value, str | bytes) or getattr(value, "ndim", 1) == 0 or not hasattr(value, "__len__")


def _joined(columns: list[pl.Series], what: str) -> pl.DataFrame:
    for column in columns[1:]:
        if len(column) != len(columns[0]):
            first = f"{columns[0].name!r} has {len(columns[0])}"
            raise DataError(f"{what}: column {column.name!r} has {len(column)} rows, {first}; give all as many")
    return pl.DataFrame(columns)


def _series(value: Any, name: str, what: str) -> pl.Series:
    """One column, whatever it is given as."""
    if isinstance(value, pl.Series):
        return value.alias(name)
    if narwhals().dependencies.is_pandas_like_series(value):
        return series_of_pandas(narwhals().from_native(value, series_only=True).to_pandas(), name, what)
    if isinstance(value, np.ndarray):
        return series_of_array(value, name, what)
    if hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__"):
        return pl.Series(name, value)
    if hasattr(value, "__array__"):
        return series_of_array(np.asarray(value), name, what)
    return series_of_objects(list(value), name, what)


def _of_rows(rows: Sequence[Any], what: str, names: Sequence[str] | None) -> pl.DataFrame:
    if not rows:
        raise DataError(f"{what}: has no rows")
    if all(isinstance(row, Mapping) for row in rows):
        keys = list(dict.fromkeys(key for row in rows for key in row))
        columns = [[row.get(key) for row in rows] for key in keys]
    elif all(isinstance(row, list | tuple | np.ndarray) for row in rows):
        if odd := next((i for i, row in enumerate(rows) if len(row) != len(rows[0])), 0):
            raise DataError(
                f"{what}: row {odd} has {len(rows[odd])} entries, row 0 has {len(rows[0])}; give all as many"
            )
        columns = [list(column) for column in zip(*rows, strict=True)]
        keys = _array_names(len(columns), what, names)
    else:
        raise DataError(
            f"{what}: a list of {type(rows[0]).__name__} is no table; give a dict of columns, or a list of dicts"
        )
    texts = checked_names(keys, what)
    return pl.DataFrame([series_of_objects(c, name, what) for name, c in zip(texts, columns, strict=True)])


def _of_array(array: Array, what: str, names: Sequence[str] | None) -> pl.DataFrame:
    if array.dtype.names:
        return _of_dict({name: array[name] for name in array.dtype.names}, what)
    if array.ndim != 2:
        mend = "x.reshape(-1, 1) is a table of one column" if array.ndim == 1 else "flatten each row"
        raise DataError(f"{what}: an array of shape {array.shape} is no table, which is [rows, columns]; {mend}")
    texts = checked_names(_array_names(array.shape[1], what, names), what)
    return pl.DataFrame([series_of_array(array[:, i], name, what) for i, name in enumerate(texts)])


def _array_names(count: int, what: str, names: Sequence[str] | None) -> list[str]:
    if names is not None and len(names) != count:
        raise DataError(f"{what}: has {count} columns, and {len(names)} names are given; name each")
    return [f"column{i}" for i in range(count)] if names is None else list(names)


# -- other libraries' frames ----------------------------------------------------------------------


def _of_foreign(data: Any, what: str, names: Sequence[str] | None) -> pl.DataFrame:
    if type(data).__module__.startswith("dask.") and hasattr(data, "compute"):
        data = data.compute()  # of pandas
    nw = narwhals()
    known = nw.dependencies
    if isinstance(data, pl.Series) or known.is_pandas_like_series(data) or known.is_pyarrow_chunked_array(data):
        return pl.DataFrame([_series(data, str(getattr(data, "name", None) or "column0"), what)])
    if known.is_pandas_like_dataframe(data):
        return _of_pandas(data if known.is_pandas_dataframe(data) else nw.from_native(data).to_pandas(), what)
    if known.is_pyarrow_table(data):
        checked_names(data.column_names, what)
    try:
        if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
            return pl.DataFrame(data)
        frame = nw.from_native(data, pass_through=True)
        if isinstance(frame, nw.LazyFrame):
            frame = frame.collect(backend="polars")
        if isinstance(frame, nw.DataFrame):
            return frame.to_polars()
    except ImportError as error:
        raise DataError(
            f"{what}: to read a {type(data).__name__} needs {error.name}: pip install {error.name}"
        ) from None
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{what}: a {type(data).__name__} cannot be read: {one_line(error)}") from None
    if hasattr(data, "toarray"):
        raise DataError(f"{what}: a sparse matrix is no table; give x.toarray()")
    if hasattr(data, "__array__"):
        return _of_array(np.asarray(data), what, names)
    takes = "a frame (polars, pandas, pyarrow, DuckDB, ...), a dict of columns, a list of dicts, an array [N, columns]"
    raise DataError(f"{what}: {type(data).__name__} is no table; give {takes}")


def _of_pandas(frame: Any, what: str) -> pl.DataFrame:
    if frame.columns.nlevels > 1:
        raise DataError(f"{what}: its columns have names of several levels; join them: df.columns.map('_'.join)")
    names = checked_names(list(frame.columns), what)
    return pl.DataFrame([series_of_pandas(frame.iloc[:, i], name, what) for i, name in enumerate(names)])


def series_of_pandas(column: Any, name: str, what: str) -> pl.Series:
    """A column of pandas, by its dtype; needs no pyarrow."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return series_of_array(column.to_numpy(), name, what)
    if dtype.name == "category":
        return _of_categories(column, name, what)
    if dtype.name in ("str", "string"):  # in pandas 3 missing ones are NaN
        return series_of_objects(column.astype(object).where(column.notna(), None).tolist(), name, what)
    if getattr(dtype, "tz", None) is not None and hasattr(column, "dt"):
        utc = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        return series_of_array(utc, name, what).dt.replace_time_zone("UTC")
    if hasattr(dtype, "pyarrow_dtype"):
        return pl.Series(name, column.array.__arrow_array__())
    if hasattr(dtype, "numpy_dtype"):  # nullable numbers and booleans
        values = column.to_numpy(dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
        return known_where(series_of_array(values, name, what), column.notna().to_numpy(bool))
    if hasattr(dtype, "fill_value") and hasattr(column, "sparse"):
        return series_of_pandas(column.sparse.to_dense(), name, what)
    mends = {"period": f"x[{name!r}].dt.to_timestamp()", "interval": f"x[{name!r}].map(lambda i: i.mid)"}
    mend = next((m for kind, m in mends.items() if dtype.name.startswith(kind)), f"x[{name!r}].astype(str)")
    raise DataError(
        f"{what}: column {name!r} is of pandas' dtype {dtype}, which is no column of a table here; give {mend}"
    )


def _of_categories(column: Any, name: str, what: str) -> pl.Series:
    from schuss.tabular.texts import level_texts

    levels = level_texts(_series(column.cat.categories.to_series(), name, what))
    codes = column.cat.codes.to_numpy().astype(np.int64)
    places = known_where(pl.Series(name, codes), codes >= 0)
    return levels.gather(places).alias(name).cast(pl.Categorical)


__all__ = ["as_frame", "as_row", "by_name"]

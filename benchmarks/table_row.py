"""One raw row of 14 columns to its probabilities, and the preparation of a million rows beside polars' reading of them.

    python benchmarks/table_row.py [rows]

Of a row the best and the median of 300 calls, in microseconds of one thread; of many rows seconds of the process.
"""

from __future__ import annotations

import io
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from schuss.sklearn import TabularClassifier
from schuss.tabular.columns import TableColumns, fit_preparation
from schuss.tabular.kinds import find_kinds


def table(rows: int, numbers: int, levels: tuple[int, ...]) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    columns = {f"x{i}": rng.normal(size=rows).round(4) * 10.0**i for i in range(numbers)}
    names = {n: np.array([f"v{i}" for i in range(n)]) for n in levels}
    return pl.DataFrame({**columns, **{f"c{n}": names[n][rng.integers(0, n, rows)] for n in levels}})


def of_one_thread(call: Callable[[], Any], times: int = 300) -> str:
    call()
    taken = []
    for _ in range(times):
        start = time.thread_time()
        call()
        taken.append(1e6 * (time.thread_time() - start))
    return f"{min(taken):8.0f} {np.median(taken):8.0f} us"


def one_row() -> None:
    frame = table(500, 10, (3, 8, 15, 30))
    fitted = TabularClassifier("fast", epochs=1, random_state=0).fit(frame, np.arange(500) % 2)
    transform = fitted.model_.signature.inputs[0].transform
    row, first = frame.row(0, named=True), frame[:1]
    for name, x in (("dict", row), ("frame", first)):
        print(f"prepared {name:6} {of_one_thread(lambda x=x: transform.read(x))}")
        print(f"predict_proba {name:6} {of_one_thread(lambda x=x: fitted.predict_proba(x))}")


def many_rows(rows: int) -> None:
    frame = table(rows, 10, (5, 50, 1000))
    text, target = io.BytesIO(frame.write_csv().encode()), np.random.default_rng(1).normal(size=(rows, 1))
    kinds = find_kinds(frame)
    preparation, _ = fit_preparation(frame[:1000], kinds, target[:1000])
    steps: dict[str, Callable[[], Any]] = {
        "polars.read_csv": lambda: pl.read_csv(text.getvalue()),
        "fit_preparation, with rows": lambda: fit_preparation(frame, kinds, target),
        "rows alone": lambda: TableColumns(preparation.config()).read(frame),
    }
    for name, step in steps.items():
        start, cpu = time.perf_counter(), time.process_time()
        step()
        print(f"{name:28} {time.perf_counter() - start:6.2f} s, {time.process_time() - cpu:6.2f} s of processors")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    one_row()
    many_rows(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)

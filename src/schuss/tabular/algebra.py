"""scipy's parts, or the error that names the command which brings them; products on one thread; columns and rows on
several; moments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

import numpy as np

from schuss.asking import lacking
from schuss.errors import UsageError
from schuss.exec.native.threads import allowed, available_cores
from schuss.ir.executor import Array

MANY = 100_000  # rows of a table from which on the threads of a pool are worth their start
T = TypeVar("T")
R = TypeVar("R")


def scipy(part: str) -> Any:
    """The module scipy.PART. UsageError without scipy."""
    try:
        return import_module(f"scipy.{part}")
    except ImportError as error:
        raise UsageError(lacking("tables need", str(error.name), "tables")) from None


def one_blas_thread() -> AbstractContextManager[Any]:
    """While it is entered, numpy's and scipy's products run on one thread, in the whole process: their library
    otherwise keeps all cores busy waiting for small products. Without threadpoolctl, which the extra [tables] brings,
    nothing is changed."""
    controller = _controller()
    return nullcontext() if controller is None else controller.limit(limits=1, user_api="blas")


def moments(x: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """The mean and the standard deviation of the rows of x [N, ...]; a row of weight 3 counts as three."""
    if weights is None:
        return x.mean(0), x.std(0)
    mean = np.average(x, 0, weights)
    return mean, np.sqrt(np.average(np.square(x - mean), 0, weights))


def side_by_side(task: Callable[[T], R], of: Sequence[T], rows: int) -> list[R]:
    """task of each, in order; for a table of many rows by as many threads as there are cores, or fewer are asked for:
    numpy sorts and searches without Python's lock."""
    cores = min(allowed(available_cores()), len(of)) if rows >= MANY else 1  # which is read from files
    if cores < 2:
        return [task(one) for one in of]
    with ThreadPoolExecutor(cores, thread_name_prefix="schuss-rows") as pool:
        return [*pool.map(task, of)]


@cache
def _controller() -> Any:
    """Of the libraries there are; None without threadpoolctl."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    scipy("linalg")  # it brings a library of its own
    return ThreadpoolController()


__all__ = ["moments", "one_blas_thread", "scipy", "side_by_side"]

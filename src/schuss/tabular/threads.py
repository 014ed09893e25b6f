"""Linear algebra on one thread: numpy's library otherwise keeps all cores busy waiting for small products."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any


def one_blas_thread() -> AbstractContextManager[Any]:
    """While it is entered, numpy's and scipy's products run on one thread, in the whole process. Where threadpoolctl,
    which the extra [tables] brings, is missing, nothing is changed."""
    controller = _controller()
    return nullcontext() if controller is None else controller.limit(limits=1, user_api="blas")


@cache
def _controller() -> Any:
    """Of the libraries there are; None without threadpoolctl."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    import scipy.linalg  # noqa: F401  it brings a library of its own

    return ThreadpoolController()


__all__ = ["one_blas_thread"]

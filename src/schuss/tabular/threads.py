"""Linear algebra on one thread: numpy's library otherwise keeps all cores busy waiting for small products."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any


def one_blas_thread() -> AbstractContextManager[Any]:
    """While it is entered, numpy's and scipy's products run on one thread, in the whole process. Where threadpoolctl,
    which the extra [tables] brings, is missing, nothing is changed."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    import scipy.linalg  # noqa: F401  a library of its own, which is limited if it is loaded by now

    return threadpool_limits(1, user_api="blas")


__all__ = ["one_blas_thread"]

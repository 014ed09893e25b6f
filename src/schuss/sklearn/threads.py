"""How many threads an estimator takes."""

from __future__ import annotations

import sys


def threads_of(asked: int | None) -> int | None:
    """As many as asked for; else one in a task of joblib's, which has its cores busy with the others (whatever the
    backend: processes, threads, dask, ray); else None, the cores this process may use."""
    if asked is not None:
        return int(asked)
    return 1 if _in_joblib() or _in_dask() else None


def _in_joblib() -> bool:
    joblib = sys.modules.get("joblib")  # who calls this from a task of joblib's has loaded it
    if joblib is None:
        return False
    backend, _ = joblib.parallel.get_active_backend()
    return bool(getattr(backend, "nesting_level", None))


def _in_dask() -> bool:
    """Whether a worker of dask's runs this: joblib's backend for it does not say that it is nested."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True


__all__ = ["threads_of"]

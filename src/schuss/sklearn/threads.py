"""How many threads an estimator takes."""

from __future__ import annotations

import sys


def threads_of(asked: int | None) -> int | None:
    """As many as asked for; else one in a task of joblib's, which has its cores busy with the others (whatever the
    backend: processes, threads, dask, ray); else None, the cores this process may use."""
    if asked is not None:
        return int(asked)
    joblib = sys.modules.get("joblib")  # who calls this from a task of joblib's has loaded it
    if joblib is None:
        return None
    backend, _ = joblib.parallel.get_active_backend()
    return 1 if getattr(backend, "nesting_level", None) else None


__all__ = ["threads_of"]

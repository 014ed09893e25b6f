"""Labels as they are given to a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np


def check_sortable(y: Any, what: str = "y") -> None:
    """ValueError for labels of which some are text and others are not: they have no order."""
    if not isinstance(y, np.ndarray) or y.dtype != object:
        return
    values = y.ravel().tolist()
    first = next((i for i, v in enumerate(values) if isinstance(v, str)), None)
    other = next((i for i, v in enumerate(values) if not isinstance(v, (str, bytes))), None)
    if first is not None and other is not None:
        text, odd = values[first], values[other]
        raise ValueError(
            f"{what} mixes text and other labels, which have no order: row {first} is {text!r}, row {other} is {odd!r} "
            f"({type(odd).__name__}); write all in one way, or give {what}.astype(str) if each is a class of its own"
        )


__all__ = ["check_sortable"]

"""Reference functions numpy lacks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_erf = np.frompyfunc(math.erf, 1, 1)


def erf(x: NDArray[Any]) -> NDArray[Any]:
    """Error function, elementwise in float64, rounded to x's dtype."""
    return np.asarray(_erf(x.astype(np.float64)), dtype=x.dtype)

"""The same numbers otherwise: in another dtype, or as a constant to the chain rule.

In gradient rules g is the incoming gradient, y the op's result and the rest its inputs.
`emit` sees a builder b of scalar or vector values (see schuss.compiler.llvm.simd).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss.ir.types import TensorType
from schuss.ops.infer import map_type, settle_dtype
from schuss.ops.registry import Kind, Promote, no_grad, op

MAP = Kind.MAP


@op(
    "cast",
    kind=MAP,
    infer=lambda name, x, *, dtype: TensorType(dtype, x.shape),
    settle=settle_dtype,
    promote=Promote.NONE,
    emit=lambda b, x, dtype: b.cast(x, dtype),
    grad=lambda g, y, x, dtype: (cast(g, dtype=x.dtype),),
    rule={"x": "g cast back (none from or to integers)"},
)
def cast(x: Any, *, dtype: str) -> Any:
    """x in another dtype; floats become integers by truncation"""
    return np.asarray(x).astype(dtype)


@op("stop_gradient", kind=MAP, infer=map_type, emit=lambda b, x: x, grad=no_grad, rule={"x": "0"})
def stop_gradient(x: Any) -> Any:
    """x, taken as a constant by the chain rule"""
    return np.asarray(x)


@op("identity", kind=MAP, written=True, infer=map_type, emit=lambda b, x: x, grad=lambda g, y, x: (g,), rule={"x": "g"})
def identity(x: Any) -> Any:
    """x, as a node of its own"""
    return np.asarray(x)

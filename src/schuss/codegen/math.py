"""Elementary functions, for now by the C library, one call a lane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.ir as ir


class MathEmitter:
    """exp, log, tanh and the rest on scalar or vector values."""

    def __init__(self, b: Any, target: Any) -> None:
        self.b = b

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            type = args[0].type
            if not isinstance(type, ir.VectorType):
                return self._scalar(name, args)
            result = ir.Constant(type, ir.Undefined)
            for lane in range(type.count):
                at = ir.IntType(32)(lane)
                result = self.b.insert_element(
                    result, self._scalar(name, [self.b.extract_element(a, at) for a in args]), at
                )
            return result

        return call

    def _scalar(self, name: str, args: Any) -> Any:
        type = args[0].type
        if name == "sigmoid":
            one = ir.Constant(type, 1.0)
            return self.b.fdiv(one, self.b.fadd(one, self._scalar("exp", [self.b.fneg(args[0])])))
        symbol = name + ("f" if isinstance(type, ir.FloatType) else "")
        function = self.b.module.globals.get(symbol)
        if function is None:
            function = ir.Function(self.b.module, ir.FunctionType(type, [type] * len(args)), symbol)
        return self.b.call(function, args)

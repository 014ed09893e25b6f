"""Executors: reference (numpy, the specification) and native (generated machine code)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schuss.errors import UsageError

if TYPE_CHECKING:
    from schuss.ir.executor import Executor

EXECUTORS = ("native", "reference")


def executor(name: str = "native", threads: int | None = None) -> Executor:
    """The executor of that name; threads None means the cores this process may use. UsageError for another name."""
    if name == "reference":
        from schuss.exec.reference import ReferenceExecutor

        return ReferenceExecutor()
    if name == "native":
        from schuss.exec.native import NativeExecutor

        return NativeExecutor(threads)
    raise UsageError(f"backend {name!r} is none of {', '.join(EXECUTORS)}")

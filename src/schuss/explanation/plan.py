"""plan: the native training step of a run or of a task, as a text to read."""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss import nn
from schuss.errors import UsageError
from schuss.exec.native import NativeExecutor
from schuss.explanation.kernels import plan_json, plan_text
from schuss.ir.executor import Step
from schuss.ir.graph import Node
from schuss.ir.types import TensorType
from schuss.train.callbacks import Run
from schuss.train.step import Task, step_and_gradients

VIEWS = {"plan": ("text", "json"), "llvm": ("text",), "asm": ("text",)}  # and their forms


def plan(
    run: Any, view: str = "plan", *, form: str = "text", batch_size: int | None = None, threads: int | None = None
) -> str:
    """What a run's training step became in native code: as `schuss graph --plan`, for any loss and optimizer.

    run         what fit returned
    view        "plan": the kernels, their shapes, floating-point operations, bytes, threads, and why; "llvm": the code
                in LLVM's language; "asm": in assembly language
    form        of the plan: "text" or "json"
    batch_size  None: 64, or all examples if they are fewer
    threads     None: the cores this process may use

    UsageError for what is no run, and for other words.
    """
    if not isinstance(run, Run) or run.task is None:
        raise UsageError(f"plan takes the run that fit returned, got {type(run).__name__}")
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"plan: batch_size must be at least 1, got {batch_size}")
    rows = 64 if run.data is None else len(run.data["y"])
    return native_text(step_of(run.task)[0], batch_size or min(64, rows), view, form, threads)


def step_of(task: Task) -> tuple[Step, dict[Node, Node]]:
    """A task's training step, and the gradients in it."""
    params = {name: p.data for name, p in nn.named_parameters(task.model).items()}
    state = {name: np.asarray(v) for name, v in task.optimizer.init(params).items()}
    types = {name: TensorType(str(v.dtype), v.shape) for name, v in state.items()}
    return step_and_gradients(task, types)


def native_text(step: Step, batch: int, view: str, form: str, threads: int | None) -> str:
    """See plan."""
    if view not in VIEWS:
        raise UsageError(f"view {view!r} is none of {', '.join(VIEWS)}")
    if form not in VIEWS[view]:
        raise UsageError(f"{view} has no form {form}")
    loop = NativeExecutor(threads).loop(step, batch)
    if view == "plan":
        return (plan_json if form == "json" else plan_text)(loop, batch)
    listing = loop.listing()
    return listing.llvm if view == "llvm" else listing.assembly()

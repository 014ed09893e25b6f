"""plan: the native training step of a run as a text to read."""

from __future__ import annotations

from typing import Any

from schuss.compiler.pipeline import up_to
from schuss.compiler.show import shown
from schuss.errors import UsageError
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.native.programs import draft_of
from schuss.explanation.kernels import plan_json, plan_text
from schuss.ir.executor import Step
from schuss.train.run import Run
from schuss.train.step import training

VIEWS = {"plan": ("text", "json"), "llvm": ("text",), "asm": ("text",)}  # and their forms


def plan(
    run: Any,
    view: str = "plan",
    *,
    form: str = "text",
    batch_size: int | None = None,
    threads: int | None = None,
    after: str | None = None,
) -> str:
    """What a run's training step became in native code: as `schuss graph --plan`, for any loss and optimizer.

    run         what fit returned
    view        "plan": the kernels, their shapes, floating-point operations, bytes, threads, and why; "llvm": the code
                in LLVM's language; "asm": in assembly language
    form        of the plan: "text" or "json"
    batch_size  None: 64, or all examples if they are fewer
    threads     None: the cores this process may use
    after       the name of a pass of the compiler: instead of a view, what it has after that pass

    UsageError for what is no run, and for other words.
    """
    if not isinstance(run, Run) or run.task is None:
        raise UsageError(f"plan takes the run that fit returned, got {type(run).__name__}")
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"plan: batch_size must be at least 1, got {batch_size}")
    rows = 64 if run.data is None else len(run.data["y"])
    step = training(run.task).step
    batch = batch_size or min(64, rows)
    return native_text(step, batch, view, form, threads) if after is None else text_after(step, batch, after, threads)


def text_after(step: Step, batch: int, name: str, threads: int | None) -> str:
    """What the compiler has after the pass of this name. UsageError for another word."""
    draft, _ = draft_of(step, batch, NativeExecutor(threads).threads)
    return shown(up_to(draft, name))


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

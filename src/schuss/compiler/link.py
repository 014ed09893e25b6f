"""From a plan to a callable: object code from the disk cache, or made now."""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache as cache_once
from pathlib import Path

from schuss.compiler.draft import Draft
from schuss.compiler.llvm import cache
from schuss.compiler.llvm.jit import Library, assembly, compile_object
from schuss.compiler.llvm.target import Target, host_target
from schuss.compiler.pipeline import LOWER, run
from schuss.compiler.schedule.text import plan_text

SIGNATURE = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 7, ctypes.c_void_p)


@dataclass(frozen=True)
class Listing:
    """A program to read: LLVM's form as emitted, and how the code of each kernel was chosen."""

    llvm: str
    notes: tuple[str, ...]
    target: Target

    def assembly(self) -> str:
        """The machine's form."""
        return assembly(self.llvm, self.target)


def listing(draft: Draft) -> Listing:
    """The program that `link` would make."""
    target = host_target()
    made = run(replace(draft, target=target), LOWER)
    return Listing(made.llvm, made.notes, target)


def link(draft: Draft) -> Callable[..., int]:
    """The `run` function of a draft with a plan (see schuss.compiler.lower.program). It runs without the GIL."""
    target = host_target()
    draft = replace(draft, target=target)
    text = _text(draft)
    llvm = "" if text else run(draft, LOWER).llvm  # of operations that are not schuss's own it is the key, too
    key = cache.key(text or llvm, target)
    code = cache.get(key)
    found = None if code is None else _cached(key, code, target)
    if found is None:
        code = compile_object(llvm or run(draft, LOWER).llvm, target)
        cache.put(key, code)
        found = _callable(code, target)
    return found


def _callable(code: bytes, target: Target) -> Callable[..., int]:
    library = Library(code, target)
    run = SIGNATURE(library.address("run"))
    run.library = library  # type: ignore[attr-defined]  # keeps the code alive as long as the function
    return run


def _cached(key: str, code: bytes, target: Target) -> Callable[..., int] | None:
    """The function of an entry; None, and the entry is dropped, where the linker does not take it."""
    try:
        return _callable(code, target)
    except Exception:  # llvmlite raises many kinds
        cache.drop(key)
        return None


def _text(draft: Draft) -> str | None:
    """All that the program's code depends on, beside the target: much quicker to make than the code's own text."""
    assert draft.plan is not None
    plan = plan_text(draft.plan)
    if plan is None:
        return None
    watched = [i for i, o in enumerate(draft.graph.outputs) if o is draft.watched]
    rest = f"{draft.storage.counter} {watched} {draft.threads} {draft.profile}"
    return f"{_sources()}\n{rest}\n{plan}"


@cache_once
def _sources() -> str:
    """A hash of the code that makes code, so that a changed compiler trusts nothing an older one made."""
    digest = hashlib.sha256()
    package = Path(__file__).parent.parent
    for part in ("compiler", "ir", "ops"):
        for folder, folders, files in os.walk(package / part):
            folders.sort()
            for name in sorted(n for n in files if n.endswith(".py")):
                with open(os.path.join(folder, name), "rb", 0) as file:
                    digest.update(file.read())
    return digest.hexdigest()

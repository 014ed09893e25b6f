"""Native code made without LLVM's own work, three quarters of the time of a compilation: ours, with the same bits."""

from __future__ import annotations

from functools import cache
from typing import Any

import llvmlite.binding as llvm
import pytest

from schuss.compiler.llvm import cache as disk
from schuss.compiler.llvm import jit


@cache
def _optimizer(target: Any) -> tuple[Any, Any, Any]:
    """In place of the one of schuss.compiler.llvm.jit: no passes."""
    machine = llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=0, reloc="pic"
    )
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=0))
    return machine, builder, llvm.newpassmanagers.create_new_function_pass_manager()


def compile_quickly(patch: pytest.MonkeyPatch) -> None:
    """From here on. On disk under keys of its own: this code is not for others."""
    patch.setattr(jit, "_optimizer", _optimizer)
    patch.setattr(disk, "key", lambda text, target, key=disk.key: key(f"quick\0{text}", target))

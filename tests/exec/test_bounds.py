"""Native code reads and writes nothing beyond its arrays: each ends where a page begins that no one may touch, or
begins where one ends (tests/guard.py). One process each: a fault ends it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs mprotect")

CASES = Path(__file__).parent.parent / "guard_cases.py"


def run(cache: Path, *arguments: object) -> None:
    """`guard_cases.py` with these arguments; AssertionError with the last line and the traceback where it fails."""
    command = [sys.executable, str(CASES), *map(str, arguments)]
    environment = os.environ | {"SCHUSS_CACHE_DIR": str(cache)}  # code without LLVM's own work is not for others
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    last = done.stdout.strip().split("\n")[-1]
    assert done.returncode == 0, f"{last}: {done.returncode}\n{done.stderr[-3000:]}"


@pytest.mark.parametrize("what", ["table", "operands", "panels", "training"])
def test_nothing_outside_is_touched(what: str, tmp_path: Path) -> None:
    """By any operation, with lengths of 0 too; by kernels of many lengths; by products turned by panels; in epochs.

    Of each a thin sample; all of it is slow.
    """
    run(tmp_path, what, "quick")


def test_nothing_outside_is_touched_by_random_graphs(tmp_path: Path) -> None:
    """Small ones, 25 in a program, each for two numbers of rows and on both sides."""
    run(tmp_path, "graphs", 0, 50, 3, "quick")


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 10_000, 1_000))
def test_nothing_outside_is_touched_by_ten_thousand_graphs(first: int, tmp_path: Path) -> None:
    run(tmp_path, "graphs", first, first + 1_000, 12)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["table", "operands", "panels", "training"])
def test_nothing_outside_is_touched_by_the_code_as_it_is(what: str, tmp_path: Path) -> None:
    run(tmp_path, what)

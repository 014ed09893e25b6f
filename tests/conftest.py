"""How the suite runs: on a machine of known facts, on all cores, with caches of its own, and saying what it left out.

Beside this file lie modules that several folders share: opcases, graphs.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# A shell's background job ignores Ctrl-C, and so would every process that a test starts and interrupts.
with contextlib.suppress(ValueError):  # not in the main thread
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
# In the environment and not by fixtures: many tests start processes of their own. Workers inherit it.
WORKER = "PYTEST_XDIST_WORKER" in os.environ
if "SCHUSS_CACHE_DIR" not in os.environ:
    os.environ["SCHUSS_CACHE_DIR"] = tempfile.mkdtemp(prefix="schuss-tests-")
    atexit.register(shutil.rmtree, os.environ["SCHUSS_CACHE_DIR"], ignore_errors=True)
# One core with 1 MiB, whatever the host has: every plan is the same everywhere, and workers do not crowd each other.
# Tests of threads ask for them. `SCHUSS_MACHINE=... pytest` runs the suite as on another machine (CONTRIBUTING.md).
os.environ.setdefault("SCHUSS_MACHINE", "cores=1,cache=1048576")
# After each pass of the compiler all of its spec is checked (src/schuss/compiler/specs.py).
os.environ.setdefault("SCHUSS_CHECK", "1")
# No verdict on how long something takes: a busy machine draws examples slowly.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
# Oracles are run once: jax may compile them as quickly as it can.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

SMOKE = (
    "tests/golden",
    "tests/api/test_jit.py",
    "tests/backprop",
    "tests/data/test_arrays.py",
    "tests/io/test_record.py",
    "tests/ir/test_text.py",
    "tests/nn/test_losses.py",
    "tests/nn/test_modules.py",
    "tests/optim/test_schedules.py",
    "tests/compiler/test_simplify.py",
    "tests/train/test_fit.py",
)
# Folders and files whose tests are of what is done with native code, or of plans that give the same bits: there it is
# made without LLVM's own work (tests/quick.py). Those that test the code itself have it as it is, and so has all that
# is slow or a process of its own.
QUICK = (
    "tests/api",
    "tests/cli",
    "tests/data",
    "tests/docs",
    "tests/exec/test_panels.py",
    "tests/exec/test_stop.py",
    "tests/exec/test_threads.py",
    "tests/explanation",
    "tests/io",
    "tests/nn",
    "tests/ops/test_arrays.py",
    "tests/ops/test_composites.py",
    "tests/ops/test_index.py",
    "tests/ops/test_whole.py",
    "tests/optim",
    "tests/signature",
    "tests/sklearn",
    "tests/tabular",
    "tests/trace",
    "tests/train",
    "tests/viz",
    "tests/web",
    "tests/test_arena.py",
    "tests/test_contributing.py",
)
ROOT = Path(__file__).parents[1]


def pytest_addoption(parser: Any) -> None:
    parser.addoption(
        "--no-tool-missing", action="store_true", help="fail where a test is left out because a tool is not installed"
    )


def pytest_xdist_auto_num_workers(config: Any) -> int:
    """All cores for folders and the whole suite; a few files are sooner done in this process than workers start."""
    chosen = [Path(str(a).split("::")[0]) for a in config.args]
    narrow = all(path.suffix == ".py" for path in chosen) and len(chosen) < 4
    return 0 if narrow else len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """See QUICK. Not a fixture: those of the session are made before a test's own. And no program that another test has
    left in the process, which may have changed the compiler."""
    shared = getattr(sys.modules.get("schuss.exec.native.executor"), "_shared", None)  # a thread may be importing it
    if shared is not None:
        shared.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        if "slow" not in item.keywords and any(item.path.is_relative_to(ROOT / folder) for folder in QUICK):
            from tests.quick import compile_quickly

            compile_quickly(patch)
        return (yield)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`pytest -m smoke` does not read the other files: that would take as long as its tests."""
    if config.option.markexpr != "smoke" or collection_path.is_dir() or not collection_path.name.startswith("test_"):
        return None
    return not any(collection_path.is_relative_to(ROOT / path) for path in SMOKE) or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    smoke = [ROOT / path for path in SMOKE]
    for item in items:
        if "slow" not in item.keywords and any(item.path.is_relative_to(path) for path in smoke):
            item.add_marker("smoke")


def _left_out(reporter: Any) -> Counter[str]:
    """Why tests were skipped, and how many for each reason."""
    reasons = (
        r.longrepr[2] if isinstance(r.longrepr, tuple) else str(r.longrepr) for r in reporter.stats.get("skipped", [])
    )
    return Counter(reason.removeprefix("Skipped: ") for reason in reasons)


def _tools(reasons: Counter[str]) -> dict[str, int]:
    """Those that installing something would mend."""
    return {reason: n for reason, n in reasons.items() if "install" in reason}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for reason, count in _left_out(terminalreporter).most_common():
        terminalreporter.write_line(f"left out {count} test{'s' * (count > 1)}: {reason}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--no-tool-missing") and not WORKER and reporter and _tools(_left_out(reporter)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED

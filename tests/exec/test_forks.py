"""A child forked while another thread holds a lock, compiles or builds a graph computes, and does not wait for ever."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import schuss

PROGRAM = """
import os, signal, threading, traceback
import numpy as np
import schuss
from schuss import nn
from schuss.api import calls, jitted
from schuss.compiler.llvm import jit as codegen
from schuss.compiler.llvm import target
from schuss.exec.native import function
from schuss.ir import graph

x = np.ones((3, 4), np.float32)
model, fast = nn.Linear(4, 2), schuss.jit(lambda x: schuss.tanh(x) * 3.0)
model(x), fast(x)
started, ended = threading.Event(), threading.Event()


def hold(lock):
    def work():
        with lock:
            started.set()
            ended.wait(0.5)
    return work


def slow(x):  # a function whose compilation another thread has begun
    started.set()
    ended.wait(1.0 if threading.current_thread() is not threading.main_thread() else 0.0)
    return x + 1.0


def blocked(inner):
    def run(given):
        if threading.current_thread() is not threading.main_thread():
            started.set()
            ended.wait(1.0)
        return inner(given)
    return run


def tried(case):  # whether a child that is forked meanwhile computes
    work, after = cases()[case]
    if case == "graph":
        graph.topological = blocked(graph.topological)
    if case == "code":
        function.build = blocked(function.build)
    thread = threading.Thread(target=work)
    thread.start()
    started.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        after()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    ended.set()
    thread.join()
    after()
    return status == 0


kept = schuss.jit(slow)
(program,) = [slot.value for slot in calls._cache_of(model)._slots.values()]
table = graph.Graph((), (schuss.trace.as_tensor(1.0).node,))


def cases():  # with the locks that this process has
    return {
        "compiler": (hold(codegen._lock), lambda: schuss.jit(lambda x: x * 2.5)(x)),
        "target": (hold(target._lock), lambda: schuss.jit(lambda x: x * 3.5)(x)),
        "function": (hold(program.compiled._programs._lock), lambda: model(x[:1])),
        "code": (lambda: model(x[:1]), lambda: model(x[:1])),
        "cache": (hold(fast._cache._lock), lambda: fast(x)),
        "caches": (hold(calls._guard.lock), lambda: nn.Linear(4, 3)(x)),
        "the same form": (lambda: kept(x), lambda: kept(x)),
        "graph": (lambda: table.nodes, lambda: model(x[:, ::-1]) is not None and schuss.jit(lambda x: x - 1.0)(x)),
    }


assert threading.active_count() == 1
for case in CASES:  # each in a process of its own, so that none changes another
    process = os.fork()
    if process == 0:
        signal.alarm(60)
        try:
            os._exit(not tried(case))
        finally:
            traceback.print_exc()
            os._exit(1)
    print(f"{case}: {os.waitpid(process, 0)[1]}")
"""
CASES = ("compiler", "target", "function", "code", "cache", "caches", "the same form", "graph")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_forked_while_a_lock_is_held():
    """Each case in a child of one process, which has imported everything."""
    source = str(Path(schuss.__file__).parent.parent)
    environment = {**os.environ, "SCHUSS_NO_CACHE": "1", "PYTHONPATH": source}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-u", "-c", f"CASES = {CASES}\n{textwrap.dedent(PROGRAM)}"],
        check=False,
        env=environment,
        timeout=600,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "".join(f"{case}: 0\n" for case in CASES), done.stderr


SEARCH = """
import gc, os, sys, threading
from schuss.compiler.pipeline import _search

started, ended = threading.Event(), threading.Event()


def plan():
    with _search.waits():
        started.set()
        ended.wait(60)


thread = threading.Thread(target=plan)
thread.start()
started.wait()
assert not gc.isenabled()
child = os.fork()
if child == 0:
    os._exit(0 if gc.isenabled() else 1)
status = os.waitpid(child, 0)[1]
with _search.waits():
    pass
still = gc.isenabled()  # the other one is not done
ended.set()
thread.join()
sys.exit(status != 0 or still or not gc.isenabled())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_forked_while_another_thread_plans_searches_for_cycles():
    environment = {**os.environ, "PYTHONPATH": str(Path(schuss.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", SEARCH], check=False, env=environment, timeout=100)
    assert done.returncode == 0

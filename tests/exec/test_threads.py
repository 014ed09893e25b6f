"""Teams of threads: the same bits from any number, errors and interrupts that do not hang, no thread lost."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from schuss import nn, ops, optim
from schuss.compiler.tuning import Tuning
from schuss.errors import UsageError
from schuss.exec.native import function as function_module
from schuss.exec.native import table as table_module
from schuss.exec.native import threads as pool
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.native.threads import Team, available_cores, run_team
from schuss.ir import N, TensorType
from schuss.trace import trace
from schuss.train.fit import prepare
from tests.thinned import sampled


def own_threads():
    """The threads that teams have started."""
    return [t for t in threading.enumerate() if t.name.startswith("schuss-")]


def idle(teams, size):
    """The idle teams of a size."""
    return [team for (held, _), spare in teams.items() for team in spare if held == size]


@pytest.fixture
def fresh(monkeypatch):
    """No idle teams from other tests; those made here end with the test."""
    teams: dict[tuple[int, int], list[Team]] = {}
    monkeypatch.setattr(pool, "_idle", teams)
    yield teams
    for team in [t for spare in teams.values() for t in spare]:
        team.close()


def within(seconds, function):
    """Call it in a thread of its own: it must end in time."""
    results = []
    caller = threading.Thread(target=lambda: results.append(function()), daemon=True)
    caller.start()
    caller.join(seconds)
    assert not caller.is_alive(), "it hangs"
    return results[0]


# -- the same bits ---------------------------------------------------------------------------------------


def trained(threads):
    """Weights and metrics after two epochs of a step large enough to be shared."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (300, 60), dtype=np.uint8)
    model = nn.Sequential(nn.Linear(60, 90), nn.GELU(), nn.Dropout(0.3), nn.LayerNorm(90), nn.Linear(90, 10))
    trainer = prepare(
        model, (x, rng.integers(0, 10, 300)), loss=nn.CrossEntropyLoss(), optimizer=optim.Adam(lr=1e-2), epochs=2,
        batch_size=64, validation=0.2, seed=1, clip_norm=1.0, threads=threads, scale=1 / 255,
    )  # fmt: skip
    assert trainer.loop._threads == threads
    run = trainer.train()
    history = {k: v for k, v in run.history.items() if k != "seconds"}
    return {n: p.data.tobytes() for n, p in nn.named_parameters(model).items()}, history


def test_training_gives_the_same_bits_with_any_number_of_threads():
    expected = trained(1)
    for threads in (2, 3, 8):
        assert trained(threads) == expected, threads


@pytest.mark.parametrize(
    "optimizer", sampled([optim.Adam(lr=1e-2)], [optim.SGD(lr=0.1, momentum=0.9, weight_decay=1e-3)])
)
def test_weights_that_stay_with_their_threads_get_the_same_bits(optimizer):
    """Layers divided by columns, forward and in their gradients, beside one divided by rows."""
    rng = np.random.default_rng(0)
    data = rng.random((300, 300), "f4"), rng.integers(0, 10, 300)

    def weights(threads):
        layers = [nn.Linear(300, 192), nn.GELU(), nn.Dropout(0.3), nn.Linear(192, 192), nn.Tanh()]
        model = nn.Sequential(*layers, nn.Linear(192, 10))
        trainer = prepare(
            model, data, loss=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=2, batch_size=16,
            validation=None, seed=1, clip_norm=None, threads=threads,
        )  # fmt: skip
        assert trainer.loop._threads == threads
        by_columns = [stage for stage in trainer.loop.plan.stages if stage.partition[0] == "columns"]
        assert len(by_columns) == (0 if threads == 1 else 4)
        if threads > 1:
            assert by_columns[1].barrier, "it reads all columns of the layer before"
        trainer.train()
        return {n: p.data.tobytes() for n, p in nn.named_parameters(model).items()}

    expected = weights(1)
    for threads in (2, 6):
        assert weights(threads) == expected, threads


@pytest.mark.parametrize("rows", [1, 3, 300])
def test_functions_give_the_same_bits_with_any_number_of_threads(rows):
    def function(x, w):
        h = ops.softmax(ops.tanh(x @ w), axis=-1)
        return h, h.sum(axis=0), (h * h).mean()

    graph = trace(function, [TensorType("float32", (N, 70)), TensorType("float32", (70, 900))])
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((rows, 70)).astype("f4"), rng.standard_normal((70, 900)).astype("f4")]
    expected = NativeExecutor(1).compile(graph)(arrays)
    for threads in (2, 3, 8):
        found = NativeExecutor(threads).compile(graph)(arrays)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(found, expected, strict=True)), threads


@pytest.mark.parametrize("whole", [False, True])
def test_a_call_takes_no_more_threads_than_are_allowed_where_it_is_made(monkeypatch, whole):
    """Code that was compiled for more is not made anew. Where threads wait for each other they are all or one."""
    graph = trace(
        lambda x, w: (x @ w).sum(axis=0) if whole else ops.tanh(x @ w),
        [TensorType("float32", (N, 70)), TensorType("float32", (70, 90))],
    )
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((300, 70)).astype("f4"), rng.standard_normal((70, 90)).astype("f4")]
    teams = []

    def team(size, task, *more, **options):
        teams.append(size)
        run_team(size, task, *more, **options)

    for module in (function_module, table_module):
        monkeypatch.setattr(module, "run_team", team)
    call = NativeExecutor(3, tuning=Tuning(worth_sharing=0, chunk=32)).compile(graph)

    def size(threads):
        teams.clear()
        with pool.at_most(threads):
            found = call(arrays)[0].tobytes()
        assert found == expected
        return max(teams, default=1)

    expected = call(arrays)[0].tobytes()
    assert (size(None), size(8), size(3), size(1)) == (3, 3, 3, 1)
    assert size(2) == (1 if whole else 2)


def test_what_is_allowed_within_and_on_other_threads():
    with pool.at_most(4):
        with pool.at_most(8):
            assert pool.allowed(9) == 4
        with pool.at_most(None), pool.at_most(1):
            assert pool.allowed(9) == 1
        assert pool.allowed(3) == 3
        assert within(10, lambda: pool.allowed(9)) == 9
    with contextlib.suppress(ValueError), pool.at_most(1):
        raise ValueError
    assert pool.allowed(9) == 9


# -- teams -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_every_member_is_called_once(fresh, size):
    for _ in range(50):
        called = []
        run_team(size, called.append)
        assert sorted(called) == list(range(size))


def test_the_caller_is_number_0_and_the_others_are_not_the_caller(fresh):
    where = {}
    run_team(3, lambda number: where.__setitem__(number, threading.get_ident()))
    assert where[0] == threading.get_ident()
    assert len(set(where.values())) == 3


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_an_error_in_one_member_is_raised_and_does_not_hang(fresh, bad):
    done = []

    def task(number):
        time.sleep(0.01 * number)
        if number == bad:
            raise ValueError(f"number {number}")
        done.append(number)

    def both():
        for _ in range(3):
            done.clear()
            with pytest.raises(ValueError, match=f"number {bad}"):
                run_team(3, task)
            assert sorted(done) == [n for n in range(3) if n != bad], "the others were not waited for"
        called = []
        run_team(3, called.append)
        return sorted(called)

    assert within(20, both) == [0, 1, 2]
    assert len(idle(fresh, 3)) == 1


def test_errors_in_all_members(fresh):
    def task(number):
        raise KeyError(number)

    def call():
        with pytest.raises(KeyError):
            run_team(4, task)
        return True

    assert within(20, call)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupt_while_waiting_for_the_others_is_raised_when_they_are_done(fresh):
    finished = []

    def task(number):
        if number == 1:
            time.sleep(0.05)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        if number:
            time.sleep(0.1 * number)
            finished.append(number)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_team(3, task)
        assert sorted(finished) == [1, 2], "others still work when the caller goes on"
    finally:
        signal.signal(signal.SIGINT, before)
    called = []
    for _ in range(20):
        run_team(3, lambda number: (time.sleep(0.001 * number), called.append(number)))
        assert len(called) % 3 == 0
    assert sorted(called) == sorted([0, 1, 2] * 20)


def test_callers_at_once_have_teams_of_their_own(fresh):
    waiting = threading.Barrier(4, timeout=20)

    def call():
        called = []

        def task(number):
            if number == 0:
                waiting.wait()
            called.append(number)

        run_team(2, task)
        return sorted(called)

    results = []
    callers = [threading.Thread(target=lambda: results.append(call()), daemon=True) for _ in range(4)]
    for c in callers:
        c.start()
    for c in callers:
        c.join(20)
    assert results == [[0, 1]] * 4


def test_a_team_within_a_team(fresh):
    called = []
    within(20, lambda: run_team(2, lambda outer: run_team(2, lambda inner: called.append((outer, inner)))))
    assert sorted(called) == [(0, 0), (0, 1), (1, 0), (1, 1)]


# -- no thread is lost -----------------------------------------------------------------------------------


def test_a_closed_teams_threads_end():
    before = set(own_threads())
    team = Team(5)
    started = set(own_threads()) - before
    assert len(started) == 4
    team.run(lambda number: None)
    team.close()
    for thread in started:
        thread.join(10)
    assert not any(thread.is_alive() for thread in started)


def test_many_executors_share_one_team(fresh):
    before = len(own_threads())
    x = np.ones((300, 300), "f4")
    graph = trace(lambda x: x @ x, [TensorType("float32", (300, 300))])
    for _ in range(30):
        NativeExecutor(3).compile(graph)([x])
    gc.collect()
    assert len(own_threads()) <= before + 2
    assert {size: len(spare) for (size, _), spare in fresh.items()} == {3: 1}


@pytest.mark.skipif(not hasattr(time, "pthread_getcpuclockid"), reason="threads have no clocks here")
def test_sleeping_threads_take_no_time(fresh):
    """By each thread's own clock of processor time: what else runs does not count."""
    run_team(4, lambda number: None)
    clocks = [time.pthread_getcpuclockid(thread.ident) for thread in own_threads()]
    assert len(clocks) >= 3

    def times() -> list[float]:
        return [time.clock_gettime(clock) for clock in clocks]

    for _ in range(100):  # on a busy machine it takes a while until all have fallen asleep
        before = times()
        time.sleep(0.2)
        if times() == before:
            return
    pytest.fail("the threads never sleep")


SCRIPT = """
from schuss.exec.native.threads import run_team
run_team(4, lambda number: None)
print("done")
"""


def test_idle_threads_do_not_keep_the_program_alive():
    result = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "done\n"
    assert result.stderr == ""


# -- how many cores ----------------------------------------------------------------------------------------


@pytest.fixture
def this_machine(monkeypatch):
    """The host itself is asked."""
    monkeypatch.delenv("SCHUSS_MACHINE", raising=False)


def test_cores_are_those_of_the_affinity_and_the_quota(monkeypatch, this_machine):
    monkeypatch.setattr(pool.os, "sched_getaffinity", lambda process: set(range(6)), raising=False)
    for quota, expected in [(None, 6), (1.5, 2), (0.2, 1), (64.0, 6)]:
        monkeypatch.setattr(pool, "_cgroup_quota", lambda quota=quota: quota)
        assert available_cores() == expected


def test_cores_without_affinity(monkeypatch, this_machine):
    monkeypatch.delattr(pool.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(pool, "_cgroup_quota", lambda: None)
    monkeypatch.setattr(pool.os, "cpu_count", lambda: 5)
    assert available_cores() == 5
    monkeypatch.setattr(pool.os, "cpu_count", lambda: None)
    assert available_cores() == 1


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"/sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ({"/sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"/sys/fs/cgroup/cpu.max": "what is this"}, None),
        ({}, None),
        (
            {
                "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000\n",
                "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            2.5,
        ),
        ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, None),
    ],
)
def test_the_quota_of_a_control_group(monkeypatch, files, quota):
    def read(path, *args, **kwargs):
        with contextlib.suppress(KeyError):
            return files[path.as_posix()]
        raise FileNotFoundError(str(path))

    monkeypatch.setattr(Path, "read_text", read)
    assert pool._cgroup_quota() == quota


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness of threads")
def test_threads_that_give_way_serve_no_other_caller(fresh):
    def niced():
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + 1)
        run_team(2, lambda number: None)

    caller = threading.Thread(target=niced)
    caller.start()
    caller.join()
    found = []
    run_team(2, lambda number: found.append(os.getpriority(os.PRIO_PROCESS, 0)))
    assert set(found) == {os.getpriority(os.PRIO_PROCESS, 0)}


def test_more_threads_than_may_share_a_step():
    with pytest.raises(UsageError, match="threads: 1025 are more than the 1024 that may share a step"):
        NativeExecutor(1025)
    assert NativeExecutor(1024).threads == 1024


# -- the limits of a system ------------------------------------------------------------------------------


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Control groups of a test's own."""

    def make(own, **files):
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            path = tmp_path / "groups" / name.replace("__", "/").replace("_", ".", 1)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return pool._cgroup_quota()

    monkeypatch.setattr(pool, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(pool, "OWN_CGROUP", tmp_path / "own")
    return make


def test_the_least_quota_of_a_group_and_those_above_it_counts(groups):
    assert groups("0::/a/b\n", a__b__cpu_max="max 100000") is None
    assert groups("0::/a/b\n", a__cpu_max="50000 100000") == 0.5
    assert groups("0::/a/b\n", a__b__cpu_max="200000 100000") == 0.5
    assert groups("0::/a/b\n", a__b__cpu_max="20000 100000") == 0.2
    assert groups("0::/a\n") == 0.5
    assert groups("0::/c\n") is None
    assert groups("0::/c\n", cpu_max="300000 100000") == 3.0
    assert groups("0::/../outside\n") == 3.0  # of a namespace
    assert groups("nonsense\n1:\n") == 3.0


def test_a_team_that_the_system_does_not_start(fresh, monkeypatch):
    """The work is done all the same, by one thread, with a line that says so."""
    started = []

    def refused(self):
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(self)
        begin(self)

    begin = threading.Thread.start
    graph = trace(lambda x: ops.tanh(x) @ x.T, [TensorType("float32", (64, 64))])
    x = np.random.default_rng(0).standard_normal((64, 64)).astype("f4")
    expected = NativeExecutor(1).compile(graph)([x])[0]
    monkeypatch.setattr(threading.Thread, "start", refused)
    compiled = NativeExecutor(4, tuning=Tuning(worth_sharing=0)).compile(graph)
    with pytest.warns(RuntimeWarning, match="can't start new thread: one thread does the work of 4"):
        assert compiled([x])[0].tobytes() == expected.tobytes()
    for thread in started:
        thread.join(10)
        assert not thread.is_alive()


def test_a_training_without_new_threads(fresh, monkeypatch):
    """As many epochs and the same bits; also the epochs' orders are then made without a thread."""
    monkeypatch.setattr("schuss.data.batching.WORTH_A_THREAD", 1)

    def trained(threads):
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
        data = np.random.default_rng(0).standard_normal((60, 4)).astype("f4"), np.arange(60) % 2
        prepare(model, data, loss=nn.CrossEntropyLoss(), optimizer=optim.SGD(lr=0.1), epochs=3, batch_size=16,
                seed=0, threads=threads).train()  # fmt: skip
        return {name: w.tobytes() for name, w in model.state_dict().items()}

    expected = trained(1)

    def refused(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.warns(RuntimeWarning, match="can't start new thread"):
        assert trained(3) == expected

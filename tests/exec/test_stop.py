"""Native calls that take long are given up from outside."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

import schuss
from schuss import nn, ops, optim
from schuss.compiler.tuning import DEFAULT
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.native.stop import Stop
from schuss.exec.native.table import Table
from schuss.exec.native.threads import Team, run_team
from schuss.ir import N, TensorType
from schuss.ir.executor import GivenUp
from schuss.trace import trace
from schuss.train.fit import prepare

F = "float32"
LOOKING = replace(DEFAULT, looks=0.0)  # programs look whether they are to be given up, however small they are
WALKING = replace(LOOKING, few_stages=0, alike=1)  # and go by a table of stages, whose kernels are told their addresses


def made(tuning, threads=2, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(64, 20)).astype("f4"), rng.normal(size=(64, 3)).astype("f4")
    model = nn.Sequential(nn.Linear(20, 48), nn.ReLU(), nn.LayerNorm(48), nn.Dropout(0.1), nn.Linear(48, 3))
    trainer = prepare(model, (x, y), loss=nn.MSELoss(), optimizer=optim.Adam(), batch_size=16, validation=None, seed=0)
    loop = NativeExecutor(threads, tuning=tuning).loop(trainer.step, 16)
    loop.bind(trainer.data)
    loop.load(trainer.arrays)
    return loop, trainer.arrays


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[n], b[n]) for n in a)


ORDER = np.arange(64)


@pytest.mark.parametrize("tuning", [LOOKING, WALKING])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_looking_changes_no_bit(threads, tuning):
    loop, looking = made(DEFAULT, threads)[0], made(tuning, threads)[0]
    assert looking._code.looks
    assert not loop._code.looks
    assert loop.run(ORDER, 16, 0, 4, 0) == looking.run(ORDER, 16, 0, 4, 0) == 4
    assert same(loop.state(), looking.state())


def test_small_programs_have_not_an_instruction_for_it():
    for tuning, there in ((DEFAULT, False), (LOOKING, True)):
        assert ("monotonic" in made(tuning)[0].listing().llvm) is there


@pytest.mark.parametrize("tuning", [LOOKING, WALKING])
@pytest.mark.parametrize("threads", [1, 2])
def test_steps_are_given_up_where_somebody_hurries(threads, tuning):
    loop, first = made(tuning, threads)
    long = np.arange(320_000) % 64
    with pytest.raises(GivenUp):
        loop.run(long, 16, 0, 20_000, 0, lambda: True)
    loop.load(first)
    other = made(DEFAULT, threads)[0]
    assert loop.run(ORDER, 16, 0, 4, 0, lambda: False) == other.run(ORDER, 16, 0, 4, 0)
    assert same(loop.state(), other.state())


def test_a_step_that_begins_told_leaves_out_every_kernel(monkeypatch):
    loop, _ = made(LOOKING)
    before = loop.state()
    monkeypatch.setattr(Stop, "begin", lambda self, hurry: self.tell())
    with pytest.raises(GivenUp):
        loop.run(ORDER, 16, 0, 4, 0)
    assert same(loop.state(), before)


def compiled(f, *shapes, threads=1, tuning=LOOKING):
    graph = trace(f, [TensorType(F, shape) for shape in shapes])
    return NativeExecutor(threads, tuning=tuning).compile(graph)


KERNELS = {
    "a product": (lambda x: x @ x, (48, 48)),
    "maps": (lambda x: ops.exp(x) * x.T, (40, 40)),
    "a fold": (lambda x: x.sum(axis=-1), (48, 40)),
    "maps and a fold": (lambda x: ops.exp(x).sum(axis=-1), (48, 40)),
    "an order": (lambda x: ops.argsort(x, axis=-1), (6, 40)),
    "a convolution": (lambda x: schuss.conv2d(x, x), (8, 4, 9, 9)),
}


@pytest.mark.parametrize("kind", KERNELS)
def test_kernels_look_in_their_loops(kind):
    """And not only the program between them, which does before each and twice at the end."""
    f, shape = KERNELS[kind]
    code = compiled(f, shape).code_for(1)
    from schuss.compiler.link import listing

    text = listing(code.draft).llvm
    assert text.count("load atomic i64") - text[text.index('@"run"') :].count("load atomic i64") > 0
    told = np.random.default_rng(0).normal(size=shape).astype("f4")
    assert np.array_equal(compiled(f, shape)([told])[0], compiled(f, shape, tuning=DEFAULT)([told])[0])


def test_a_large_product_ends_in_its_midst():
    """Of 137 Gflop: what lies in the last columns was not reached when the first had been seen."""
    size = 4096
    made = compiled(lambda x, w: x @ w, (size, size), (size, size))
    code, rows = made.code_for(1), np.ones((size, size), "f4")
    table, result = Table(code), np.full((size, size), -1, "f4")
    nodes = [*code.plan.graph.inputs, *code.plan.graph.outputs]
    for node, array in zip(nodes, [rows, rows, result], strict=True):
        table.set(code.plan.slots[node], array)
    table.stop.begin(lambda: bool((result != -1).any()))
    table.run(None, 1, 1, 0, 1, 0, 1, beside=True)
    assert table.stop.given_up
    assert result[0, 0] == size
    assert (result[:, -1] == -1).all()


@pytest.fixture
def interrupted(monkeypatch):
    """Ctrl-C meets a caller that waits. The stops of its calls."""
    seen, look = [], Stop.look

    def interrupting(self):
        if not seen:
            seen.append(self)
            signal.raise_signal(signal.SIGINT)
        look(self)

    monkeypatch.setattr(Stop, "look", interrupting)
    return seen


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows", [1, 500, 1300])
def test_ctrl_c_ends_a_function(interrupted, threads, rows):
    """Of rows that stand alone, in chunks and not."""
    weights = np.random.default_rng(0).normal(size=(300, 300)).astype("f4")

    def f(x, w):
        for _ in range(6):
            x = ops.tanh(x @ w)
        return x

    call = compiled(f, (N, 300), (300, 300), threads=threads)
    x = np.random.default_rng(1).normal(size=(rows, 300)).astype("f4")
    with pytest.raises(KeyboardInterrupt):
        call([x, weights])
    assert interrupted[0].told
    plain = compiled(f, (N, 300), (300, 300), threads=threads, tuning=DEFAULT)
    assert np.array_equal(call([x, weights])[0], plain([x, weights])[0])


def test_the_others_are_told_when_the_caller_is_interrupted():
    stop = Stop()

    def task(number):
        if number == 0:
            raise KeyboardInterrupt
        end = time.monotonic() + 60
        while not stop.told:
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.001)

    with pytest.raises(KeyboardInterrupt):
        run_team(3, task, stop=stop)


def test_an_interrupt_before_all_are_woken_waits_for_all():
    """Where nobody waited, threads of a call that had ended wrote into the next one's state."""
    team, done, meeting = Team(3), [], threading.Barrier(3)

    class Interrupted:
        """A lock whose holder meets Ctrl-C as it lets it go."""

        def __init__(self, lock):
            self.acquire, self._lock, self.left = lock.acquire, lock, 1

        def release(self):
            self._lock.release()
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

    def task(number):
        meeting.wait(20)
        time.sleep(0.05 * number)
        done.append(number)

    team._wake[0] = Interrupted(team._wake[0])
    with pytest.raises(KeyboardInterrupt):
        team.run(task)
    assert done == [0, 1, 2]
    team.run(task)
    assert done == [0, 1, 2] * 2
    team.close()


def test_chunks_that_are_not_begun_yet_are_left_out():
    call = compiled(ops.tanh, (N, 30), tuning=DEFAULT)
    program, x, stop = call._programs[512], np.ones((512, 30), "f4"), Stop()
    result = np.zeros((512, 30), "f4")
    stop.tell()
    call._run(program, [x], [result], [(0, 512)], 1, stop)
    assert not result.any()
    call._run(program, [x], [result], [(0, 512)], 1, Stop())
    assert result.all()


def test_a_row_that_takes_long_has_no_quick_form():
    """That runs in the caller's thread, where nothing can end it."""
    assert compiled(ops.tanh, (N, 30)).one_row() is None
    assert compiled(ops.tanh, (N, 30), tuning=DEFAULT).one_row() is not None


def test_an_order_takes_longer_than_a_look_at_each_element():
    """It is made in as many rounds as the length has binary digits."""
    n = 1 << 20
    plain, sorted_ = (compiled(f, (n,), tuning=replace(DEFAULT, looks=17.0 * n)) for f in (ops.tanh, ops.argsort))
    assert not plain.code_for(1).looks
    assert sorted_.code_for(1).looks

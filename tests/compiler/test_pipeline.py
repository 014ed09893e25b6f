"""The list of passes: what each promises is looked at after it, and a pass that lies is caught, by name."""

from __future__ import annotations

import re
import sys
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

import schuss
from schuss import nn, ops, optim
from schuss.backprop import backprop
from schuss.compiler.draft import Draft
from schuss.compiler.passes.nodes import make
from schuss.compiler.pipeline import PIPELINE, run, up_to
from schuss.compiler.show import shown
from schuss.compiler.storage import Storage
from schuss.compiler.tuning import DEFAULT
from schuss.errors import GraphError, UsageError
from schuss.ir import Graph, N, TensorType, input_node
from schuss.trace import Tensor, trace

F = "float32"
NAMES = [each.name for each in PIPELINE]


def draft() -> Draft:
    """A step of one layer with dropped means, whose weight is read transposed: every pass has something to do."""
    shapes = {"x": (N, 8), "y": (N, 4), "w": (4, 8), "lr": ()}
    x, y, w, lr = (Tensor(input_node(name, TensorType(F, shape))) for name, shape in shapes.items())
    z = ops.tanh(x @ w.T) * 1.0 - y.mean(axis=0)
    loss = (z * z).mean()
    (g,) = backprop(loss, [w])
    graph = Graph(tuple(t.node for t in (x, y, w, lr)), (loss.node, (w - lr * g).node), ("loss", "w"))
    return Draft(graph, Storage(64, frozenset({"x", "y"}), spacing=1024), ("w",), "loss", threads=2)


def test_what_passes_made_never_changes():
    made = run(draft())
    group = made.stages[0].group
    for thing, name in ((made, "graph"), (made.plan, "arena"), (made.stages[0], "barrier"), (group, "stores")):
        with pytest.raises(FrozenInstanceError):
            setattr(thing, name, None)
    assert isinstance(group.stores, tuple)


def test_no_pass_changes_what_it_is_given():
    now = draft()
    for each in PIPELINE:
        before, text = now, shown(now)
        now = each.run(before)
        assert shown(before) == text, each.name


@pytest.mark.parametrize("name", NAMES)
def test_what_there_is_after_each_pass(name: str):
    text = shown(up_to(draft(), name))
    kernels = text.count("# kernel")
    after = NAMES.index(name)
    assert (kernels > 2) is (NAMES.index("fuse") <= after < NAMES.index("lower"))
    assert ("stored transposed: w" in text) is (NAMES.index("layout") <= after < NAMES.index("lower"))
    assert ("in place of %" in text) is (NAMES.index("alias") <= after < NAMES.index("lower"))
    assert ("; split over " in text) is (NAMES.index("partition") <= after < NAMES.index("lower"))
    assert ("barrier --" in text) is (NAMES.index("order") <= after < NAMES.index("lower"))
    assert ("at arena+" in text) is (NAMES.index("buffers") <= after < NAMES.index("lower"))
    assert ("define" in text) is (name == "lower")


def test_another_word_is_answered_with_the_list():
    with pytest.raises(UsageError, match=r"no pass 'fusion': they are simplify, cse, .*, buffers, lower$"):
        up_to(draft(), "fusion")


def test_of_a_run():
    x = np.zeros((8, 3), F)
    fitted = schuss.fit(nn.Linear(3, 2), (x, x[:, :2]), loss=nn.MSELoss(), optimizer=optim.SGD(lr=0.1), epochs=1)
    assert "# kernel 0: " in schuss.plan(fitted, after="fuse")
    with pytest.raises(UsageError, match="no pass 'x': they are simplify"):
        schuss.plan(fitted, after="x")


# -- passes that lie ---------------------------------------------------------------------------------


def of(name: str, lie) -> tuple:
    """The passes, the one of this name with something done to what it makes."""
    return tuple(replace(p, run=lambda d, p=p: lie(p.run(d))) if p.name == name else p for p in PIPELINE)


def another_output(d: Draft) -> Draft:
    loss = d.graph.output("loss")
    return replace(d, graph=replace(d.graph, outputs=(make("reshape", loss, shape=(1,)), d.graph.output("w"))))


def doubled(d: Draft) -> Draft:
    """One of the nodes a second time."""
    loss, w = d.graph.outputs
    return replace(d, graph=replace(d.graph, outputs=(make("add", replace(loss), loss), w)))


def unturned(d: Draft) -> Draft:
    return replace(d, swapped=frozenset())


def unwatched(d: Draft) -> Draft:
    return replace(d, graph=Graph(d.graph.inputs, (d.graph.output("w"),), ("w",)))


def twice(d: Draft) -> Draft:
    loss, _ = d.graph.outputs
    return replace(d, graph=Graph(d.graph.inputs, (loss, loss), ("loss", "w")))


def less_a_node(d: Draft) -> Draft:
    first, *rest = d.groups
    return replace(d, groups=(replace(first, maps=first.maps[1:]), *rest))


def turned_round(d: Draft) -> Draft:
    return replace(d, groups=d.groups[::-1])


def without_a_cell(d: Draft) -> Draft:
    return replace(d, cells={})


def overwritten_early(d: Draft) -> Draft:
    update = next(g for g in d.groups if set(d.cells) & set(g.stores))
    early = replace(d.groups[0], stores=(*d.groups[0].stores, *update.stores))
    return replace(d, groups=(early, *d.groups[1:]))


def undivided(d: Draft) -> Draft:
    return replace(d, partitions=dict(list(d.partitions.items())[1:]))


def sum_divided(d: Draft) -> Draft:
    total = next(
        g for g in d.groups if any(0 in f.attrs["axis"] for f in (*g.folds, g.anchor) if f and "axis" in f.attrs)
    )
    return replace(d, partitions={**d.partitions, total: ("rows", 0)})


def one_less(d: Draft) -> Draft:
    return replace(d, stages=d.stages[:-1])


def never_meeting(d: Draft) -> Draft:
    return replace(d, stages=tuple(replace(s, barrier=False) for s in d.stages))


def data_in_panels(d: Draft) -> Draft:
    return replace(d, storage=replace(d.storage, panels=frozenset({"x"})))


def parts_of_panels(d: Draft) -> Draft:
    return replace(d, storage=replace(d.storage, panels=frozenset({"w"})))


def copies_of_parts(d: Draft) -> Draft:
    (activations,) = (n for n in d.graph.nodes if n.op == "tanh")
    return replace(d, storage=replace(d.storage, copies=frozenset({activations})))


def homeless(d: Draft) -> Draft:
    stored = d.stages[0].group.stores[0]
    return replace(d, plan=replace(d.plan, places={n: p for n, p in d.plan.places.items() if n is not stored}))


def on_one_heap(d: Draft) -> Draft:
    heap = {n: replace(p, offset=0) for n, p in d.plan.places.items()}
    return replace(d, plan=replace(d.plan, places=heap))


def no_code(d: Draft) -> Draft:
    return replace(d, llvm="; nothing")


LIES = [
    ("simplify", another_output, "the graph has other outputs"),
    ("cse", doubled, "an expression is computed twice"),
    ("join", another_output, "the graph has other outputs"),
    ("simplify-again", another_output, "the graph has other outputs"),
    ("cse-again", doubled, "an expression is computed twice"),
    ("slide", another_output, "the graph has other outputs"),
    ("layout", unturned, "not of the type it is said to have"),
    ("outputs", unwatched, "what is watched is no output any more"),
    ("panels", data_in_panels, "lies in panels that is no state"),
    ("panels", parts_of_panels, "in panels that has no whole ones"),
    ("materialize", twice, "outputs"),
    ("copies", copies_of_parts, "in panels that has no whole ones"),
    ("fuse", less_a_node, "a value is computed by no kernel, or by two"),
    ("fuse", turned_round, "is read before it is stored"),
    ("alias", without_a_cell, "a new state goes nowhere"),
    ("alias", overwritten_early, "is read after its new value was written over it"),
    ("partition", undivided, "a kernel belongs to no thread"),
    ("partition", sum_divided, "threads divide a sum"),
    ("order", one_less, "a kernel is not run, or twice"),
    ("order", never_meeting, "no barrier before another's part of it is touched"),
    ("buffers", homeless, "a value has none"),
    ("buffers", on_one_heap, "two values that are needed at once share memory"),
    ("lower", no_code, "the program has no entry"),
]


@pytest.mark.parametrize(("name", "lie", "message"), LIES, ids=[f"{n}-{lie.__name__}" for n, lie, _ in LIES])
def test_a_pass_that_lies_is_caught(name: str, lie, message: str):
    with pytest.raises(GraphError, match=f"^after the pass '{name}': .*{message}.*; this is a fault of schuss"):
        run(draft(), of(name, lie))


def test_each_pass_has_a_lie():
    assert {name for name, _, _ in LIES} == set(NAMES)


def with_one_operand(d: Draft) -> Draft:
    """A difference of one number."""
    loss, w = d.graph.outputs
    return replace(d, graph=replace(d.graph, outputs=(loss, replace(w, inputs=w.inputs[:1]))))


def test_types_are_looked_at_after_each_pass_and_always_after_the_last_that_rewrites(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(GraphError, match=r"after the pass 'slide': .*takes 2 inputs"):
        run(draft(), of("slide", with_one_operand))
    monkeypatch.delenv("SCHUSS_CHECK")
    with pytest.raises(GraphError, match=r"after the pass 'materialize': .*takes 2 inputs"):
        run(draft(), of("panels", with_one_operand))


def test_cheap_specs_are_always_checked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SCHUSS_CHECK")
    with pytest.raises(GraphError, match="after the pass 'fuse'"):
        run(draft(), of("fuse", less_a_node))
    run(draft(), of("order", never_meeting)[: NAMES.index("order") + 1])  # this takes longer to see


# -- long graphs ---------------------------------------------------------------------------------------


class Recurrent(nn.Module):
    """h = tanh(x W + h U), unrolled."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.w, self.u = (nn.Parameter((n, 6), nn.init.Normal(0.0, 0.4)) for n in (4, 6))
        self.out = nn.Linear(6, 2)

    def forward(self, x):
        h = ops.tanh(x[:, 0, :] @ self.w)
        for t in range(1, self.steps):
            h = ops.tanh(x[:, t, :] @ self.w + h @ self.u)
        return self.out(h)


def recurrent_step(steps: int) -> Draft:
    from schuss.exec.native.programs import draft_of
    from schuss.train.step import Task, training

    model = Recurrent(steps)
    nn.initialize(model, 0)
    types = TensorType(F, (N, steps, 4)), TensorType("uint8", (N,))
    task = Task(model, nn.CrossEntropyLoss(), optim.Adam(), types[:1], types[1])
    return draft_of(training(task).step, 16, 2)[0]


def test_turns_of_an_unrolled_loop_share_their_code():
    few, more = (run(recurrent_step(steps)) for steps in (12, 24))
    assert len(more.stages) >= len(few.stages) + 48
    assert more.llvm.count("define internal") <= few.llvm.count("define internal") + 2


@pytest.mark.parametrize("threads", [1, 2])
def test_kernels_that_share_code_work_where_they_are_told(threads: int):
    """Each turn reads and writes its own places: the same step as the reference's."""
    steps = 14
    assert len(run(recurrent_step(steps)).stages) > DEFAULT.few_stages  # so `run` goes by its table, too
    rng = np.random.default_rng(0)
    data = rng.standard_normal((48, steps, 4)).astype(F), rng.integers(0, 2, 48).astype(np.uint8)
    found = []
    for backend, count in (("native", threads), ("reference", None)):
        model = Recurrent(steps)
        options = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.Adam(lr=0.01), "epochs": 2, "batch_size": 16}
        schuss.fit(model, data, backend=backend, threads=count, seed=3, **options)
        found.append(nn.state_dict(model))
    for name, value in found[0].items():
        np.testing.assert_allclose(value, found[1][name], rtol=1e-4, atol=1e-5, err_msg=name)


def lines_of(llvm: str) -> list[str]:
    """The lines of the functions of a program: LLVM's time hangs on these."""
    return [line for body in re.findall(r"^define .*?^}", llvm, re.M | re.S) for line in body.splitlines()]


def test_run_is_as_short_for_many_stages():
    few, more = (run(recurrent_step(steps)).llvm for steps in (16, 32))
    assert len(lines_of(more)) <= len(lines_of(few)) + 400  # longer sums of gradients, but no line a stage


def calls_of(graph: Graph) -> int:
    """Calls of Python's functions while the graph is planned."""
    count = 0

    def counted(frame, event, argument):
        nonlocal count
        count += event == "call"

    passes = [p for p in PIPELINE if p.name != "lower"]
    sys.setprofile(counted)
    try:
        run(Draft(graph, Storage(64), threads=2), passes)
    finally:
        sys.setprofile(None)
    return count


def many_outputs(n: int) -> Graph:
    return trace(lambda x: [ops.tanh(x * float(i)) for i in range(n)], [TensorType(F, (N, 3))])


def many_parts(n: int) -> Graph:
    return trace(lambda x: ops.concatenate([x * float(i) for i in range(n)], axis=1), [TensorType(F, (N, 1))])


def many_products(n: int) -> Graph:
    def chain(x, w):
        for _ in range(n):
            x = ops.tanh(x @ w) + x.mean(axis=0)
        return x

    return trace(chain, [TensorType(F, (N, 4)), TensorType(F, (4, 4))])


@pytest.mark.parametrize("make", [many_outputs, many_parts, many_products])
def test_planning_is_linear_in_nodes(make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SCHUSS_CHECK")
    few, more = calls_of(make(100)), calls_of(make(400))
    assert more < 4.4 * few

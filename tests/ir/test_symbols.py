"""Several symbols in types: N and T differ by name, wherever shapes are worked out, written, run and differentiated."""

from __future__ import annotations

import copy
import pickle
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numeric import central, directions_for, moved

import schuss
from schuss import nn, ops
from schuss.backprop import backprop
from schuss.errors import DataError, GraphError, LoweringError, ShapeError, TraceError, UsageError
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.reference import ReferenceExecutor
from schuss.ir.digest import graph_digest
from schuss.ir.executor import Step
from schuss.ir.text import to_text
from schuss.ir.types import N, Sym, TensorType, bind, static_size
from schuss.ops.check import parse_graph, verify_graph
from schuss.trace import trace

T = Sym("T")
F = "float64"
TYPES = [TensorType(F, s) for s in ((N, T, 8), (N, T), (T, 2, 4), (8, 3))]  # x, y, z, w
NAMES = ["x", "y", "z", "w"]
LENGTHS = st.tuples(st.integers(1, 5), st.integers(1, 7))
FEW = settings(max_examples=25, derandomize=True)


def drawn(n, t, seed=0, types=TYPES):
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1, 1, bind(type.shape, {N: n, T: t})).astype(type.dtype) for type in types]


def traced(function, types=TYPES, names=NAMES):
    return trace(function, types, names[: len(types)])


def softmax(x, axis):
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


WIDTHS = ((0, 0), (0, 0), (1, 2))

# Each with numpy's own, and the type of its result.
FUNCTIONS = {
    "broadcast": (lambda x, y, z, w: x * y[:, :, None] + 1.0, lambda x, y, z, w: x * y[:, :, None] + 1.0, (N, T, 8)),
    "sum over T": (lambda x, y, z, w: x.sum(axis=1), lambda x, y, z, w: x.sum(axis=1), (N, 8)),
    "mean over T": (lambda x, y, z, w: x.mean(axis=1, keepdims=True), lambda x, y, z, w: x.mean(1)[:, None], (N, 1, 8)),
    "mean over both": (lambda x, y, z, w: x.mean(axis=(0, 1)), lambda x, y, z, w: x.mean(axis=(0, 1)), (8,)),
    "var over T": (lambda x, y, z, w: ops.var(x, axis=1), lambda x, y, z, w: x.var(axis=1), (N, 8)),
    "divided by T": (lambda x, y, z, w: x.sum(axis=(0, 2)) / T, lambda x, y, z, w: x.sum((0, 2)) / len(z), (T,)),
    "max over T": (lambda x, y, z, w: x.max(axis=1), lambda x, y, z, w: x.max(axis=1), (N, 8)),
    "argmax over T": (lambda x, y, z, w: ops.argmax(y, axis=1), lambda x, y, z, w: y.argmax(axis=1), (N,)),
    "softmax over T": (lambda x, y, z, w: ops.softmax(x, axis=1), lambda x, y, z, w: softmax(x, 1), (N, T, 8)),
    "layer norm": (
        lambda x, y, z, w: ops.layer_norm(x, eps=0.1),
        lambda x, y, z, w: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 0.1),
        (N, T, 8),
    ),
    "rows by a matrix": (lambda x, y, z, w: ops.tanh(x @ w), lambda x, y, z, w: np.tanh(x @ w), (N, T, 3)),
    "attention": (
        lambda x, y, z, w: ops.softmax(x @ ops.swap_last(x), axis=-1) @ x,
        lambda x, y, z, w: softmax(x @ x.swapaxes(1, 2), -1) @ x,
        (N, T, 8),
    ),
    "a product over T": (
        lambda x, y, z, w: ops.dot_general(x, z, contract=((1,), (0,))),
        lambda x, y, z, w: np.einsum("ntd,tab->ndab", x, z),
        (N, 8, 2, 4),
    ),
    "einsum": (lambda x, y, z, w: ops.einsum("ntd,nsd->nts", x, x), lambda x, y, z, w: x @ x.swapaxes(1, 2), (N, T, T)),
    "einsum of rows": (
        lambda x, y, z, w: ops.einsum("ntd,de->nte", x, w),
        lambda x, y, z, w: np.einsum("ntd,de->nte", x, w),
        (N, T, 3),
    ),
    "einsum over both": (
        lambda x, y, z, w: ops.einsum("ntd,nte->de", x, ops.tanh(x)),
        lambda x, y, z, w: np.einsum("ntd,nte->de", x, np.tanh(x)),
        (8, 8),
    ),
    "transposed": (lambda x, y, z, w: x.transpose(1, 2, 0), lambda x, y, z, w: x.transpose(1, 2, 0), (T, 8, N)),
    "reshaped": (
        lambda x, y, z, w: x.reshape(N, T, 2, -1) * z,
        lambda x, y, z, w: x.reshape(*y.shape, 2, 4) * z,
        (N, T, 2, 4),
    ),
    "the symbol that is missing": (
        lambda x, y, z, w: ops.reshape(x[:, :, :1], shape=(1, N, -1)),
        lambda x, y, z, w: x[None, :, :, 0],
        (1, N, T),
    ),
    "joined": (
        lambda x, y, z, w: ops.concatenate([x, y[:, :, None]], axis=2),
        lambda x, y, z, w: np.concatenate([x, y[:, :, None]], axis=2),
        (N, T, 9),
    ),
    "padded": (lambda x, y, z, w: ops.pad(x, WIDTHS), lambda x, y, z, w: np.pad(x, WIDTHS), (N, T, 11)),
    "one hot": (
        lambda x, y, z, w: ops.one_hot(ops.argmax(x, axis=2), 8, dtype=F) * x,
        lambda x, y, z, w: np.where(np.arange(8) == x.argmax(2)[..., None], x, 0),
        (N, T, 8),
    ),
    "taken": (
        lambda x, y, z, w: ops.take(w, ops.argmax(x, axis=2), axis=0),
        lambda x, y, z, w: w[x.argmax(2)],
        (N, T, 3),
    ),
    "filled": (lambda x, y, z, w: ops.ones_like(y) + y, lambda x, y, z, w: 1 + y, (N, T)),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
@FEW
@given(lengths=LENGTHS)
def test_types_and_values_are_numpys(name, lengths):
    ours, by_numpy, shape = FUNCTIONS[name]
    graph = traced(ours)
    verify_graph(graph)
    assert graph.outputs[0].type.shape == shape
    arrays = drawn(*lengths)
    (found,) = ReferenceExecutor().compile(graph)(arrays)
    np.testing.assert_allclose(found, by_numpy(*arrays), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_text_is_read_back(name):
    graph = traced(FUNCTIONS[name][0])
    text = to_text(graph)
    assert to_text(parse_graph(text)) == text
    arrays = drawn(3, 5)
    (found,), (want,) = (ReferenceExecutor().compile(g)(arrays) for g in (parse_graph(text), graph))
    assert found.tobytes() == want.tobytes()


def test_text_and_digest_of_one_symbol_are_what_they_were():
    """Files, checkpoints and the cache of object code go by them."""

    def function(x, w):
        loss = (ops.softmax(ops.reshape(x @ w, shape=(-1, 2, 3))) / x.shape[0]).sum()
        return [loss, *backprop(loss, [w])]

    graph = trace(function, [TensorType("float32", (N, 4)), TensorType("float32", (4, 6))], ["x", "w"])
    assert graph_digest(graph) == "2526d878180c88e6e0fba2dbcaaf1dee"
    assert "shape=(N, 2, 3)) : float32[N,2,3]" in to_text(graph)


# -- rules of shapes: any axes, of any length -------------------------------------------------------------

DIMS = st.sampled_from([1, 3, N, T])
SHAPES = st.lists(DIMS, max_size=4).map(tuple)
APART = {N: 2, T: 5}  # no product of other lengths is either


def or_none(make):
    try:
        return make()
    except (ShapeError, ValueError):
        return None


def typed(function, *shapes):
    return or_none(lambda: trace(function, [TensorType(F, s) for s in shapes]).outputs[0].type.shape)


def sized(function, *shapes, lengths=APART):
    return or_none(lambda: np.shape(function(*(np.zeros(bind(s, lengths)) for s in shapes))))


def check(ours, by_numpy, *shapes):
    """The rule takes what numpy takes of lengths that all differ, and its result is numpy's for any lengths."""
    found = typed(ours, *shapes)
    assert (found is None) == (sized(by_numpy, *shapes) is None), found
    for n, t in product((1, 2, 3, 5), repeat=2) if found is not None else ():
        assert bind(found, {N: n, T: t}) == sized(by_numpy, *shapes, lengths={N: n, T: t})


@settings(FEW, max_examples=150)
@given(SHAPES, SHAPES)
def test_shapes_that_broadcast(a, b):
    check(ops.add, np.add, a, b)


@settings(FEW, max_examples=150)
@given(st.lists(DIMS, min_size=2, max_size=4).map(tuple), st.lists(DIMS, min_size=2, max_size=3).map(tuple))
def test_shapes_that_multiply(a, b):
    check(ops.matmul, np.matmul, a, b)


@settings(FEW, max_examples=100)
@given(SHAPES, st.data())
def test_shapes_that_are_folded_and_turned(a, data):
    axes = tuple(data.draw(st.lists(st.integers(0, max(len(a) - 1, 0)), unique=True, max_size=len(a))))
    order = tuple(data.draw(st.permutations(range(len(a)))))
    keep = data.draw(st.booleans())
    check(lambda x: x.mean(axis=axes, keepdims=keep), lambda x: x.mean(axis=axes, keepdims=keep), a)
    check(lambda x: ops.transpose(x, axes=order), lambda x: x.transpose(order), a)


@settings(FEW, max_examples=100)
@given(SHAPES, SHAPES, st.integers(0, 3))
def test_shapes_that_are_joined(a, b, axis):
    """Along a number; two symbols' sum is none."""
    known = len(a) == len(b) > axis and not any(isinstance(s[axis], Sym) for s in (a, b))
    if known:
        check(lambda x, y: ops.concatenate([x, y], axis=axis), lambda x, y: np.concatenate([x, y], axis), a, b)
    else:
        assert typed(lambda x, y: ops.concatenate([x, y], axis=axis), a, b) is None


def before_symbols(shape):
    """Each symbol with the number of elements before it."""
    return [(d, static_size(shape[:a])) for a, d in enumerate(shape) if isinstance(d, Sym)]


@settings(FEW, max_examples=300)
@given(SHAPES, st.data())
def test_shapes_that_are_reshaped(a, data):
    """What the rule takes is right for any lengths, and it takes all that carries no element past a symbol."""
    others = st.lists(st.sampled_from([1, 3, 9, -1, N, T]), max_size=4)
    b = tuple(data.draw(st.one_of(others, st.permutations(a), st.permutations([1, *a]))))
    found = typed(lambda x: ops.reshape(x, shape=b), a)
    wanted = sized(lambda x: x.reshape(bind(b, APART)), a)
    if found is None:
        assert wanted is None or -1 in b or before_symbols(a) != before_symbols(b)
        return
    assert [d for d in found if isinstance(d, Sym)] == [d for d in a if isinstance(d, Sym)]
    for n, t in product((1, 2, 3), repeat=2):
        lengths = {N: n, T: t}
        assert bind(found, lengths) == sized(lambda x, to=b: x.reshape(bind(to, lengths)), a, lengths=lengths)  # noqa: B023


# -- gradients ----------------------------------------------------------------------------------------------

SMOOTH = {
    name: f for name, (f, _, _) in FUNCTIONS.items() if "max over" not in name and name not in ("taken", "one hot")
}


@pytest.mark.parametrize("name", SMOOTH)
@settings(FEW, max_examples=4)
@given(lengths=LENGTHS)
def test_gradients_are_finite_differences(name, lengths):
    """Of a nonlinear scalar of each function along a direction, and of that slope itself."""

    def loss(*xs):
        y = SMOOTH[name](*xs[:4])
        return (y * ops.sin(y)).mean()

    def slope_of(function):
        def slope(*xs):
            return sum((g * v).sum() for g, v in zip(backprop(function(*xs), xs[:4]), xs[4:], strict=True))

        return slope

    arrays = drawn(*lengths, seed=1)
    directions = directions_for(arrays, np.random.default_rng(2))
    functions = [loss, slope_of(loss), slope_of(slope_of(loss))]
    names = [*NAMES, *(f"along {n}" for n in NAMES)]
    value, *slopes = (ReferenceExecutor().compile(trace(f, [*TYPES, *TYPES], names)) for f in functions)
    for slope in slopes:
        expected = central(lambda h, value=value: float(value([*moved(arrays, directions, h), *directions])[0]))
        assert float(slope([*arrays, *directions])[0]) == pytest.approx(expected, rel=1e-5, abs=1e-7)
        value = slope


# -- executors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["softmax over T", "rows by a matrix", "attention"])
def test_native_code_is_made_for_each_length_and_right(name):
    ours, by_numpy, _ = FUNCTIONS[name]
    types = [TensorType(t.dtype, t.shape) for t in TYPES]
    compiled = NativeExecutor(2).compile(traced(ours, types))
    for lengths in ((3, 5), (4, 5), (2, 1)):
        arrays = drawn(*lengths)
        np.testing.assert_allclose(compiled(arrays)[0], by_numpy(*arrays), rtol=1e-10, atol=1e-12)
    assert len(compiled._made.items()) == 2
    other = copy.deepcopy(drawn(3, 5))
    other[1] = other[1][:, :4]
    with pytest.raises(ShapeError, match=r"^input y: axis 1 is 4 long, and axis 1 of input x is 5; both lengths are T"):
        compiled(other)


def step(types=TYPES[:2]):
    graph = trace(lambda x, y, s: s + (x.sum(axis=2) * y).mean(), [*types, TensorType(F, ())], ["x", "y", "s"])
    return Step(type(graph)(graph.inputs, graph.outputs, ("s",)), state=("s",), columns=("x", "y"))


def test_a_loop_has_one_length_at_a_time_in_the_reference_and_none_in_native_code():
    loop = ReferenceExecutor().loop(step(), 2)
    x, y = drawn(4, 5)[:2]
    loop.load({"s": np.zeros(())})
    loop.bind({"x": x, "y": y})
    assert loop.run(np.arange(4), 2, 0, 2, 0) == 2
    assert float(loop.peek("s")) == pytest.approx(2 * (x.sum(2) * y).mean())
    with pytest.raises(ShapeError, match="column y: axis 1 is 4 long, and axis 1 of column x is 5; both lengths are T"):
        loop.bind({"x": x, "y": y[:, :4]})
    with pytest.raises(
        LoweringError,
        match=r"^the native executor has no code for the length T of input 'x' float64\[N,T,8\] in a loop; "
        "give T a number, or use backend='reference', which carries out all$",
    ):
        NativeExecutor(1).loop(step(), 2)


@pytest.mark.parametrize("executor", [ReferenceExecutor, NativeExecutor])
def test_nothing_along_a_symbol(executor):
    arrays = drawn(2, 0)
    (found,) = executor().compile(traced(lambda x, y, z, w: x.sum(axis=1)))(arrays)
    assert np.array_equal(found, np.zeros((2, 8)))
    with pytest.raises(ShapeError, match=r"^T is 0: max: axis 1 of float64\[2,0,8\] is empty and has no extremum"):
        executor().compile(traced(lambda x, y, z, w: x.max(axis=1)))(arrays)


# -- what is refused ------------------------------------------------------------------------------------------

X = TensorType("float32", (N, T, 8))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x[:, :1, 0] + x[:, 0, :1] * x[:, :, 0], "cannot slice the symbolic axis T of float32[N,T,8]"),
        (lambda x: x[:, :, 0] + x[:, :, 0].T, "add: shapes [N,T] and [T,N] do not broadcast (axis -2: N and T)"),
        (lambda x: x @ x, "matmul: float32[N,T,8] @ float32[N,T,8]: inner axes 8 and T differ"),
        (
            lambda x: ops.dot_general(x, x, contract=((0,), (1,))),
            "axis 0 of float32[N,T,8] and axis 1 of float32[N,T,8] differ in length",
        ),
        (lambda x: ops.concatenate([x, x], axis=1), "cannot join along the symbolic axis T"),
        (lambda x: ops.pad(x, 1, axis=1), "cannot pad the symbolic axis T"),
        (lambda x: ops.flip(x, 1), "flip: the symbolic axis T of [N,T,8] has no known length"),
        (lambda x: ops.sort(x, 1), "cannot sort along the symbolic axis T"),
        (lambda x: ops.take(x, np.array([0]), axis=1), "cannot take along the symbolic axis T"),
        (lambda x: ops.cumsum(x, 1), "cumsum: the symbolic axis T of [N,T,8] has no known length"),
        (lambda x: ops.window(x, axis=1, size=2), "no window slides along the symbolic axis T"),
        (
            lambda x: ops.conv1d(ops.swap_last(x), np.ones((4, 8, 3), "f4")),
            "conv1d: no window slides along the symbolic axis T of [N,8,T]",
        ),
        (lambda x: ops.max(x, axis=1, ties="first"), "needs axes of known length, got the symbolic axis T"),
        (lambda x: ops.one_hot(ops.argmax(x), x.shape[1]), "name the axis"),
        (lambda x: ops.one_hot(ops.argmax(x, 2), x.shape[1]), "one_hot: classes must be a known number, got T"),
        (lambda x: ops.pick(x[:, :, 0], ops.argmax(x, 1)[:, 0]), "pick: the number of entries must be a known"),
        (lambda x: ops.arange(x.shape[1]), "arange: takes numbers; the length of the symbolic axis T is not known yet"),
        (lambda x: ops.zeros(x.shape), "full: the example axis N of [N,T,8] has no known length"),
        (
            lambda x: x.reshape(-1, 8),
            "the example axis N and the symbolic axis T must each stay an axis of its own",
        ),
        (lambda x: x.reshape(N, 8, T), "the example axis N and the symbolic axis T must each stay where it is"),
        (lambda x: x.reshape(T, N, 8), "must each stay where it is, got [N,T,8] to [T,N,8]"),
        (lambda x: nn.CrossEntropyLoss(axis=1)(x, ops.argmax(x, 1)), "pred float32[N,T,8] has the classes, and T is"),
    ],
)  # fmt: skip
def test_errors_name_the_axis(function, message):
    with pytest.raises(ShapeError) as caught:
        trace(function, [X])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_length_that_is_no_number():
    with pytest.raises(TraceError, match=r"the length T of a traced tensor is not known.*use mean"):
        trace(lambda x: x.sum(axis=1) / x.shape[1], [X])
    with pytest.raises(TypeError, match="the length of the symbolic axis T is not known while tracing"):
        trace(lambda x: range(x.shape[1]), [X])
    with pytest.raises(ShapeError, match=r"numel: the length of the symbolic axis T of float32\[T\] is not known"):
        trace(lambda x: x / x.numel(), [TensorType("float32", (T,))])


@pytest.mark.parametrize("name", ["t", "", "T,8", "8", "N T", "true", None])
def test_names(name):
    with pytest.raises(UsageError, match="the name of a length is a capital letter, then letters, digits and _, got "):
        Sym(name)


def test_symbols_are_one_by_their_name():
    assert pickle.loads(pickle.dumps(T)) == Sym("T") == copy.deepcopy(T) != N
    long = Sym("T_2b")
    graph = trace(lambda x: x.broadcast_to((2, long)), [TensorType(F, (long,))])
    assert parse_graph(to_text(graph)).outputs[0].type.shape == (2, long)


def test_a_symbol_is_known_by_an_input():
    graph = trace(lambda x: x[:, None].broadcast_to((N, T)), [TensorType(F, (N,))], ["x"])
    with pytest.raises(GraphError, match=r"broadcast_to float64\[N,T\].*: T is the length of no input"):
        verify_graph(graph)
    with pytest.raises(GraphError, match="T is the length of no input"):
        parse_graph(to_text(graph))
    for executor in (ReferenceExecutor, NativeExecutor):
        with pytest.raises(ShapeError, match="the length T is that of no input"):
            executor().compile(graph)([np.zeros(2)])
    swapped = trace(lambda x: x, [TensorType(F, (T, N))])
    with pytest.raises(GraphError, match="N must be the first axis of an input"):
        verify_graph(swapped)


# -- models ---------------------------------------------------------------------------------------------------


class Pooled(nn.Module):
    """A layer for each place of a sequence, dropout, and the mean of all places."""

    def __init__(self) -> None:
        self.first, self.dropout, self.last = nn.Linear(8, 6), nn.Dropout(0.25), nn.Linear(6, 2)

    def forward(self, x):
        h = self.dropout(schuss.relu(self.first(x)))
        return self.last((h * ops.softmax(h, axis=1)).mean(axis=1))


@pytest.mark.parametrize("make", [Pooled, lambda: nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.LayerNorm(6))])
def test_a_model_for_sequences_of_any_length_is_saved_and_called(tmp_path, make):
    model = make()
    schuss.save(model, tmp_path / "m.safetensors", inputs=[X])
    back = schuss.load(tmp_path / "m.safetensors")
    assert str(back.signature.inputs[0].type) == "float32[N,T,8]"
    assert "float32[N, T, 8]" in repr(back.signature)
    for n, t in ((3, 4), (2, 7)):
        x = np.random.default_rng(0).standard_normal((n, t, 8)).astype("f4")
        np.testing.assert_allclose(back(x), model(x), rtol=1e-6, atol=1e-6)
        for rows in (x, x[0]):
            want = model(rows.reshape(-1, t, 8))
            found = schuss.predict(back, rows).reshape(want.shape)
            np.testing.assert_allclose(found, want, rtol=1e-6, atol=1e-6)
        with nn.mode(training=True, key=np.array([1, 2], "u4"), step=0):
            np.testing.assert_allclose(back(x), model(x), rtol=1e-6, atol=1e-6)
    refused = r"takes rows of shape \[T, 8\], the data has the shape \[2, 56\]; give rows as in training$"
    with pytest.raises(DataError, match=refused):
        schuss.predict(back, x.reshape(n, -1))
    schuss.save(back, tmp_path / "again.safetensors")
    assert str(schuss.load(tmp_path / "again.safetensors").signature.inputs[0].type) == "float32[N,T,8]"

"""Indices: negative ones count from the end where numpy's do, and none that is out of range is ever used."""

from __future__ import annotations

import numpy as np
import pytest

import schuss
from schuss import nn, ops, optim
from schuss.errors import IndexRangeError, SchussError, ShapeError, TraceError, UsageError

BACKENDS = pytest.mark.parametrize("backend", ["native", "reference"])
W = np.arange(12.0).reshape(4, 3)


def refused(message, function, *args, **options):
    with pytest.raises(IndexRangeError) as caught:
        function(*args, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@BACKENDS
def test_negative_indices_count_from_the_end(backend):
    taken = schuss.jit(lambda x, i: (x[i], schuss.take(x, i, axis=1), x[np.array([-1])], x[[0, -4]]), backend=backend)
    for dtype in ("int64", "int32"):
        index = np.array([[-1, 0], [2, -3]], dtype)
        expected = W[index], W[:, index], W[[-1]], W[[0, -4]]
        for found, want in zip(taken(W, index), expected, strict=True):
            np.testing.assert_array_equal(found, want)
    np.testing.assert_array_equal(schuss.take(W, np.array([-1, 1]), axis=0), W[[-1, 1]])
    slope = schuss.jit(schuss.grad(lambda x: (x[np.array([-1, 3, 0])] ** 2).sum()), backend=backend)
    np.testing.assert_array_equal(slope(W), np.stack([2 * W[0], 0 * W[1], 0 * W[2], 4 * W[3]]))
    summed = schuss.jit(lambda x, i: schuss.scatter_add(x, i, size=3), backend=backend)
    np.testing.assert_array_equal(summed(np.array([1.0, 2.0, 4.0]), np.array([-1, 0, 2])), [2.0, 0.0, 5.0])


@BACKENDS
@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda i: ops.take(W, i, axis=0), "take: index {bad} in row 2 is out of range, -4 .. 3 (line: "),
        (
            lambda i: ops.scatter_add(np.ones(3), i, size=4),
            "scatter_add: index {bad} in row 2 is out of range, -4 .. 3",
        ),
        (lambda i: ops.one_hot(i, 4), "one_hot: index {bad} in row 2 is out of range, 0 .. 3"),
        (lambda i: ops.pick(ops.cast(W[:3], dtype="float64"), i), "pick: index {bad} in row 2 is out of range, 0 .. 2"),
        (nn.Embedding(4, 2), "Embedding: index {bad} in row 2 is out of range, 0 .. 3"),
    ],
    ids=["take", "scatter_add", "one_hot", "pick", "Embedding"],
)
@pytest.mark.parametrize("bad", [4, -5, 2**40])
def test_an_index_out_of_range_is_named_with_its_row(function, message, bad, backend):
    compiled = schuss.jit(function, backend=backend)
    compiled(np.array([0, 1, 2]))
    refused(message.format(bad=bad), compiled, np.array([1, 0, bad]))
    compiled(np.array([0, 1, 2]))  # nothing is left of the fault


def test_the_row_is_counted_over_all_chunks_of_a_long_call():
    model = nn.Embedding(5, 2)
    index = np.arange(3000) % 5
    model(index)
    index[2345] = -1
    refused("index -1 in row 2345 is out of range, 0 .. 4; a negative index is no category", model, index)
    refused("index 5 in row 0", model, np.array([5]))
    frozen = schuss.freeze(model)
    assert frozen(np.array([3])).shape == (1, 2)
    refused("index 7 in row 0", frozen, np.array([7]))


def test_modes_by_name():
    index = np.array([-7, 1, 9])
    for f in (lambda g: g, schuss.jit):
        np.testing.assert_array_equal(f(lambda i: ops.take(W, i, axis=0, mode="clip"))(index), W[[0, 1, 3]])
        np.testing.assert_array_equal(
            f(lambda i: ops.one_hot(i, 3, mode="zero"))(index), [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
        )
    assert (nn.Embedding(4, 2, mode="clip")(index)[2] == nn.Embedding(4, 2, mode="clip")(np.array([3]))).size
    for call in (lambda: ops.take(W, index, axis=0, mode="wrap"), lambda: nn.Embedding(4, 2, mode="zero")):
        with pytest.raises(UsageError, match="mode must be"):
            call()


def test_indices_known_while_tracing_are_refused_there():
    for key in (np.array([4]), [0, -5], 4, np.int64(-5)):
        refused("test_index.py:", schuss.jit(lambda x, k=key: x[k]), W)
    with pytest.raises(TraceError, match="a mask"):
        schuss.jit(lambda x: x[np.array([True, False, True, True])])(W)
    with pytest.raises(TraceError, match="a mask"):
        schuss.jit(lambda x: x[x[:, 0] > 1.0])(W)
    with pytest.raises(ShapeError, match="a tensor of 2 axes needs the axis"):
        ops.take(W, np.array([1]))


class Coded(nn.Module):
    """A category's row, used as it comes or computed from it."""

    def __init__(self, computed):
        self.of, self.last, self.computed = nn.Embedding(5, 3), nn.Linear(3, 2), computed

    def forward(self, x):
        return self.last(self.of((x * 1.0).astype("int64") if self.computed else x))


@BACKENDS
@pytest.mark.parametrize("computed", [False, True], ids=["column", "computed"])
def test_fit_names_the_row_of_the_data(computed, backend):
    """Shuffled, in the training or the validation data; before a weight is changed where the column is the index."""
    x = np.arange(40) % 5
    y = x % 2

    def fit(model, x, **options):
        schuss.fit(model, (x, y), loss=nn.CrossEntropyLoss(), optimizer=optim.SGD(lr=0.1), epochs=2, batch_size=8,
                   backend=backend, **options)  # fmt: skip

    bad = np.where(np.arange(40) == 33, -1, x)
    model = Coded(computed)
    before = nn.state_dict(model)
    refused("of.Embedding: index -1 in row 33 is out of range, 0 .. 4", fit, model, bad)
    assert all(np.array_equal(v, before[n]) for n, v in nn.state_dict(model).items())
    refused("of.Embedding: index -1 in row 33", fit, Coded(computed), x, validation=(bad, y))


class Cut(nn.Module):
    """Numbers by an index, or by one that is cut from what is given."""

    def __init__(self, read):
        self.of, self.read = nn.Embedding(5, 1), read

    def forward(self, x):
        return self.read(self.of, x)


@BACKENDS
@pytest.mark.parametrize(
    ("read", "other"),
    [
        (lambda of, x: ops.take(of.weight, x, axis=0), lambda x: x - 5),
        (lambda of, x: of(x.astype("uint8")), lambda x: x + 256),
    ],
    ids=["negative", "cut"],
)
def test_columns_of_other_indices_are_taken_as_in_a_call(read, other, backend):
    """Negative ones count from the end; of 256 a byte keeps 0, though it is no category itself."""
    x = np.arange(40) % 5
    y = (x * 0.5).astype("f4")[:, None]

    def learned(column):
        model = Cut(read)
        schuss.fit(model, (column, y), loss=nn.MSELoss(), optimizer=optim.SGD(lr=0.1), epochs=2, batch_size=8,
                   backend=backend)  # fmt: skip
        return model.of.weight.data

    np.testing.assert_array_equal(learned(other(x)), learned(x))


@BACKENDS
def test_a_table_that_is_too_short_for_the_steps_is_named(backend):
    x = np.ones((20, 1), np.float32)
    table = np.linspace(0.1, 0.01, 7)
    rate = optim.SGD(lr=lambda step: schuss.take(table, step))
    with pytest.raises(SchussError, match=r"take: index 7 is out of range, -7 \.\. 6"):  # before the first step
        schuss.fit(nn.Linear(1, 1), (x, x), loss=nn.MSELoss(), optimizer=rate, epochs=4, batch_size=5, backend=backend)


def test_no_check_is_left_where_none_is_needed():
    """Columns are looked through once, before the first step; bytes, an argmax and what was checked need no check."""
    from schuss.compiler.pipeline import optimize
    from schuss.exec.checks import checked_once
    from schuss.ir.types import N, TensorType
    from schuss.trace import trace

    def count(graph):
        return sum(n.op == "check_index" for n in graph.nodes)

    large = np.zeros((300, 2))
    graph = trace(lambda i: ops.take(large, i, axis=0), [TensorType("uint8", (N,))])
    assert (count(graph), count(optimize(graph))) == (1, 0)
    graph = trace(lambda x: ops.pick(x, ops.argmax(x, axis=1)), [TensorType("float32", (N, 3))])
    assert (count(graph), count(optimize(graph))) == (1, 0)
    graph = trace(lambda x: ops.take(large, ops.argmax(x, axis=0), axis=0), [TensorType("float32", (N, 3))])
    assert count(optimize(graph)) == 1  # any number of examples
    graph = trace(nn.CrossEntropyLoss(), [TensorType("float32", (N, 3)), TensorType("int64", (N,))])
    bare, checks = checked_once(graph, ("x0", "x1"))
    assert (count(graph), count(bare), [name for name, _ in checks]) == (1, 0, ["x1"])


def test_what_version_0_1_0_wrote_means_what_it_meant():
    """Its graphs and its Embeddings take the nearest entry, its one_hot gives zeros."""
    from schuss.exec.native.executor import NativeExecutor
    from schuss.exec.reference import ReferenceExecutor
    from schuss.nn.rebuild import from_config
    from schuss.ops.check import parse_graph

    text = (
        "schuss graph 1\ninput %0 x float64[4]\ninput %1 i int64[N]\n%2 = take(%0, %1, axis=0) : float64[N]\n"
        '%3 = one_hot(%1, classes=4, dtype="float64") : float64[N,4]\noutput a %2\noutput b %3\n'
    )
    index = np.array([-1, 2, 9])
    for executor in (NativeExecutor(1), ReferenceExecutor()):
        taken, hot = executor.compile(parse_graph(text))([np.arange(4.0), index])
        assert (taken.tolist(), hot.tolist()) == ([0, 2, 3], [[0] * 4, [0, 0, 1, 0], [0] * 4])
    old = from_config({"type": "Embedding", "num_embeddings": 4, "embedding_dim": 2, "dtype": "float32"})
    assert (old(index) == old(np.array([0, 2, 3]))).all()
    assert from_config(old.config()).mode == "clip"
    assert from_config(nn.Embedding(4, 2).config()).mode == "raise"

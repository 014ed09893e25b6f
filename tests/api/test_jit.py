"""jit: results, the forms it is specialised to, its bounded cache, threads and errors."""

from __future__ import annotations

import dataclasses
import operator
import threading

import numpy as np
import pytest

import schuss
from schuss import nn
from schuss.api.cache import Cache
from schuss.errors import LoweringError, ShapeError, TraceError, UsageError

X = np.random.default_rng(0).normal(size=(5, 3))


def f(x, w):
    return schuss.tanh(x @ w).sum()


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_the_result_is_that_of_numpy(backend):
    w = np.ones((3, 2))
    np.testing.assert_allclose(schuss.jit(f, backend=backend)(X, w), np.tanh(X @ w).sum(), rtol=1e-12)


def test_jit_and_gradients_nest_in_any_order():
    w = np.ones((3, 2))
    expected = schuss.grad(f, argnums=1)(X, w)
    for nested in (
        schuss.jit(schuss.grad(f, 1)),
        schuss.grad(schuss.jit(f), 1),
        schuss.jit(schuss.jit(schuss.grad(f, 1))),
    ):
        np.testing.assert_allclose(nested(X, w), expected, rtol=1e-12)
    hessian = schuss.jit(schuss.jacobian(schuss.grad(f, 1), 1))(X, w)
    np.testing.assert_allclose(hessian, schuss.jacobian(schuss.grad(f, 1), 1)(X, w), rtol=1e-10, atol=1e-14)


def test_inner_jit_is_traced_with_the_outer():
    inner = schuss.jit(lambda x: x * 2.0)
    assert schuss.jit(lambda x: inner(x) + 1.0)(np.float64(3.0)) == 7.0
    assert inner.cache_info().currsize == 0


def test_one_compilation_for_each_form():
    calls = []
    g = schuss.jit(lambda x, n: calls.append(1) or x * n)
    for x, n in [(X, 2.0), (X + 1, 3.0), (X[:2], 2.0), (X.astype(np.float32), 2.0), (X, 2)]:
        np.testing.assert_allclose(g(x, n), x * n, rtol=1e-6)
    assert len(calls) == 8  # twice each, to see that both graphs are equal
    assert g.cache_info()[:2] == (1, 4)
    assert g(X, 2.0).dtype == np.float64
    g.cache_clear()
    assert g.cache_info() == (0, 0, 64, 0)


def test_numbers_are_traced_and_static_ones_are_not():
    power = schuss.jit(lambda x, n: sum((x for _ in range(n)), 0.0 * x), static_argnums=1)
    assert power(1.5, 3) == 4.5
    assert power(1.5, 4) == 6.0
    assert power.cache_info().misses == 2
    assert schuss.jit(lambda n, x: x * n, static_argnums=-2)(3, 2.0) == 6.0
    with pytest.raises(TraceError, match=r"test_jit\.py"):
        schuss.jit(lambda x, n: sum((x for _ in range(n)), x))(1.5, 3)


def test_static_floats_are_told_apart_by_their_bits():
    g = schuss.jit(lambda x, s: x * float(np.copysign(1.0, s)), static_argnums=1)
    assert g(2.0, 0.0) == 2.0
    assert g(2.0, -0.0) == -2.0


def test_text_and_functions_are_part_of_the_form():
    g = schuss.jit(lambda x, mode, act: act(x) if mode == "act" else x)
    assert g(np.float64(-1.0), "act", schuss.relu) == 0.0
    assert g(np.float64(-1.0), "no", schuss.relu) == -1.0
    assert g(np.float64(-1.0), "act", schuss.tanh) == np.tanh(-1.0)
    assert g(np.float64(-1.0), mode="act", act=schuss.abs) == 1.0


def test_pytrees_in_and_out():
    g = schuss.jit(lambda p, x: {"y": (x * p["a"], [p["b"][0] + 1.0]), "n": None, "s": "text", "k": 2.5})
    out = g({"a": np.ones(2), "b": [np.zeros(2)]}, np.arange(2.0))
    np.testing.assert_array_equal(out["y"][0], [0.0, 1.0])
    np.testing.assert_array_equal(out["y"][1][0], [1.0, 1.0])
    assert (out["n"], out["s"], float(out["k"])) == (None, "text", 2.5)
    assert schuss.jit(lambda x: None)(1.0) is None


def test_the_order_of_a_dict_is_part_of_the_form():
    g = schuss.jit(lambda p: p["a"] - p["b"])
    assert g({"a": 3.0, "b": 1.0}) == 2.0
    assert g({"b": 1.0, "a": 3.0}) == 2.0


def test_results_are_new_arrays():
    g = schuss.jit(lambda x: (x, x * 1.0, np.arange(3.0)))
    x = np.ones(3)
    first = g(x)
    for array in first:
        array += 5.0
    np.testing.assert_array_equal(x, 1.0)
    for array, expected in zip(g(x), (x, x, np.arange(3.0)), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_arrays_that_do_not_lie_in_rows():
    big = np.arange(24.0).reshape(4, 6)
    for x in (big.T, big[::2, ::-1], big[:, 1:4]):
        np.testing.assert_array_equal(schuss.jit(lambda x: x + 1.0)(x), x + 1.0)
    np.testing.assert_array_equal(schuss.jit(lambda x: x + 1.0)(np.arange(3.0).astype(">f8")), [1.0, 2.0, 3.0])


def test_a_method_is_compiled_for_its_object():
    class Scaler:
        def __init__(self, scale):
            self.w = schuss.nn.Parameter(np.array([scale]))

        @schuss.jit
        def __call__(self, x):
            return x * self.w

    two, three = Scaler(2.0), Scaler(3.0)
    np.testing.assert_array_equal(two(np.ones(1, np.float32)), [2.0])
    np.testing.assert_array_equal(three(np.ones(1, np.float32)), [3.0])


# -- models -----------------------------------------------------------------------------------------


def test_changed_weights_count_and_changed_settings_too(net):
    g = schuss.jit(lambda m, x: m(x))
    x = X.astype(np.float32)
    np.testing.assert_allclose(g(net, x), net(x), rtol=1e-5, atol=1e-6)
    net.second.bias.data = net.second.bias.data + 1.0
    np.testing.assert_allclose(g(net, x), net(x), rtol=1e-5, atol=1e-6)
    assert g.cache_info().misses == 1
    net.slope = 0.5
    np.testing.assert_allclose(g(net, x), net(x), rtol=1e-5, atol=1e-6)
    assert g.cache_info().misses == 2


def test_jit_of_a_model(net, plain):
    g = schuss.jit(net)
    x = X.astype(np.float32)
    before = g(x)
    net.second.bias.data = net.second.bias.data + 1.0
    np.testing.assert_allclose(g(x), before + 1.0, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(schuss.jit(plain)(np.ones((1, 2), np.float32)), [[3.0]])


# -- cache and threads ----------------------------------------------------------------------------------


def test_the_cache_is_bounded():
    g = schuss.jit(lambda x: x + 1.0, backend="reference")
    for n in range(1, 71):
        g(np.ones(n))
    assert g.cache_info() == (0, 70, 64, 64)
    g(np.ones(7))
    assert g.cache_info().hits == 1
    g(np.ones(1))
    assert g.cache_info().hits == 1
    g(np.ones(7))  # used last but one, so 8 made room
    assert g.cache_info().hits == 2
    g.cache_clear()
    assert g.cache_info() == (0, 0, 64, 0)


def test_static_positions_are_counted_from_the_end_too():
    g = schuss.jit(lambda x, n: x * n if n > 1 else x, static_argnums=-1, backend="reference")
    assert [float(g(2.0, n)) for n in (1, 3)] == [2.0, 6.0]


def test_static_numbers_are_told_apart_by_their_kind():
    g = schuss.jit(lambda x, n: x + (10.0 if isinstance(n, bool) else n), static_argnums=1, backend="reference")
    assert [float(g(1.0, n)) for n in (1, True, 1.0, 0, False)] == [2.0, 11.0, 2.0, 1.0, 11.0]


def test_a_value_is_made_once_for_many_threads():
    cache: Cache[int] = Cache(4)
    made = []
    started = threading.Barrier(8)

    def make():
        made.append(1)
        threading.Event().wait(0.05)
        return 7

    def ask(results):
        started.wait()
        results.append(cache.get("key", make))

    results: list[int] = []
    threads = [threading.Thread(target=ask, args=(results,)) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [7] * 8
    assert len(made) == 1


def test_a_failure_is_not_kept():
    cache: Cache[int] = Cache(4)
    with pytest.raises(ZeroDivisionError):
        cache.get("key", lambda: 1 // 0)
    assert cache.get("key", lambda: 3) == 3


def test_many_threads_get_their_own_results():
    g = schuss.jit(lambda x: (x * 2.0).sum())
    wrong = []

    def work(i):
        for _ in range(20):
            if g(np.full(10, float(i))) != 20.0 * i:
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


# -- errors -------------------------------------------------------------------------------------------


def test_python_if_on_a_traced_value_names_the_line():
    def g(x):
        return x if x > 0 else -x

    line = g.__code__.co_firstlineno + 1
    with pytest.raises(TraceError, match=rf"`if`.*schuss.where.*test_jit.py:{line}\)"):
        schuss.jit(g)(1.0)


COLUMN = np.array([[0.5], [2.0], [3.0]], np.float32)


@pytest.mark.parametrize("left", [COLUMN, np.float32(2)], ids=["array", "scalar"])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow", "lt", "le", "gt", "ge", "eq", "ne"])
def test_operators_of_numpy_values_and_traced_ones(name, left):
    given, op = np.array([1.0, 2.0, 3.0], np.float32), getattr(operator, name)
    np.testing.assert_allclose(schuss.jit(lambda x: op(left, x))(given), op(left, given), rtol=1e-6)


def test_products_and_logic_of_numpy_arrays_and_traced_ones():
    for given, rtol in ((X, 1e-12), (X.astype(np.float32), 1e-5)):  # a captured array has the dtype it meets
        for found in (schuss.jit(lambda x: X @ x)(given.T), schuss.jit(lambda x: x @ X.T)(given)):
            assert found.dtype == given.dtype
            np.testing.assert_allclose(found, X @ X.T, rtol=rtol, atol=rtol)
    for op in (operator.and_, operator.or_):
        np.testing.assert_array_equal(schuss.jit(lambda x, op=op: op(X > 0, x < 1))(X), op(X > 0, X < 1))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (np.exp, r"numpy\.exp of a traced tensor .*; use schuss\.exp "),
        (np.abs, r"numpy\.absolute of .*; use schuss\.abs "),
        (lambda x: np.heaviside(X, x), r"numpy\.heaviside of .*; use schuss's functions"),
        (lambda x: np.add(x, x), r"numpy\.add of .*; use schuss\.add"),
        (lambda x: np.add(x, X), r"numpy\.add of .*; use schuss\.add"),
        (np.add.reduce, r"numpy\.add\.reduce of .*; use schuss's functions"),
        (lambda x: np.sum(x, axis=0), r"numpy\.sum of .*; use schuss\.sum"),
        (np.linalg.norm, r"numpy\.norm of .*; use schuss\.norm"),
    ],
)
def test_a_function_of_numpy_is_refused_with_the_line(function, message):
    with pytest.raises(TraceError, match=rf"^{message}.*\(line: .*test_jit.py:\d+\)$"):
        schuss.jit(function)(X)


def test_numpy_knows_the_shape():
    assert schuss.jit(lambda x: x * float(np.shape(x)[1] + np.ndim(x)))(X).tolist() == (X * 5.0).tolist()


def test_an_array_cannot_take_a_traced_value_in():
    def g(x):
        y = X.copy()
        y += x
        return y

    with pytest.raises(TraceError, match=r"into an array of a traced tensor .*: y = y \+ x"):
        schuss.jit(g)(X)


def test_an_argument_that_is_no_key():
    with pytest.raises(UsageError, match=r"x is neither an array nor hashable \(set\)"):
        schuss.jit(lambda x: 1.0)({1, 2})


def test_a_shape_error_names_the_line():
    with pytest.raises(ShapeError, match=r"float64\[5,3\] @ float64\[2,3\].*test_jit.py:\d+"):
        schuss.jit(f)(X, np.ones((2, 3)))


def test_an_op_without_a_lowering_is_named(monkeypatch):
    from schuss.ops import registry

    monkeypatch.setitem(registry.REGISTRY, "tanh", dataclasses.replace(registry.REGISTRY["tanh"], emit=None))
    with pytest.raises(LoweringError, match="tanh"):
        schuss.jit(schuss.tanh)(X)


def test_a_parameter_as_the_result_is_read_at_each_call():
    model = nn.Linear(2, 1)
    weight = schuss.jit(lambda model: {"weight": model.weight})
    for value in (1.0, 3.0):
        model.weight.data = np.full((1, 2), value)
        assert weight(model)["weight"].tolist() == [[value, value]]

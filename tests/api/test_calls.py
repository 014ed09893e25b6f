"""Models called on arrays: one compilation for all lengths, seen changes, bounded and weak caches, threads."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

import schuss
from schuss import nn
from schuss.api import calls
from schuss.errors import DataError, ShapeError

X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


def by_numpy(net, x):
    s = net.state_dict()
    h = x @ s["first.weight"].T + s["first.bias"]
    return np.maximum(h, h * net.slope) @ s["second.weight"].T + s["second.bias"]


def test_one_compilation_serves_every_length(net):
    for n in (6, 1, 3, 0):
        found = net(X[:n])
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, by_numpy(net, X[:n]), rtol=1e-5, atol=1e-6)
    assert calls.cache_info(net)[:2] == (3, 1)


def test_changed_weights_count_without_a_new_compilation(net):
    before = net(X)
    net.second.bias.data = net.second.bias.data + 1.0
    np.testing.assert_allclose(net(X), before + 1.0, rtol=1e-5, atol=1e-5)
    assert calls.cache_info(net).misses == 1


def test_changes_of_the_structure_are_seen(net):
    net(X)
    for change in (
        lambda: setattr(net, "slope", 0.5),
        lambda: setattr(net, "second", nn.Linear(4, 2)),
        lambda: nn.to_dtype(net, "float64"),
    ):
        change()
        np.testing.assert_allclose(net(X), by_numpy(net, X), rtol=1e-5, atol=1e-6)
    net.second = nn.Linear(4, 5)
    assert net(X).shape == (6, 5)


def test_a_changed_array_that_a_model_holds_is_seen():
    class Shift(nn.Module):
        def __init__(self):
            self.by = np.zeros(3, np.float32)

        def forward(self, x):
            return x + self.by

    model = Shift()
    np.testing.assert_array_equal(model(X), X)
    model.by += 1.0
    np.testing.assert_array_equal(model(X), X + 1.0)


def test_a_changed_function_that_a_model_holds_is_seen():
    class Apply(nn.Module):
        def __init__(self, f):
            self.f = f

        def forward(self, x):
            return self.f(x)

    model = Apply(lambda x: x + 1.0)
    np.testing.assert_array_equal(model(X), X + 1.0)
    model.f = lambda x: x + 2.0
    np.testing.assert_array_equal(model(X), X + 2.0)


def test_a_model_that_needs_the_length_is_compiled_for_each_shape():
    class Flat(nn.Module):
        def forward(self, x):
            return schuss.reshape(x, shape=(x.shape[0] * x.shape[1],))

    model = Flat()
    for n in (6, 2, 6):
        np.testing.assert_array_equal(model(X[:n]), X[:n].reshape(-1))
    assert calls.cache_info(model).currsize == 3  # the symbolic form, known to fail, and two shapes


def test_inputs_of_different_lengths():
    class Outer(nn.Module):
        def forward(self, x, y):
            return x @ y.T

    assert Outer()(X, X[:2]).shape == (6, 2)


def test_several_inputs_settings_and_outputs():
    class Both(nn.Module):
        def forward(self, x, y, scale=1.0, *, shift=0.0):
            return {"sum": x + y, "scaled": (x * scale + shift,)}

    model = Both()
    out = model(X, X, 2.0)
    np.testing.assert_array_equal(out["sum"], X + X)
    np.testing.assert_array_equal(out["scaled"][0], X * 2.0)
    np.testing.assert_array_equal(model(X, X, scale=3.0)["scaled"][0], X * 3.0)
    np.testing.assert_array_equal(model(X, X, shift=1.0)["scaled"][0], X + 1.0)


def test_dtypes_and_lists(net):
    assert net(X.astype(np.float64)).dtype == np.float32
    np.testing.assert_allclose(net(X.tolist()), net(X), rtol=1e-6)
    assert net(np.ones((2, 3), np.uint8)).dtype == np.float32
    np.testing.assert_allclose(net(X[0]), net(X)[0], rtol=1e-5, atol=1e-6)


def test_results_are_new_arrays():
    model = nn.Identity()
    x = X.copy()
    model(x)[:] = 0.0
    np.testing.assert_array_equal(x, X)


def test_the_cache_is_bounded_and_goes_with_the_model(net):
    class Repeat(nn.Module):
        def forward(self, x, n):
            return x * float(n)

    model = Repeat()
    for n in range(20):
        np.testing.assert_array_equal(model(X, n), X * n)
    assert calls.cache_info(model).currsize == calls.MAXSIZE
    known, key = weakref.ref(model), id(model)
    del model
    gc.collect()
    assert known() is None
    assert key not in calls._caches


def test_many_threads(net):
    expected = [by_numpy(net, X + i) for i in range(6)]
    wrong = []

    def work(i):
        for _ in range(20):
            if not np.allclose(net(X + np.float32(i)), expected[i], rtol=1e-4, atol=1e-5):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    assert calls.cache_info(net).currsize == 1


def test_dropout_is_off():
    model = nn.Sequential(nn.Dropout(0.5))
    np.testing.assert_array_equal(model(X), X)


def test_errors_speak_of_real_shapes(net):
    with pytest.raises(ShapeError, match=r"\[6,2\]"):
        net(X[:, :2])
    with pytest.raises(DataError, match="x0"):
        net(np.array(["a", "b"]))

"""What a call looks at to see whether its model has changed: all that counts, and not each word of a vocabulary."""

from __future__ import annotations

import functools
import gc
import math
from collections import UserDict

import numpy as np
import pytest
from counting import python_calls

import schuss
from schuss import nn
from schuss.api import calls
from schuss.api import fingerprint as fingerprints
from schuss.api.fingerprint import fingerprint, look

X = np.ones((2, 3), np.float32)
MANY = 1000


class Held(nn.Module):
    """A model that uses the last of what it holds."""

    def __init__(self, held, read):
        self.first, self.held, self.read = nn.Linear(3, 3), held, read

    def forward(self, x):
        return self.first(x) * 0.0 + self.read(self.held)


def test_what_is_equal_but_not_the_same_is_told_apart():
    """Zeros of two signs, arrays of the same bytes in two shapes, and which of two parts is there twice."""
    six = np.arange(6.0)
    p, q = nn.Parameter(np.ones(3, "f4")), nn.Parameter(np.full(3, 2.0, "f4"))
    cases = [
        (lambda held: math.copysign(1.0, held), [0.0, -0.0], [1.0, -1.0]),
        (lambda held: float(len(held)), [six.reshape(2, 3), six.reshape(3, 2)], [2.0, 3.0]),
        (lambda held: held[2], [[p, q, p], [p, q, q]], [1.0, 2.0]),
    ]
    for read, values, wanted in cases:
        model, found = Held(values[0], read), []
        for value in values:
            model.held = value
            found.append(float(model(X)[0, 0]))
        assert found == wanted


LARGE = {
    "dict": lambda n: {f"word{i}": i for i in range(n)},
    "list": lambda n: [float(i) for i in range(n)],
    "tuple": lambda n: tuple(range(n)),
    "nested": lambda n: {"rows": [[i, str(i)] for i in range(n)]},
    "numpy numbers": lambda n: list(np.arange(n, dtype=np.float32)),
}


@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE)
def test_a_call_takes_no_longer_for_much_data_that_the_model_holds(make):
    def calls_of(held):
        model = Held(held, lambda held: float(len(held)))
        model(X)
        return python_calls(lambda: model(X))

    assert calls_of(make(MANY)) <= calls_of(make(10 * MANY)) + 5
    assert calls_of(make(10 * MANY)) < 2000


@pytest.mark.parametrize(
    ("held", "read", "change"),
    [
        (dict.fromkeys(range(MANY), 1.0), lambda d: d[7], lambda d: d.update({7: 2.0})),
        (dict.fromkeys(range(MANY), 1.0), lambda d: float(next(reversed(d))), lambda d: d.update({MANY: d.pop(3)})),
        ([1.0] * MANY, lambda v: v[5], lambda v: v.__setitem__(5, 3.0)),
        ([1.0] * MANY, lambda v: float(len(v)), lambda v: v.append(1.0)),
        ([[1.0, 2.0] for _ in range(MANY)], lambda v: v[9][1], lambda v: v[9].__setitem__(1, 5.0)),
        ({"a": [1.0] * MANY}, lambda d: d["a"][-1], lambda d: d["a"].__setitem__(-1, 8.0)),
        ([np.float32(1.0)] * MANY, lambda v: float(v[2]), lambda v: v.__setitem__(2, np.float32(4.0))),
        ([1.0] * MANY, lambda v: v[4], lambda v: v.__setitem__(4, np.ones(3, np.float32) * 2)),
    ],
)
def test_a_change_in_much_data_is_seen(held, read, change):
    model = Held(held, read)
    np.testing.assert_array_equal(model(X), np.zeros((2, 3)) + read(held))
    change(held)
    np.testing.assert_array_equal(model(X), np.zeros((2, 3)) + read(held))
    model(X)
    assert calls.cache_info(model).misses == 2


class Scaled:
    """An object with a method that a model may hold."""

    def __init__(self, table):
        self.table = table

    def act(self, x):
        return x * self.table[0]


class Acting(nn.Module):
    def __init__(self, act):
        self.first, self.act = nn.Linear(3, 3), act

    def forward(self, x):
        return self.act(self.first(x) * 0.0 + 1.0)


def scale(x, table):
    return x * table[0]


@pytest.mark.parametrize("call", [lambda m: m, schuss.jit], ids=["call", "jit"])
@pytest.mark.parametrize(
    "hold", [lambda t: functools.partial(scale, table=t), lambda t: Scaled(t).act], ids=["partial", "method"]
)
def test_a_change_in_much_data_of_a_function_that_the_model_holds_is_seen(hold, call):
    table = [1.0] * MANY
    model = call(Acting(hold(table)))
    np.testing.assert_array_equal(model(X), np.ones((2, 3)))
    table[0] = 3.0
    np.testing.assert_array_equal(model(X), np.full((2, 3), 3.0))


@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: [e], lambda e: {"key": (e,)}], ids=["flat", "list", "dict"])
@pytest.mark.parametrize(("before", "after"), [(1, 1.0), (1, True), (0.0, -0.0), (1.0, np.float64(1.0))])
def test_equal_numbers_that_a_model_can_tell_apart_are_told_apart(before, after, wrap):
    held = [wrap(before)] * MANY
    key = fingerprint(held)
    held[:] = [wrap(after)] * MANY
    assert fingerprint(held) != key
    held[:] = [wrap(before)] * MANY
    assert fingerprint(held) == key


def test_much_data_in_other_containers_is_told_apart():
    held = [[1, 2]] * MANY
    forms = [fingerprint(held)]
    for change in ((1, 2), [1, 2, 3], [1], [1, [2]], {1: 2}):
        held[3] = change
        forms.append(fingerprint(held))
    assert len(set(forms)) == len(forms)


def test_much_data_may_hold_itself():
    held = [1.0] * MANY
    held[5] = held
    assert fingerprint(held) == fingerprint(held)
    assert nn.named_parameters(Held(held, len)).keys() == {"first.weight", "first.bias"}


def test_a_parameter_put_into_much_data_is_found():
    held = [1.0] * MANY
    model = Held(held, lambda v: v[0])
    model(X)
    held[0] = nn.Parameter(np.full(3, 2.0, np.float32))
    assert "held.0" in nn.named_parameters(model)
    np.testing.assert_array_equal(model(X), np.full((2, 3), 2.0))


def test_sharing_and_kinds_are_told_apart():
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    forms = [
        [a, a],
        [a, b],
        (a, b),
        {"x": a, "y": b},
        {"x": a, "z": b},
        [a, [b]],
        [[a], b],
        [1, a],
        [1.0, a],
        [True, a],
    ]
    keys = [fingerprint(form) for form in forms]
    assert len(set(keys)) == len(keys)
    assert fingerprint([a, b]) == fingerprint([b, a])
    assert fingerprint([0.0]) != fingerprint([-0.0])


def test_a_model_may_be_nested_deep():
    class Link(nn.Module):
        def __init__(self, inner):
            self.inner = inner

    held = nn.Linear(3, 3)
    for _ in range(5000):
        held = [held]
    chain = nn.Linear(3, 3)
    for _ in range(5000):
        chain = Link(chain)
    for deep in (held, chain):
        assert len(nn.named_parameters(deep)) == 2
        assert fingerprint(deep) == fingerprint(deep)
    model = Held(held, lambda v: 1.0)
    np.testing.assert_array_equal(model(X), np.ones((2, 3)))


def test_a_jitted_layer_in_a_model_compiles_once():
    model = nn.Sequential(schuss.jit(nn.Linear(3, 4)), schuss.jit(lambda h: schuss.tanh(h) + 0.0), nn.Linear(4, 1))
    for layer in model.layers[:1]:
        layer(X)
    first = model(X)
    model.layers[0](X[:1])
    np.testing.assert_array_equal(model(X), first)
    assert calls.cache_info(model)[:2] == (1, 1)


def test_a_call_looks_through_its_model_once():
    model = nn.Sequential(nn.Linear(3, 4), schuss.tanh, nn.Linear(4, 1))
    jitted = schuss.jit(model)
    for call in (model, jitted):
        call(X)
    assert python_calls(lambda: model(X)) < 250  # 365 with a walk for the parameters and one for the form
    assert python_calls(lambda: jitted(X)) < 320  # 478


class Named(nn.Module):
    """Parts under names that are not its attributes'."""

    def __init__(self):
        self.parts, self.names = [nn.Linear(3, 3), nn.Linear(3, 3)], ["a", "b"]

    def named_children(self):
        return iter(zip(self.names, self.parts, strict=True))

    def forward(self, x):
        return self.parts[0](x) - self.parts[1](x)


class Computed(Named):
    """Parts that it takes from elsewhere."""

    def __init__(self, elsewhere):
        self.elsewhere = elsewhere

    def named_children(self):
        return iter(self.elsewhere().items())

    def forward(self, x):
        return next(iter(self.elsewhere().values()))(x)


def renamed(model):
    model.names = ["c", "b"]


def exchanged(model):
    model.parts = model.parts[::-1]


CHANGES = {
    "a name": (Named, renamed),
    "an attribute's name": (lambda: Held({}, len), lambda m: vars(m).update({f"y{len(vars(m))}": nn.Linear(3, 3)})),
    "the order": (Named, exchanged),
    "a key": (lambda: Held({"a": nn.Linear(3, 3)}, lambda f: 1.0), lambda m: m.held.update(b=m.held.popitem()[1])),
    "a share": (lambda: Held([nn.Linear(3, 3)] * 2, lambda f: 1.0), lambda m: m.held.__setitem__(0, nn.Linear(3, 3))),
    "a mapping": (lambda: Held(UserDict(a=nn.Linear(3, 3)), len), lambda m: m.held.update(b=nn.Linear(3, 3))),
    "a layer": (lambda: nn.Sequential(nn.Linear(3, 3)), lambda m: m.layers.append(nn.Linear(3, 3))),
}


@pytest.mark.parametrize("make, change", CHANGES.values(), ids=CHANGES)
def test_the_names_that_a_call_finds_are_those_of_now(make, change):
    model = make()
    for _ in range(2):
        model(X)
        assert list(look(model)[1].items()) == list(nn.named_parameters(model).items())
        change(model)
    assert list(look(model)[1].items()) == list(nn.named_parameters(model).items())


def test_parts_that_are_no_attributes_are_found():
    held = {"a": nn.Linear(3, 3)}
    model = Computed(lambda: held)
    first = model(X)
    held["a"].weight.data = held["a"].weight.data * 2
    assert not np.array_equal(model(X), first)
    held["a"] = nn.Linear(3, 2)
    assert model(X).shape == (2, 2)
    assert list(look(model)[1]) == ["a.weight", "a.bias"]


def test_a_function_with_parameters_of_its_own_is_looked_through():
    def f(x):
        return x @ f.table

    f.table = nn.Parameter(np.ones((3, 2), np.float32))
    assert list(look(f)[1]) == ["table"]
    f.table, f.other = None, f.table
    assert list(look(f)[1]) == ["other"]


def test_what_is_known_of_a_model_goes_with_it():
    before, model = len(fingerprints._known), nn.Linear(3, 1)
    model(X)
    assert len(fingerprints._known) == before + 1
    del model
    gc.collect()
    assert len(fingerprints._known) <= before

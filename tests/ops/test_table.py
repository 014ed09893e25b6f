"""Every operation of the table: value, gradients, native code, special values, refusals."""

from __future__ import annotations

import inspect
import itertools

import jax
import numpy as np
import pytest
from numeric import along, assert_close, check_slope, directions_for, floats, flushed, reference, type_of, weighted
from opcases import CASES, FLOAT

from schuss.backprop import backprop
from schuss.errors import ShapeError
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.reference import ReferenceExecutor
from schuss.ir.types import N, TensorType
from schuss.ops.registry import REGISTRY, Kind
from schuss.trace import Tensor, building, trace

EVERY = sorted(CASES)
DIFFERENTIABLE = [name for name in EVERY if CASES[name].differentiable]


def seed(name, *more):
    return [*name.encode(), *more]


def call(name, attrs):
    return lambda *xs: REGISTRY[name](*xs, **attrs)


def test_every_operation_has_an_entry():
    assert set(CASES) == set(REGISTRY)


def test_every_operation_has_samples_and_bad_inputs():
    for name, case in CASES.items():
        assert case.samples, name
        assert case.bad, name


def inputs_of(record, count):
    """The names of the inputs of a call, as the body has them; the one for any number stands for each."""
    given = [p.name for p in inspect.signature(record.body).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    return [*given, *given[-1:] * count][:count]


@pytest.mark.parametrize("name", EVERY)
def test_a_rule_in_words_for_each_input_that_can_be_differentiated(name):
    """It can where it takes floats and floats come out; the rule is 0 where `grad` gives nothing."""
    record, flows = REGISTRY[name], {}
    for attrs, arrays in every_call(name, "float64"):
        graph = trace(call(name, attrs), [type_of(a) for a in arrays])
        (result,) = graph.outputs
        tensors = [Tensor(node) for node in result.inputs]
        with building():
            parts = record.grad(Tensor(result), Tensor(result), *tensors, **result.attrs)
        for letter, x, part in zip(inputs_of(record, len(tensors)), tensors, parts, strict=True):
            if x.is_float and result.type.is_float:
                flows[letter] = flows.get(letter, False) or part is not None
    assert dict(record.rule).keys() == flows.keys()
    for letter, text in record.rule.items():
        assert text, letter
        assert (text != "0") == flows[letter], (letter, text)


def every_call(name, floating):
    """Attributes and arrays of every sample, in a floating dtype."""
    return [(sample.attrs, sample.arrays(seed(name, i), floating)) for i, sample in enumerate(CASES[name].samples)]


# -- values -----------------------------------------------------------------------------------------


def oracle_values(name):
    """A function that gives the oracle's results for all samples in float64, and its results on absolute values where
    those are what rounding is measured by.

    One jax program for all the samples: a compilation costs more than everything else.
    """
    case = CASES[name]

    def values(groups):
        return [case.oracle(*g, **sample.attrs) for sample, g in zip(case.samples, groups, strict=True)]

    program = values if REGISTRY[name].kind is Kind.RANDOM else jax.jit(values)  # those: Python's integers

    def found(calls):
        groups = [[a.astype("float64") if a.dtype == np.float32 else a for a in arrays] for _, arrays in calls]
        with jax.enable_x64(True):
            results = program(groups)
            scales = program([[np.abs(a) for a in g] for g in groups]) if case.summed else [None] * len(groups)
        return [np.asarray(v) for v in results], [None if s is None else np.asarray(s) for s in scales]

    return found


@pytest.mark.parametrize("name", EVERY)
def test_value_is_the_oracles(name):
    """The oracle computes in float64; the reference may be off by the rounding of its own dtype."""
    oracle = oracle_values(name)
    exact = REGISTRY[name].kind in (Kind.VIEW, Kind.RANDOM)
    for floating in ("float32", "float64"):
        calls = every_call(name, floating)
        for (attrs, arrays), expected, scale in zip(calls, *oracle(calls), strict=True):
            (found,) = reference(call(name, attrs), *arrays)
            if found.dtype == np.float32:
                expected = expected.astype(found.dtype)
            assert_close(found, expected, 0 if exact else CASES[name].oracle_ulps, scale)


def test_calls_on_arrays_are_the_bodies():
    """Without a tensor among its inputs an operation computes at once, silently."""
    for name, case in CASES.items():
        for i, sample in enumerate(case.samples):
            arrays = sample.arrays(seed(name, i))
            expected = reference(call(name, sample.attrs), *arrays)[0]
            assert np.array_equal(call(name, sample.attrs)(*arrays), expected, equal_nan=expected.dtype.kind == "f")
    assert np.isnan(REGISTRY["log"](np.array([-1.0])))


# -- gradients --------------------------------------------------------------------------------------


def differentiable_samples(name):
    """Samples with elements to move, on float64, with weights for the result."""
    for i, sample in enumerate(CASES[name].samples):
        if sample.floating and sample.attrs.get("dtype", "float64").startswith("float"):
            arrays = sample.arrays(seed(name, i))
            value = call(name, sample.attrs)(*arrays)
            rng = np.random.default_rng(seed(name, i, 1))
            if np.isfinite(value).all():
                yield sample, arrays, rng.standard_normal(np.shape(value)), rng


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradient_by_finite_differences(name):
    for sample, arrays, weights, rng in differentiable_samples(name):
        if sample.attrs.get("dtype") != "float32":  # too coarse a result to difference
            check_slope(weighted(call(name, sample.attrs), weights), arrays, rng, 1e-6)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_second_order_by_finite_differences(name):
    """The slope along a random direction is a function that is differentiated again, squared to curve it."""
    for sample, arrays, weights, rng in differentiable_samples(name):
        if sample.attrs.get("dtype") != "float32":
            function = weighted(lambda *xs, s=sample: call(name, s.attrs)(*xs) ** 2, weights)
            check_slope(along(function, directions_for(arrays, rng)), arrays, rng, 1e-4)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradient_is_jaxs(name):
    samples = [(sample.attrs, arrays, weights) for sample, arrays, weights, _ in differentiable_samples(name)]

    def theirs(groups):
        return [
            jax.grad(lambda fs, attrs=attrs, xs=xs, w=w: (CASES[name].oracle(*merged(xs, fs), **attrs) * w).sum())(
                floats(xs)
            )
            for (attrs, _, w), xs in zip(samples, groups, strict=True)
        ]

    with jax.enable_x64(True):
        expected = jax.jit(theirs)([arrays for _, arrays, _ in samples])
    for (attrs, arrays, weights), gradients in zip(samples, expected, strict=True):
        loss = weighted(call(name, attrs), weights)
        found = reference(lambda *xs, f=loss: backprop(f(*xs), floats(xs)), *arrays)
        tolerance = 1e-5 if attrs.get("dtype") == "float32" else 1e-10
        for f, e in zip(found, gradients, strict=True):
            assert f.shape == e.shape
            np.testing.assert_allclose(f, e, rtol=tolerance, atol=tolerance)


def merged(arrays, floating):
    """The arrays with the floating ones replaced."""
    rest = iter(floating)
    return [next(rest) if str(a.dtype).startswith("float") else a for a in arrays]


@pytest.mark.parametrize("name", [n for n in EVERY if n not in DIFFERENTIABLE])
def test_no_gradient_flows(name):
    for i, sample in enumerate(CASES[name].samples):
        if sample.floating:
            arrays = sample.arrays(seed(name, i))

            def gradients(*xs, s=sample):
                result = call(name, s.attrs)(*xs).astype("float64")
                return backprop(result.sum(), floats(xs))

            assert all((g == 0).all() for g in reference(gradients, *arrays))


# -- native code ------------------------------------------------------------------------------------


def native(name, calls):
    """Found and expected results of many calls (attributes and arrays) of an operation, by one native program."""
    counts = [len(arrays) for _, arrays in calls]

    def function(*xs):
        rest = iter(xs)
        return [call(name, attrs)(*itertools.islice(rest, n)) for (attrs, _), n in zip(calls, counts, strict=True)]

    arrays = [a for _, given in calls for a in given]
    graph = trace(function, [type_of(a) for a in arrays])
    return NativeExecutor(1).compile(graph)(arrays), ReferenceExecutor().compile(graph)([flushed(a) for a in arrays])


def compare(name, attrs, arrays, found, expected):
    case = CASES[name]
    summed = case.summed and expected.dtype.kind == "f"
    scale = call(name, attrs)(*[np.abs(a) if a.dtype.kind == "f" else a for a in arrays]) if summed else None
    assert_close(flushed(found), flushed(expected), 8 if summed else case.ulps, scale, case.zero_sign)


@pytest.mark.parametrize("name", EVERY)
def test_native_is_the_reference(name):
    calls = every_call(name, "float64")
    calls += [c for s, c in zip(CASES[name].samples, every_call(name, "float32"), strict=True) if s.floating]
    for (attrs, arrays), found, expected in zip(calls, *native(name, calls), strict=True):
        compare(name, attrs, arrays, found, expected)


SYMBOLIC = [n for n in EVERY if any(s.symbolic for s in CASES[n].samples)]


def with_rows(sample, n):
    """The sample's arguments with n rows where the leading axis may be N."""
    return [
        type(a)((n, *a.shape[1:]), a.draw, a.dtype) if i in sample.symbolic else a for i, a in enumerate(sample.args)
    ]


@pytest.mark.parametrize("name", SYMBOLIC)
def test_native_is_the_reference_for_any_number_of_rows(name):
    samples = [s for s in CASES[name].samples if s.symbolic]

    def function(*xs):
        rest = iter(xs)
        return [call(name, s.attrs)(*itertools.islice(rest, len(s.args))) for s in samples]

    def types(floating):
        return [
            TensorType(floating if a.dtype == FLOAT else a.dtype, (N, *a.shape[1:]) if i in s.symbolic else a.shape)
            for s in samples
            for i, a in enumerate(s.args)
        ]

    for floating in ("float32", "float64"):
        graph = trace(function, types(floating))
        compiled, specification = NativeExecutor(2).compile(graph), ReferenceExecutor().compile(graph)
        some = (0, 1, 300) if floating == "float32" else (17,)  # code is made for each number of rows, or power of two
        for n in some:
            if not n and name in ("max", "min", "argmax"):  # there is none
                continue
            rng = np.random.default_rng(seed(name, n % 256))
            groups = [[a.array(rng, floating) for a in with_rows(s, n)] for s in samples]
            arrays = [a for g in groups for a in g]
            for s, g, f, e in zip(samples, groups, compiled(arrays), specification(arrays), strict=True):
                compare(name, s.attrs, g, f, e)


# -- special values -----------------------------------------------------------------------------------


def special_values(dtype):
    """Zeros, ends of the range, numbers below the normal ones, halves and integers, NaN and infinities."""
    info = np.finfo(dtype)
    some = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 10.0, 88.0, 90.0, 104.0, 710.0, 1e5, 2.0**24 + 1, info.eps, 1e-20]
    ends = [info.max, info.tiny, info.tiny / 4, info.smallest_subnormal, np.inf]
    return np.array([s * v for v in (*some, *ends) for s in (1, -1)] + [np.nan], dtype)


def special_calls(name):
    """All special values, or all pairs of them, in both dtypes."""
    case = CASES[name]
    sample = next(s for s in case.samples if s.floating)
    for dtype in ("float32", "float64"):
        values = special_values(dtype)
        if name in ("sin", "cos"):
            values = values[~(np.abs(values) > 2.0**20) | np.isinf(values)]  # what native code promises
        yield sample.attrs, [values] if len(sample.args) == 1 else [values[:, None], values]


SPECIAL_MAPS = [
    n
    for n in EVERY
    if REGISTRY[n].kind is Kind.MAP and CASES[n].specials and any(s.floating for s in CASES[n].samples) and n != "cast"
]


@pytest.mark.parametrize("name", SPECIAL_MAPS)
def test_special_values_in_native_code(name):
    """Numbers below the normal ones count as zeros in native code, so the reference is given zeros."""
    calls = list(special_calls(name))
    for (attrs, arrays), found, expected in zip(calls, *native(name, calls), strict=True):
        compare(name, attrs, arrays, found, expected)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "argmax"])
def test_special_values_in_folds(name):
    """Every row of three, and the same rows lying as columns."""
    calls = []
    for dtype in ("float32", "float64"):
        rows = np.array(list(itertools.product([0.0, -0.0, 1.0, -2.0, np.inf, -np.inf, np.nan], repeat=3)), dtype)
        wide = np.concatenate([np.zeros((len(rows), 16), dtype), rows], axis=1)
        calls += [
            ({"axis": a, "keepdims": False}, [np.ascontiguousarray(x)])
            for a, x in ((1, rows), (0, rows.T), (1, wide), (0, wide.T))
        ]
    for found, expected in zip(*native(name, calls), strict=True):
        assert_close(found, expected, 8 if CASES[name].summed else 0, zero_sign=False)


# -- refusals -------------------------------------------------------------------------------------------

BAD = [(name, i) for name in EVERY for i in range(len(CASES[name].bad))]


@pytest.mark.parametrize(("name", "i"), BAD)
def test_bad_input_is_named(name, i):
    bad = CASES[name].bad[i]
    with pytest.raises(bad.error) as caught:
        trace(call(name, bad.attrs), bad.types)
    message = str(caught.value)
    assert bad.message in message
    assert message.startswith(f"{name}: ")
    assert "test_table.py:" in message, "the user's line is named"
    assert "\n" not in message


@pytest.mark.parametrize("name", [n for n in EVERY if n != "concatenate"])  # which takes any number
def test_too_many_inputs_are_refused(name):
    case = CASES[name]
    sample = case.samples[0]
    types = [type_of(a) for a in sample.arrays(seed(name))]
    with pytest.raises(ShapeError) as caught:
        trace(call(name, sample.attrs), [*types, types[0]])
    assert name in str(caught.value)

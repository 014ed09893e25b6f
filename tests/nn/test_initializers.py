"""Initial values: how they are drawn, and that they are the same bits everywhere."""

from __future__ import annotations

import hashlib
import math

import mpmath
import numpy as np
import pytest

from schuss import nn
from schuss.errors import UsageError
from schuss.nn import init
from schuss.ops.philox import key_from_seed

KEY = key_from_seed(7)


def test_default_law_of_linear() -> None:
    layer = nn.Linear(400, 300)
    nn.initialize(layer, 0)
    bound = 1 / math.sqrt(400)
    for values in (layer.weight.data, layer.bias.data):
        assert abs(values).max() <= np.float32(bound)
        assert abs(values).max() > 0.98 * bound
    w = layer.weight.data.astype(np.float64)
    assert abs(w.mean()) < 4 * bound / math.sqrt(3 * w.size)
    assert w.var() == pytest.approx(bound**2 / 3, rel=0.02)


@pytest.mark.parametrize(
    "initializer, std, bound",
    [
        (init.XavierUniform(), math.sqrt(2 / 300), math.sqrt(6 / 300)),
        (init.XavierNormal(gain=2.0), 2 * math.sqrt(2 / 300), None),
        (init.KaimingUniform(), math.sqrt(2 / 100), math.sqrt(6 / 100)),
        (init.KaimingUniform(a=math.sqrt(5)), math.sqrt(1 / 300), 0.1),
        (init.KaimingNormal(), math.sqrt(2 / 100), None),
        (init.LecunNormal(), 0.1, None),
        (init.LinearDefault(), 0.1 / math.sqrt(3), 0.1),
        (init.Uniform(-3, 3), math.sqrt(3), 3),
        (init.Normal(0, 0.5), 0.5, None),
    ],
)
def test_initializers(initializer: init.Initializer, std: float, bound: float | None) -> None:
    values = initializer(KEY, (200, 100))
    assert values.dtype == np.float64
    assert values.shape == (200, 100)
    assert abs(values.mean()) < 4 * std / math.sqrt(20000)
    assert values.std() == pytest.approx(std, rel=0.02)
    if bound is not None:
        assert abs(values).max() <= bound


def test_constants() -> None:
    assert np.array_equal(init.Zeros()(KEY, (2,)), [0, 0])
    assert np.array_equal(init.Ones()(KEY, (2,)), [1, 1])
    assert np.array_equal(init.Constant(0.5)(KEY, (2,)), [0.5, 0.5])


def test_normals_are_normal() -> None:
    from scipy.stats import kstest

    values = init.normals(KEY, (40000,))
    assert kstest(values, "norm").pvalue > 0.01
    assert np.isfinite(values).all()
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.02


def test_own_log_and_sine_are_exact_to_a_few_units() -> None:
    x = np.concatenate([2.0 ** -np.arange(1, 34), np.linspace(1e-6, 1, 200), [0.5**0.5, 1 - 2**-33]])
    for mine, exact in ((init._log(x), mpmath.log), (init._sin((x - 0.5) * math.pi), None)):
        if exact is None:
            want = [float(mpmath.sin(mpmath.mpf(float((v - 0.5) * math.pi)))) for v in x]
        else:
            want = [float(exact(mpmath.mpf(float(v)))) for v in x]
        np.testing.assert_allclose(mine, want, rtol=1e-15, atol=1e-17)


def test_same_seed_same_bits_other_seed_others() -> None:
    def weights(seed: int) -> dict[str, np.ndarray]:
        model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 4), nn.Embedding(3, 2))
        nn.initialize(model, seed)
        return model.state_dict()

    a, b, c = weights(0), weights(0), weights(1)
    for name, value in a.items():
        assert value.tobytes() == b[name].tobytes()
        assert value.tobytes() != c[name].tobytes()


def test_values_belong_to_the_name_not_to_the_order() -> None:
    def first(*more: nn.Module) -> np.ndarray:
        model = nn.Sequential(nn.Linear(3, 3), *more)
        nn.initialize(model, 0)
        return model[0].weight.data

    assert np.array_equal(first(), first(nn.Linear(3, 9), nn.Linear(9, 1)))
    twins = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    nn.initialize(twins, 0)
    assert not np.array_equal(twins[0].weight.data, twins[1].weight.data)


def test_golden_bits() -> None:
    """The first weights of a seed are part of what a version promises: change them knowingly."""
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10), nn.Embedding(10, 3))
    nn.initialize(model, 0)
    digest = hashlib.sha256(b"".join(v.astype("<f4").tobytes() for v in model.state_dict().values())).hexdigest()
    assert digest[:16] == "fb1a3e2cbafb8e29"


def test_float64_rounds_to_the_same_float32() -> None:
    a, b = nn.Linear(9, 9), nn.Linear(9, 9, dtype="float64")
    nn.initialize(a, 0)
    nn.initialize(b, 0)
    assert np.array_equal(a.weight.data, b.weight.data.astype(np.float32))


def test_initialize_leaves_values_alone() -> None:
    layer = nn.Linear(2, 2)
    layer.weight.data = np.eye(2)
    nn.initialize(layer, 0)
    assert np.array_equal(layer.weight.data, np.eye(2))
    with pytest.raises(UsageError, match="must not be negative, got -1"):
        nn.initialize(layer, -1)


def test_law_by_name_and_from_a_function() -> None:
    assert isinstance(nn.Linear(2, 2, init="kaiming_normal").weight.init, init.KaimingNormal)
    layer = nn.Linear(2, 2, init=lambda key, shape: np.full(shape, 3.0))
    assert np.array_equal(layer.weight.data, np.full((2, 2), 3))
    with pytest.raises(UsageError, match="unknown initializer 'magic'"):
        nn.Linear(2, 2, init="magic")


def test_bad_laws() -> None:
    with pytest.raises(UsageError, match="low must not be above high"):
        init.Uniform(1, 0)
    with pytest.raises(UsageError, match="std must be a number of at least 0"):
        init.Normal(0, -1)
    with pytest.raises(UsageError, match="at least two axes"):
        init.XavierUniform()(KEY, (3,))


def test_fans_of_higher_shapes() -> None:
    assert init.fans((8, 3, 5, 5)) == (75, 200)

"""The mode of a call: dropout in training mode on arrays, under jit and after loading; all draws compile once."""

from __future__ import annotations

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.api import calls
from schuss.errors import ModelFileError, UsageError
from schuss.io.tensors import read_sealed, write_tensors
from schuss.ir.types import TensorType
from schuss.ops.philox import key_from_seed

X = np.ones((8, 3), np.float32)


class Net(nn.Module):
    """Two dropouts, and one more behind a normal draw of its own: what a file must hold to train on."""

    def __init__(self, wide=16):
        self.first, self.drop, self.last = nn.Linear(3, wide), nn.Dropout(0.5), nn.Linear(wide, 2)

    def forward(self, x):
        h = self.drop(schuss.relu(self.drop(self.first(x))) + 1.0)
        now = nn.current_mode()
        if now.training:
            h = h + 0.1 * schuss.random_normal(now.key, now.step, shape=h.shape, stream=now.next_stream())
        return self.last(h)


@pytest.fixture(scope="module")
def dropping():
    model = nn.Sequential(nn.Linear(3, 64), nn.Dropout(0.5))
    nn.initialize(model)
    return model


def zeros(result):
    return float((result == 0).mean())


def test_training_mode_holds_on_arrays_and_under_jit(dropping):
    fast = schuss.jit(dropping)
    inner = schuss.jit(lambda x: dropping(x) + 0.0)
    assert zeros(dropping(X)) == zeros(fast(X)) == zeros(inner(X)) == 0.0
    with nn.mode(training=True, key=key_from_seed(0), step=0):
        drawn = [f(X) for f in (dropping, fast, inner)]
        assert all(0.4 < zeros(d) < 0.6 for d in drawn)
    with nn.mode(training=False, key=key_from_seed(0), step=0):
        assert [zeros(f(X)) for f in (dropping, fast, inner)] == [0.0, 0.0, 0.0]
        for other in drawn[1:]:
            np.testing.assert_allclose(other, drawn[0], rtol=1e-6)
    assert zeros(dropping(X)) == zeros(fast(X)) == 0.0


def test_a_thousand_draws_compile_once():
    dropping = nn.Sequential(nn.Linear(3, 64), nn.Dropout(0.5))
    fast = schuss.jit(dropping)
    for f, misses in ((dropping, lambda: calls.cache_info(dropping).misses), (fast, lambda: fast.cache_info().misses)):
        f(X)
        with nn.mode(training=True, key=7):
            draws = np.stack([f(X) for _ in range(1000)])
        for seed in range(3):
            with nn.mode(training=True, key=seed, step=seed):
                f(X)
        assert misses() == 2
        plain = f(X)
        np.testing.assert_allclose(draws.mean(axis=0), plain, atol=0.15 * np.abs(plain).max())
        with nn.mode(training=True, key=7):
            np.testing.assert_array_equal(f(X), draws[0])


def test_draws_of_one_step_are_equal_and_of_others_not(dropping):
    def draw(**mode):
        with nn.mode(training=True, **mode):
            return dropping(X)

    np.testing.assert_array_equal(draw(key=1, step=2), draw(key=key_from_seed(1), step=np.int64(2)))
    assert not np.array_equal(draw(key=1, step=2), draw(key=1, step=3))
    assert not np.array_equal(draw(key=1, step=2), draw(key=2, step=2))


def test_the_mode_within_a_jitted_function_is_traced(dropping):
    def draw(key, x):
        with nn.mode(training=True, key=key, step=0):
            return dropping(x)

    with nn.mode(training=True, key=5, step=0):
        expected = dropping(X)
    np.testing.assert_allclose(schuss.jit(draw, backend="reference")(key_from_seed(5), X), expected, rtol=1e-6)


def test_training_mode_without_a_key_and_a_frozen_model_say_what_to_do(dropping):
    frozen = schuss.freeze(dropping)
    frozen(X[:1])
    with nn.mode(training=True):
        with pytest.raises(UsageError, match=r"nn\.mode\(training=True, key="):
            dropping(X)
        for wrong in (lambda: frozen(X[:1]), lambda: schuss.freeze(dropping)):
            with pytest.raises(UsageError, match=r"in training mode call the model"):
                wrong()


def trained(model, epochs=2):
    y = (np.arange(8) % 2).astype(np.int64)
    schuss.fit(model, (X, y), loss=nn.CrossEntropyLoss(), optimizer=optim.SGD(0.1), epochs=epochs, batch_size=4)
    return [p.data.copy() for p in nn.named_parameters(model).values()]


def assert_same(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_loaded_model_of_a_users_class_trains_on_with_its_dropout(tmp_path):
    model = Net()
    trained(model)
    schuss.save(model, tmp_path / "a.safetensors")
    once = schuss.load(tmp_path / "a.safetensors")
    schuss.save(once, tmp_path / "b.safetensors")
    twice = schuss.load(tmp_path / "b.safetensors")
    with nn.mode(training=True, key=1, step=0):
        drawn = model(X)
        assert not np.array_equal(drawn, model(X[::-1])[::-1])
        for again in (once, twice, schuss.jit(once)):
            np.testing.assert_allclose(again(X), drawn, rtol=1e-5, atol=1e-6)
    for again in (once, twice):
        np.testing.assert_array_equal(again(X), model(X))
    expected = trained(model)
    assert_same(trained(once), expected)
    assert_same(trained(twice), expected)


def test_two_loaded_models_in_one_draw_numbers_of_their_own(tmp_path):
    class Drop(nn.Module):
        def __init__(self):
            self.gain, self.drop = nn.Parameter(np.ones(64, np.float32)), nn.Dropout(0.5)

        def forward(self, x):
            return self.drop(x * self.gain)

    model = Drop()
    schuss.save(model, tmp_path / "m.safetensors", inputs=[TensorType("float32", (64,))])
    a, b = (schuss.load(tmp_path / "m.safetensors") for _ in range(2))
    with nn.mode(training=True, key=1, step=0):
        assert 0.6 < zeros(nn.Sequential(a, b, nn.Dropout(0.2))(np.ones(64, np.float32))) < 0.95
        assert 0.55 < zeros(nn.Sequential(nn.Dropout(0.5), a)(np.ones(64, np.float32))) < 0.95


def without(path, key):
    """The file with an entry of its description taken out, as version 0.1.0 would have written it."""
    tensors, description, _ = read_sealed(path)
    del description[key]
    write_tensors(path, tensors, description)


def test_a_file_without_a_graph_of_training_says_so_when_it_is_trained(tmp_path):
    model = Net()
    trained(model)
    for name in ("a", "b"):
        schuss.save(model, tmp_path / name)
    without(tmp_path / "a", "training")
    old = schuss.load(tmp_path / "a")
    np.testing.assert_array_equal(old(X), model(X))
    with pytest.warns(UserWarning, match="has no graph of training"):
        trained(old)
    schuss.save(old, tmp_path / "again")
    with pytest.warns(UserWarning, match="has no graph of training"):
        trained(schuss.load(tmp_path / "again"))


@pytest.mark.parametrize("wrong", ["schuss graph 1\ninput %0 x0 float32[N,3]\noutput y0 %0\n", "nonsense", 7])
def test_a_wrong_graph_of_training_is_refused(wrong, tmp_path):
    model = Net()
    trained(model)
    schuss.save(model, tmp_path / "a")
    tensors, description, _ = read_sealed(tmp_path / "a")
    write_tensors(tmp_path / "a", tensors, description | {"training": wrong})
    with pytest.raises(ModelFileError, match="graph of training"):
        schuss.load(tmp_path / "a")

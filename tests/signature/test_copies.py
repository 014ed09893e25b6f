"""Whatever copies, wraps or cuts a fitted model, the model's treatment of raw data comes along."""

import copy
import dataclasses
import gc
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.nn.holding import own_signature
from schuss.signature import Input, Scale, Signature

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (60, 6)).astype(np.uint8)
Y = X[:, 0] / 255
FLOATS = X * np.float32(1 / 255)


def fit(model, x=X, **options):
    schuss.fit(
        model, (x, Y), loss=nn.MSELoss(), optimizer=optim.SGD(lr=0.1), epochs=1, scale=1 / 255,
        backend="reference", **options,
    )  # fmt: skip
    return model


def sequential():
    return nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1))


class OfLayers(nn.Module):
    def __init__(self):
        self.a, self.b = nn.Linear(6, 4), nn.Linear(4, 1)

    def forward(self, x):
        return self.b(schuss.tanh(self.a(x)))


class Plain:
    """No Module: its layers are found in its attributes."""

    def __init__(self):
        self.a, self.b = nn.Linear(6, 4), nn.Linear(4, 1)

    def __call__(self, x):
        return self.b(schuss.tanh(self.a(x)) + 0.0 * x[:, :4])


@dataclasses.dataclass
class Data(nn.Module):
    a: nn.Linear
    b: nn.Linear

    def forward(self, x):
        return self.b(schuss.tanh(self.a(x)))


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: nn.Linear
    b: nn.Linear

    def __call__(self, x):
        return self.b(schuss.tanh(self.a(x)))


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenSlots:
    a: nn.Linear
    b: nn.Linear

    def __call__(self, x):
        return self.b(schuss.tanh(self.a(x)))


class Slots:
    __slots__ = ("a", "b")

    def __init__(self):
        self.a, self.b = nn.Linear(6, 4), nn.Linear(4, 1)

    def __call__(self, x):
        return self.b(schuss.tanh(self.a(x)))


class OwnName(OfLayers):
    """Has an attribute called signature itself."""

    def __init__(self):
        super().__init__()
        self.signature = nn.Linear(1, 1)

    def forward(self, x):
        return self.signature(super().forward(x))


class OwnMethod(OfLayers):
    def signature(self):
        return "mine"


class Late(OfLayers):
    """Takes the name when it is called."""

    def forward(self, x):
        self.signature = "taken"
        return super().forward(x)


def layers():
    return nn.Linear(6, 4), nn.Linear(4, 1)


MAKERS = {
    "Sequential": sequential,
    "class": OfLayers,
    "plain class": Plain,
    "dataclass": lambda: Data(*layers()),
    "frozen dataclass": lambda: Frozen(*layers()),
    "frozen dataclass with slots": lambda: FrozenSlots(*layers()),
    "slots": Slots,
    "own attribute": OwnName,
    "own method": OwnMethod,
    "late attribute": Late,
}
COPIES = {
    "itself": lambda m: m,
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda m: pickle.loads(pickle.dumps(m)),
    "old pickle": lambda m: pickle.loads(pickle.dumps(m, protocol=2)),
    "copies of copies": lambda m: copy.deepcopy(pickle.loads(pickle.dumps(copy.copy(m)))),
}


@pytest.fixture(scope="module")
def fitted():
    return {name: fit(make()) for name, make in MAKERS.items()}


def same(found, expected):
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("kind", MAKERS)
def test_copies_scale_bytes(fitted, kind, way):
    model = fitted[kind]
    expected = model(FLOATS)
    other = COPIES[way](model)
    same(other(X), expected)
    same(other(X.astype(np.int64)), expected)
    signature = nn.signature_of(other)
    assert signature.inputs == (Input("x", signature.inputs[0].type, Scale(1 / 255)),)
    assert signature.record["epochs"] == 1
    assert nn.named_parameters(other).keys() == nn.named_parameters(model).keys()


@pytest.mark.parametrize("kind", ["Sequential", "plain class", "frozen dataclass with slots", "own attribute"])
def test_compiled_and_traced_calls_scale_bytes(fitted, kind):
    model = fitted[kind]
    expected = model(FLOATS)
    same(schuss.jit(model)(X), expected)
    same(schuss.jit(lambda m, x: m(x))(model, X), expected)
    same(schuss.jit(lambda x: model(x) + 0.0)(X), expected)
    same(schuss.freeze(model)(X), expected)

    def loss(m, x):
        return (m(x) ** 2).mean()

    value, gradient = schuss.value_and_grad(loss)(model, X)
    wanted, slope = schuss.value_and_grad(loss)(model, FLOATS)
    same(value, wanted)
    for name in slope:
        same(gradient[name], slope[name])


def test_wrapping_and_cutting(fitted):
    model = fitted["Sequential"]
    expected = model(FLOATS)
    for wrapped in (
        nn.Sequential(model, nn.Identity()),
        nn.Sequential(nn.Sequential(model), nn.Identity()),
        nn.Sequential(nn.Flatten(), model),
        copy.deepcopy(nn.Sequential(model)),
    ):
        same(wrapped(X), expected)
        same(schuss.jit(wrapped)(X), expected)
    same(model[:](X), expected)
    same(model[:2](X), model[:2](FLOATS))
    same(model[:-1][:1](X), model[:1](FLOATS))
    assert model[:].signature is nn.Sequential(*model).signature is model.signature  # the same layers, and all
    assert model[:2].signature == Signature(model.signature.inputs)
    assert nn.Sequential(*model[:2]).signature is None
    assert nn.Sequential(model).signature == Signature(model.signature.inputs)
    assert model[1:].signature is None
    assert own_signature(model[::2]) is None


def test_the_same_layers_in_another_sequential(fitted):
    """They compute the same, so that the answers mean the same; copies' layers are the copies'."""
    model = fit(sequential())
    other = nn.Sequential(*model)
    assert other.signature is model.signature
    del other
    gc.collect()
    assert nn.Sequential(*model).signature is model.signature
    for way in (copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))):
        duplicate = way(model)
        assert nn.Sequential(*duplicate).signature is duplicate.signature
        same(nn.Sequential(*duplicate)(X), model(FLOATS))
        assert nn.Sequential(*duplicate.layers[:2], model[2]).signature is None
    fit(model)
    assert nn.Sequential(*model).signature is model.signature
    assert nn.Sequential(*reversed(list(model))).signature is None
    lone = pickle.loads(pickle.dumps(model[0]))  # a part takes nothing of the whole with it
    assert nn.Sequential(lone).signature is None


def test_a_model_within_another_is_not_scaled_twice(fitted):
    class Wrapper(nn.Module):
        def __init__(self, inner):
            self.inner, self.last = inner, nn.Linear(1, 1)

        def forward(self, x):
            return self.last(self.inner(x))

    inner = copy.deepcopy(fitted["Sequential"])
    wrapper = Wrapper(inner)
    same(wrapper(X), wrapper(FLOATS))  # the inner one acts
    schuss.fit(wrapper, (X, Y), loss=nn.MSELoss(), optimizer=optim.SGD(), backend="reference", scale=1 / 255)
    same(wrapper(X), wrapper(FLOATS))
    assert wrapper.signature.output is not None
    schuss.fit(wrapper, (X, Y), loss=nn.MSELoss(), optimizer=optim.SGD(), backend="reference", scale=0.5)
    assert wrapper.signature.inputs[0].scale == 0.5  # fitting replaces its own
    same(wrapper(X), wrapper(X * np.float32(0.5)))
    same(inner(X), inner(FLOATS))


def test_a_fitted_model_is_inert_while_another_is_fitted_around_it(fitted):
    """Integers that the wrapper takes as they are reach the inner one as they are, in fit and in calls alike."""
    inner, numbers = copy.deepcopy(fitted["Sequential"]), X.astype(np.int64)
    wanted = np.asarray(inner(X.astype(np.float32)))
    wrapper = nn.Sequential(inner, nn.Identity())
    given = {"optimizer": optim.SGD(lr=1e-9), "batch_size": 60, "backend": "reference"}
    run = schuss.fit(wrapper, (numbers, Y), loss=nn.MSELoss(), **given)
    assert run.last("loss") == pytest.approx(float(((wanted[:, 0] - Y) ** 2).mean()), rel=1e-5)
    same(wrapper(numbers), wanted)
    assert schuss.evaluate(wrapper, (numbers, Y))["loss"] == pytest.approx(run.last("loss"), rel=1e-5)


def test_a_changed_signature_reaches_calls_that_are_compiled(fitted):
    outer = nn.Sequential(copy.deepcopy(fitted["Sequential"]))
    f = schuss.jit(outer)
    same(outer(X), outer(FLOATS))
    same(f(X), outer(FLOATS))
    nn.set_signature(outer[0], Signature((Input("x", outer.signature.inputs[0].type, Scale(0.5)),)))
    same(outer(X), outer(X * np.float32(0.5)))
    same(f(X), outer(X * np.float32(0.5)))
    nn.set_signature(outer[0], None)
    assert outer.signature is None
    same(outer(X), outer(X.astype(np.float32)))


def test_a_signature_can_be_assigned(fitted):
    fresh = sequential()
    fresh.load_state_dict(fitted["Sequential"].state_dict())
    fresh.signature = fitted["Sequential"].signature
    same(fresh(X), fitted["Sequential"](X))
    fit(fresh)
    assert fresh.signature is nn.signature_of(fresh)
    assert fresh.signature is not fitted["Sequential"].signature


def test_it_is_no_part_of_the_model(fitted):
    """Neither parameters nor layers are looked for in it, and calls that are compiled stay when it tells of more."""
    model = copy.deepcopy(fitted["Sequential"])
    model(X)
    before = schuss.api.calls.cache_info(model)
    nn.set_signature(model, dataclasses.replace(model.signature, loss=model, record={"more": 1}))
    model(X)
    after = schuss.api.calls.cache_info(model)
    assert (after.misses, after.hits) == (before.misses, before.hits + 1)
    assert list(nn.named_parameters(model)) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert len(nn.named_modules(model)) == 4
    assert "signature" not in dict(OfLayers().named_children())


def test_names_of_the_models_own_stay(fitted):
    assert isinstance(fitted["own attribute"].signature, nn.Linear)
    assert fitted["own method"].signature() == "mine"
    assert "signature.weight" in nn.named_parameters(fitted["own attribute"])
    for kind in ("plain class", "slots", "frozen dataclass with slots", "frozen dataclass"):
        assert fitted[kind].signature is nn.signature_of(fitted[kind])
        assert pickle.loads(pickle.dumps(fitted[kind])).signature.inputs == fitted[kind].signature.inputs


def test_what_cannot_be_pickled_stays_behind():
    model = sequential()
    weight = 2.0
    schuss.fit(
        model, (X, Y), loss=lambda p, t: weight * ((p[:, 0] - t) ** 2).mean(), optimizer=optim.SGD(lr=0.125),
        backend="reference", scale=1 / 255,
    )  # fmt: skip
    back = pickle.loads(pickle.dumps(model))
    assert back.signature.loss == {"type": "<lambda>"}
    assert back.signature.optimizer == optim.SGD(lr=0.125).config()
    assert callable(copy.deepcopy(model).signature.loss)


def test_another_process_scales_bytes_of_a_class_that_is_no_module(tmp_path, fitted):
    (tmp_path / "m.pkl").write_bytes(pickle.dumps((fitted["plain class"], fitted["slots"], X, FLOATS)))
    code = (
        "import pickle, sys, numpy as np\n"
        "for_plain, for_slots, x, floats = pickle.load(open(sys.argv[1], 'rb'))\n"
        "for m in (for_plain, for_slots): np.testing.assert_allclose(m(x), m(floats), rtol=1e-5, atol=1e-6)\n"
    )
    path = os.pathsep.join(p for p in sys.path if p)  # where this file is found by its name
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m.pkl")],
        check=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": path},
    )


def test_joblib(tmp_path, fitted):
    joblib = pytest.importorskip("joblib")
    model = fitted["Sequential"]
    joblib.dump(model, tmp_path / "m")
    same(joblib.load(tmp_path / "m")(X), model(FLOATS))


def test_files(tmp_path, fitted):
    for kind in ("Sequential", "class", "slots", "own attribute"):
        model = fitted[kind]
        schuss.save(model, tmp_path / "m")
        back = schuss.load(tmp_path / "m")
        same(back(X), model(FLOATS))
        kept = dataclasses.replace(nn.signature_of(model), loss=None, optimizer=None, record={})
        assert dataclasses.replace(back.signature, loss=None, optimizer=None, record={}) == kept
        schuss.save(copy.deepcopy(back), tmp_path / "again")
        same(schuss.load(tmp_path / "again")(X), model(FLOATS))
        same(pickle.loads(pickle.dumps(back))(X), model(FLOATS))


def test_in_words(fitted):
    assert repr(fitted["Sequential"].signature) == (
        "Signature(\n"
        "  x        uint8[N, 6]: integers are multiplied by 1/255, floats are taken as they are\n"
        "  target   float32[N]: numbers\n"
        "  trained  MSELoss, SGD, 1 epoch\n"
        ")"
    )
    assert sequential().signature is None
    assert repr(Signature()) == "Signature(nothing is known of the data)"


def test_a_wrapper_without_a_signature_is_saved_as_it_answers(fitted, tmp_path):
    class Doubles(nn.Module):
        def __init__(self, inner):
            self.inner = inner

        def forward(self, x):
            return self.inner((x.astype("int64") - x.astype("int64")) if not x.is_float else x)

    model = Doubles(fitted["Sequential"])
    wanted = fitted["Sequential"](X * 0)
    same(model(X), wanted)
    schuss.save(model, tmp_path / "m")
    same(schuss.load(tmp_path / "m")(X), wanted)
    schuss.save(nn.Sequential(fitted["Sequential"], nn.Identity()), tmp_path / "m")
    same(schuss.load(tmp_path / "m")(X), fitted["Sequential"](X))


def test_a_compiled_model_shows_it(fitted):
    model = fitted["Sequential"]
    for compiled in (schuss.jit(model), schuss.freeze(model)):
        assert nn.signature_of(compiled) is model.signature
        assert compiled.signature is model.signature


# -- without a signature ------------------------------------------------------------------------------------


def told(call, match):
    """The call warns; a second one does not (warnings are errors here)."""
    with pytest.warns(UserWarning, match=match) as caught:
        first = call()
    assert len(caught) == 1
    np.testing.assert_array_equal(call(), first)


@pytest.mark.parametrize(
    "way", [lambda m: m(X), lambda m: schuss.jit(m)(X), lambda m: schuss.jit(lambda x: m(x) + 0)(X), schuss.freeze]
)
def test_a_state_dict_brings_no_signature_and_says_so(fitted, way):
    fresh = OfLayers()
    fresh(X)  # compiled for bytes before
    fresh.load_state_dict(fitted["class"].state_dict())
    fresh(FLOATS)
    assert fresh.signature is None
    call = (lambda: way(fresh)(X)) if way is schuss.freeze else (lambda: way(fresh))
    told(call, r"OfLayers: .* came by load_state_dict.*set_signature")


def test_layers_in_a_new_model_say_so(fitted):
    model = copy.deepcopy(fitted["Sequential"])
    told(lambda: nn.Sequential(*list(model)[:-1], nn.Linear(4, 2, init="zeros"))(X), "in a model that scales integers")
    model(X)
    model[:1](X)
    nn.Sequential(model, nn.Identity())(X)  # the model within acts


def test_images_of_bytes_for_a_model_of_floats_are_told_of():
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 1))
    schuss.fit(model, (FLOATS.reshape(-1, 2, 3), Y), loss=nn.MSELoss(), optimizer=optim.SGD(), backend="reference")
    images = X.reshape(-1, 2, 3)
    told(lambda: model(images), "x: the model was trained on float32 and gets images of bytes")
    with pytest.warns(UserWarning, match="gets images of bytes"):
        schuss.evaluate(model, (images, Y), backend="reference")
    model(X)  # rows may be flags
    model(images.astype(np.int64))


@pytest.mark.parametrize("way", [lambda m: m, nn.Sequential, schuss.freeze])
def test_rows_of_bytes_for_a_model_of_floats_from_0_to_1_are_told_of(way, tmp_path):
    schuss.save(fit_floats(sequential(), FLOATS), tmp_path / "m")
    model = schuss.load(tmp_path / "m")
    model = way(model)
    told(lambda: model(X), r"x: the model was trained on float32 from 0 to 1 and gets bytes up to 25\d.*scale=1/255")
    with pytest.warns(UserWarning, match="gets bytes up to"):
        schuss.evaluate(nn.holding.unwrapped(model), (X, Y), loss=nn.MSELoss(), backend="reference")
    way(fit_floats(sequential(), FLOATS * 2))(X)  # numbers that bytes may be, too


def fit_floats(model, x):
    schuss.fit(model, (x, Y), loss=nn.MSELoss(), optimizer=optim.SGD(lr=0.01), backend="reference")
    return model


def test_there_is_nothing_to_say_of_codes_and_floats(tmp_path):
    table = nn.Sequential(nn.Embedding(256, 2), nn.Linear(2, 1))
    table.load_state_dict(table.state_dict())
    table(X[:, 0])
    model = sequential()
    model.load_state_dict(model.state_dict())
    model(FLOATS)
    schuss.fit(model, (FLOATS, Y), loss=nn.MSELoss(), optimizer=optim.SGD(), backend="reference")
    flags = (X > 127).astype(np.uint8)
    model(flags)
    schuss.save(model, tmp_path / "m")
    schuss.load(tmp_path / "m")(flags)

"""A pickle of a model holds arrays, settings and the signature: no function of ours, nothing that is compiled."""

import copy
import io
import multiprocessing
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import schuss
from schuss import nn, optim

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (40, 6)).astype(np.uint8)
Y = (X[:, 0] > 120).astype(np.int64)
SCALED = X * np.float32(1 / 255)


def doubled(x):
    return 2 * x


@schuss.jit
def tripled(x):
    return 3 * x


def fit(model):
    schuss.fit(
        model, (X, Y), loss=nn.CrossEntropyLoss(), optimizer=optim.Adam(optim.Cosine(1e-2, 40)), scale=1 / 255,
        epochs=2, backend="reference",
    )  # fmt: skip
    return model


class Own(nn.Module):
    def __init__(self):
        self.out = nn.Linear(6, 2)

    def forward(self, x):
        return self.out(x)


class Plain:
    def __init__(self):
        self.out = nn.Linear(6, 2)

    def __call__(self, x):
        return self.out(x)


class Slots:
    __slots__ = ("out",)

    def __init__(self):
        self.out = nn.Linear(6, 2)

    def __call__(self, x):
        return self.out(x)


class OfFunctions(nn.Module):
    """Whatever may lie on a model."""

    def __init__(self):
        self.inner = schuss.jit(nn.Sequential(nn.Linear(6, 4), nn.Tanh()))
        self.slope, self.table, self.both = schuss.grad(doubled), schuss.jacobian(doubled), schuss.jit(doubled)
        self.named, self.out = tripled, nn.Linear(4, 2)

    def forward(self, x):
        return self.named(self.both(self.out(self.inner(x)))) * self.slope(1.0)


def every_layer():
    return nn.Sequential(
        nn.Linear(6, 6, init="kaiming_normal"), nn.ReLU(), nn.LayerNorm(6), nn.GELU(), nn.Dropout(0.1),
        nn.Flatten(), nn.Linear(6, 2, bias=False), nn.Identity(), doubled,
    )  # fmt: skip


def from_a_file(model, tmp_path):
    schuss.save(model, tmp_path / "m")
    return schuss.load(tmp_path / "m")


ARRAYS = {f"numpy.{c}.{n}" for c in ("_core", "core") for n in ("multiarray._reconstruct", "numeric._frombuffer")}
ARRAYS |= {"numpy.ndarray", "numpy.dtype"}
OF_PICKLE = {"_codecs.encode", "copyreg._reconstructor", "copy_reg._reconstructor", "__builtin__.object"}
SIGNATURE = {
    "schuss.signature.transforms.Scale",
    "schuss.signature.signature._restored",
    "schuss.signature.inputs.Input",
    "schuss.signature.outputs.Output",
}
TYPES = {"schuss.ir.types.TensorType", "schuss.ir.types.Sym"}
PARAMETER = {"schuss.nn.parameter.Parameter", "schuss.nn.init.LinearDefault", "schuss.nn.init.Uniform"}
LINEAR = ARRAYS | SIGNATURE | TYPES | PARAMETER | {"schuss.nn.layers.Linear"}
HERE = __name__
LAYERS = {f"schuss.nn.layers.{n}" for n in ("Sequential", "LayerNorm", "Dropout", "Flatten", "Identity")} | {
    "schuss.nn.activations.ReLU", "schuss.nn.activations.GELU", "schuss.nn.init.KaimingNormal", "schuss.nn.init.Ones",
    "schuss.nn.init.Zeros",
}  # fmt: skip
ALLOWED = {
    "layers": LINEAR | LAYERS | {f"{HERE}.doubled"},
    "own class": LINEAR | {f"{HERE}.Own"},
    "plain class": LINEAR | {f"{HERE}.Plain", "schuss.nn.holding.Intercepted"},
    "slots": LINEAR | {f"{HERE}.Slots", "schuss.nn.holding.Intercepted"},
    "functions": LINEAR
    | {"schuss.nn.layers.Sequential", "schuss.nn.activations.Tanh", "schuss.api.jitted.Jitted"}
    | {"schuss.api.gradients.grad", "schuss.api.gradients.jacobian"}
    | {f"{HERE}.{n}" for n in ("OfFunctions", "doubled", "tripled")},
    "jit": LINEAR | {f"{HERE}.Own", "schuss.api.jitted.Jitted"},
    "freeze": LINEAR | {f"{HERE}.Own", "schuss.api.frozen.Frozen"},
    "graph of a file": ARRAYS | SIGNATURE | TYPES | PARAMETER
    | {"schuss.io.graph_model.GraphModel", "schuss.ir.graph._from_list"},
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    made = {"layers": every_layer(), "own class": Own(), "plain class": Plain(), "slots": Slots()}
    made = {name: fit(model) for name, model in {**made, "functions": OfFunctions()}.items()}
    own = made["own class"]
    made |= {"jit": schuss.jit(own), "freeze": schuss.freeze(own)}
    made["graph of a file"] = from_a_file(own, tmp_path_factory.mktemp("file"))
    for model in made.values():  # compiled, where it is
        model(X)
    return made


class Looking(pickle.Unpickler):
    """Notes every global that a pickle refers to."""

    def __init__(self, data):
        super().__init__(io.BytesIO(data))
        self.found = set()

    def find_class(self, module, name):
        self.found.add(f"{module}.{name}")
        return super().find_class(module, name)


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
@pytest.mark.parametrize("kind", ALLOWED)
def test_what_a_pickle_refers_to(models, kind, protocol):
    looking = Looking(pickle.dumps(models[kind], protocol))
    back = looking.load()
    assert looking.found - OF_PICKLE <= ALLOWED[kind]
    assert f"{HERE}.tripled" in looking.found or kind != "functions"
    np.testing.assert_array_equal(back(X), models[kind](X))
    assert nn.named_parameters(back).keys() == nn.named_parameters(models[kind]).keys()


@pytest.mark.parametrize("kind", ALLOWED)
def test_deep_copies(models, kind):
    other = copy.deepcopy(models[kind])
    np.testing.assert_array_equal(other(X), models[kind](X))
    assert not {*map(id, nn.named_parameters(other).values())} & {*map(id, nn.named_parameters(models[kind]).values())}


def test_another_process_compiles_nothing_to_have_them(models, tmp_path):
    """Nor does it load what compiles."""
    (tmp_path / "all.pkl").write_bytes(pickle.dumps((models, X, {name: m(X) for name, m in models.items()})))
    code = (
        "import pickle, sys, numpy as np\n"
        "models, x, wanted = pickle.load(open(sys.argv[1], 'rb'))\n"
        "assert 'llvmlite' not in sys.modules, 'loaded'\n"
        "for name, m in models.items(): np.testing.assert_array_equal(m(x), wanted[name], err_msg=name)\n"
    )
    path = os.pathsep.join(p for p in sys.path if p)  # where this file is found by its name
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "all.pkl")], check=True, timeout=300, env=environment)


def answers(given):
    model, x = given
    return np.asarray(model(x))


def test_a_spawned_process(models):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (found,) = pool.map(answers, [(models["layers"], X)])
    np.testing.assert_array_equal(found, models["layers"](X))


def test_joblib(models, tmp_path):
    joblib = pytest.importorskip("joblib")
    joblib.dump(models, tmp_path / "all")
    for name, model in joblib.load(tmp_path / "all").items():
        np.testing.assert_array_equal(model(X), models[name](X), err_msg=name)


def test_a_parameter_with_an_init_of_ones_own():
    """With its numbers it needs the init no more; copies in this process keep it."""
    parameter = nn.Parameter(3, init=lambda key, shape: np.ones(shape))
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(parameter)
    parameter.data  # noqa: B018 - draws them
    back = pickle.loads(pickle.dumps(parameter))
    np.testing.assert_array_equal(back.data, parameter.data)
    assert back.init is None
    assert copy.deepcopy(parameter).init is copy.copy(parameter).init is parameter.init
    assert copy.deepcopy(parameter).data is not parameter.data


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda u: pickle.loads(pickle.dumps(u))])
def test_an_updater_goes_on(duplicate):
    """With the moments, the count of steps and its schedule."""
    model = nn.Sequential(nn.Linear(6, 2), nn.Tanh())
    updater = schuss.Updater(model, optim.Adam(optim.Cosine(1e-2, 9)), clip_norm=1.0, backend="reference")
    gradients = [{n: RNG.normal(size=p.shape) for n, p in nn.named_parameters(model).items()} for _ in range(4)]
    for g in gradients[:2]:
        updater.step(g)
    updater.epoch(loss=0.5)
    other = duplicate(updater)
    assert other.rates == updater.rates
    assert other.history == {"loss": [0.5]}
    for g in gradients[2:]:
        updater.step(g)
        other.step(g)
    assert other.steps == 4
    for name, array in nn.state_dict(model).items():
        np.testing.assert_array_equal(nn.state_dict(other.model)[name], array)


def test_what_is_compiled_is_no_part_of_the_model(monkeypatch):
    """Looking for parameters does not go through it, and a first call changes nothing of the model's form."""
    model = OfFunctions()
    before, form = list(nn.named_parameters(model)), schuss.api.fingerprint.fingerprint(model)
    model.inner(SCALED)
    model.both(SCALED)
    seen = []
    monkeypatch.setattr(nn.walk, "attributes", lambda v, known=nn.walk.attributes: seen.append(type(v)) or known(v))
    assert list(nn.named_parameters(model)) == before
    assert schuss.api.cache.Cache not in seen
    assert schuss.api.fingerprint.fingerprint(model) == form
    frozen = schuss.freeze(model.inner.__wrapped__)
    before = list(nn.named_parameters([frozen]))
    frozen(SCALED)
    assert list(nn.named_parameters([frozen])) == before

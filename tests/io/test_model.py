"""Model files: every model comes back as it was, and no file can do more than raise an error that names it."""

from __future__ import annotations

import copy
import errno
import json
import os
import random
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import schuss
from schuss import nn, ops, optim, paths
from schuss.errors import ModelFileError, SchussError, UsageError
from schuss.io.model import FORMAT, GraphModel, load, read_model, save
from schuss.io.tensors import DTYPES, KEY, _checksum, read_tensors, write_tensors
from schuss.ir.types import N, TensorType

RNG = np.random.default_rng(0)
X = RNG.standard_normal((20, 4)).astype("f4")
Y = np.arange(20) % 3


def fitted(model, x=X, y=Y, **options):
    given = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.Adam(lr=0.01), "epochs": 1, "backend": "reference"}
    schuss.fit(model, (x, y), **{**given, **options})
    return model


def small():
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 3))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def there_and_back(model, path, **options):
    save(model, path, **options)
    return load(path)


def same(a, b):
    left, right = nn.state_dict(a), nn.state_dict(b)
    return left.keys() == right.keys() and all(
        left[n].tobytes() == right[n].tobytes() and left[n].dtype == right[n].dtype for n in left
    )


# -- models of schuss's own layers -------------------------------------------------------------------------


def test_a_network_comes_back(path):
    model = fitted(small())
    back = there_and_back(model, path)
    assert isinstance(back, nn.Sequential)
    assert [repr(layer) for layer in back] == [repr(layer) for layer in model]
    assert same(model, back)
    assert np.array_equal(model(X), back(X))


LAYERS = {
    "activations": lambda: nn.Sequential(
        nn.Linear(4, 5), nn.Sigmoid(), nn.Tanh(), nn.ReLU(), nn.LeakyReLU(0.2), nn.ELU(0.5), nn.SELU(), nn.GELU(),
        nn.SiLU(), nn.Hardswish(), nn.Mish(), nn.Softplus(), nn.Softmax(), nn.LogSoftmax(),
    ),
    "norm": lambda: nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Identity(), nn.Linear(6, 3, bias=False)),
    "nested": lambda: nn.Sequential(nn.Sequential(nn.Linear(4, 5), nn.Sequential(nn.ReLU())), nn.Linear(5, 3)),
    "init": lambda: nn.Sequential(nn.Linear(4, 5, init="kaiming_normal"), nn.Linear(5, 3, init=nn.init.Normal(0.1))),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_comes_back(name, path):
    model = LAYERS[name]()
    nn.initialize(model, 3)
    back = there_and_back(model, path)
    assert type(back) is nn.Sequential
    assert same(model, back)
    assert np.array_equal(model(X), back(X))


def test_flatten_and_embedding_come_back(path):
    model = nn.Sequential(nn.Embedding(7, 4), nn.Flatten(), nn.Linear(12, 3))
    nn.initialize(model, 0)
    words = RNG.integers(0, 7, (5, 3))
    back = there_and_back(model, path, inputs=[TensorType("int64", (N, 3))])
    assert same(model, back)
    assert np.array_equal(model(words), back(words))


def test_a_law_of_ones_own_is_no_obstacle(path):
    model = nn.Sequential(nn.Linear(4, 3, init=lambda key, shape: np.full(shape, 0.5)))
    nn.initialize(model, 0)
    assert same(model, there_and_back(model, path))


def test_float64(path):
    model = fitted(nn.to_dtype(small(), "float64"))
    back = there_and_back(model, path)
    assert {str(v.dtype) for v in nn.state_dict(back).values()} == {"float64"}
    assert np.array_equal(model(X.astype("f8")), back(X.astype("f8")))


def test_dropout_is_there_for_further_training(path):
    model = fitted(small())
    back = there_and_back(model, path)
    assert back[2].p == 0.5
    fitted(model, seed=1)
    fitted(back, seed=1)
    assert same(model, back)


def test_bytes_keep_their_scale(path):
    x = RNG.integers(0, 256, (20, 4), dtype=np.uint8)
    model = fitted(small(), x, scale=1 / 255)
    save(model, path)
    back = load(path)
    expected = model((x / 255).astype("f4"))
    np.testing.assert_allclose(back(x), expected, rtol=1e-5, atol=1e-6)
    again = path.with_name("again.safetensors")
    save(back, again)
    written = {"name": "x", "type": ["uint8", ["N", 4]], "scale": 1 / 255}
    assert read_model(again)[1]["signature"]["inputs"] == [written]


def test_what_was_used_is_kept(path):
    model = fitted(small(), loss=nn.CrossEntropyLoss(label_smoothing=0.1), optimizer=optim.Adam(lr=0.125))
    save(model, path, record={"note": "mine"})
    description = read_model(path)[1]
    assert load(path).record == {"note": "mine"}
    assert description["loss"]["type"] == "CrossEntropyLoss"
    assert description["loss"]["label_smoothing"] == 0.1
    assert description["optimizer"]["lr"] == 0.125


def test_saving_what_was_loaded_gives_the_same_file(path):
    model = fitted(small())
    save(model, path, record={"note": [1, 2]})
    again = path.with_name("again.safetensors")
    save(load(path), again)
    assert again.read_bytes() == path.read_bytes()


def test_a_model_never_fitted_is_drawn_and_saved(path):
    back = there_and_back(nn.Linear(3, 2), path)
    fresh = nn.Linear(3, 2)
    nn.initialize(fresh, 0)
    assert same(back, fresh)


def test_any_safetensors_reader_opens_it(path):
    model = fitted(small())
    save(model, path)
    tensors = load_file(path)
    assert sorted(tensors) == ["0.bias", "0.weight", "3.bias", "3.weight"]
    assert all(np.array_equal(tensors[n], v) for n, v in nn.state_dict(model).items())


# -- models of classes of one's own ------------------------------------------------------------------------


class Net(nn.Module):
    """A skip connection, a layer used twice, dropout, a constant array."""

    def __init__(self):
        self.first = nn.Linear(4, 6)
        self.shared = nn.Linear(6, 6)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(6, 3)

    def forward(self, x):
        h = ops.tanh(self.first(x * np.array([1, 2, 3, 4], "f4")))
        for _ in range(2):
            h = self.drop(h + ops.relu(self.shared(h)))
        return self.out(h)


class Plain:
    """No Module, two inputs, a bare parameter."""

    def __init__(self):
        self.a, self.b = nn.Linear(2, 3), nn.Linear(2, 3)
        self.gain = nn.Parameter(np.ones(3))

    def __call__(self, left, right):
        return self.a(left) * self.gain + ops.sigmoid(self.b(right))


def test_a_class_comes_back_as_its_graph(path):
    model = fitted(Net())
    back = there_and_back(model, path)
    assert isinstance(back, GraphModel)
    assert re.match(r"GraphModel\(x\d? .* -> .*; \d+ operations, [\d,]+ numbers in \d+ parameters\)", repr(back))
    assert same(model, back)
    np.testing.assert_allclose(back(X), model(X), rtol=1e-5, atol=1e-6)
    assert back(X[:1]).shape == (1, 3)


def test_its_graph_can_be_trained_on(path):
    """Without dropout in the model, exactly as the class itself."""
    model = Net()
    model.drop.p = 0.0
    back = there_and_back(fitted(model), path)
    fitted(model, epochs=3, seed=2)
    fitted(back, epochs=3, seed=2)
    for name, value in nn.state_dict(model).items():
        np.testing.assert_allclose(nn.state_dict(back)[name], value, rtol=1e-4, atol=1e-5)
    again = there_and_back(back, path.with_name("again.safetensors"))
    assert np.array_equal(again(X), back(X))


def test_several_inputs(path):
    model = fitted(Plain(), (X[:, :2], X[:, 2:]))
    back = there_and_back(model, path)
    expected = there_and_back(back, path.with_name("again"))
    assert list(nn.state_dict(back)) == ["a.weight", "a.bias", "b.weight", "b.bias", "gain"]
    assert np.array_equal(back(X[:, :2], X[:, 2:]), expected(X[:, :2], X[:, 2:]))
    with pytest.raises(UsageError, match="takes 2 inputs, got 1"):
        back(X[:, :2])
    with pytest.raises(UsageError, match="takes 2 inputs, got 3"):
        back(X[:, :2], X[:, 2:], X)
    weights = nn.state_dict(model)
    left = X[:, :2] @ weights["a.weight"].T + weights["a.bias"]
    right = X[:, 2:] @ weights["b.weight"].T + weights["b.bias"]
    expected = left * weights["gain"] + 1 / (1 + np.exp(-right))
    np.testing.assert_allclose(back(X[:, :2], X[:, 2:]), expected, rtol=1e-5, atol=1e-6)


def test_tied_layers_come_back_once(path):
    layer = nn.Linear(4, 4)
    model = fitted(nn.Sequential(layer, nn.Tanh(), layer), X, np.arange(20) % 4)
    back = there_and_back(model, path)
    assert list(nn.state_dict(back)) == ["0.weight", "0.bias"]
    np.testing.assert_allclose(back(X), model(X), rtol=1e-5, atol=1e-6)


def test_inputs_that_are_not_known(path):
    class Scale(nn.Module):
        def __init__(self):
            self.s = nn.Parameter(np.ones(3))

        def forward(self, x):
            return x * self.s

    with pytest.raises(UsageError, match="inputs are not known"):
        save(Scale(), path)
    assert not path.exists()
    back = there_and_back(Scale(), path, inputs=[TensorType("float32", (N, 3))])
    assert np.array_equal(back(np.ones((2, 3), "f4")), np.ones((2, 3)))
    alone = there_and_back(Scale(), path, inputs=TensorType("float32", (N, 3)))
    assert alone.signature.inputs == back.signature.inputs


@pytest.mark.parametrize("inputs", ["float32", [(2, 3)], np.ones((2, 3)), [], {"x": TensorType("float32", (N, 3))}])
def test_inputs_that_are_no_types(path, inputs):
    with pytest.raises(UsageError, match=r"^save: inputs are types, as \[TensorType\('float32', \(N, 784\)\)\], got "):
        save(small(), path, inputs=inputs)
    assert not path.exists()


@pytest.mark.parametrize("record", [{"a": object()}, {"a": {1, 2}}, {"a": np.ones(3)}, {"a": b"x"}])
def test_a_record_that_json_cannot_hold(path, record):
    with pytest.raises(UsageError, match="record"):
        save(fitted(small()), path, record=record)
    assert not path.exists()


# -- saving is whole or not at all ---------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EIO, errno.EXDEV])
def test_a_save_that_fails_leaves_the_old_file(path, monkeypatch, call, number):
    save(small(), path)
    before = path.read_bytes()

    def fail(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(paths.os, call, fail)
    with pytest.raises(OSError) as caught:
        save(fitted(small()), path)
    monkeypatch.undo()
    assert caught.value.errno == number
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OSError):
        save(small(), tmp_path / "none" / "m.safetensors")
    with pytest.raises(OSError):
        load(tmp_path / "none" / "m.safetensors")


# -- files that are not sound ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The bytes of two small models: own layers, and a graph alone."""
    folder = tmp_path_factory.mktemp("sound")
    save(fitted(nn.Sequential(nn.Linear(4, 3), nn.ReLU())), folder / "layers")
    save(fitted(Net()), folder / "graph")
    return {name: (folder / name).read_bytes() for name in ("layers", "graph")}


def opened(content):
    """The header and the data."""
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def packed(header, data):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def sealed(header, data, description):
    """The file with another description and a checksum that holds, so that damage further in is reached."""
    text = json.dumps(description)
    places = {name: entry for name, entry in header.items() if name != "__metadata__"}
    arrays = {
        name: np.frombuffer(data[slice(*e["data_offsets"])], DTYPES[e["dtype"]]).reshape(e["shape"])
        for name, e in places.items()
    }
    whole = json.dumps({"sha256": _checksum(arrays, text), "content": description})
    return packed({"__metadata__": {KEY: whole}, **places}, data)


def described(content, change):
    """The file with its description changed."""
    header, data = opened(content)
    description = json.loads(header["__metadata__"][KEY])["content"]
    change(description)
    return sealed(header, data, description)


def refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_of_others(path):
    save_file({"w": np.ones(3, "f4")}, path)
    with pytest.raises(ModelFileError, match="is not one of schuss's files"):
        load(path)
    save_file({"w": np.ones(3, "f4")}, path, {KEY: "[]"})
    with pytest.raises(ModelFileError, match="is not a JSON object"):
        load(path)
    for content in (b"", b"\x80\x04\x95", b"PK\x03\x04" + bytes(100), b"\x89HDF\r\n\x1a\n" + bytes(100)):
        refused(path, content, "cut or is something else|is no model file, or was cut|not valid JSON|is data")


@pytest.mark.parametrize("name", ["layers", "graph"])
def test_every_cut_is_found(path, sound, name):
    whole = sound[name]
    path.write_bytes(whole)
    for length in reversed(range(len(whole))):
        os.truncate(path, length)
        with pytest.raises((ModelFileError, OSError)):
            load(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(ModelFileError, match="cut or added to"):
        load(path)


def setting(**values):
    return lambda description: description.update(values)


def replacing(old, new):
    def change(description):
        assert old in description["graph"]
        description["graph"] = description["graph"].replace(old, new)

    return change


def layer(**values):
    return lambda description: description["layers"]["layers"][0].update(values)


def parameter(name, value):
    return lambda description: description["parameters"].update({name: value})


def as_of_0_1_0(**values):
    """A change to the description as version 0.1.0 wrote it, and then to these values."""
    return lambda description: description.update(
        {"format": 1, "inputs": [["float32", ["N", 4]]], "target": None, "scale": None, **values}
    )


def taking(name, value):
    """A change to what the signature says of the input."""
    return lambda description: description["signature"]["inputs"][0].update({name: value})


def saying(name, value):
    """A change to what it says of the output."""
    sound = {"type": ["int64", ["N"]], "task": None, "classes": None, "scale": None, "named": False}
    return lambda description: description["signature"].update(output={**sound, name: value})


OLD = [
    ({"inputs": None}, "sound inputs"),
    ({"inputs": [["float99", ["N", 4]]]}, "sound inputs"),
    ({"inputs": [["float32", ["N", -4]]]}, "sound inputs"),
    ({"inputs": [["float32", ["N", 1e999]]]}, "sound inputs"),
    ({"inputs": [["float32", "N4"]]}, "sound inputs"),
    ({"inputs": []}, "sound inputs"),
    ({"inputs": [["float32", ["N", 5]]]}, "sound inputs"),
    ({"scale": "big"}, "scale"),
    ({"scale": float("nan")}, "scale"),
    ({"scale": float("inf")}, "scale"),
    ({"scale": [1]}, "scale"),
    ({"target": ["x"]}, "target"),
]
INPUTS = [
    ("type", None, "sound input"),
    ("type", ["float99", ["N", 4]], "sound input"),
    ("type", ["float32", ["N", -4]], "sound input"),
    ("type", ["float32", ["N", 5]], "sound inputs: they are not its graph's"),
    ("type", ["int64", ["N", 4]], "sound inputs: they are not its graph's"),
    ("scale", "big", "sound scale"),
    ("scale", float("nan"), "sound scale"),
    ("scale", float("inf"), "sound scale"),
    ("scale", -1, "sound scale"),
    ("scale", True, "sound scale"),
    ("scale", [1], "sound scale"),
    ("name", 3, "sound input: its name"),
    ("more", 3, "sound input"),
]
OUTPUTS = [
    ("type", ["x"], "sound output"),
    ("task", "survival", "sound output: its task"),
    ("classes", [], "sound output: its classes"),
    ("classes", [1, 2], "sound output: its classes"),
    ("classes", "ab", "sound output: its classes"),
    ("scale", 0, "sound scale"),
    ("named", True, "sound output: whether"),
    ("named", 1, "sound output: whether"),
    ("kind", "object", "sound output: the dtype"),
    ("kind", ["bool"], "sound output: the dtype"),
    ("more", 3, "sound output"),
]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (setting(format=FORMAT + 1, version="9.1"), r"format 4, from a newer version of schuss \(9\.1\); upgrade"),
        (setting(format=0), "no format number"),
        (setting(format="1"), "no format number"),
        (setting(format=None), "no format number"),
        (setting(graph=None), "has no graph"),
        (setting(graph=""), "the model's graph: line 1"),
        (replacing("relu", "rely"), "the model's graph: .*rely"),
        (replacing("relu", "system"), "the model's graph: .*system"),
        (replacing("schuss graph 1", "schuss graph 2"), "the model's graph: line 1"),
        (replacing("float32[N,4]", "float32[N,5]"), "the model's graph"),
        (replacing("param/0.weight", "param/9.weight"), r"parameter 9\.weight"),
        (layer(type="Conv9"), "unknown layer 'Conv9'"),
        (layer(type="Module"), "unknown layer 'Module'"),
        (layer(type=None), "unknown layer None"),
        (layer(out_features=7), "shape|parameter"),
        (layer(out_features=10**12), "shape|parameter"),
        (layer(out_features=-1), "out_features"),
        (layer(out_features="3"), "out_features"),
        (layer(extra=1), "extra"),
        (layer(bias=False), "bias"),
        (layer(init={"type": "Nothing"}), "Nothing"),
        (setting(layers=3), "layer"),
        (setting(layers=[]), "layer"),
        (setting(layers={"type": "Sequential", "layers": 3}), "layers"),
        (parameter("0.weight", ["float32", [3, 5]]), r"parameter 0\.weight: the description says"),
        (parameter("0.weight", ["float64", [3, 4]]), r"parameter 0\.weight: the description says"),
        (parameter("more", ["float32", [3]]), "parameter more: the description says"),
        (setting(parameters={}), "the file has"),
        (setting(parameters=None), "the file has"),
        *[(as_of_0_1_0(**values), message) for values, message in OLD],
        (setting(signature=None), "sound signature"),
        (setting(signature={"inputs": [], "output": None, "more": 1}), "sound signature"),
        (setting(signature={"inputs": None, "output": None}), "sound signature: its inputs"),
        *[(taking(name, value), message) for name, value, message in INPUTS],
        *[(saying(name, value), message) for name, value, message in OUTPUTS],
    ],
)
def test_a_description_that_does_not_fit(path, sound, change, message):
    refused(path, described(sound["layers"], change), message)


@pytest.mark.parametrize("names", [["price", "price"], ["price"], ["price", 3], "pk"])
def test_names_of_results_that_are_no_names(path, names):
    tensors, description = read_tensors(Path(__file__).parents[1] / "fixtures" / "v0_2_0" / "by_name.safetensors")
    assert len(description["results"]) == 2
    write_tensors(path, tensors, description | {"results": names})
    with pytest.raises(ModelFileError, match="no sound names of results"):
        schuss.load(path)


def test_every_changed_number_is_found(path, sound):
    for name, content in sound.items():
        start = 8 + int.from_bytes(content[:8], "little")
        for place in range(start, len(content), 7):
            damaged = bytearray(content)
            damaged[place] ^= 1
            refused(path, bytes(damaged), "is damaged")
        assert start < len(content), name


def test_a_file_without_its_checksum(path, sound):
    header, data = opened(sound["layers"])
    content = json.loads(header["__metadata__"][KEY])["content"]
    header["__metadata__"][KEY] = json.dumps({"content": content})
    refused(path, packed(header, data), "is damaged")


def test_a_tensor_missing_or_renamed(path, sound):
    header, data = opened(sound["graph"])
    renamed = {("x" + n if n == "out.bias" else n): v for n, v in header.items()}
    description = json.loads(header["__metadata__"][KEY])["content"]
    refused(path, packed(renamed, data), "is damaged")
    refused(path, sealed(renamed, data, description), r"parameter (out\.bias|xout\.bias): the description says")
    swapped = copy.deepcopy(header)
    swapped["out.bias"]["dtype"] = "I32"
    refused(path, sealed(swapped, data, description), r"parameter out\.bias: the description says")


def test_a_parameter_that_is_not_floating(path, sound):
    header, data = opened(sound["graph"])
    header["out.bias"]["dtype"] = "I32"
    description = json.loads(header["__metadata__"][KEY])["content"]
    description["parameters"]["out.bias"][0] = "int32"
    refused(path, sealed(header, data, description), r"parameter out\.bias")
    header, data = opened(sound["graph"])  # one that the graph does not read
    header["more"] = {"dtype": "I32", "shape": [1], "data_offsets": [len(data), len(data) + 4]}
    description = json.loads(header["__metadata__"][KEY])["content"]
    description["parameters"]["more"] = ["int32", [1]]
    refused(path, sealed(header, data + bytes(4), description), "parameter more: is int32")


def test_a_parameter_of_another_shape_than_the_graphs(path, sound):
    header, data = opened(sound["graph"])
    header["out.bias"]["shape"].insert(0, 1)
    description = json.loads(header["__metadata__"][KEY])["content"]
    description["parameters"]["out.bias"][1].insert(0, 1)
    refused(path, sealed(header, data, description), r"parameter out\.bias: the graph needs float32\[")


ODD = [
    None, True, -1, 0, 1, 2**31, 2**63, 10**30, 1e308, float("nan"), float("inf"), "", "x", "N", [], {}, [[]], [None],
    {"type": "Sequential"}, {"type": []}, ["float32", ["N", 4]], "float32", "\ud800", "a" * 5000, [1] * 50,
]  # fmt: skip


def spots(value, trail=()):
    """Every place in a JSON value."""
    yield trail
    if isinstance(value, dict):
        for key, part in value.items():
            yield from spots(part, (*trail, key))
    elif isinstance(value, list):
        for i, part in enumerate(value):
            yield from spots(part, (*trail, i))


def replaced(rng, value):
    """The JSON value with an odd one at a random place, or that place gone."""
    value = copy.deepcopy(value)
    trail = rng.choice([t for t in spots(value) if t])
    inner = value
    for key in trail[:-1]:
        inner = inner[key]
    if rng.random() < 0.2:
        del inner[trail[-1]]
    else:
        inner[trail[-1]] = copy.deepcopy(rng.choice(ODD))
    return value


def edited(rng, text):
    """A line of a text lost, doubled, or a few letters of it changed."""
    lines = text.split("\n")
    i = rng.randrange(len(lines))
    kind = rng.randrange(4)
    if kind == 0:
        del lines[i]
    elif kind == 1:
        lines.insert(rng.randrange(len(lines)), lines[i])
    elif kind == 2:
        j = rng.randrange(len(lines[i]) + 1)
        lines[i] = lines[i][:j] + rng.choice(['"', "%", "N", "-", "9" * 30, "(", "=", "nan", "\0"]) + lines[i][j + 1 :]
    else:
        lines[i] = lines[i].replace(rng.choice("0123456789"), rng.choice(["0", "-1", "99999999999", "7"]))
    return "\n".join(lines)


def mutant(rng, whole):
    """The file with flipped bytes, or with a damaged header, description or graph."""
    kind = rng.randrange(5)
    if kind < 2:
        content = bytearray(whole)
        for _ in range(rng.choice([1, 1, 2, 8])):
            place = rng.randrange(rng.choice([16, 400, len(content)]))
            content[place] = rng.randrange(256)
        return bytes(content)
    header, data = opened(whole)
    if kind == 2:
        return packed(replaced(rng, header), data)
    description = json.loads(header["__metadata__"][KEY])["content"]
    if kind == 3:
        description = replaced(rng, description)
    else:
        description["graph"] = edited(rng, description["graph"])
    return sealed(header, data, description)


def measured(path, size):
    """The model, loaded without taking much more memory than the file's size."""
    tracemalloc.start()
    try:
        return load(path)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < size + (1 << 20)


def try_mutants(path, wholes, count, seed):
    """Load each; a few are measured, and those that load are called and saved again."""
    rng = random.Random(seed)
    loaded = 0
    for number in range(count):
        content = mutant(rng, rng.choice(wholes))
        path.write_bytes(content)
        try:
            model = measured(path, len(content)) if number % 20 == 0 else load(path)
            loaded += 1
            if number % 40 == 0:
                model(X)
                save(model, path)
        except (SchussError, OSError):
            pass
        except Exception as error:  # kept, to be looked at
            kept = path.with_name(f"mutant-{seed}-{number}")
            kept.write_bytes(content)
            raise AssertionError(f"{kept.name}: {type(error).__name__}: {error}") from error
    return loaded


def test_a_thousand_mutants(path, sound):
    loaded = try_mutants(path, list(sound.values()), 1000, seed=1)
    assert 10 < loaded < 750


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_thousand_mutants(path, sound, seed):
    try_mutants(path, list(sound.values()), 10_000, seed=100 + seed)


def test_nothing_in_a_file_is_ever_run():
    """No pickle and no evaluation of text anywhere in the package."""
    package = Path(schuss.__file__).parent
    for file in package.rglob("*.py"):
        text = file.read_text(encoding="utf-8").replace("allow_pickle=False", "")
        for word in ("pickle", "marshal", "shelve", "eval(", "exec(", "__import__(", "compile(text"):
            found = [line for line in text.split("\n") if word in line and f"def {word}" not in line]
            found = [line for line in found if not line.strip().startswith(("#", '"""'))]
            assert not found, f"{file.relative_to(package)}: {found}"


def test_data_are_not_called_a_damaged_model(tmp_path: Path):
    """Where a model is expected: what it is, and how data are given."""
    np.savez(tmp_path / "d.npz", x_train=X)
    np.save(tmp_path / "d.npy", X)
    (tmp_path / "d.csv").write_text("a,b\n1,2\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "d.png").write_bytes(b"\x89PNG and more")
    kinds = {"d.npz": "npz", "d.npy": "numpy", "d.csv": "table", "d.png": "a picture of a digit", "folder": "folder"}
    for name, what in kinds.items():
        with pytest.raises(ModelFileError, match=rf"{what}.* no model file.*--data .*{name}"):
            load(tmp_path / name)


def test_a_model_that_was_never_fitted_takes_its_inputs_from_its_first_layer(path):
    """Also one with a function of its own in it, whose file holds the graph."""
    model = nn.Sequential(nn.Linear(4, 3), lambda h: h * 2.0)
    back = there_and_back(model, path)
    assert np.array_equal(back(X), model(X))


def test_sizes_of_numpys_are_written(tmp_path):
    """As whole numbers: JSON has no others."""
    two, four = np.int64(2), np.int64(4)
    layers = [
        nn.Conv2d(np.int64(1), two, np.int64(3), groups=np.int64(1)),
        nn.MaxPool2d(two),
        nn.AdaptiveAvgPool2d(two),
    ]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(np.int64(8), four), nn.LayerNorm(four))
    nn.initialize(model, 0)
    x = np.random.default_rng(0).random((3, 1, 8, 8), np.float32)
    before = model(x)
    schuss.save(model, tmp_path / "m.safetensors", inputs=[TensorType("float32", (N, 1, 8, 8))])
    np.testing.assert_array_equal(schuss.load(tmp_path / "m.safetensors")(x), before)

"""Files whose checksum is right and whose content asks for more than a machine has."""

from __future__ import annotations

import struct
import tracemalloc

import numpy as np
import pytest

from schuss import load, nn, save
from schuss.errors import GraphError, ModelFileError, UsageError
from schuss.exec.native import NativeExecutor
from schuss.io import budget
from schuss.io.tensors import parse_json, read_file, write_tensors
from schuss.ir import N, TensorType
from schuss.nn.forward import forward_graph
from schuss.ops.check import parse_graph

HEAD = "schuss graph 1\ninput %0 x float32[N,4]\n"
X = np.ones((3, 4), "f4")


def written(path, text, params=None, **more):
    """A model file of a graph's text, with a sound checksum."""
    params = params or {"p": np.zeros(1, "f4")}
    description = {
        "format": 1, "version": "0.1.0", "graph": text, "inputs": [["float32", ["N", 4]]], "target": None,
        "scale": None, "parameters": {n: [str(v.dtype), list(v.shape)] for n, v in params.items()}, "layers": None,
        "loss": None, "optimizer": None, "record": {}, **more,
    }  # fmt: skip
    write_tensors(path, params, description)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.safetensors"


def test_a_graph_within_the_limits_is_loaded_and_runs(path):
    model = load(written(path, HEAD + "%1 = exp(%0) : float32[N,4]\noutput y %1\n"))
    np.testing.assert_allclose(model(X), np.exp(X), rtol=1e-6)


def wide(count):
    """A tree of so many additions of the input to itself, doubling."""
    lines = [f"%{i} = add(%{i - 1}, %{i - 1}) : float32[N,4]" for i in range(1, count + 1)]
    return "\n".join(lines)


K = 2**47
GRAPHS = {
    "without end": (
        "%1 = sum(%0, axis=(0, 1), keepdims=true) : float32[1,1]\n"
        f"%2 = broadcast_to(%1, shape=(1,{K})) : float32[1,{K}]\n"
        "%3 = sum(%2, axis=(0, 1), keepdims=false) : float32[]\noutput y %3\n",
        r"broadcast_to float32\[1,140737488355328\]: a value of this file may have 268,435,456 numbers an example",
    ),
    "a product without end": (
        "%2 = sum(%0, axis=(0, 1), keepdims=true) : float32[1,1]\n"
        "%3 = broadcast_to(%2, shape=(16384, 16384)) : float32[16384,16384]\n"
        "%4 = matmul(%3, %3) : float32[16384,16384]\noutput y %4\n",
        r"takes 8.8e\+12 operations an example; this file's may take 4.4e\+12",
    ),
    "a length hidden by another of 0": (
        f"const %1 float32[{2**62},0]\noutput y %1\noutput x %0\n", "line 3, .*larger than any memory",
    ),
    "too many nodes": (wide(52_000) + "\noutput y %52000\n", "has 52,003 lines; a file may have 50,000 nodes"),
    "too many outputs": (
        "%1 = exp(%0) : float32[N,4]\n" + "".join(f"output y{i} %1\n" for i in range(3000)),
        "has 3,000 outputs; a file may have 1,024",
    ),
    "too many parts": (
        f"%1 = concatenate({', '.join(['%0'] * 5000)}, axis=1) : float32[N,20000]\noutput y %1\n",
        "reads 5,000 values; a node of a file may read 1,024",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_beyond_a_limit_is_refused_and_the_limit_named(path, name):
    text, says = GRAPHS[name]
    with pytest.raises(ModelFileError, match=says) as told:
        load(written(path, HEAD + text))
    assert "\n" not in str(told.value)


def test_limits_grow_with_the_tensors_of_the_file(monkeypatch):
    monkeypatch.setattr(budget, "ELEMENTS", 100)
    text = HEAD + "%1 = sum(%0, axis=(1,), keepdims=true) : float32[N,1]\n"
    text += "%2 = broadcast_to(%1, shape=(N, 160)) : float32[N,160]\noutput y %2\n"
    assert budget.read_graph(text, 10)
    with pytest.raises(GraphError, match="may have 144 numbers"):
        budget.read_graph(text, 9)


def test_what_load_would_refuse_is_not_saved(path, monkeypatch):
    monkeypatch.setattr(budget, "NODES", 3)
    with pytest.raises(UsageError, match="save: the model has 6 nodes; a file may have 3, and would not be loaded"):
        save(nn.Sequential(nn.Linear(4, 3)), path)
    assert not path.exists()


@pytest.mark.parametrize("shape", [(2**62, 0), (0, 2**62), (2**48, 0, 2)])
def test_an_axis_of_length_0_hides_no_other(shape):
    dims = ",".join(map(str, shape))
    with pytest.raises(GraphError, match=r"2\*\*48|larger than any memory"):
        parse_graph(f"schuss graph 1\ninput %0 x float32[{dims}]\noutput y %0\n")
    with pytest.raises(GraphError):
        parse_graph(f"schuss graph 1\nconst %0 float32[{dims}]\noutput y %0\n")


def test_layers_within_layers_without_end(path):
    layers = {"type": "Identity"}
    for _ in range(300):
        layers = {"type": "Sequential", "layers": [layers]}
    text = HEAD + "output y %0\n"
    with pytest.raises(ModelFileError):
        load(written(path, text, layers=layers))


# -- memory ---------------------------------------------------------------------------------------------


def peak(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


MEGABYTES = 6 << 20


@pytest.mark.parametrize("piece", ["[],", "{},", '"a",', '{"a":1},', "[[]],"])
def test_json_that_would_take_many_times_its_length_is_refused(piece):
    text = f'{{"a": [{piece * (MEGABYTES // len(piece))}0]}}'

    def work():
        with pytest.raises(ModelFileError, match=r"its values would take \d+ MB of memory, out of proportion to 6 MB"):
            parse_json(text, "here")

    assert peak(work) < 3 * MEGABYTES


def test_long_records_and_texts_are_read():
    numbers = ", ".join(["0.6931471805599453"] * 200_000)
    assert len(parse_json(f'{{"history": [{numbers}]}}', "here")["history"]) == 200_000
    text = '"' + r"\"[]{},\\" * 500_000 + '"'
    assert len(parse_json(f'{{"graph": {text}}}', "here")["graph"]) == 7 * 500_000


def test_tensors_of_no_size_are_not_made_by_the_million(path):
    each = '"%x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    text = ("{" + ",".join(each % i for i in range(110_000)) + "}").encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    with pytest.raises(ModelFileError, match="out of proportion"):
        read_file(path)


def test_a_constant_takes_no_memory_that_its_text_does_not(path):
    values = ", ".join(["12"] * 300_000)
    text = f"schuss graph 1\nconst %0 int64[300000] {values}\noutput y %0\n"
    assert peak(lambda: parse_graph(text)) < 6 * len(text)
    with pytest.raises(GraphError, match="needs 281474976710656 values, got 1"):
        parse_graph(f"schuss graph 1\nconst %0 float32[{2**48}] 1\noutput y %0\n")


# -- the planner ----------------------------------------------------------------------------------------


def test_scalars_that_double_are_planned_once_each(path):
    """Looked at by each path through them, 60 of them are 2**60."""
    doubled = "\n".join(f"%{i} = add(%{i - 1}, %{i - 1}) : float32[]" for i in range(2, 62))
    text = HEAD + "const %1 float32[] 1.0\n" + doubled + "\n%62 = add(%0, %61) : float32[N,4]\noutput y %62\n"
    np.testing.assert_allclose(NativeExecutor(1).compile(parse_graph(text))([X])[0], X + 2.0**60)


def test_a_chain_of_scalars_is_no_recursion():
    count = 3000
    chain = "\n".join(f"%{i} = add(%1, %{i - 1}) : float32[]" for i in range(2, count + 1))
    text = HEAD + f"const %1 float32[] 1.0\n{chain}\n%{count + 1} = add(%0, %{count}) : float32[N,4]\n"
    graph = parse_graph(text + f"output y %{count + 1}\n")
    np.testing.assert_array_equal(NativeExecutor(1).compile(graph)([X])[0], X + count)


def test_limits_are_far_from_real_models():
    model = nn.Sequential(*(nn.Linear(64, 64) for _ in range(100)))
    nn.initialize(model)
    budget.check_graph(forward_graph(model, [TensorType("float32", (N, 64))]), 100 * 64 * 65)

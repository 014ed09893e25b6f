"""Files whose checksum is right and whose content asks for more than a machine has."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from schuss import load, nn, save
from schuss.errors import GraphError, ModelFileError, UsageError
from schuss.exec.native.executor import NativeExecutor
from schuss.io import budget
from schuss.io.tensors import parse_json, read_file, write_tensors
from schuss.ir import N, TensorType
from schuss.nn.forward import forward_graph
from schuss.ops.check import parse_graph
from tests.thinned import sampled

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
        r"takes 8.8e\+12 operations an example; this file's may take 1.1e\+12",
    ),
    "working memory without end": (
        '%1 = cast(%0, dtype="int64") : int64[N,4]\n'
        f"%2 = coalesce(%0, %1, size={K}) : float32[N,4]\noutput y %2\n",
        r"coalesce float32\[N,4\]: a value of this file may have 268,435,456 numbers an example",
    ),
    "a length hidden by another of 0": (
        f"const %1 float32[{2**62},0]\noutput y %1\noutput x %0\n", "line 3, .*larger than any memory",
    ),
    "too many nodes": (wide(22_000) + "\noutput y %22000\n", "has 22,003 lines; a file may have 20,000 nodes"),
    "a node too many": (wide(20_000) + "\noutput y %20000\n", "has 20,001 nodes; a file may have 20,000"),
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
    monkeypatch.setattr(budget, "WORK", 1)
    assert budget.read_graph(text, 10)
    with pytest.raises(GraphError, match="takes 4 operations an example; this file's may take 1"):
        budget.read_graph(HEAD + "%1 = exp(%0) : float32[N,4]\noutput y %1\n", 0)


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


MEGABYTES = 4 << 20


@pytest.mark.parametrize("piece", sampled(['"a",', "[[]],", "{},"], ['{"a":1},', "[],"]))
def test_json_that_would_take_many_times_its_length_is_refused(piece):
    text = f'{{"a": [{piece * (MEGABYTES // len(piece))}0]}}'

    def work():
        with pytest.raises(ModelFileError, match=r"its values would take \d+ MB of memory, out of proportion to 4 MB"):
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
    values = ", ".join(["12"] * 30_000)
    text = f"schuss graph 1\nconst %0 int64[30000] {values}\noutput y %0\n"
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


# -- graphs with numbers that nobody writes, under a right checksum ------------------------------------------

BASES = [
    """input %0 x float32[N,4]
%1 = sum(%0, axis=(1,), keepdims=true) : float32[N,1]
%2 = broadcast_to(%1, shape=(N, 8)) : float32[N,8]
%3 = concatenate(%0, %2, axis=1) : float32[N,12]
%4 = pad(%3, axis=1, before=1, after=2, between=0, value=0.0) : float32[N,15]
%5 = reshape(%4, shape=(N, 3, 5)) : float32[N,3,5]
%6 = transpose(%5, axes=(0, 2, 1)) : float32[N,5,3]
%7 = max(%6, axis=(2,), keepdims=false) : float32[N,5]
output y %7""",
    """input %0 x float32[N,4]
const %1 float32[4,3] 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
%2 = matmul(%0, %1) : float32[N,3]
%3 = argmax(%2, axis=(1,), keepdims=false) : int64[N]
%4 = one_hot(%3, classes=3, dtype="float32") : float32[N,3]
%5 = take(%1, %3, axis=0) : float32[N,3]
%6 = add(%4, %5) : float32[N,3]
%7 = slice(%6, axis=1, start=0, stop=2, step=1) : float32[N,2]
output y %7
output z %3""",
    """input %0 x float32[N,4]
const %1 int64[3] 0, 2, 1
const %2 float32[] 0.5
%3 = mul(%0, %2) : float32[N,4]
%4 = exp(%3) : float32[N,4]
%5 = sum(%4, axis=(0,), keepdims=true) : float32[1,4]
%6 = div(%4, %5) : float32[N,4]
%7 = transpose(%6, axes=(1, 0)) : float32[4,N]
%8 = matmul(%6, %7) : float32[N,N]
output y %8""",
]

ATTACK = r"""
import json, random, re, resource, sys, warnings
import numpy as np
from schuss import load
from schuss.errors import SchussError
from schuss.io.tensors import write_tensors

warnings.simplefilter("ignore")
resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
bases, path, count, seed = json.load(sys.stdin)
ODD = ["0", "1", "2", "3", "-1", "5", "7", "64", "1000", "N", *(str(2**k) for k in (20, 31, 40, 47, 62))]
rng = random.Random(seed)

def mutant():
    text = rng.choice(bases)
    for _ in range(rng.choice((1, 1, 2, 3))):
        numbers = [m for m in re.finditer(r"(?<![%.\w])(?:\d+|N)(?!\w)", text)]
        at = rng.choice(numbers)
        old, new = at[0], rng.choice(ODD)
        if rng.random() < 0.6:  # everywhere that length stands, so that types fit again
            text = re.sub(rf"(?<![%.\w]){old}(?!\w)", new, text)
        else:
            text = text[: at.start()] + new + text[at.end() :]
    return text

refused = ran = 0
params = {"p": np.zeros(1, "f4")}
for number in range(count):
    text = mutant()
    shape = re.search(r"input %0 x float32\[(.*)\]\n", text)[1].split(",")
    print(repr(text), file=sys.stderr, flush=True)
    if not all(d == "N" or d.isdigit() for d in shape):
        refused += 1  # the description's own types cannot be written
        continue
    description = {
        "format": 1, "version": "0.1.0", "graph": "schuss graph 1\n" + text + "\n",
        "inputs": [["float32", [int(d) if d != "N" else d for d in shape]]], "target": None, "scale": None,
        "parameters": {"p": ["float32", [1]]}, "layers": None, "loss": None, "optimizer": None, "record": {},
    }
    write_tensors(path, params, description)
    try:
        model = load(path)
        x = np.ones([3 if d == "N" else int(d) for d in shape], "f4")
        model(x)
        ran += 1
    except (SchussError, MemoryError, IndexError):
        refused += 1
print(refused, ran)
"""


def attacked(path, count, seed):
    """How many mutated graphs were refused, and how many ran; a crash, a hang or another error fails."""
    task = json.dumps([BASES, str(path), count, seed])
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", ATTACK], input=task, capture_output=True,
                          text=True, timeout=60 + count, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    refused, ran = map(int, done.stdout.split())
    return refused, ran


@pytest.mark.skipif(sys.platform != "linux", reason="needs limits on memory")
def test_hostile_graphs(path):
    refused, ran = attacked(path, 60, 0)
    assert refused > 20
    assert ran > 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs limits on memory")
def test_many_hostile_graphs(path):
    refused, ran = attacked(path, 2000, 1)
    print(f"{refused} refused, {ran} ran")
    assert ran > 50

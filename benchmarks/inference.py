"""Microseconds a call of the trained 784-128-64-10 network: one row, and 10,000 rows, float32 in and out.

    pip install -e '.[bench]'
    python benchmarks/inference.py [--threads 2] [--rounds 7]

Each side is a process that stays; they take turns. Idioms: a frozen schuss model and its plain call;
onnxruntime with the same network as an ONNX model (which we write by hand below); jax.jit with the weights
as constants; PyTorch in inference mode, and scripted, traced and frozen; scikit-learn's predict_proba. All get the
same weights and must agree to 1e-3. The floor is max(flops / peak, bytes of input and result / bandwidth): the weights
stay in the caches.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from arguments import count
from machine import bandwidth, hardware, peak
from race import PACKAGES, PAUSE, installed

SIZES = (784, 128, 64, 10)
SIDES = [
    "schuss:freeze",
    "schuss:call",
    "onnxruntime",
    "jax:jit",
    "torch:traced",
    "torch:eager",
    "sklearn",
]
PACKAGES["onnxruntime"] = "onnxruntime"


def weights() -> list[tuple[Any, Any]]:
    """(W out x in, b) of each layer: the same for all sides."""
    import numpy as np

    rng = np.random.default_rng(0)
    return [
        (
            rng.standard_normal((b, a), np.float32) / np.float32(a**0.5),
            rng.standard_normal(b, np.float32) * np.float32(0.1),
        )
        for a, b in itertools.pairwise(SIZES)
    ]


def schuss_side(idiom: str, threads: int) -> Callable[[Any], Any]:
    import schuss
    from schuss import nn

    layers = [nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)]
    model = nn.Sequential(*layers)
    for layer, (w, b) in zip(layers[::2], weights(), strict=True):
        layer.load_state_dict({"weight": w, "bias": b})
    return schuss.freeze(model) if idiom == "freeze" else model


def onnxruntime_side(idiom: str, threads: int) -> Callable[[Any], Any]:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    nodes, initial, at = [], [], "x"
    for i, (w, b) in enumerate(weights()):
        initial += [numpy_helper.from_array(w, f"w{i}"), numpy_helper.from_array(b, f"b{i}")]
        nodes.append(helper.make_node("Gemm", [at, f"w{i}", f"b{i}"], [f"l{i}"], transB=1))
        at = f"l{i}"
        if i < 2:
            nodes.append(helper.make_node("Relu", [at], [f"a{i}"]))
            at = f"a{i}"
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width]) for name, width in (("x", 784), (at, 10))
    ]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], initial)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]


def jax_side(idiom: str, threads: int) -> Callable[[Any], Any]:
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax
    import numpy as np

    layers = [(w.T.copy(), b) for w, b in weights()]

    @jax.jit
    def forward(x: Any) -> Any:
        for w, b in layers[:-1]:
            x = jax.nn.relu(x @ w + b)
        return x @ layers[-1][0] + layers[-1][1]

    return lambda x: np.asarray(forward(x))


def torch_side(idiom: str, threads: int) -> Callable[[Any], Any]:
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    layers = [nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)]
    with torch.no_grad():
        for layer, (w, b) in zip(layers[::2], weights(), strict=True):
            layer.weight.copy_(torch.from_numpy(w))
            layer.bias.copy_(torch.from_numpy(b))
    model: Any = nn.Sequential(*layers).eval().requires_grad_(False)
    if idiom == "traced":
        model = torch.jit.freeze(torch.jit.trace(model, torch.zeros(1, 784)))

    @torch.inference_mode()
    def forward(x: Any) -> Any:
        return model(torch.from_numpy(x)).numpy()

    return forward


def sklearn_side(idiom: str, threads: int) -> Callable[[Any], Any]:
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(SIZES[1:-1], max_iter=1)
    model.partial_fit(np.zeros((10, 784), np.float32), np.arange(10), classes=np.arange(10))
    model.coefs_ = [w.T.copy() for w, _ in weights()]
    model.intercepts_ = [b for _, b in weights()]
    return model.predict_proba


def child(name: str, threads: int) -> None:
    """Answer lines "rows seconds" with the median seconds of a call, and the first results before that."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)
    import warnings

    import numpy as np

    warnings.simplefilter("ignore")
    package, _, idiom = name.partition(":")
    call = globals()[f"{package}_side"](idiom, threads)
    x = np.random.default_rng(1).random((10_000, 784), np.float32)
    logits = np.asarray(call(x[:3]), np.float64)
    if package == "sklearn":  # these are probabilities
        logits = np.log(np.maximum(logits, 1e-30))
    logits -= logits.mean(axis=1, keepdims=True)
    print(*logits.ravel().round(5), flush=True)
    for line in sys.stdin:
        rows, seconds = line.split()
        part, times, end = x[: int(rows)], [], time.perf_counter() + float(seconds)
        while time.perf_counter() < end or len(times) < 5:
            start = time.perf_counter()
            call(part)
            times.append(time.perf_counter() - start)
        print(statistics.median(times), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=count, default=2)
    parser.add_argument("--rounds", type=count, default=7)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        child(given.side, given.threads)
        return
    names = installed(SIDES)
    team = {}
    command = [sys.executable, __file__, "--threads", str(given.threads), "--side"]
    first: dict[str, list[float]] = {}
    for name in names:
        team[name] = subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        first[name] = [float(v) for v in team[name].stdout.readline().split()]  # type: ignore[union-attr]
    for name in names:
        apart = max(abs(a - b) for a, b in zip(first[names[0]], first[name], strict=True))
        if not apart < 1e-3:
            raise SystemExit(f"{name} computes something else: {apart} apart")
    products = sum(a * b for a, b in itertools.pairwise(SIZES))
    most, stream = peak(given.threads), bandwidth(given.threads)
    print(f"{hardware(given.threads)}; {most / 1e9:.0f} Gflop/s, {stream / 1e9:.0f} GB/s; {given.rounds} rounds")
    for rows in (1, 10_000):
        times: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(given.rounds + 1):
            for name in names:
                time.sleep(PAUSE)
                pipe = team[name]
                pipe.stdin.write(f"{rows} 0.3\n")  # type: ignore[union-attr]
                pipe.stdin.flush()  # type: ignore[union-attr]
                seconds = float(pipe.stdout.readline())  # type: ignore[union-attr]
                if turn:  # the first warms up
                    times[name].append(seconds * 1e6)
        floor = max(2 * rows * products / most, 4 * rows * (784 + 10) / stream) * 1e6
        print(f"\n{rows} rows, floor {floor:.4g} us\n")
        print("| side | us a call: median (least - most) | ratio |")
        print("|---|---|---|")
        ours = statistics.median(times[names[0]])
        for name in names:
            median = statistics.median(times[name])
            spread = f"{median:.4g} ({min(times[name]):.4g} - {max(times[name]):.4g})"
            print(f"| {name.replace(':', ' ')} | {spread} | {median / ours:.2f} |")
    for process in team.values():
        process.communicate()


if __name__ == "__main__":
    main()

"""schuss graph --plan, --llvm, --asm: the native step to read."""

from __future__ import annotations

import numpy as np
import pytest

import schuss as library
from schuss import nn, optim
from schuss.train.interrupts import Interrupts


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((300, 40), np.float32), rng.integers(0, 5, 300)
    model = nn.Sequential(nn.Linear(40, 200), nn.ReLU(), nn.Linear(200, 5))
    library.fit(model, (x, y), loss=nn.CrossEntropyLoss(), optimizer=optim.Adam(lr=1e-3), epochs=1, batch_size=50)
    path = tmp_path_factory.mktemp("plan") / "m.safetensors"
    library.save(model, path)
    return path


def test_the_plan_adds_up(schuss, saved):
    plan = schuss("graph", saved, "--plan", "--format", "json", "--batch-size", 128, "--threads", 2).json
    products = [k for k in plan["kernels"] if k["computes"][0] == "matmul"]
    assert plan["batch"] == 128
    assert len(products) == 5, "two forward, two weight gradients, one input gradient"
    flops = sum(k["flops"] - (len(k["computes"]) - 1) * np.prod(sides(k, 128)) for k in products)
    assert flops == 2 * 128 * (3 * (40 * 200 + 200 * 5) - 40 * 200)
    assert plan["bytes_held"]["state"] > 3 * 4 * (40 * 200 + 200 + 200 * 5 + 5)
    first = next(k for k in products if k["shape"] == "N x 200 over 40")
    assert first["threads"] == plan["threads"] == 2
    assert first["bytes"] >= 4 * (128 * 40 + 40 * 200 + 128 * 200)
    assert "its own examples" in first["why"]
    assert "tiles of" in first["why"]


def sides(kernel, n):
    return [n if s == "N" else int(s) for s in kernel["shape"].partition(" over ")[0].split(" x ")]


def test_the_plan_for_people(schuss, saved):
    text = schuss("graph", saved, "--plan", "--batch-size", 128, "--threads", 2).out
    assert text.startswith("a step of 128 examples: ")
    assert "2 threads, 3 barriers" in text
    assert "-- barrier --" in text
    assert "weight gradient with its update" in text
    small = schuss("graph", saved, "--plan", "--batch-size", 2, "--threads", 2).out
    assert "one thread: 2 threads would save about" in small
    assert "shared: 2 threads would save about" in text
    assert "-- barrier --" not in small


def test_the_batch_is_that_of_the_training(schuss, saved):
    assert schuss("graph", saved, "--plan").out.startswith("a step of 50 examples")


def test_code(schuss, saved, tmp_path):
    llvm = schuss("graph", saved, "--llvm").out
    assert "define i64 @" in llvm
    assert "llvm.fma" in llvm
    out = tmp_path / "step.s"
    assert schuss("graph", saved, "--asm", "-o", out).code == 0
    assert "run:" in out.read_text()


@pytest.mark.parametrize(
    "options",
    [
        ("--threads", 2),
        ("--batch-size", 5),
        ("--plan", "--format", "dot"),
        ("--asm", "--format", "json"),
        ("--llvm", "--all"),
        ("--print-after", "fuse", "--all"),
        ("--print-after", "fuse", "--plan"),
    ],
)
def test_what_does_not_go_together(schuss, saved, options):
    result = schuss("graph", saved, *options)
    assert result.code == 2
    assert "Error" in result.err


def test_without_a_loss_there_is_no_step(schuss, tmp_path):
    model = nn.Sequential(nn.Linear(3, 2))
    model(np.zeros((1, 3), np.float32))
    library.save(model, tmp_path / "m.safetensors")
    result = schuss("graph", tmp_path / "m.safetensors", "--plan")
    assert result.code == 1
    assert "does not tell the loss" in result.error
    assert "schuss.plan(run" in result.error


def test_the_plan_says_where_columns_are_divided(schuss, tmp_path):
    model = nn.Sequential(nn.Linear(900, 600), nn.ReLU(), nn.Linear(600, 3))
    data = np.zeros((8, 900), np.float32), np.zeros(8, np.int64)
    library.fit(model, data, loss=nn.CrossEntropyLoss(), optimizer=library.optim.SGD(lr=0.1), epochs=1, batch_size=4)
    library.save(model, tmp_path / "m.safetensors")
    text = schuss("graph", tmp_path / "m.safetensors", "--plan", "--threads", 2).out
    assert "each thread computes its own of 600 columns" in text


def test_what_there_is_after_a_pass(schuss, saved):
    text = schuss("graph", saved, "--print-after", "buffers", "--batch-size", 128, "--threads", 2).out
    assert text.startswith("schuss graph 1\n")
    assert "# -- barrier --" in text
    assert "at arena+" in text
    assert "at arena+" not in schuss("graph", saved, "--print-after", "order").out


def test_no_such_pass(schuss, saved):
    assert "no pass 'fusion': they are simplify, cse, " in schuss("graph", saved, "--print-after", "fusion").error


@pytest.mark.parametrize("stopped", [False, True])
def test_the_plan_of_a_model_of_the_command_is_of_its_batch(schuss, npz, tmp_path, monkeypatch, stopped):
    if stopped:
        monkeypatch.setattr(Interrupts, "reason", lambda self: setattr(self, "caught", 15) or "signal 15")
    out = tmp_path / "m.safetensors"
    schuss("train", npz, "--hidden", "8", "--epochs", "1", "--batch-size", "96", "--out", out)
    assert "a step of 96 examples" in schuss("graph", out, "--plan").out

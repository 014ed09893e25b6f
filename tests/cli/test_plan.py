"""schuss graph --plan, --llvm, --asm: the native step to read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import schuss as library
from schuss import nn, optim
from schuss.compiler.llvm.target import host_target
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
    assert "tiles of" in first["code"]


def sides(kernel, n):
    return [n if s == "N" else int(s) for s in kernel["shape"].partition(" over ")[0].split(" x ")]


def test_the_plan_for_people(schuss, saved):
    text = schuss("graph", saved, "--plan", "--batch-size", 128, "--threads", 2).out
    assert text.startswith("a step of 128 examples: ")
    assert "2 threads, 3 barriers" in text
    assert "-- barrier --" in text
    assert "split over 40 rows: no sum is split" in text
    small = schuss("graph", saved, "--plan", "--batch-size", 2, "--threads", 2).out
    assert "single thread: 2 threads save an estimated" in small
    assert "parallel: 2 threads save an estimated" in text
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
        ("--plan", "--asm"),
    ],
)
def test_what_does_not_go_together(schuss, saved, options):
    result = schuss("graph", saved, *options)
    assert result.code == 2
    assert "Error" in result.err
    if options == ("--plan", "--asm"):
        assert "--plan and --asm are different views: give one of them" in result.err


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
    assert "split over 600 columns: each thread reads its own part of the right operand" in text


def test_what_there_is_after_a_pass(schuss, saved):
    text = schuss("graph", saved, "--print-after", "buffers", "--batch-size", 128, "--threads", 2).out
    assert text.startswith("schuss graph 1\n")
    assert "# -- barrier --" in text
    assert "at arena+" in text
    assert "at arena+" not in schuss("graph", saved, "--print-after", "order").out


# -- docs/guides/plan.md -----------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "plan.md").read_text("utf-8")


def test_the_excerpts_of_the_page_are_of_the_real_plan(schuss, npz, tmp_path, monkeypatch):
    monkeypatch.setenv("SCHUSS_TARGET", "avx2")
    if not host_target().fma:
        pytest.skip("the page shows the plan of a CPU with AVX2")
    out = tmp_path / "digits.safetensors"
    schuss("train", npz, "--hidden", "128", "--epochs", "1", "--batch-size", "128", "--threads", "1", "--out", out)
    shown = schuss("graph", out, "--plan", "--threads", "2").out
    shown += schuss("graph", out, "--print-after", "buffers", "--threads", "2").out
    excerpts = re.findall(r"^```text\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert len(excerpts) > 5
    assert [e for e in excerpts if e not in shown] == []


def networks():
    """Kernels of every sort: products large and small, convolutions, a table, few rows and many, several threads."""
    dense = nn.Sequential(nn.Linear(900, 2048), nn.ReLU(), nn.Linear(2048, 1))
    yield dense, np.zeros((4, 900), np.float32), np.zeros((4, 1), np.float32), nn.MSELoss(), (1, 64, 2000)
    convolutions = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.MaxPool2d(2), nn.Conv2d(6, 6, 3, groups=6), nn.Flatten(), nn.Linear(96, 3)
    )
    labels = np.zeros(4, np.int64)
    yield convolutions, np.zeros((4, 1, 14, 14), np.float32), labels, nn.CrossEntropyLoss(), (64,)
    table = nn.Sequential(nn.Embedding(1000, 16, sparse=True), nn.Flatten(), nn.Linear(32, 3))
    yield table, np.zeros((4, 2), np.int64), labels, nn.CrossEntropyLoss(), (64,)


def test_the_page_explains_all_words():
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    explained = sorted((_numberless(p) for row in rows for p in re.findall(r"`([^`]+)`", row)), key=len, reverse=True)
    said = set()
    for model, x, y, loss, batches in networks():
        run = library.fit(model, (x, y), loss=loss, optimizer=optim.SGD(), epochs=1, backend="reference")
        for batch in batches:
            kernels = json.loads(library.plan(run, form="json", batch_size=batch, threads=2))["kernels"]
            said |= {_numberless(text) for kernel in kernels for text in (kernel["why"], kernel["code"])}
    assert len(said) > 15
    for text in said:
        left = text
        for phrase in explained:
            left = left.replace(phrase, "")
        assert not left.strip(" ,;:"), f"{left!r} of {text!r}"


def _numberless(text):
    number = r"(?:N|\d[\d,]*)"
    return re.sub(rf"\b{number}(?: x {number})*\b", "#", text)


def test_no_such_pass(schuss, saved):
    assert "no pass 'fusion': they are simplify, cse, " in schuss("graph", saved, "--print-after", "fusion").error


@pytest.mark.parametrize("stopped", [False, True])
def test_the_plan_of_a_model_of_the_command_is_of_its_batch(schuss, npz, tmp_path, monkeypatch, stopped):
    if stopped:
        monkeypatch.setattr(Interrupts, "reason", lambda self: setattr(self, "caught", 15) or "signal 15")
    out = tmp_path / "m.safetensors"
    schuss("train", npz, "--hidden", "8", "--epochs", "1", "--batch-size", "96", "--out", out)
    assert "a step of 96 examples" in schuss("graph", out, "--plan").out

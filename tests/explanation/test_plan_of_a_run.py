"""schuss.plan: the native step of a run."""

from __future__ import annotations

import json

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.errors import UsageError


@pytest.fixture(scope="module")
def run():
    x = np.random.default_rng(0).standard_normal((300, 40), np.float32)
    model = nn.Sequential(nn.Linear(40, 200), nn.Tanh(), nn.Linear(200, 3))

    def absolute(pred, target):
        return schuss.abs(pred - target).mean()

    return schuss.fit(model, (x, x[:, :3]), loss=absolute, optimizer=optim.Adam())


def test_a_loss_of_the_users_is_in_the_plan(run):
    plan = json.loads(schuss.plan(run, form="json", batch_size=256, threads=2))
    assert (plan["batch"], plan["threads"]) == (256, 2)
    computed = {op for kernel in plan["kernels"] for op in kernel["computes"]}
    assert {"matmul", "tanh", "abs", "sign", "mean", "sqrt"} <= computed
    products = 2 * 256 * (3 * 200 * 3 + 2 * 40 * 200)
    assert sum(kernel["flops"] for kernel in plan["kernels"]) > products


def test_for_people_and_as_code(run):
    assert schuss.plan(run, threads=1).startswith("a step of 64 examples: ")
    assert schuss.plan(run, batch_size=1, threads=1).startswith("a step of 1 example: ")
    assert "define" in schuss.plan(run, "llvm")
    assert "run:" in schuss.plan(run, "asm")


def test_few_examples_are_one_batch():
    x = np.ones((5, 2), np.float32)
    run = schuss.fit(nn.Sequential(nn.Linear(2, 1)), (x, x[:, :1]), loss=nn.MSELoss(), optimizer=optim.SGD())
    assert json.loads(schuss.plan(run, form="json"))["batch"] == 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"view": "code"}, "'code' is none of plan, llvm, asm"),
        ({"view": "asm", "form": "json"}, "asm has no form json"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"threads": 5000}, "5000 are more than the 1024"),
    ],
)
def test_wrong_words(run, given, message):
    with pytest.raises(UsageError, match=message):
        schuss.plan(run, **given)


def test_what_is_no_run(run):
    with pytest.raises(UsageError, match="the run that fit returned, got Sequential"):
        schuss.plan(run.model)

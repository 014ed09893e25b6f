"""Losses and gradient norms at many weights, against numpy and against schuss.grad."""

from __future__ import annotations

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.errors import LoweringError
from schuss.exec.reference import ReferenceExecutor
from schuss.tables import EXECUTORS
from schuss.train import evaluate as evaluating
from schuss.train.evaluate import MAX_EVALUATION_BATCH, Evaluation, gradient_norm, gradient_norms, losses
from schuss.train.fit import prepare
from schuss.train.trainer import Evaluation as SameEvaluation

from .support import blobs, fit, line, mlp, weights

ROWS = [50, MAX_EVALUATION_BATCH, 2500]


def numpy_loss(model, point, data):
    old = weights(model)
    nn.load_state_dict(model, point)
    logits = model(data["x0"]).astype("f8")
    nn.load_state_dict(model, old)
    top = logits.max(axis=1, keepdims=True)
    logp = logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
    return -logp[np.arange(len(logits)), data["y"]].mean()


@pytest.mark.parametrize("rows", ROWS)
def test_losses_are_the_mean_over_all_rows(rows):
    run = fit(mlp(4, 8, 3, dropout=0.3), blobs(rows), record=1e-9)
    points = [m.weights for m in run.path[:5]]
    found = losses(run.task, points, run.data)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [numpy_loss(run.model, p, run.data) for p in points], rtol=1e-5)


def test_every_row_is_evaluated(monkeypatch):
    """Also those of a last batch that is not full, behind as many whole ones as are run at a time."""
    monkeypatch.setattr(evaluating, "MAX_EVALUATION_BATCH", 4)
    x, y = blobs(4 * evaluating.BATCHES + 1)
    y[-1] = (y[-1] + 1) % 3
    run = fit(mlp(4, 8, 3), (x, y))
    weights, data = {n: p.data for n, p in nn.named_parameters(run.model).items()}, run.data
    found = evaluating.Evaluation(run.task, ReferenceExecutor(), data)(weights)
    assert found["loss"] == pytest.approx(numpy_loss(run.model, weights, data), rel=1e-5)


def test_losses_takes_any_iterable_and_tells_how_far_it_is():
    run = fit(mlp(4, 3), blobs(), record=1e-9)
    point, seen = run.path[-1].weights, []
    listed = losses(run.task, [point] * 3, run.data, progress=lambda *at: seen.append(at))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    lazily = losses(run.task, (point for _ in range(3)), run.data, threads=1, progress=lambda *at: seen.append(at))
    assert seen[3:] == [(1, None), (2, None), (3, None)]
    assert listed.tobytes() == lazily.tobytes()
    assert losses(run.task, [], run.data).shape == (0,)


def test_losses_are_those_of_training_and_validation():
    run = fit(mlp(4, 3), blobs(), validation=blobs(40, seed=1), record=True)
    assert losses(run.task, [weights(run.model)], run.validation)[0] == pytest.approx(run.last("val_loss"), rel=1e-12)


def grad_norm(run, point, data):
    """By schuss.grad, in float64."""
    names = list(point)

    def loss(*tensors):
        named = nn.named_parameters(run.model)
        with nn.bind({named[n]: t for n, t in zip(names, tensors, strict=True)}):
            return run.task.loss(run.model(data["x0"]), data["y"])

    grads = schuss.grad(loss, argnums=tuple(range(len(names))))(*(point[n] for n in names))
    return np.sqrt(sum((np.asarray(g, "f8") ** 2).sum() for g in grads))


@pytest.mark.parametrize("rows", ROWS)
def test_the_gradient_s_norm_is_that_of_grad(rows):
    run = fit(mlp(4, 8, 3), blobs(rows), record=1e-9, clip_norm=0.01)
    for moment in (run.path[0], run.path[-1]):
        want = grad_norm(run, moment.weights, run.data)
        assert gradient_norm(run.task, moment.weights, run.data) == pytest.approx(want, rel=1e-4)


def test_many_norms_at_once_are_each_of_them():
    run = fit(mlp(4, 8, 3), blobs(), record=1e-9)
    points = [m.weights for m in run.path[:4]]
    together = gradient_norms(run.task, iter(points), run.data)
    assert together.tolist() == [gradient_norm(run.task, p, run.data) for p in points]
    assert len(set(together.tolist())) == len(points)


def test_a_line_s_gradient_by_hand():
    x, y = line()
    run = fit(nn.Linear(2, 1), (x, y), loss=nn.MSELoss(), optimizer=optim.SGD(lr=0.1), record=True)
    w, b = run.path[0].weights["weight"], run.path[0].weights["bias"]
    error = x @ w.T + b - y
    norm = np.sqrt(((2 * error.T @ x / len(x)) ** 2).sum() + (2 * error.mean()) ** 2)
    assert gradient_norm(run.task, run.path[0].weights, run.data) == pytest.approx(norm, rel=1e-5)


def test_weights_of_examples_count():
    x, y = blobs(60)
    weight = np.random.default_rng(0).uniform(0, 1, 60)
    run = fit(mlp(4, 3), (x, y), sample_weight=weight, record=True)
    plain = fit(mlp(4, 3), (x, y), record=True)
    point = run.path[0].weights
    assert losses(run.task, [point], run.data)[0] != losses(plain.task, [point], plain.data)[0]
    assert gradient_norm(run.task, point, run.data) != gradient_norm(plain.task, point, plain.data)


def test_what_has_no_native_code_runs_on_the_reference(monkeypatch):
    run = fit(mlp(4, 3), blobs(), record=True)
    point = weights(run.model)
    native = losses(run.task, [point], run.data)[0], gradient_norm(run.task, point, run.data)

    def compiles_nothing(self, *_):
        raise LoweringError("no such thing")

    monkeypatch.setattr(EXECUTORS["native"], "loop", compiles_nothing)
    assert losses(run.task, [point], run.data)[0] == pytest.approx(native[0], rel=1e-6)
    assert gradient_norm(run.task, point, run.data) == pytest.approx(native[1], rel=1e-5)


def test_evaluation_has_one_home():
    assert Evaluation is SameEvaluation
    trainer = prepare(mlp(4, 3), blobs(), loss=nn.CrossEntropyLoss(), optimizer=optim.SGD(lr=0.1), epochs=1,
                      batch_size=8, validation=blobs(30), seed=0)  # fmt: skip
    assert isinstance(trainer.evaluation, Evaluation)

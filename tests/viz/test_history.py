"""A run's columns, and their picture."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import schuss
from schuss import nn, viz
from schuss.analysis.runs import sample
from schuss.errors import UsageError

from .support import class_run, curve_run


@pytest.fixture(scope="module")
def data():
    return viz.history_data(class_run(), rows=64)


def test_epochs_are_the_run_s_history(data):
    run = class_run()
    assert set(data.epochs) == set(run.history) >= {"loss", "val_loss", "accuracy", "val_accuracy", "lr"}
    for name, column in run.history.items():
        np.testing.assert_array_equal(data.epochs[name], column)
    assert data.metrics == ["accuracy"]
    assert data.steps_per_epoch == pytest.approx(run.steps / run.epochs)


def test_moments_are_the_run_s_path(data):
    path = class_run().path
    for name in ("step", "epoch", "seconds", "loss", "lr"):
        np.testing.assert_array_equal(data.moments[name], [getattr(m, name) for m in path])
    np.testing.assert_array_equal(data.moments["accuracy"], [m.metrics["accuracy"] for m in path])


def test_norms_are_those_of_grad(data):
    run = class_run()
    rows = sample(run.data, 64)
    by_step = {m.step: m for m in run.path}
    assert 3 < len(data.norms["step"]) <= 40
    assert {run.path[0].step, run.path[-1].step} <= set(data.norms["step"])
    kept = nn.state_dict(run.model)
    try:
        for i in (0, -1):
            nn.load_state_dict(run.model, by_step[int(data.norms["step"][i])].weights)
            found = schuss.grad(lambda m: nn.CrossEntropyLoss()(m(rows["x0"]), rows["y"]))(run.model)
            wanted = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in found.values()))
            assert data.norms["gradient_norm"][i] == pytest.approx(wanted, rel=1e-4)
    finally:
        nn.load_state_dict(run.model, kept)


def test_a_run_without_a_record_has_epochs_alone():
    found = viz.history_data(replace(class_run(), path=[]))
    assert not found.moments
    assert not found.norms
    assert len(viz.history(found).axes) == 3  # loss, accuracy, learning rate


def test_json(data):
    found = json.loads(json.dumps(data.to_json(), allow_nan=False))
    assert found["epochs"]["loss"] == class_run().history["loss"]
    assert found["loss_name"] == "cross entropy (nats)"
    unknown = replace(data, moments={"loss": np.array([np.nan, 1.0])})
    assert unknown.to_json()["moments"]["loss"] == [None, 1.0]


def test_the_picture_has_a_panel_for_each_quantity(data):
    figure = viz.history(data)
    labels = [ax.get_ylabel() for ax in figure.axes]
    assert labels == ["cross entropy (nats)", "accuracy", "learning rate", "norm of the gradient"]
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    np.testing.assert_array_equal(lines["validation"].get_ydata(), class_run().history["val_loss"])
    assert {"training, whole epochs", "training, as it ran"} <= set(lines)


def test_the_steps_axis_counts_steps(data):
    figure = viz.history(data)
    figure.canvas.draw()
    run, ax = class_run(), figure.axes[0]
    upper = ax.child_axes[0]
    per = run.steps / run.epochs
    np.testing.assert_allclose(upper.get_xlim(), np.array(ax.get_xlim()) * per)


def test_changes_by_hand_are_marked(data):
    change = {"step": 20, "epoch": 2.0, "what": "lr", "from": 0.01, "to": 0.001}
    before = len(viz.history(data).axes[0].lines)
    after = viz.history(replace(data, changes=[change, {**change, "what": "pause"}])).axes[0].lines
    assert len(after) == before + 1
    assert list(after[-1].get_xdata()) == [2.0, 2.0]


def markers(ax):
    return {line.get_label(): line.get_marker() for line in ax.lines}


@pytest.mark.parametrize(("epochs", "marked"), [(3, True), (40, True), (41, False), (250, False)])
def test_points_are_marked_where_they_are_few(epochs, marked):
    column = np.linspace(1, 0.1, epochs)
    every = dict.fromkeys(("loss", "val_loss", "accuracy", "lr"), column)
    found = viz.History({"epoch": np.arange(1.0, epochs + 1), **every})
    for ax in viz.history(found).axes:
        assert all((m not in ("", "None", None)) == marked for m in markers(ax).values())
        ticks = ax.get_xticks()
        assert (ticks == np.round(ticks)).all()


def test_a_history_of_one_epoch_can_be_read():
    """A dot in the middle, large, with its value beside it."""
    names = ("loss", "val_loss", "accuracy", "lr")
    found = viz.History({"epoch": np.array([4.0]), **{n: np.array([0.123456]) for n in names}})
    for ax in viz.history(found).axes:
        assert ax.get_xlim() == (3, 5)
        assert {t.get_text() for t in ax.texts} == {"0.1235"}
        assert all(line.get_markersize() >= 8 for line in ax.lines)


def test_epochs_that_are_not_known_take_no_mark():
    loss = np.full(100, np.nan)
    loss[::10] = 0.5
    (line,) = viz.history(viz.History({"epoch": np.arange(1.0, 101), "loss": loss})).axes[0].lines
    assert line.get_marker() == "o"


def test_errors_and_the_figure_given():
    from matplotlib.figure import Figure

    mine = Figure(layout="constrained")
    assert viz.history(curve_run(), figure=mine) is mine
    with pytest.raises(UsageError, match="history: takes what fit returned, got Sequential"):
        viz.history(class_run().model)
    with pytest.raises(UsageError, match="no epoch and no recorded moment"):
        viz.history(replace(class_run(), history={}, path=[]))

"""Learning rates of groups and on a plateau in a run: history, progress, moments, checkpoints, going on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.errors import UsageError
from schuss.train.checkpoint import Checkpoint
from schuss.train.fit import prepare

from .support import blobs, mlp, same_bits, weights

STEPS = 30  # of an epoch


def trainer_of(optimizer: Any, model: Any = None, **given: Any) -> Any:
    settings = {"epochs": 3, "batch_size": 4, "backend": "reference", **given}
    return prepare(model or mlp(4, 8, 3), blobs(), loss=nn.CrossEntropyLoss(), optimizer=optimizer, **settings)


def groups() -> Any:
    slow = optim.Group("0", lr=optim.Exponential(0.01, 0.99), weight_decay=0.1)
    return optim.NAdam(0.02, groups=[slow, optim.Group("*.bias", name="biases", lr=0.03)])


def test_each_groups_rate_is_shown():
    seen = []
    trainer = trainer_of(optim.Adam(0.02, groups=[optim.Group("2", lr=optim.Step(0.1, STEPS))]), record=True)
    trainer.train(seen.append)
    history = trainer.run.history
    assert history["lr"] == [0.02] * 3
    assert history["lr/2"] == pytest.approx([0.1, 0.01, 0.001])
    assert seen[-1].rates == pytest.approx({"lr": 0.02, "lr/2": 0.001})
    last = trainer.run.path[-1]
    assert (last.lr, last.rates) == (0.02, {"lr/2": history["lr/2"][-1]})


def test_where_all_are_in_groups_the_first_is_the_rate():
    trainer = trainer_of(optim.SGD(1.0, groups=[optim.Group("0", lr=0.02), optim.Group("2", lr=0.03)]))
    assert trainer.rates_at(0) == {"lr": 0.02, "lr/0": 0.02, "lr/2": 0.03}


def test_groups_by_module_train_as_groups_by_name_and_are_kept_by_files(tmp_path):
    by_name, by_module = mlp(4, 8, 3), mlp(4, 8, 3)
    trainer_of(optim.Adam(0.02, groups=[optim.Group("0", lr=0.1)]), by_name).train()
    trainer = trainer_of(optim.Adam(0.02, groups=[optim.Group(by_module[0], lr=0.1)]), by_module)
    trainer.train()
    assert same_bits(weights(by_name), weights(by_module))
    schuss.save(by_module, tmp_path / "m.safetensors")
    kept = schuss.load(tmp_path / "m.safetensors").signature.optimizer
    assert optim.from_config(kept) == trainer.task.optimizer
    assert kept["groups"] == [{"type": "Group", "params": ["0.weight", "0.bias"], "name": "0", "lr": 0.1}]


def test_native_code_has_groups_too():
    found = []
    for backend in ("native", "reference"):
        model = mlp(4, 8, 3)
        trainer_of(optim.NAdam(0.02, groups=[optim.Group("0", lr=optim.Step(0.1, 20))]), model, backend=backend).train()
        found.append(weights(model))
    for name, w in found[0].items():
        np.testing.assert_allclose(w, found[1][name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_a_checkpoint_goes_on_with_groups(tmp_path):
    optimizer = optim.NAdam(0.02, groups=[optim.Group("0", lr=optim.Exponential(0.01, 0.99), weight_decay=0.1)])
    through = trainer_of(optimizer)
    through.train()
    first = trainer_of(optimizer)
    first.train(stop=lambda: "enough" if first.position.counter > 40 else None)
    Checkpoint(tmp_path / "run", {}).save(first)
    again = trainer_of(optimizer)
    assert Checkpoint(tmp_path / "run", {}).resume(again)
    again.train()
    assert same_bits(through.snapshot(), again.snapshot())
    assert through.run.history["lr/0"] == again.run.history["lr/0"]
    with pytest.raises(schuss.errors.ModelFileError, match="does not fit this run"):
        Checkpoint(tmp_path / "run", {}).resume(trainer_of(optim.NAdam(0.02)))


# -- on a plateau ----------------------------------------------------------------------------------------------


def plateau(**given: Any) -> optim.ReduceLROnPlateau:
    """After the first epoch nothing is good enough."""
    return optim.ReduceLROnPlateau(0.1, factor=0.5, patience=0, threshold=1e9, threshold_mode="abs", **given)


def test_the_rate_falls_from_the_next_epoch_on():
    trainer = trainer_of(optim.SGD(plateau(cooldown=1)), epochs=6)
    trainer.train()
    assert trainer.run.history["lr"] == [0.1, 0.1, 0.05, 0.05, 0.025, 0.025]


def test_its_steps_are_those_of_the_rates_it_had():
    """As a schedule that knows them from the start."""
    model, other = mlp(4, 8, 3), mlp(4, 8, 3)
    trainer_of(optim.SGD(plateau(), momentum=0.9), model).train()
    trainer_of(optim.SGD(optim.MultiStep(0.1, [2 * STEPS], 0.5), momentum=0.9), other).train()
    assert same_bits(weights(model), weights(other))


def test_each_group_has_its_own():
    groups = [optim.Group("0", lr=optim.ReduceLROnPlateau(0.2, "max", 0.1, 0, 1e9, "abs", metric="accuracy"))]
    trainer = trainer_of(optim.SGD(0.1, groups=groups))
    trainer.train()
    assert trainer.run.history["lr"] == [0.1] * 3
    assert trainer.run.history["lr/0"] == pytest.approx([0.2, 0.2, 0.02])


def test_validation_loss_is_looked_at_where_there_is_some():
    trainer = trainer_of(optim.SGD(optim.ReduceLROnPlateau(0.1, patience=0)), validation=0.2, epochs=8)
    run = trainer.train()
    schedule = optim.ReduceLROnPlateau(1.0, patience=0)
    wanted = [0.1]
    for i in range(1, 8):
        falls = schedule.waited_enough(run.history["val_loss"][:i], "min")
        wanted.append(wanted[-1] * (0.1 if falls else 1.0))
    assert run.history["lr"] == pytest.approx(wanted)


@pytest.mark.parametrize("at", [70, 90, 100])  # within an epoch and between two
def test_a_resumed_run_falls_as_it_would_have(tmp_path, at):
    optimizer = optim.Adam(plateau(cooldown=1))
    through = trainer_of(optimizer, epochs=6)
    through.train()
    first = trainer_of(optimizer, epochs=6)
    first.train(stop=lambda: "enough" if first.position.counter >= at else None)
    Checkpoint(tmp_path / "run", {}).save(first)
    again = trainer_of(optimizer, epochs=6)
    Checkpoint(tmp_path / "run", {}).resume(again)
    again.train()
    assert same_bits(through.snapshot(), again.snapshot())
    assert through.run.history["lr"] == again.run.history["lr"]
    longer = trainer_of(optimizer, epochs=3).train().resume(epochs=3)
    assert longer.history["lr"] == through.run.history["lr"]
    assert same_bits(longer.state.arrays, through.snapshot())


def test_a_rate_held_by_hand_stays():
    control = schuss.Control()
    trainer = trainer_of(optim.SGD(plateau()), control=control)
    control.set_rate(0.3)
    trainer.train()
    assert trainer.run.history["lr"] == [0.3] * 3


def test_a_metric_that_the_run_has_not_is_an_error_before_it():
    with pytest.raises(UsageError, match="the history has no column 'val_accuracy'; it has loss, accuracy"):
        trainer_of(optim.SGD(optim.ReduceLROnPlateau(0.1, metric="val_accuracy")))


def test_a_schedule_of_ones_own_may_act_after_an_epoch():
    class Halved(optim.Schedule):
        def at(self, t):
            return t * 0.0 + 0.1

        def after_epoch(self, history, rate):
            return rate / 2

    trainer = trainer_of(optim.SGD(Halved()))
    trainer.train()
    assert trainer.run.history["lr"] == [0.1, 0.05, 0.025]


def below(t: Any) -> Any:
    return 0.02 - t * 0.001


class Falls(optim.Schedule):
    def at(self, t: Any) -> Any:
        return 0.02 - t * 0.001


class Dips(optim.Schedule):
    """Below 0 in the middle of an epoch only, and made for one step: a vector of them does not go through."""

    def at(self, t: Any) -> Any:
        return schuss.reshape(schuss.abs(t - 35.0) - 4.0, shape=())


class Rises(optim.Schedule):
    def at(self, t: Any) -> Any:
        return t * 0.001 - 0.029


class Bounces(optim.Schedule):
    def at(self, t: Any) -> Any:
        return t * 0.0 + 0.01

    def after_epoch(self, history: Any, rate: float) -> float:
        return -rate


@pytest.mark.parametrize(
    "rate",
    [
        Falls(),
        optim.Warmup(Falls(), 3),
        optim.Warmup(below, 3),
        Dips(),
        below,
    ],
    ids=["own", "own in warmup", "function in warmup", "one step at a time", "function"],
)
def test_no_rate_below_0_at_any_step(rate: Any) -> None:
    with pytest.raises(UsageError, match=r"optimizer: lr is -\S+ at step \d+ of 90: a rate below 0 climbs"):
        trainer_of(optim.SGD(rate))
    with pytest.raises(UsageError, match=r"optimizer: lr/2 is -\S+ at step \d+ of 90: a rate below 0 climbs"):
        trainer_of(optim.Adam(0.1, groups=[optim.Group("2", lr=rate)]))


def test_only_the_steps_that_are_to_be_done_count() -> None:
    """A rate that was below 0 in the past of a run, and one that is held by hand."""
    run = trainer_of(optim.SGD(0.001), epochs=1).train()
    assert run.resume(1, optimizer=optim.SGD(Rises())).history["lr"][-1] == pytest.approx(0.03)
    held = trainer_of(optim.SGD(lambda t: 0.02 - t * 0.0002))
    held.rates.check_sign(0, 1000, held.rates.set(0.01, True, 0, held.arrays))
    with pytest.raises(UsageError, match=r"lr is -0\.0002 at step 101 of 1000"):
        held.rates.check_sign(0, 1000, held.arrays)


def test_a_schedule_that_goes_below_0_after_an_epoch() -> None:
    with pytest.raises(UsageError, match=r"the schedule Bounces makes the rate -0\.01 after an epoch"):
        trainer_of(optim.SGD(Bounces())).train()


@pytest.mark.parametrize(
    ("schedule", "rise"),
    [
        (optim.Warmup(0.1, 90), 90),
        (optim.Warmup(optim.Cosine(0.1, 10), 500), 500),
        (optim.Warmup(optim.Warmup(0.1, 60), 39), 99),
    ],
)
def test_a_rate_that_never_reaches_its_height_is_told_of(schedule, rise):
    assert schedule.rise == rise
    numbers = [schedule(t) for t in range(rise + 1)]
    assert numbers[-1] == pytest.approx(0.1) == max(numbers)
    assert numbers[-2] < 0.1
    with pytest.warns(UserWarning, match=f"rises over {rise} steps and the run has 90: it ends at "):
        trainer_of(optim.Adam(schedule))


def test_a_rate_that_reaches_its_height_in_the_last_step_is_not_told_of():
    for schedule in (optim.Warmup(0.1, 89), optim.Warmup(optim.Cosine(0.1, 10), 80)):
        assert schedule.rise < 90
        trainer_of(optim.Adam(schedule))

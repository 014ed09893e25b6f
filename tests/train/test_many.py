"""schuss.fit_many: every member has the bits of its own fit, whatever differs among them; one program is compiled."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import threading
import time
from typing import Any

import numpy as np
import pytest

import schuss
from schuss import nn, ops, optim
from schuss.compiler import link
from schuss.errors import DataError, NonFiniteError, UsageError
from schuss.exec.native import programs
from schuss.train import many, pool, trainer

from .support import blobs, line, mlp, same_bits, weights

X, Y = blobs(200)
RNG = np.random.default_rng(7)
FOLDS = [np.setdiff1d(np.arange(200), np.arange(k, 200, 4)) for k in range(4)]
HELD = [np.arange(k, 200, 4) for k in range(4)]
LOSS = nn.CrossEntropyLoss()
ADAM = optim.AdamW(1e-2)


def network(**more: Any) -> Any:
    return mlp(4, 8, 3, **more)


def fit_many(models: Any, data: Any = (X, Y), **options: Any) -> Any:
    given = {"loss": LOSS, "optimizer": ADAM, "epochs": 3, "batch_size": 32, "threads": 3, "progress": False}
    return schuss.fit_many(models, data, **{**given, **options})


def fit(model: Any, data: Any = (X, Y), **options: Any) -> Any:
    given = {"loss": LOSS, "optimizer": ADAM, "epochs": 3, "batch_size": 32, "threads": 1, "progress": False}
    return schuss.fit(model, data, **{**given, **options})


def check(runs: Any, own: Any) -> None:
    """The runs are those of the members' own fits: weights, the optimizer's state and the history."""
    assert len(runs) == len(own)
    for run, other in zip(runs, own, strict=True):
        assert same_bits(weights(run.model), weights(other.model))
        assert run.state is not None
        assert run.state.arrays.keys() == other.state.arrays.keys()
        for name, value in run.state.arrays.items():
            assert value.tobytes() == other.state.arrays[name].tobytes(), name
        for column in other.history.keys() - {"seconds"}:
            assert run.history[column] == other.history[column], column
        assert (run.epochs, run.steps, run.stopped, run.best) == (other.epochs, other.steps, other.stopped, other.best)


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_seeds(backend: str) -> None:
    """Fresh weights, the shuffle and dropout are the seed's; the model that is given stays fresh."""
    model = network(dropout=0.3)
    runs = fit_many(model, seeds=[3, 5, 8], backend=backend)
    assert all(p.fresh for p in nn.named_parameters(model).values())
    check(runs, [fit(network(dropout=0.3), seed=s, backend=backend) for s in (3, 5, 8)])
    assert len({run.model[0].weight.data.tobytes() for run in runs}) == 3


def test_seeds_that_are_not_given_count_from_0() -> None:
    check(fit_many(network(), members=3), [fit(network(), seed=s) for s in range(3)])
    check(fit_many(network(), members=2, seeds=4), [fit(network(), seed=4)] * 2)
    check(fit_many(network(), seeds=np.arange(2)), [fit(network(), seed=s) for s in range(2)])


def test_models_of_their_own_go_on_from_their_weights() -> None:
    """Also of different shapes; models that are given are trained."""
    started = [network(), mlp(4, 5, 3), network(), network()]
    for k, model in enumerate(started):
        nn.initialize(model, 10 + k)
    started[3][0].bias.requires_grad = False
    own = [fit(copy.deepcopy(model), seed=k) for k, model in enumerate(started)]
    runs = fit_many(started)
    assert [run.model for run in runs] == started
    check(runs, own)


def test_a_model_with_weights_is_where_all_members_start() -> None:
    model = fit(network()).model
    before = weights(model)
    runs = fit_many(model, seeds=[1, 2])
    assert same_bits(weights(model), before)
    check(runs, [fit(copy.deepcopy(model), seed=s) for s in (1, 2)])


def test_rows() -> None:
    """As if the data were these rows, in their order and as often as they come; the data are not copied."""
    rows = [*FOLDS, RNG.integers(0, 200, 170), np.arange(50, dtype=np.int32)[::-1]]
    runs = fit_many(network(), rows=rows)
    check(runs, [fit(network(), (X[at], Y[at]), seed=k) for k, at in enumerate(rows)])
    for run, at in zip(runs, rows, strict=True):
        np.testing.assert_array_equal(run.data["x0"], X[at])
        assert np.shares_memory(run.data.columns["x0"], X)
        assert isinstance(pickle.loads(pickle.dumps(run.data)), dict)


def test_rows_in_their_order() -> None:
    runs = fit_many(network(), rows=FOLDS, shuffle=False)
    check(runs, [fit(network(), (X[at], Y[at]), seed=k, shuffle=False) for k, at in enumerate(FOLDS)])


def test_validation() -> None:
    """A share of a member's rows, rows of the data, or data of its own; with early stopping by it."""
    one = {"early_stop": schuss.EarlyStop(patience=1, min_delta=0.2), "epochs": 9}
    runs = fit_many(network(), rows=FOLDS, validation=HELD, **one)
    own = [
        fit(network(), (X[a], Y[a]), seed=k, validation=(X[b], Y[b]), **one)
        for k, (a, b) in enumerate(zip(FOLDS, HELD, strict=True))
    ]
    check(runs, own)
    assert any(run.stopped for run in runs)
    np.testing.assert_array_equal(runs[1].validation["y"], Y[HELD[1]])
    runs = fit_many(network(), rows=FOLDS, validation=0.2)
    check(runs, [fit(network(), (X[a], Y[a]), seed=k, validation=0.2) for k, a in enumerate(FOLDS)])
    shares = [0.1, 0.0, 0.5]
    check(fit_many(network(), validation=shares), [fit(network(), seed=k, validation=s) for k, s in enumerate(shares)])
    pair = blobs(30, seed=2)
    check(fit_many(network(), members=2, validation=pair), [fit(network(), seed=k, validation=pair) for k in range(2)])


def test_optimizers_and_other_numbers() -> None:
    """Rates, decays, groups and limits, numbers and schedules; of other optimizers the program is another."""
    different = [
        optim.AdamW(1e-2),
        optim.AdamW(3e-3, weight_decay=0.1),
        optim.AdamW(optim.Warmup(optim.Cosine(1e-2, 100), 5)),
        optim.AdamW(1e-2, groups=[optim.Group("*.bias", weight_decay=0.0), optim.Group("0.weight", lr=1e-3)]),
        optim.SGD(0.1, momentum=0.9),
    ]
    limits = [None, 1.0, 0.5, None, optim.Exponential(1.0, 0.9)]
    runs = fit_many(network(), optimizer=different, clip_norm=limits, seeds=1)
    check(
        runs,
        [fit(network(), optimizer=o, clip_norm=c, seed=1) for o, c in zip(different, limits, strict=True)],
    )


def test_an_optimizer_whose_state_begins_with_the_weights() -> None:
    class Averaging(optim.SGD):
        def init(self, params: Any) -> Any:
            return {**super().init(params), **{f"mean/{name}": np.array(w) for name, w in params.items()}}

        def update(self, params: Any, grads: Any, state: Any, step: Any) -> Any:
            new, kept = super().update(params, grads, state, step)
            return new, kept | {f"mean/{name}": 0.9 * state[f"mean/{name}"] + 0.1 * new[name] for name in params}

    given = {"optimizer": Averaging(0.1)}
    runs = fit_many(network(), members=2, **given)
    check(runs, [fit(network(), seed=k, **given) for k in range(2)])
    assert all("opt/mean/0.weight" in run.state.arrays for run in runs)


def test_epochs_batches_and_losses() -> None:
    losses = [nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.1), lambda p, t: LOSS(p, t) * 2.0]
    runs = fit_many(network(), epochs=[1, 2, 3], batch_size=[16, 32, 64], loss=losses)
    check(runs, [fit(network(), epochs=k + 1, batch_size=16 << k, loss=losses[k], seed=k) for k in range(3)])


def test_weights_of_examples_and_classes() -> None:
    """Normalised over a member's own rows."""
    w = RNG.random(200)
    several: list[Any] = [w, None, RNG.random(200), w]
    runs = fit_many(network(), rows=FOLDS, sample_weight=several, validation=HELD)
    own = []
    for k, (a, b) in enumerate(zip(FOLDS, HELD, strict=True)):
        weighed = several[k]
        held = (X[b], Y[b]) if weighed is None else (X[b], Y[b], weighed[b])
        more = {} if weighed is None else {"sample_weight": weighed[a]}
        own.append(fit(network(), (X[a], Y[a]), seed=k, validation=held, **more))
    check(runs, own)
    runs = fit_many(network(), rows=FOLDS, sample_weight=w, class_weight="balanced")
    check(
        runs,
        [
            fit(network(), (X[a], Y[a]), seed=k, sample_weight=w[a], class_weight="balanced")
            for k, a in enumerate(FOLDS)
        ],
    )
    heavy: list[Any] = [{0: 2.0}, None]
    runs = fit_many(network(), class_weight=heavy)
    check(runs, [fit(network(), seed=k, class_weight=c) for k, c in enumerate(heavy)])


def test_data_of_their_own() -> None:
    data = [blobs(90), blobs(120, seed=1), blobs(90, seed=2)]
    check(fit_many(network(), data), [fit(network(), each, seed=k) for k, each in enumerate(data)])
    rows = [np.arange(60), np.arange(100), np.arange(7)]
    own = [fit(network(), (x[at], y[at]), seed=k) for k, ((x, y), at) in enumerate(zip(data, rows, strict=True))]
    check(fit_many(network(), data, rows=rows), own)


def test_several_inputs_names_of_classes_and_metrics() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            self.a, self.b = nn.Linear(4, 3), nn.Linear(2, 3)

        def forward(self, a: Any, b: Any) -> Any:
            return self.a(a) + self.b(b)

    def confidence(pred: Any, target: Any) -> Any:
        return schuss.softmax(pred, axis=1).max(axis=1)

    names = np.array(["ash", "elm", "oak"])[Y]
    both = (X, X[:, :2] * 2)
    runs = fit_many(Two(), (both, names), rows=FOLDS, metrics=[confidence])
    own = [
        fit(Two(), (tuple(x[at] for x in both), names[at]), seed=k, metrics=[confidence]) for k, at in enumerate(FOLDS)
    ]
    check(runs, own)
    assert runs[0].model.signature.classes == ("ash", "elm", "oak")
    assert runs[0].history.keys() == own[0].history.keys()


def test_scaled_bytes() -> None:
    images = RNG.integers(0, 256, (60, 5, 5), np.uint8)
    model = nn.Sequential(nn.Flatten(), nn.Linear(25, 3))
    runs = fit_many(model, (images, Y[:60]), members=2)
    check(runs, [fit(copy.deepcopy(model), (images, Y[:60]), seed=k) for k in range(2)])
    assert runs[1].prepared == runs[0].prepared
    assert "1/255" in runs[1].prepared["x"]


def test_two_runs_have_the_same_bits_whatever_the_threads() -> None:
    runs = [fit_many(network(dropout=0.2), rows=FOLDS, threads=t, seeds=2) for t in (1, 4)]
    check(*runs)


# -- one program ---------------------------------------------------------------------------------------------


def test_one_program_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the steps of training, and one for those of validation, whatever numbers the members have."""
    planned: list[int] = []
    linked: list[int] = []
    build, made = programs.build, link.link
    monkeypatch.setattr(programs, "build", lambda draft: planned.append(1) or build(draft))
    monkeypatch.setattr(link, "link", lambda draft: linked.append(1) or made(draft))
    some = [optim.AdamW(0.01 * (k + 1), (0.9 - 0.1 * k, 0.99), weight_decay=0.1 * (k + 1)) for k in range(4)]
    limits = [1.0, 0.1, 0.01, 2.0]
    runs = fit_many(network(dropout=0.2), rows=FOLDS, validation=HELD, optimizer=some, clip_norm=limits)
    assert (len(planned), len(linked)) == (2, 2)
    models = [network(dropout=0.1 * (k + 1)) for k in range(4)]
    fit_many(models, optimizer=some)
    assert (len(planned), len(linked)) == (3, 3)
    own = [
        fit(network(dropout=0.2), (X[a], Y[a]), seed=k, validation=(X[b], Y[b]), optimizer=some[k], clip_norm=limits[k])
        for k, (a, b) in enumerate(zip(FOLDS, HELD, strict=True))
    ]
    check(runs, own)


def test_equal_settings_are_traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    traced: list[Any] = []
    forward = nn.Linear.forward
    monkeypatch.setattr(nn.Linear, "forward", lambda self, x: traced.append(1) or forward(self, x))
    fit_many(nn.Linear(4, 3), members=2)
    first = len(traced)
    traced.clear()
    rates = [optim.AdamW(0.01 * (k + 1)) for k in range(9)]
    fit_many(nn.Linear(4, 3), optimizer=rates)
    assert len(traced) == first


def test_a_step_that_differs_in_more_than_numbers_is_planned() -> None:
    """The executor's loops share a program where all but hyperparameters is equal, not where sizes alone are."""
    from schuss.exec.native.executor import NativeExecutor
    from schuss.train.fit import prepare

    on = NativeExecutor(1)

    def plan_of(model: Any, optimizer: Any = ADAM, **more: Any) -> Any:
        given = {"loss": LOSS, "batch_size": 32, "progress": False} | more
        return on.loop(prepare(model, (X, Y), optimizer=optimizer, **given).step, 32).plan

    first = plan_of(network())
    assert plan_of(network(), optim.AdamW(0.5, (0.1, 0.2), weight_decay=1.0)) is first
    relu = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    assert plan_of(relu) is not first
    assert plan_of(mlp(4, 9, 3)) is not first
    assert plan_of(network(), optim.AdamW(weight_decay=0.0)) is not first
    table = [plan_of(network(), loss=nn.CrossEntropyLoss(weight=w)) for w in ((1.0, 2.0, 3.0), (1.0, 2.0, 4.0))]
    assert table[0] is not table[1]

    def plus(number: float) -> Any:
        return lambda pred, target: LOSS(pred + number, target)

    constants = [plan_of(network(), loss=plus(number)) for number in (0.5, 0.25, 0.5)]
    assert constants[0] is not constants[1]
    assert constants[0] is constants[2]


# -- what a run is good for ---------------------------------------------------------------------------------------


def test_members_go_on() -> None:
    runs = fit_many(network(dropout=0.1), rows=FOLDS, validation=HELD, epochs=2)
    longer = fit_many(network(dropout=0.1), rows=FOLDS, validation=HELD, epochs=4)
    check([run.resume(2, threads=1) for run in runs], longer)


def test_predictions_files_and_signatures(tmp_path: Any) -> None:
    runs = fit_many(network(), members=2, optimizer=[optim.AdamW(0.01), optim.AdamW(0.02)])
    assert [run.model.signature.optimizer.lr for run in runs] == [0.01, 0.02]
    assert [run.model.signature.record["seed"] for run in runs] == [0, 1]
    schuss.save(runs[1], tmp_path / "m.safetensors")
    np.testing.assert_array_equal(schuss.load(tmp_path / "m.safetensors").predict(X), schuss.predict(runs[1], X))


def test_checkpoints(tmp_path: Any) -> None:
    """Members begin where there is no file, go on where there is one, and stay where they had ended."""
    files = [tmp_path / f"{k}.ckpt" for k in range(4)]
    fit(network(), (X[FOLDS[0]], Y[FOLDS[0]]), seed=0, epochs=3, checkpoint=files[0])
    stop = [lambda run: run.epochs == 2]
    fit(network(), (X[FOLDS[1]], Y[FOLDS[1]]), seed=1, epochs=3, checkpoint=files[1], callbacks=stop)
    runs = fit_many(network(), rows=FOLDS, checkpoint=files, resume=files)
    check(runs, [fit(network(), (X[at], Y[at]), seed=k) for k, at in enumerate(FOLDS)])
    with pytest.raises(UsageError, match=r"^member 0: cannot resume .*seed was 0 and is now 1"):
        fit_many(network(), rows=FOLDS, checkpoint=files, resume=files, seeds=[1, 1, 1, 1])


# -- what goes wrong --------------------------------------------------------------------------------------------


class Twice(nn.Module):
    def __init__(self, one: Any) -> None:
        self.one = one

    def forward(self, x: Any) -> Any:
        return self.one(x)


SHARED = nn.Linear(4, 3)
BAD: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no count": ({}, UsageError, r"^fit_many: say how many members there are: members=8, or a list"),
    "lengths": (
        {"rows": FOLDS, "optimizer": [ADAM, ADAM]},
        UsageError,
        r"^fit_many: rows has 4 entries and optimizer 2; a list has one entry for each member",
    ),
    "members": ({"rows": FOLDS, "members": 3}, UsageError, r"^fit_many: rows has 4 entries and members 3"),
    "seeds": ({"seeds": [0, 1], "members": 3}, UsageError, r"seeds 2|seeds has 2 entries"),
    "none": ({"rows": []}, UsageError, r"^fit_many: rows is empty"),
    "no members": ({"members": 0}, UsageError, r"^fit_many: members must be a whole number of at least 1"),
    "a list of weights": (
        {"members": 2, "sample_weight": [1.0] * 200},
        UsageError,
        r"sample_weight 200|sample_weight has 200 entries",
    ),
    "a shared parameter": (
        {"models": [Twice(SHARED), Twice(SHARED)]},
        UsageError,
        r"^fit_many: members 0 and 1 share the parameter one\.weight; give each",
    ),
    "a model that is no model": ({"models": [network(), 3]}, UsageError, r"^member 1: fit: the model cannot be called"),
    "rows beyond": ({"rows": [FOLDS[0], np.arange(201)]}, DataError, r"^member 1: rows: row 200 is none of the data's"),
    "rows below": ({"rows": [np.array([-1])]}, DataError, r"^member 0: rows: row -1 is none of the data's"),
    "a mask": ({"rows": [np.ones(200, bool)]}, DataError, r"^member 0: rows: .* np\.flatnonzero\(mask\)"),
    "no rows": ({"rows": [np.zeros(0, int)]}, DataError, r"^member 0: rows: has no rows"),
    "a table of rows": ({"rows": np.zeros((3, 2), int), "members": 3}, DataError, r"^member 0: .*list of such arrays"),
    "a setting": ({"epochs": [1, 0]}, UsageError, r"^member 1: fit: epochs must be a whole number"),
    "one seed": ({"seeds": [0, -1]}, UsageError, r"^member 1: fit: seed must be a whole number"),
    "labels": ({"data": (X, Y + 9), "members": 2}, DataError, r"^member 0: CrossEntropyLoss: y: label 11 at row 2"),
    "no weight": (
        {"sample_weight": [np.r_[np.ones(100), np.zeros(100)]], "rows": [np.arange(100, 200)]},
        DataError,
        r"^member 0: .*leave every example without weight",
    ),
    "one checkpoint": ({"members": 2, "checkpoint": "a"}, UsageError, r"^fit_many: checkpoint must be a list"),
    "a schedule of dropout": (
        {"models": network(dropout=lambda step: 0.02 * step), "epochs": [1, 20]},
        UsageError,
        r"^member 1: Dropout: p must be .* at step 139 of 140",
    ),
    "a rate below 0": (
        {"optimizer": optim.SGD(lambda step: 0.05 - 0.001 * step), "epochs": [1, 20]},
        UsageError,
        r"^member 1: optimizer: lr is -0\.001 at step 51 of 140",
    ),
    "a schedule": (
        {"optimizer": [ADAM, optim.AdamW(optim.Cosine(0.1, 5))]},
        UsageError,
        r"^member 1: optimizer: the schedule Cosine has 5 steps",
    ),
}  # fmt: skip


@pytest.mark.parametrize("given, kind, told", BAD.values(), ids=BAD)
def test_errors(given: dict[str, Any], kind: type[Exception], told: str) -> None:
    given = {"models": network(), "data": (X, Y)} | given
    with pytest.raises(kind, match=told):
        fit_many(given.pop("models"), given.pop("data"), **given)


def test_an_unknown_argument() -> None:
    with pytest.raises(UsageError, match="there is no argument 'seed'; did you mean 'seeds'"):
        fit_many(network(), members=2, seed=3)


@pytest.mark.parametrize("blown", [[1], [1, 3]])
def test_a_member_that_blows_up_is_named_and_the_others_are_trained(blown: list[int]) -> None:
    x, y = line(60)
    rates = [1e25 if k in blown else 0.01 for k in range(4)]
    several: dict[str, Any] = {"loss": nn.MSELoss(), "batch_size": 20}
    with pytest.raises(NonFiniteError, match=r"^member 1: .* gave NaN or infinity at epoch 1, step ") as caught:
        fit_many(nn.Linear(2, 1), (x, y), optimizer=[optim.SGD(r) for r in rates], **several)
    assert (f"({len(blown) - 1} more blew up: 3)" in str(caught.value)) == (len(blown) > 1)
    runs = caught.value.runs
    for k, rate in enumerate(rates):
        if k in blown:
            assert "gave NaN or infinity" in runs[k].stopped
            assert all(np.isfinite(w).all() for w in weights(runs[k].model).values())
        else:
            check([runs[k]], [fit(nn.Linear(2, 1), (x, y), optimizer=optim.SGD(rate), seed=k, **several)])


def test_an_index_out_of_range_names_member_and_row() -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            self.table, self.out = nn.Embedding(9, 4), nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            return self.out(self.table(x))

    words = np.arange(200) % 9
    words[77] = 9
    with pytest.raises(DataError, match=r"^member 0: .*row 77"):
        fit_many(Words(), (words, Y), members=2)


def test_another_error_stops_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no run foresees comes out, as soon as the others have ended their slices; nobody trains after it."""
    plain = trainer.Trainer.train

    def train(self: Any, *given: Any) -> Any:
        if self.options.seed == 2:
            raise ZeroDivisionError("mine")
        return plain(self, *given)

    monkeypatch.setattr(trainer.Trainer, "train", train)
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        fit_many(network(), members=4, epochs=10**6, threads=3)
    assert [run.stopped for run in caught.value.runs[:2]] == ["member 2 failed"] * 2
    assert not [t for t in threading.enumerate() if t.name.startswith("schuss-member")]


def interrupted(begun: Any, **options: Any) -> KeyboardInterrupt:
    """Ctrl-C once begun() is true."""

    def send() -> None:
        while not begun():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt, match="fit_many was stopped") as caught:
            fit_many(network(), **options)
    finally:
        thread.join()
    return caught.value


def test_ctrl_c_stops_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The runs so far are known, and go on to the bits of runs that were never stopped."""
    made: list[Any] = []
    ready = many.ready
    monkeypatch.setattr(many, "ready", lambda *given: made.append(given[0]) or ready(*given))
    files = [tmp_path / f"{k}.ckpt" for k in range(12)]
    error = interrupted(
        lambda: len(made) > 2 and all(t.position.epoch > 2 for t in made[:2]),
        members=12, epochs=[10**6] * 11 + [4], threads=2, checkpoint=files,
    )  # fmt: skip
    runs = error.runs
    assert len(runs) == 12
    assert all(run.stopped == f"signal {signal.SIGINT.value}" and run.epochs > 2 for run in runs[:2])
    assert runs[-1] is None
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    done = runs[0].epochs
    first = runs[0].resume(2, threads=1)
    check([first], [fit(network(), seed=0, epochs=done + 2)])
    assert [file.exists() for file in files[:2]] == [True, True]


def test_ctrl_c_before_all_have_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainers that wait for a thread are not begun any more."""
    begun: list[int] = []
    to_end = pool.to_end
    monkeypatch.setattr(pool, "to_end", lambda trainer, *rest: begun.append(1) or to_end(trainer, *rest))
    error = interrupted(lambda: begun, members=5, epochs=10**6, threads=1)
    assert len(begun) == 1
    assert error.runs[0].steps
    assert not any(run and run.steps for run in error.runs[1:])


def test_a_function_is_told_how_far_they_are() -> None:
    told: list[tuple[Any, Any]] = []
    runs = fit_many(network(), members=4, progress=lambda runs, at: told.append((runs, at)))
    check(runs, [fit(network(), seed=seed) for seed in range(4)])  # and changes nothing
    assert all(seen is told[0][0] for seen, _ in told)
    assert list(told[-1][0]) == runs
    assert [len(run.history["loss"]) for run in told[-1][0]] == [3] * 4
    assert (told[-1][1].epoch, told[-1][1].epochs) == (4, 4)


def test_what_it_raises_stops_all() -> None:
    def stop(runs: Any, at: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stopped:
        fit_many(network(), members=4, epochs=100_000, progress=stop)
    begun = [run for run in stopped.value.runs if run is not None]
    assert all(run.stopped for run in begun)


def test_a_line_of_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    from schuss.train import progress

    shown: list[str] = []

    class Line:
        def show(self, done: int, total: int, **fields: str) -> None:
            assert 0 <= done <= total
            shown.append(fields["place"])

        def stop(self) -> None:
            shown.append("end")

    monkeypatch.setattr(progress, "_line", Line)
    monkeypatch.setattr(progress, "REDRAW", 0.0)
    check(fit_many(network(), members=5, progress=True), fit_many(network(), members=5))
    assert shown[-1] == "end"
    assert all(place.startswith("member ") and place.endswith("/5") for place in shown[:-1])
    assert len(shown) > 1


def test_layers_made_while_tracing_are_found() -> None:
    """Members of their own data are traced each, though others were before."""

    class Late(nn.Module):
        def __init__(self) -> None:
            self.first, self.out = nn.Linear(3, 4), None

        def forward(self, x: Any) -> Any:
            if self.out is None:
                self.out = nn.Linear(4, 1)
            return self.out(ops.tanh(self.first(x)))

    rng = np.random.default_rng(0)
    data = [(rng.normal(size=(64, 3)).astype("f4"), rng.normal(size=(64, 1)).astype("f4")) for _ in range(3)]
    how: Any = {"loss": nn.MSELoss(), "optimizer": optim.Adam(1e-2), "epochs": 2, "progress": False}
    with pytest.raises(UsageError, match=r"member 1: Late makes out\.weight in forward, which the other members lack"):
        schuss.fit_many(Late(), data[0], members=2, **how)
    runs = schuss.fit_many(Late(), data, **how)
    for run in runs:
        assert {"out.weight", "out.bias"} < {*nn.named_parameters(run.model)}
        assert run.history["loss"][-1] < run.history["loss"][0]

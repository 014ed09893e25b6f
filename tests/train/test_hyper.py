"""Hyperparameters are inputs of the compiled step: another number compiles nothing again, and may follow a schedule."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.cli import main
from schuss.compiler import link
from schuss.errors import GraphError, UsageError
from schuss.explanation.outline import outline
from schuss.ir import N, TensorType
from schuss.ir.rewrite import with_constants
from schuss.ir.text import from_text, to_text
from schuss.trace import hyper, trace
from schuss.train.fit import prepare
from schuss.train.step import training

rng = np.random.default_rng(5)
X, Y, Z = rng.random((24, 6), dtype=np.float32), np.arange(24) % 3, rng.random((24, 3), dtype=np.float32)
STEPS = 12


def net(p: Any = 0.0) -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Dropout(p), nn.Linear(5, 3))


def fit(optimizer: Any, p: Any = 0.0, loss: Any = None, y: Any = Y, **more: Any) -> Any:
    more = {"epochs": 2, "batch_size": 4, "progress": False, "threads": 1} | more
    return schuss.fit(net(p), (X, y), loss=loss or nn.CrossEntropyLoss(), optimizer=optimizer, **more)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The programs that are linked: each is compiled once, for its name in the cache tells all that its code is."""
    return watched(monkeypatch, link.link)


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Likewise, and nothing is compiled."""
    return watched(monkeypatch, lambda draft: lambda *arguments: 0)


def watched(monkeypatch: pytest.MonkeyPatch, then: Callable[..., Any]) -> set[str]:
    seen: set[str] = set()

    def linked(draft: Any) -> Any:
        text = link._text(draft)
        assert text is not None
        seen.add(text)
        return then(draft)

    monkeypatch.setattr(link, "link", linked)
    return seen


Made = Callable[[float], Any]  # of a number in (0, 1)
OPTIMIZERS: dict[str, Made] = {
    "SGD": lambda u: optim.SGD(u, momentum=u, dampening=u, weight_decay=u),
    "nesterov": lambda u: optim.SGD(u, momentum=u, weight_decay=u, nesterov=True),
    "RMSprop": lambda u: optim.RMSprop(u, alpha=u, eps=u, weight_decay=u, momentum=u, centered=True),
    "Adagrad": lambda u: optim.Adagrad(u, lr_decay=u, weight_decay=u, initial_accumulator_value=u, eps=u),
    "Adam": lambda u: optim.Adam(u, (u, u / 2), u, weight_decay=u),
    "AdamW": lambda u: optim.AdamW(u, (u, u / 2), u, weight_decay=u),
    "NAdam": lambda u: optim.NAdam(u, (u, u / 2), u, weight_decay=u, momentum_decay=u),
    "Lion": lambda u: optim.Lion(u, (u, u / 2), weight_decay=u),
    "groups": lambda u: optim.SGD(u, momentum=0.5, groups=[optim.Group("0", lr=u / 2, momentum=u)]),
}
SCHEDULES: dict[str, Made] = {
    "Constant": optim.Constant,
    "Step": lambda u: optim.Step(u, int(9 * u) + 1, u),
    "MultiStep": lambda u: optim.MultiStep(u, (int(9 * u) + 1, 11), u),
    "Exponential": lambda u: optim.Exponential(u, u),
    "Cosine": lambda u: optim.Cosine(u, int(90 * u), u / 2),
    "FlatCosine": lambda u: optim.FlatCosine(u, int(90 * u), u / 2, u / 3),
    "Scaled": lambda u: u * optim.Cosine(u, int(90 * u), u / 2),
    "CosineWarmRestarts": lambda u: optim.CosineWarmRestarts(u, int(9 * u) + 1, int(9 * u) + 2, u / 2),
    "OneCycle": lambda u: optim.OneCycle(u, int(90 * u), u, 1 / u, 2 / u),
    "OneCycleMomentum": lambda u: optim.OneCycleMomentum(int(90 * u), u / 2, u, u),
    "ReduceLROnPlateau": lambda u: optim.ReduceLROnPlateau(u, factor=u),
    "Warmup": lambda u: optim.Warmup(u, int(9 * u) + 1),
}
LOSSES: dict[str, tuple[Made, Any]] = {
    "smoothing": (lambda u: nn.CrossEntropyLoss(label_smoothing=u), Y),
    "smoothing of probabilities": (lambda u: nn.CrossEntropyLoss(label_smoothing=u), Z / Z.sum(1, keepdims=True)),
    "weights of classes": (lambda u: nn.CrossEntropyLoss((u, 1.0, 2 * u), label_smoothing=u), Y),
    "pos_weight": (lambda u: nn.BCEWithLogitsLoss(pos_weight=u), Z),
    "pos_weights": (lambda u: nn.BCEWithLogitsLoss(pos_weight=(u, 1.0, 2 * u)), Z),
    "Huber": (nn.HuberLoss, Z),
    "SmoothL1": (nn.SmoothL1Loss, Z),
}
VALUES = (0.3, 0.7)


def prepared(optimizer: Any, loss: Any = None, y: Any = Y, p: float = 0.0, **more: Any) -> None:
    more = {"epochs": 2, "batch_size": 4, "progress": False, "threads": 1} | more
    _ = prepare(net(p), (X, y), loss=loss or nn.CrossEntropyLoss(), optimizer=optimizer, **more).loop


@pytest.mark.parametrize("made", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_optimizers_compile_once(made: Made, planned: set[str]) -> None:
    for u in VALUES:
        prepared(made(u))
    assert len(planned) == 1


def test_every_optimizer_and_schedule_is_tried() -> None:
    assert {type(made(0.3)).__name__ for made in OPTIMIZERS.values()} == set(optim.OPTIMIZERS)
    assert set(SCHEDULES) == set(optim.SCHEDULES)


@pytest.mark.parametrize("made", SCHEDULES.values(), ids=SCHEDULES)
def test_schedules_compile_once(made: Made, planned: set[str]) -> None:
    for u in VALUES:
        prepared(optim.SGD(made(u), momentum=0.5))
    assert len(planned) == 1


@pytest.mark.parametrize("made, y", LOSSES.values(), ids=LOSSES)
def test_losses_compile_once(made: Made, y: Any, planned: set[str]) -> None:
    for u in VALUES:
        prepared(optim.SGD(0.1), made(u), y)
    assert len(planned) == 1


@pytest.mark.parametrize("settings", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_a_search_compiles_once(settings: int, programs: set[str]) -> None:
    """One program for the steps of training, one for the validation's."""
    for u in np.linspace(0.1, 0.9, settings).tolist():
        loss, optimizer = nn.CrossEntropyLoss(label_smoothing=u), optim.AdamW(u, (u, 1 - u), weight_decay=u)
        fit(optimizer, u, loss, clip_norm=u, epochs=1, validation=0.25)
    assert len(programs) == 2


def test_layers_that_are_equal_today_and_not_tomorrow(planned: set[str]) -> None:
    """Two settings are two, whether their numbers are the same or not."""
    for first, second in ((0.2, 0.2), (0.2, 0.4)):
        model = nn.Sequential(nn.Dropout(first), nn.Linear(6, 3), nn.Dropout(second))
        optimizer = optim.SGD(0.1, weight_decay=first, groups=[optim.Group("*.bias", weight_decay=second)])
        task = {"loss": nn.CrossEntropyLoss(), "optimizer": optimizer, "progress": False, "threads": 1}
        _ = prepare(model, (X, Y), **task).loop
    assert len(planned) == 1


def test_updater_and_jitted_updates_compile_once(programs: set[str]) -> None:
    """Loops of one's own: scikit-learn's style of a search makes the objects anew each time."""
    for u in VALUES:
        model = net()
        optimizer = optim.AdamW(u, (u, u), weight_decay=u)
        updater = schuss.Updater(model, optimizer, clip_norm=u)
        gradients = {name: np.ones_like(p.data) for name, p in nn.named_parameters(model).items()}
        updater.step(gradients)
    assert len(programs) == 1
    for u in VALUES:
        params = {"w": np.ones(3, np.float32)}
        optimizer = optim.AdamW(u, (u, u), weight_decay=u)
        schuss.jit(optimizer.update)(params, params, optimizer.init(params), 0)
    assert len(programs) == 2


def test_what_is_0_is_left_out(planned: set[str]) -> None:
    """No weight decay, no momentum and no dropout are planned of their own, without these operations."""
    sizes = []
    for u in (0.0, 0.5):
        task = prepare(
            net(u), (X, Y), loss=nn.CrossEntropyLoss(label_smoothing=u),
            optimizer=optim.SGD(0.1, momentum=u, weight_decay=u), progress=False, threads=1,
        )  # fmt: skip
        sizes.append(len(task.loop.plan.graph.nodes))
    assert len(planned) == 2
    assert sizes[1] >= sizes[0] + 12


# -- schedules -----------------------------------------------------------------------------------------


def test_momentum_and_weight_decay_by_schedule_are_pytorchs_set_by_hand() -> None:
    torch = pytest.importorskip("torch")
    decay, cycle = optim.Exponential(0.1, 0.8), optim.OneCycleMomentum(STEPS, 0.5, 0.9)
    ours = optim.SGD(optim.OneCycle(0.2, STEPS), momentum=cycle, weight_decay=decay)
    run = fit(ours, epochs=2, shuffle=False)
    model = net()
    nn.initialize(model)
    w = [torch.tensor(p.data.copy(), requires_grad=True) for p in model.parameters()]
    theirs = torch.optim.SGD(w, lr=0.1, momentum=0.1)
    turns = torch.optim.lr_scheduler.OneCycleLR(
        theirs, 0.2, total_steps=STEPS, base_momentum=0.5, max_momentum=0.9, cycle_momentum=True
    )
    for step in range(STEPS):
        theirs.param_groups[0]["weight_decay"] = float(decay(step))
        assert theirs.param_groups[0]["momentum"] == pytest.approx(float(cycle(step)), abs=1e-12)
        rows = slice(step % 6 * 4, step % 6 * 4 + 4)
        hidden = torch.relu(torch.tensor(X[rows]) @ w[0].T + w[1])
        theirs.zero_grad()
        torch.nn.functional.cross_entropy(hidden @ w[2].T + w[3], torch.tensor(Y[rows])).backward()
        theirs.step()
        if step + 1 < STEPS:
            turns.step()
    for parameter, other in zip(run.model.parameters(), w, strict=True):
        np.testing.assert_allclose(parameter.data, other.detach().numpy(), atol=2e-6)


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_a_constant_schedule_is_the_number(backend: str) -> None:
    """Bit for bit, of every number."""

    def weights(of: Made) -> list[np.ndarray[Any, Any]]:
        optimizer = optim.AdamW(of(0.01), (of(0.8), of(0.9)), of(1e-6), weight_decay=of(0.1))
        run = fit(optimizer, of(0.4), clip_norm=of(0.5), backend=backend, epochs=1)
        return [p.data for p in run.model.parameters()]

    for held, scheduled in zip(weights(lambda u: u), weights(lambda u: lambda step: u), strict=True):
        np.testing.assert_array_equal(held, scheduled)


def test_dropout_by_schedule() -> None:
    """At each step that of the step's rate."""
    rate = optim.Exponential(0.8, 0.5)
    for step in (0, 1, 3):
        with nn.mode(training=True, key=1, step=step):
            scheduled, held = nn.Dropout(rate)(X), nn.Dropout(0.8 * 0.5**step)(X)
        np.testing.assert_array_equal(scheduled, held)
    assert (nn.Dropout(rate)(X) == X).all()


def test_dropout_that_is_flat_and_then_falls_to_0() -> None:
    """While it is flat the bits are those of the number; at the end nothing is dropped."""
    rate = optim.FlatCosine(0.4, 2 * STEPS)
    assert same_bits(fit(optim.SGD(), rate), fit(optim.SGD(), 0.4))
    assert not same_bits(fit(optim.SGD(), optim.FlatCosine(0.4, STEPS)), fit(optim.SGD(), 0.4))
    with nn.mode(training=True, key=1, step=2 * STEPS):
        np.testing.assert_array_equal(nn.Dropout(rate)(X), X)


def same_bits(one: Any, other: Any) -> bool:
    pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
    return all(a.data.tobytes() == b.data.tobytes() for a, b in pairs)


def test_groups_whose_rates_are_parts_of_a_schedule() -> None:
    """As with a schedule of their own; the history has both, and a plateau lowers both alike."""
    schedule = optim.Warmup(optim.Cosine(0.01, 50), 3)

    def grouped(lr: Any) -> optim.AdamW:
        return optim.AdamW(schedule, groups=[optim.Group("*.bias", weight_decay=0.0), optim.Group("0.weight", lr=lr)])

    runs = [fit(grouped(lr)) for lr in (schedule * 0.5, np.float64(0.5) * schedule, optim.Scaled(schedule, 0.5))]
    other = fit(grouped(optim.Warmup(optim.Cosine(0.005, 50), 3)))
    for run in runs:
        assert same_bits(run, other)
        np.testing.assert_allclose(run.history["lr/0.weight"], np.multiply(run.history["lr"], 0.5), rtol=1e-12)
    assert optim.from_config(grouped(0.5 * schedule).config()).config() == grouped(0.5 * schedule).config()
    falls = optim.ReduceLROnPlateau(0.01, patience=0, threshold=1.0, threshold_mode="abs", factor=0.5)
    run = fit(optim.SGD(falls, groups=[optim.Group("0", lr=falls * 0.1)]), epochs=4)
    assert run.history["lr"][-1] < 0.01
    np.testing.assert_allclose(run.history["lr/0"], np.multiply(run.history["lr"], 0.1), rtol=1e-12)
    with pytest.raises(UsageError, match="SGD: momentum: Scaled changes learning rates alone"):
        fit(optim.SGD(momentum=falls * 0.1))


def test_a_schedule_of_dropout_in_files_and_configs(tmp_path: Any) -> None:
    model = net(optim.Cosine(0.5, 10, 0.1))
    again = nn.from_config(model.config())
    assert again.config() == model.config()
    assert again[2].p == model[2].p
    for p in (model[2].p, lambda step: 0.5):
        run = fit(optim.SGD(0.1, momentum=optim.Cosine(0.9, 10, 0.5)), p, clip_norm=optim.Cosine(2.0, 10, 0.5))
        schuss.save(run, tmp_path / "m.safetensors")
        loaded = schuss.load(tmp_path / "m.safetensors")
        np.testing.assert_array_equal(loaded(X), run.model(X))
        with nn.mode(training=True, key=1, step=3):
            np.testing.assert_array_equal(loaded(X), run.model(X))
    optimizer = optim.Adam(betas=(optim.OneCycleMomentum(9), 0.99))
    assert optim.from_config(optimizer.config()) == optimizer


def test_stopped_runs_go_on_with_the_same_bits(tmp_path: Any) -> None:
    def optimizer() -> Any:
        return optim.SGD(optim.OneCycle(0.2, STEPS), momentum=optim.OneCycleMomentum(STEPS), weight_decay=0.1)

    whole = fit(optimizer(), 0.3, clip_norm=optim.Cosine(1.0, STEPS, 0.1))
    place = tmp_path / "run.ckpt"
    more = {"clip_norm": optim.Cosine(1.0, STEPS, 0.1), "checkpoint": place, "resume": place}
    fit(optimizer(), 0.3, callbacks=[lambda run: True], **more)
    stopped = fit(optimizer(), 0.3, **more)
    for one, other in zip(whole.model.parameters(), stopped.model.parameters(), strict=True):
        np.testing.assert_array_equal(one.data, other.data)
    with pytest.raises(UsageError, match=r"optimizer\.weight_decay was 0\.1 and is now 0\.2"):
        fit(
            optim.SGD(optim.OneCycle(0.2, STEPS), momentum=optim.OneCycleMomentum(STEPS), weight_decay=0.2), 0.3, **more
        )


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "weight decay": (
        lambda: fit(optim.Adam(weight_decay=lambda step: 0.5 - 0.1 * step)),
        r"^Adam: weight_decay must be .*, got -0\.6.*: the schedule's value at step 11 of 12$",
    ),
    "momentum": (lambda: fit(optim.SGD(momentum=lambda step: step * 0.1)), r"momentum must be .*\[0, 1\).*, got 1\.1"),
    "one beta": (lambda: fit(optim.Adam(betas=(0.9, lambda step: step * 0.1))), r"betas\[1\] must be .*\[0, 1\)"),
    "a group": (
        lambda: fit(optim.SGD(groups=[optim.Group("0", momentum=lambda step: step * 0.1)])),
        r"momentum must be .* at step 11",
    ),
    "dropout": (lambda: fit(optim.SGD(), lambda step: step * 0.1), r"Dropout: p must be .*\[0, 1\).* at step 11"),
    "not a number": (
        lambda: fit(optim.SGD(momentum=lambda step: 0.0 / (step * 1.0))),
        r"momentum must be .*, got nan: the schedule's value at step 0",
    ),
    "clip": (lambda: fit(optim.SGD(), clip_norm=lambda step: 1.0 - step * 0.1), r"clip_norm must be a positive number"),
    "class": (lambda: optim.SGD(momentum=optim.OneCycleMomentum), r"momentum must be a schedule, not a class"),
    "class of dropout": (lambda: nn.Dropout(optim.Cosine), r"p must be a schedule, not a class: write Cosine\("),
    "plateau": (
        lambda: fit(optim.SGD(momentum=optim.ReduceLROnPlateau(0.5))),
        r"^SGD: momentum: ReduceLROnPlateau changes learning rates alone",
    ),
    "low": (lambda: optim.OneCycleMomentum(9, 0.9, 0.5), "low must be at most high, got 0.9 and 0.5"),
}


@pytest.mark.parametrize("do, told", BAD.values(), ids=BAD)
def test_what_a_number_may_not_be_is_refused_before_the_run(do: Callable[[], Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        do()


# -- what is shown -------------------------------------------------------------------------------------


def test_explanations_and_the_graph_show_names(tmp_path: Any, capsys: Any) -> None:
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    told = schuss.explain(lambda model, x, y: loss(model(x), y), net(), X[:3], Y[:3])
    assert any(step.expression.endswith("* label_smoothing") for step in told.steps)
    assert told.constants["label_smoothing"] == np.float32(0.1)
    model = nn.Sequential(nn.Dropout(0.25), nn.Linear(6, 3), nn.Dropout(0.5))
    optimizer = optim.SGD(0.125, momentum=optim.Cosine(0.75, 10))
    run = schuss.fit(model, (X, Y), loss=loss, optimizer=optimizer, progress=False)
    made = training(run.task)
    texts = [item.text for item in outline(made.step.graph, made.step.graph.output("loss"), made.gradients)]
    for said in ("opt/lr_factor * lr", ">= p", ">= 2.Dropout.p", "momentum.lr - min_lr"):
        assert any(text.endswith(said) for text in texts), said
    schuss.save(run, tmp_path / "m.safetensors")
    with pytest.raises(SystemExit):
        main(["graph", str(tmp_path / "m.safetensors")])
    shown = capsys.readouterr().out
    assert re.search(r"hyperparameters .*\n(    .*\n)*    p +0\.25 +0\.Dropout\n", shown)


def test_a_graphs_text_with_hyperparameters_is_read_back() -> None:
    def made(x: Any) -> Any:
        return x * hyper("a rate", 0.1, x)

    graph = trace(made, [TensorType("float32", (N, 2))])
    text = to_text(graph)
    assert 'hyperparameter %1 "a rate" float32[] 0.1' in text
    assert to_text(from_text(text)) == text
    assert "const %1 float32[] 0.1" in to_text(with_constants(graph))
    for wrong in ("float32[2] 0.1, 0.2", "int64[] 1"):
        with pytest.raises(GraphError, match="a hyperparameter is a floating scalar"):
            from_text(text.replace("float32[] 0.1", wrong))


def test_beside_arrays_it_is_the_number() -> None:
    assert hyper("rate", 0.1, X) == 0.1

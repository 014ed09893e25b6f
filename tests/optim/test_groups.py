"""Parameter groups: each as an optimizer of its own; how they are selected, named, kept and refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.errors import UsageError

RNG = np.random.default_rng(0)
PARAMS = {"body.weight": RNG.normal(size=(3, 4)), "body.bias": RNG.normal(size=3), "head.weight": RNG.normal(size=3)}
GRADS = [{name: RNG.normal(size=w.shape) for name, w in PARAMS.items()} for _ in range(5)]
OTHER: list[tuple[optim.Optimizer, dict[str, Any]]] = [
    (optim.SGD(0.1, momentum=0.9), {"lr": 0.01, "momentum": 0.0, "weight_decay": 0.1}),
    (optim.SGD(0.1, momentum=0.9, dampening=0.5), {"nesterov": True, "dampening": 0.0}),
    (optim.RMSprop(0.1), {"centered": True, "momentum": 0.5}),
    (optim.Adagrad(0.1), {"lr_decay": 0.1, "initial_accumulator_value": 0.5}),
    (optim.Adam(optim.Exponential(0.1, 0.9)), {"lr": optim.Step(0.1, 2), "betas": (0.5, 0.9)}),
    (optim.AdamW(0.1, weight_decay=0.1), {"weight_decay": 0.0, "lr": optim.Cosine(0.2, 4)}),
    (optim.NAdam(0.1), {"momentum_decay": 0.1, "lr": 0.2}),
    (optim.Lion(0.1), {"lr": 0.3, "weight_decay": 0.1}),
]


def run(optimizer: optim.Optimizer, names: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters of these names, and the state, after all of GRADS."""
    params = {name: PARAMS[name] for name in names}
    state: dict[str, Any] = optimizer.init(params)
    for i, grads in enumerate(GRADS):
        params, state = optimizer.update(params, {name: grads[name] for name in names}, state, np.asarray(i))
    return params, state


@pytest.mark.parametrize("optimizer, settings", OTHER, ids=lambda v: type(v).__name__)
def test_a_group_is_an_optimizer_of_its_own(optimizer: optim.Optimizer, settings: dict[str, Any]) -> None:
    """Of other settings, schedules included; its scalars are its own."""
    both, state = run(replace(optimizer, groups=[optim.Group("*.bias", **settings)]), list(PARAMS))
    rest, rest_state = run(optimizer, ["body.weight", "head.weight"])
    own, own_state = run(replace(optimizer, **settings), ["body.bias"])
    assert all(np.array_equal(both[name], w) for name, w in {**rest, **own}.items())
    scalars = {"lr_factor", "lr_held", "mu_product"} & own_state.keys()
    wanted = {**rest_state, **{f"{n}/*.bias" if n in scalars else n: v for n, v in own_state.items()}}
    assert state.keys() == wanted.keys()
    assert all(np.array_equal(state[name], v) for name, v in wanted.items())


def test_names_of_the_state() -> None:
    state = optim.NAdam(groups=[optim.Group("body", lr=1.0), {"params": "head.weight", "name": "top"}]).init(PARAMS)
    assert [name for name, v in state.items() if v.shape == ()] == [
        *("lr_factor", "lr_held", "mu_product"),
        *("lr_factor/body", "lr_held/body", "mu_product/body"),
        *("lr_factor/top", "lr_held/top", "mu_product/top"),
    ]
    assert {name for name, v in state.items() if v.shape} == {
        f"{slot}/{name}" for slot in ("exp_avg", "exp_avg_sq") for name in PARAMS
    }


# -- which parameters ------------------------------------------------------------------------------------------


class Net(nn.Module):
    def __init__(self) -> None:
        self.body = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 3))
        self.head = nn.Linear(3, 2)
        self.tied = self.head.weight


NET = Net()
NAMES = list(nn.named_parameters(NET))


@pytest.mark.parametrize(
    "given, names",
    [
        ("head", ["head.weight", "head.bias"]),
        ("body.0.weight", ["body.0.weight"]),
        ("body.*.bias", ["body.0.bias", "body.2.bias"]),
        ("*bias", ["body.0.bias", "body.2.bias", "head.bias"]),
        ("tied", ["head.weight"]),
        (NET.body, ["body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias"]),
        (NET.head.bias, ["head.bias"]),
        (NET.body.parameters(), ["body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias"]),
        ((p for p in [NET.head, "body.0"]), ["body.0.weight", "body.0.bias", "head.weight", "head.bias"]),
        (nn.named_parameters(NET.head), ["head.weight", "head.bias"]),
        (nn.named_parameters(NET.head).values(), ["head.weight", "head.bias"]),
    ],
    ids=lambda v: v if isinstance(v, str) else type(v).__name__,
)
def test_what_is_in_a_group(given: Any, names: list[str]) -> None:
    group = optim.Adam(groups=[optim.Group(given, lr=0.1)]).resolved(NET).groups[0]
    assert sorted(group.params) == sorted(names)
    assert group.select(dict.fromkeys(NAMES)) == names


@pytest.mark.parametrize(
    "given, name",
    [(NET.body, "body"), (NET.body[0], "body.0"), ([NET.body[0], NET.head], "group1"), (NET.head.bias, "head.bias")],
    ids=["body", "body.0", "both", "bias"],
)
def test_a_groups_name(given: Any, name: str) -> None:
    assert optim.Adam(groups=[optim.Group(given)]).resolved(NET).groups[0].name == name


def test_modules_select_parameters_in_a_loop_of_ones_own() -> None:
    optimizer = optim.SGD(0.5, groups=[optim.Group(NET.head, lr=0.25)])
    params = nn.named_parameters(NET)
    state = optimizer.init(params)
    grads = {name: np.ones(p.static_shape, np.float32) for name, p in params.items()}
    new, _ = optimizer.update(params, grads, state, np.asarray(0))
    moved = {name: float((params[name].data - np.asarray(new[name])).max()) for name in params}
    assert moved == pytest.approx({name: 0.25 if name.startswith("head") else 0.5 for name in params}, rel=1e-5)
    with pytest.raises(UsageError, match=r"selects no parameter; there are .*; give nn.named_parameters\(model\)"):
        optimizer.update(nn.state_dict(NET), grads, state, np.asarray(0))


# -- one step by hand ------------------------------------------------------------------------------------------


def test_a_gradient_of_none_and_a_frozen_parameter_are_skipped() -> None:
    params = {"a": np.ones(2), "b": np.ones(2), "c": nn.Parameter(np.ones(2), requires_grad=False)}
    optimizer = optim.AdamW(0.1, weight_decay=0.5)
    state = optimizer.init(params)
    new, new_state = optimizer.update(params, {"a": np.ones(2), "b": None}, state, np.asarray(0))
    assert new["b"] is params["b"]
    assert new["c"] is params["c"].data
    assert not np.array_equal(new["a"], params["a"])
    assert new_state.keys() - state.keys() == {"missed/b", "missed/c"}
    assert all(np.array_equal(new_state[f"exp_avg/{name}"], np.zeros(2)) for name in "bc")
    with pytest.raises(UsageError, match="there is no gradient 'b'"):
        optimizer.update(params, {"a": np.ones(2)}, state, np.asarray(0))
    with pytest.raises(UsageError, match="there is no state 'exp_avg/a'"):
        optimizer.update({"a": np.ones(2)}, {"a": np.ones(2)}, {}, np.asarray(0))


# -- what is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: optim.Adam(groups="head"), "groups must be a list of optim.Group"),
        (lambda: optim.Adam(groups=[{"lr": 1}]), "groups must be a list of optim.Group"),
        (lambda: optim.Adam(groups=[optim.Group("head", speed=1)]), "there is no setting speed; it has lr, betas, eps"),
        (lambda: optim.Adam(groups=[optim.Group("head", lr=-1)]), "lr must be a positive number"),
        (lambda: optim.Adam(groups=[optim.Group("head", lr=0.0)]), r"part.requires_grad_\(False"),
        (lambda: optim.Adam(groups=[optim.Group("a"), optim.Group("a")]), "two groups have one name"),
        (lambda: optim.Group([]), "it needs parameters"),
        (lambda: optim.Group(nn.Tanh()), "got Tanh without any"),
        (lambda: optim.Group(3), "must be names, patterns, modules or Parameters, got int"),
        (lambda: optim.Adam(NET.parameters(), lr=1e-3), "takes the learning rate first, and no parameters"),
        (lambda: optim.SGD(NET), "takes the learning rate first, and no parameters"),
        (lambda: optim.SGD([{"params": NET.head, "lr": 1.0}]), "takes the learning rate first, and no parameters"),
        (
            lambda: optim.Adam(groups=[optim.Group("hed")]).resolved(NET),
            "'hed'.* selects no parameter; there are body.0.weight",
        ),
        (
            lambda: optim.Adam(groups=[optim.Group("head"), optim.Group("*.bias")]).resolved(NET),
            r"parameter head.bias is in two groups, head and \*.bias: keep one",
        ),
        (
            lambda: optim.Adam(groups=[optim.Group("*.2"), optim.Group("head")]).init(PARAMS),
            r"Group\('\*.2', name='\*.2'\) selects no parameter",
        ),
    ],
)
def test_mistakes(make: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


# -- configs ---------------------------------------------------------------------------------------------------


def test_config_round_trip() -> None:
    body = optim.Group("body", lr=optim.Warmup(optim.Step(0.1, 3), 2), betas=(0.5, 0.9))
    groups = [body, optim.Group(["head", "*b"])]
    optimizer = optim.Adam(1e-2, groups=groups)
    assert optim.from_config(json.loads(json.dumps(optimizer.config()))) == optimizer
    assert "groups" not in optim.Adam().config()
    resolved = optim.Adam(groups=[optim.Group(NET.head, lr=0.1)]).resolved(NET)
    again = optim.from_config(json.loads(json.dumps(resolved.config())))
    assert again == resolved
    assert again.groups[0].name == "head"
    with pytest.raises(UsageError, match="modules and Parameters have no config"):
        optim.Adam(groups=[optim.Group(NET.head)]).config()


def test_a_compiled_update_leaves_frozen_parameters_as_they_are() -> None:
    model = nn.Linear(2, 1)
    model.bias.requires_grad = False
    opt, named = optim.SGD(0.5), nn.named_parameters(model)
    grads = {name: np.ones(p.static_shape, "f4") for name, p in named.items()}
    update, before = schuss.jit(opt.update), nn.state_dict(model)
    for moved in (0.0, 0.5):  # frozen, then not any more
        new, _ = update(named, grads, opt.init(named), 0)
        np.testing.assert_array_equal(new["bias"], before["bias"] - np.float32(moved))
        np.testing.assert_array_equal(new["weight"], before["weight"] - np.float32(0.5))
        model.bias.requires_grad = True


def test_a_compiled_update_reads_frozen_parameters_at_each_call() -> None:
    frozen = {"a": nn.Parameter(np.ones(2), requires_grad=False), "b": nn.Parameter(np.ones(2))}
    update, grads = schuss.jit(optim.SGD(0.5).update), {"a": np.ones(2, "f4"), "b": np.ones(2, "f4")}
    for value in (1.0, 3.0):
        frozen["a"].data = np.full(2, value)
        assert update(frozen, grads, {}, 0)[0]["a"].tolist() == [value, value]

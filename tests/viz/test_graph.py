"""viz.graph: its SVG is what the page and other programs rely on."""

from __future__ import annotations

import numpy as np
import pytest

import schuss
from schuss import nn, optim, viz
from schuss.errors import ShapeError, UsageError
from schuss.viz.graph.groups import Group, _repeat

from .graphcases import (
    ARGUMENTS,
    CASES,
    SVG,
    Recurrent,
    Towers,
    X,
    Y,
    digits,
    groups,
    loss_of,
    made,
    parsed,
    regression,
    towers,
    two_layers,
    words,
)

# -- the contract --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("collapse", ["auto", True, False])
def test_the_svg(name, collapse):
    """Valid XML; each operation in one box or one closed layer; arrows between what is shown; the order of a walk."""
    picture = CASES[name](collapse=collapse)
    root = parsed(picture)
    assert root.tag == f"{SVG}svg"
    known = {op["name"]: op for op in picture.to_json()["ops"]}
    shown = [g.get("data-op") for g in groups(root, "op")]
    assert len(shown) == len(set(shown))
    assert set(shown) <= set(known)
    closed = [g for g in groups(root, "layer") if g.get("data-open") == "false"]
    opened = [g for g in groups(root, "layer") if g.get("data-open") == "true"]
    if collapse is False:
        assert set(shown) == set(known)
        assert not closed
    for box in groups(root, "op"):
        op = known[box.get("data-op")]
        assert int(box.get("data-forward")) == op["forward"]
        assert box.get("data-backward") == (None if op["backward"] is None else str(op["backward"]))
        assert box.get("tabindex") == "0"
    names = [g.get("data-layer") for g in (*closed, *opened)]
    assert len(names) == len(set(names))
    boxes = {*shown, *(g.get("data-layer") for g in closed), *(g.get("data-input") for g in groups(root, "input"))}
    for arrow in (*groups(root, "up"), *groups(root, "down")):
        if arrow.get("data-from") is None:
            continue  # the legend
        ends = {"up": "data-to", "down": "data-from"}[arrow.get("class")]
        assert set(arrow.get(ends).split()) <= boxes or arrow.get(ends) in boxes
    ups = [int(g.get("data-forward")) for g in groups(root, "up") if g.get("data-from")]
    assert 0 in ups
    assert max(int(g.get("data-forward")) for g in (*groups(root, "op"), *closed)) == len(known)


@pytest.mark.parametrize("name", ["function", "two layers", "skips", "two inputs"])
def test_every_value_and_product_has_its_arrow(name):
    """With all layers open: an arrow up for every value read, an arrow down for every product handed back."""
    picture = CASES[name](collapse=False)
    root = parsed(picture)
    reads, hands = set(), set()
    for op in picture.to_json()["ops"]:
        reads |= {(value, op["name"]) for value in op["reads"]}
        hands |= {(op["name"], flow["to"]) for flow in op["flows"]}
    beside = {g.get("data-op") for g in groups(root, "op") if "view" in g.get("class").split()}
    up = {(g.get("data-from"), to) for g in groups(root, "up") if g.get("data-from") for to in g.get("data-to").split()}
    down = {(f, g.get("data-to")) for g in groups(root, "down") if g.get("data-to") for f in g.get("data-from").split()}
    assert {(a, b) for a, b in reads if not {a, b} & beside} <= up
    assert {(a, b) for a, b in hands if not {a, b} & beside} <= down


def test_forward_and_backward_orders():
    """Up, every operation follows what it reads; down, it follows what hands it a gradient."""
    found = CASES["skips"]().to_json()
    ops = {op["name"]: op for op in found["ops"]}
    assert sorted(op["forward"] for op in ops.values()) == list(range(1, len(ops) + 1))
    for op in ops.values():
        assert all(ops[i]["forward"] < op["forward"] for i in op["reads"] if i in ops)
        assert all(ops[i]["backward"] < op["backward"] for i in op["came_from"])


def test_several_pictures_fit_one_page():
    """No ids that could meet, no reference to anything outside, colours that the page can set."""
    for picture in (CASES["function"](), digits()):
        root = parsed(picture)
        assert not [e for e in root.iter() if e.get("id")]
        assert "url(" not in picture.svg
        assert "http" not in picture.svg.replace("http://www.w3.org/2000/svg", "")
        for variable in ("--g-box", "--g-up", "--g-down", "--g-text", "--g-line"):
            assert variable in picture.svg
        for rule in root.find(f"{SVG}style").text.strip().splitlines():
            assert all(s.strip().startswith(".schuss-graph ") for s in rule.partition("{")[0].split(","))


def test_names_are_escaped():
    class Odd(nn.Module):
        def __init__(self):
            self.parts = {'a<b>&"c"': nn.Linear(2, 1)}

        def forward(self, x):
            return self.parts['a<b>&"c"'](x)

    for collapse in (True, False):
        root = parsed(regression(Odd(), collapse=collapse))
        assert any('a<b>&"c"' in (g.get("data-layer") or "") for g in groups(root, "layer"))


def test_a_digit_is_shown_as_a_picture():
    assert len(list(parsed(digits()).iter(f"{SVG}image"))) == 1
    assert not list(parsed(CASES["two layers"]()).iter(f"{SVG}image"))


# -- what is drawn -------------------------------------------------------------------------------------


def test_cross_entropy_is_one_box():
    root = parsed(digits())
    (box,) = (g for g in groups(root, "layer") if g.get("data-layer") == "CrossEntropyLoss")
    assert box.get("data-open") == "false"
    assert "(softmax(pred) − one-hot target) / N" in words(box)
    root = parsed(digits(open=["CrossEntropyLoss"]))
    (box,) = (g for g in groups(root, "layer") if g.get("data-layer") == "CrossEntropyLoss")
    assert box.get("data-open") == "true"
    assert "exp" in {w.partition(" = ")[2][:3] for g in groups(root, "op") for w in words(g)[:1]}


def test_layers_are_opened_and_closed_by_name():
    def layers(**options):
        root = parsed(CASES["two layers"](**options))
        return {g.get("data-layer"): g.get("data-open") for g in groups(root, "layer")}

    assert layers(collapse=True) == dict.fromkeys(("0.Linear", "2.Linear", "MSELoss"), "false")
    assert layers(collapse=False) == dict.fromkeys(("0.Linear", "2.Linear", "MSELoss"), "true")
    assert layers(collapse=True, open=["0.Linear", "unknown"])["0.Linear"] == "true"
    assert layers(closed=["0.Linear"])["0.Linear"] == "false"


def test_a_nested_layer_opens_what_is_around_it():
    model = made(nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Tanh()), nn.Linear(2, 1)))
    picture = viz.graph(model, X, Y, loss=nn.MSELoss(), collapse=True, open=["0.Sequential/0.Linear"])
    names = {g.get("data-layer"): g.get("data-open") for g in groups(parsed(picture), "layer")}
    assert names["0.Sequential"] == names["0.Sequential/0.Linear"] == "true"


def test_a_shared_layer_is_shown_for_each_call():
    root = parsed(CASES["shared layer"](collapse=True))
    assert {g.get("data-layer") for g in groups(root, "layer")} == {
        "layer.Linear",
        "layer.Linear#2",
        "out.Linear",
        "MSELoss",
    }
    first, second = (g for g in groups(root, "input") if g.get("data-input") == "layer.weight")
    assert words(first)[0] == words(second)[0] == "layer.weight  2 × 2, one of 2 uses"
    assert words(first) != words(second)


def test_a_cell_called_again_is_one_box_for_each_call():
    names = ["cell.Cell", "cell.Cell#2", "cell.Cell#3"]
    root = parsed(CASES["recurrent"](collapse=True, closed=names))
    closed = [g.get("data-layer") for g in groups(root, "layer") if g.get("data-open") == "false"]
    assert sorted(closed) == ["MSELoss", *names, "out.Linear"]


def test_many_calls_of_a_cell_are_one_box():
    root = parsed(regression(Recurrent(60)))
    assert len(groups(root, "op")) + len(groups(root, "layer")) < 12
    assert any("× 60" in w or "× 59" in w for g in groups(root, "layer") for w in words(g))


def test_a_function_is_grouped_by_its_lines():
    root = parsed(CASES["function"]())
    labels = {g.get("data-layer"): words(g) for g in groups(root, "layer")}
    assert labels["L1"] == ["L1 = x @ W1 + b1"]
    assert set(labels) == {"L1", "L2", "return"}


def test_several_inputs_have_their_own_names():
    picture = towers()
    assert {g.get("data-input") for g in groups(parsed(picture), "input")} >= {"left", "right", "y"}
    assert picture.explanation.title == "Towers(left, right)"


def test_dropout_passes_on():
    assert "where" not in {
        op["op"] for op in digits(closed=["CrossEntropyLoss"]).to_json()["ops"] if "Dropout" in op["layer"]
    }


def test_other_weights():
    model = two_layers()
    before = {name: p.data.copy() for name, p in nn.named_parameters(model).items()}
    zero = viz.graph(model, X, Y, loss=nn.MSELoss(), weights={"2.weight": np.zeros((1, 3)), "2.bias": np.zeros(1)})
    assert zero.to_json()["loss"] == pytest.approx(0.5)
    for name, p in nn.named_parameters(model).items():
        np.testing.assert_array_equal(p.data, before[name])
    with pytest.raises(UsageError, match=r"no parameter 'bias'; it has 0\.weight"):
        viz.graph(model, X, Y, loss=nn.MSELoss(), weights={"bias": 0})
    with pytest.raises(ShapeError, match=r"2\.bias is float32\[1\], got the shape \[2\]"):
        viz.graph(model, X, Y, loss=nn.MSELoss(), weights={"2.bias": np.zeros(2)})


def test_the_loss_and_the_scale_of_a_trained_model():
    x = np.arange(64, dtype=np.uint8).reshape(16, 4)
    model = nn.Sequential(nn.Linear(4, 3))
    schuss.fit(
        model, (x, np.arange(16) % 3), loss=nn.CrossEntropyLoss(), optimizer=optim.SGD(lr=0.1), epochs=1, batch_size=8,
        scale=1 / 255,
    )  # fmt: skip
    picture = viz.graph(model, x[:2], np.array([0, 1]))
    expected = nn.CrossEntropyLoss()(model(x[:2]), np.array([0, 1]))
    assert picture.to_json()["loss"] == pytest.approx(float(expected), rel=1e-5)
    assert "input" in {op["layer"] for op in picture.to_json()["ops"]}


def test_names_that_meet():
    class Meets(nn.Module):
        def __init__(self):
            self.x = nn.Linear(2, 1)
            self.loss = nn.Parameter(np.ones(1))

        def forward(self, x):
            return self.x(x) * self.loss

    picture = regression(Meets(), collapse=False)
    parsed(picture)
    names = [op["name"] for op in picture.to_json()["ops"]] + [i["name"] for i in picture.to_json()["inputs"]]
    assert len(names) == len(set(names))


def test_operations_that_no_gradient_reaches():
    root = parsed(viz.graph(lambda x: (x * schuss.stop_gradient(schuss.exp(x))).sum(), np.array([1.0, 2.0])))
    assert any("no gradient comes here" in words(g) for g in groups(root, "op"))


def test_a_result_that_is_an_input():
    parsed(viz.graph(lambda x: x, 2.0))


# -- uses ----------------------------------------------------------------------------------------------


def test_saving_and_notebooks(tmp_path):
    picture = CASES["function"]()
    picture.save(tmp_path / "graph.svg")
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == picture.svg == picture._repr_svg_()
    assert picture._repr_html_().startswith("<svg")
    assert repr(picture) == "<GraphPicture of loss_of(W1, b1, W2, b2, x, y): 8 operations>"
    with pytest.raises(UsageError, match=r"ends in \.svg"):
        picture.save(tmp_path / "graph.bmp")


def test_errors():
    with pytest.raises(UsageError, match="loss the model was trained with is not known"):
        viz.graph(two_layers(), X, Y)
    with pytest.raises(UsageError, match="takes x and y, got 1 argument"):
        viz.graph(two_layers(), X)
    with pytest.raises(UsageError, match="collapse must be"):
        viz.graph(two_layers(), X, Y, loss=nn.MSELoss(), collapse="all")
    with pytest.raises(UsageError, match="weights are for a model"):
        viz.graph(loss_of, *ARGUMENTS, weights={})


def test_a_model_of_any_class():
    class Plain:
        def __init__(self):
            self.w = nn.Parameter(np.ones((2, 1)))

        def __call__(self, x):
            return x @ self.w

    root = parsed(viz.graph(Plain(), X, Y, loss=lambda pred, target: abs(pred - target).mean(), collapse=False))
    assert {g.get("data-input") for g in groups(root, "input")} == {"x", "w", "y"}


def test_towers_need_no_matplotlib_and_no_order():
    assert len(towers().svg) == len(towers().svg)
    assert isinstance(made(Towers()), Towers)


def test_thousands_of_equal_layers_fold_into_boxes_within_boxes():
    layers = [Group(f"{i}.Linear", "Linear", "layer", [], 1) for i in range(6000)]
    box = _repeat(list(layers), 1, len(layers))
    first, middle, last = box.members
    assert (first, last) == (layers[0], layers[-1])
    assert middle.times == 5998
    assert len(middle.members) < 6000

    def leaves(group):
        return [group] if not group.members else [leaf for m in group.members for leaf in leaves(m)]

    assert leaves(box) == layers

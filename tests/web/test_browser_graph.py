"""The graph in a real browser: its numbers, its steps, what an arrow carries, on a phone, and when it is large."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from schuss import nn
from schuss.viz.graph import picture
from tests.thinned import sampled
from tests.web.browser import Tab
from tests.web.support import Small, deep


def numbers_in(page: Tab, selector: str) -> list[float]:
    """All numbers of a matrix in the panel, in reading order."""
    cells = page(f"{selector} td").all_inner_texts()
    return [float(c.replace("−", "-")) for c in cells]


def test_an_operations_numbers_are_those_of_grad(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address, "graph")
    page("#picture svg .op").first.wait_for()
    page("#graph-more").click()  # the second example
    page.settle()
    expected = small.gradient(1)
    for name in ("2.bias", "0.bias"):
        op = op_of(page, name)
        page(f'#picture .op[data-op="{op}"]').click()
        assert page.text("#panel-name") == op
        assert page.text("#panel-rule")
        got = numbers_in(page, f'#panel [data-flow="{name}"] [data-part="product"]')
        np.testing.assert_allclose(got, expected[name], rtol=1e-3, atol=2e-5)


def op_of(page: Tab, parameter: str) -> str:
    """The operation that hands a gradient to a parameter."""
    found: str = page.page.evaluate(
        """async (name) => (await (await fetch("graph.json?example=1&set=train")).json())
               .ops.find((op) => op.flows.some((f) => f.to === name)).name""",
        parameter,
    )
    return found


def test_stepping_up_and_down_the_graph(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address, "graph")
    page("#picture svg .op").first.wait_for()
    up, down = map(int, re.findall(r"\d+", page.text("#walk-text"))[:2])
    assert up >= 5
    assert down >= 5
    page("#walk-next").click()
    assert page.text("#walk-text").startswith(f"Forward 1 of {up}")
    assert page("#picture .op.walk-now").count() == 1
    assert page("#picture g.down[data-backward]:not(.walk-later)").count() == 0
    page("#picture").focus()
    for _ in range(up):
        page.page.keyboard.press("ArrowRight")
    assert page.text("#walk-text").startswith(f"Backward 1 of {down}")
    page.page.keyboard.press("ArrowLeft")
    assert page.text("#walk-text").startswith(f"Forward {up} of {up}")
    page.page.keyboard.press("End")
    assert page.text("#walk-text").startswith(f"Backward {down} of {down}")
    assert page("#picture .walk-later").count() == 0
    page.page.keyboard.press("Escape")
    assert page("#picture .walk-now").count() == 0


SEEN = """() => {
  const written = (e) => getComputedStyle(e).visibility === "visible" && /\\d/.test(e.textContent);
  const texts = [...document.querySelectorAll("#picture svg text")].filter(written);
  const of = (selector) => texts.filter((e) => e.closest(selector)).length;
  return { up: of(".up"), down: of(".down"), back: of(".back"), result: of(".result"),
           panel: document.querySelectorAll("#panel [data-part]").length };
}"""


def test_the_steps_show_nothing_that_is_not_computed_yet(small: Small, tab: Callable[..., Tab]) -> None:
    """Neither in boxes and weights, nor on arrows, nor in the panel, nor the loss itself."""
    page = tab(small.page.address, "graph")
    page("#picture svg .op").first.wait_for()
    everything = page.page.evaluate(SEEN)
    assert min(everything[k] for k in ("up", "down", "back", "result")) > 0
    page("#walk-first").click()
    before = page.page.evaluate(SEEN)
    assert (before["down"], before["back"], before["result"]) == (0, 0, 0)
    assert before["up"] < everything["up"]
    assert before["panel"] == 1  # the value alone
    page("#picture .input[data-input='2.bias']").click()  # a weight is known, its gradient is not
    assert page.page.evaluate(SEEN)["panel"] == 1
    up = int(re.findall(r"\d+", page.text("#walk-text"))[1])
    for _ in range(up - 1):
        page("#walk-next").click()
    at_loss = page.page.evaluate(SEEN)
    assert (at_loss["up"], at_loss["result"]) == (everything["up"], everything["result"])
    assert (at_loss["down"], at_loss["back"]) == (0, 0)
    seen = []
    for _ in range(up):
        page("#walk-next").click()
        seen.append(page.page.evaluate(SEEN)["back"])
    assert seen == sorted(seen)
    assert seen[0] < seen[-1] == everything["back"]


def test_a_graph_can_be_seen_as_a_whole(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address, "graph")
    page("#picture svg .op").first.wait_for()
    size = "[e.scrollWidth - e.clientWidth, e.scrollHeight - e.clientHeight]"
    assert page.page.evaluate(f"(e => {size})(document.getElementById('picture'))")[1] > 0
    assert page("#overview").is_visible()
    box = page("#overview").bounding_box()
    page.page.mouse.click(box["x"] + 5, box["y"] + box["height"] - 5)
    assert page.page.evaluate("document.getElementById('picture').scrollTop") > 0
    page("#zoom-fit").click()
    assert page.page.evaluate(f"(e => {size})(document.getElementById('picture'))") == [0, 0]
    assert not page("#overview").is_visible()
    # all that can be opened is: the button does the opposite
    page("#graph-layers").click()
    page.until("document.querySelector('#picture .layer.closed') === null")
    assert page.text("#graph-layers") == "Fold the layers"
    page("#graph-layers").click()
    page.until("document.querySelector('#picture .layer.open') === null")
    assert page.text("#graph-layers") == "Open all layers"


def test_what_an_arrow_carries_opens_its_operation(small: Small, tab: Callable[..., Tab]) -> None:
    """Up: the operation that made the value, down: the one whose gradient it is. An input's are shown as well."""
    page = tab(small.page.address, "graph")
    page("#picture svg .op").first.wait_for()
    op = op_of(page, "2.bias")
    for arrow, part in ((f"g.up[data-from='{op}']", "value"), (f"g.down[data-to='{op}']", "incoming")):
        page.page.keyboard.press("Escape")
        assert page("#panel-name").count() == 0
        page(f"#picture {arrow} text").first.click()
        assert page.text("#panel-name") == op
        assert page(f"#panel [data-part={part}]").count() == 1
        assert page(f"#picture {arrow}.chosen").count() == 1
    page("#picture [data-input='2.bias']").click()
    got = numbers_in(page, "#panel [data-part=incoming]")
    np.testing.assert_allclose(got, small.gradient(0)["2.bias"], rtol=1e-3, atol=2e-5)
    got = numbers_in(page, "#panel [data-part=value]")
    np.testing.assert_allclose(got, nn.named_parameters(small.model)["2.bias"].data, rtol=1e-3, atol=2e-5)


def test_enter_opens_an_operation_and_once_more_goes_to_its_panel(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address, "graph")
    page("#picture svg .op").first.focus()
    page.page.keyboard.press("Enter")
    name = page("#picture svg .op").first.get_attribute("data-op")
    assert page.text("#panel-name") == name
    assert page.focus() != "panel"
    page.page.keyboard.press("Enter")
    assert page.focus() == "panel"


def test_a_tap_on_a_phone_brings_the_panel_into_sight(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address, "graph", phone=True)
    page("#picture svg .op").first.wait_for()
    page("#picture svg .op").first.tap()
    page.until("document.getElementById('panel').getBoundingClientRect().top < 0.72 * innerHeight")
    assert page("#panel-name").is_visible()


def test_opening_a_layer_computes_no_number_again(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    explained = []
    given = picture.explain_loss
    monkeypatch.setattr(picture, "explain_loss", lambda *a, **k: explained.append(a) or given(*a, **k))
    subject = small.page.site.main.subject
    subject.graph("train", 3, collapse=True)
    assert len(explained) == 1
    closed, opened = (subject.graph("train", 3, collapse=True, open=names).svg for names in ((), ("0.Linear",)))
    assert opened.count("data-op") > closed.count("data-op")
    assert len(explained) == 1
    subject.graph("train", 2, collapse=True)
    assert len(explained) == 2


def test_an_example_that_is_not_there_is_said(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address, "graph")
    page("#picture svg .op").first.wait_for()
    assert page.text("#graph-range") == "0 – 3"
    page("#graph-index").fill("70000")
    page.until("!document.getElementById('toast').hidden")
    assert page.text("#toast") == "There is no example 70,000: the training set goes from 0 to 3."
    assert page("#graph-index").input_value() == "3"
    page("#graph-set").select_option("test")
    assert page.text("#graph-range") == "0 – 1"


def test_without_data_the_graph_says_what_is_missing(small: Small, tab: Callable[..., Tab]) -> None:
    page = tab(small.page.address, "graph")
    opens = "schuss.watch(model, data=(x, y))"
    page.tell("hello", model="2-3-2", mode="view", rows=0, rows_test=0, opens=opens, state={"finished": True})
    page.until(f"document.getElementById('picture').textContent.includes('open the page by {opens}.')")
    assert not page("#graph-example").is_visible()


def test_a_finished_run_has_no_switch_for_what_is_live(small: Small, paused: str, tab: Callable[..., Tab]) -> None:
    for address, there in ((small.page.address, False), (paused, True)):
        page = tab(address, "graph")
        page("#picture svg .layer, #picture svg .op").first.wait_for()
        assert page("#graph-example .switch").is_visible() == there


def test_the_graphs_letters_can_be_read_on_a_phone(paused: str, tab: Callable[..., Tab]) -> None:
    """From the start; what does not fit is reached by moving the picture."""
    page = tab(paused, "graph", phone=True)
    page("#picture svg .layer").first.wait_for()
    smallest, wide, room = page.page.evaluate(
        """() => {
          const svg = document.querySelector("#picture svg");
          const sizes = [...svg.querySelectorAll("text")].map((t) => Number(t.getAttribute("font-size")));
          const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
          return [Math.min(...sizes) * scale, svg.clientWidth, document.getElementById("picture").clientWidth];
        }"""
    )
    assert smallest >= 9.4
    assert wide > room
    page("#zoom-fit").click()
    assert page.page.evaluate("document.querySelector('#picture svg').getBoundingClientRect().width") <= room


@pytest.mark.parametrize("layers", sampled([60], [120, 500]))
def test_a_graph_of_many_operations_stays_usable(tab: Callable[..., Tab], layers: int) -> None:
    """Four to a layer. Folded, and opened as far as it goes; a panel opens, and stepping moves on."""
    served = deep(layers)
    try:
        page = tab(served.address, "graph")
        page("#picture svg .layer").first.wait_for()
        assert int(page.text("#walk-text").split(" ")[0]) < 100  # boxes, not operations
        page("#graph-layers").click()
        page("#picture svg .op").first.wait_for()
        for _ in range(3):  # one repeat in another
            if page("#picture .layer.closed").count():
                page("#picture .layer.closed").last.click()
                page.settle()
        op = page("#picture .op").first
        name = op.get_attribute("data-op")
        op.click()
        page.until(f"document.getElementById('panel-name')?.textContent === '{name}'")
        assert page("#panel-formula").count() == 1
        page("#walk-next").click()
        assert page.text("#walk-text").startswith("Forward 1 of")
        page("#walk-last").click()
        page.until("document.getElementById('walk-text').textContent.startsWith('Backward')")
    finally:
        served.stop()

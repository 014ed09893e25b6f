"""The page of a model of a table in a real browser: its report, a column's curve, a row that is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from schuss import figures
from tests.web.browser import Tab
from tests.web.tables import houses, model, page_of

pytest.importorskip("polars")
pytest.importorskip("scipy")


@pytest.fixture(scope="module")
def classes() -> Iterator[str]:
    page = page_of("kind", houses())
    yield page.address
    page.stop()


@pytest.fixture(scope="module")
def quantiles() -> Iterator[str]:
    page = page_of("price", quantiles=(0.1, 0.5, 0.9))
    yield page.address
    page.stop()


@pytest.fixture(scope="module")
def labels() -> Iterator[str]:
    page = page_of("labels")
    yield page.address
    page.stop()


def choose(tab: Tab, selector: str, value: str) -> None:
    tab(selector).select_option(value)
    tab.settle()


def test_the_report_stands_in_place_of_the_runs_charts(classes: str, tab: Callable[..., Tab]) -> None:
    page = tab(classes, "run")
    assert page.text("#run-title") == "A model of kind"
    assert not page("#tiles").is_visible()
    assert not page("#loss-chart").is_visible()
    told = page.text("#run-table")
    for words in ("On 120 rows out of 2 folds", "Log loss", "linear", "Importance", "Columns", "left out"):
        assert words in told
    rises = page("#run-table .bars li span").all_inner_texts()
    assert len(rises) == len({"area", "city", "garden", "sold"})
    marks = [bool(mark) for mark in page.page.evaluate(
        "[...document.querySelectorAll('#run-table .bars li')].map(li => li.innerText.includes('may be chance'))"
    )]  # fmt: skip
    pairs = [[float(part.replace("−", "-")) for part in text.split(" ± ")] for text in rises]
    assert marks == [rise <= 2 * error for rise, error in pairs]
    assert len(set(marks)) == 2
    for value, error in (text.split(" ± ") for text in rises):
        assert len(error.replace(".", "").lstrip("0")) == 2  # digits
        assert len(value.partition(".")[2]) == len(error.partition(".")[2])


@pytest.mark.parametrize("view", ["run", "graph", "function", "play"])
def test_nothing_is_shown_until_it_is_known_what_there_is(classes: str, tab: Callable[..., Tab], view: str) -> None:
    page = tab(classes, view)
    shown = f"getComputedStyle(document.getElementById('view-{view}')).visibility"
    assert page.page.evaluate(shown) == "visible"
    page.page.route("**/events", lambda route: None)  # never answered
    page.page.reload()
    page.until(f"!document.getElementById('view-{view}').hidden")
    assert page.page.evaluate(shown) == "hidden"
    assert page.text("#status-text") == "Connecting"
    assert not page("#quick-pause").is_visible()


def test_numbers_are_written_as_python_writes_them(classes: str, tab: Callable[..., Tab]) -> None:
    pairs = [[0.177, 0.0104], [848869, 202111], [4.3e6, 168088], [4.3e9, 1.7e8], [-3, 410], [0.5, 0.0999], [5, None],
             [1e-6, 2.345e-8], [1.5, 0], [None, 1]]  # fmt: skip
    scales = [[0, 5e5, 1e6], [1000.25, 1000.5], [1e5, 2e5], [-0.00025, 0, 0.00025], [0, 5e8, 1e9], [],
              [0.1 + 0.2, 0.4], [0, 0.25, 0.5], [-1, -0.5, 1]]  # fmt: skip
    numbers = [134250, 9999, 0.09464, 1_550_000, -2.4e9, 1.23e-7, 12345.678, 1234.6, 123.456, 0, 1e-5, None, 7]
    words = tab(classes, "run").page.evaluate(
        """async ([pairs, scales, numbers]) => {
          const { number, plusMinus, ticks } = await import(new URL("static/format.js", location.href).href);
          const each = numbers.map((value) => [2, 3, 4].map((digits) => number(value, digits)));
          return [pairs.map((pair) => plusMinus(...pair)), scales.map((one) => ticks(one)), each];
        }""",
        [pairs, scales, numbers],
    )
    assert words[0] == [figures.with_error(*pair) for pair in pairs]
    assert words[1] == [figures.ticks(scale) for scale in scales]
    assert words[2] == [[figures.number(value, digits) for digits in (2, 3, 4)] for value in numbers]


PICTURES = """async () => {
  const load = async (name) => import(new URL(`static/${name}.js`, location.href).href);
  const [{ DependencePlot }, { svgOf }, { palette }] = await Promise.all(["dependenceplot", "svg", "theme"].map(load));
  const values = [-123456, 0, 0.00001234, 98765432];
  const numbers = { name: "n".repeat(90), kind: "number", line: true, values, quantiles: [] };
  const levels = { name: "level", kind: "category", line: false, values: ["é".repeat(40), "日本".repeat(30), "c"] };
  const days = { name: "day", kind: "date", line: true, values: [1.4e12, 1.5e12, 1.6e12], quantiles: [] };
  const mean = [-1234567, 3e5, 8.5e6, 9e6];
  const one = (axis) => ({ columns: [axis], mean: mean.slice(0, axis.values.length), curves: [], others: [] });
  const two = (a, b) => ({ columns: [a, b], mean: a.values.map(() => mean.slice(0, b.values.length)), others: [] });
  const cut = [];
  const smalls = [one(numbers), one(levels), one(days)];
  for (const found of [...smalls, one(numbers), one(levels), two(numbers, levels), two(levels, numbers)]) {
    const small = smalls.includes(found);
    for (const [width, height] of small ? [[120, 110], [200, 120]] : [[330, 350], [1200, 500]]) {
      const plot = new DependencePlot(document.createElement("div"), "function", { small });
      plot.found = found;
      const host = document.createElement("div");
      host.innerHTML = svgOf((...size) => plot.paint(...size), width, height, palette());
      document.body.append(host);
      const frame = host.firstChild.getBoundingClientRect();
      for (const text of host.querySelectorAll("text")) {
        const box = text.getBoundingClientRect();
        const across = box.left >= frame.left - 1 && box.right <= frame.right + 1;
        const down = box.top >= frame.top - 4 && box.bottom <= frame.bottom + 4;
        if (!across || !down) cut.push(`${text.textContent} of ${found.columns.map((c) => c.name)} at ${width}`);
      }
      if (!host.querySelectorAll("text").length) cut.push("no words");
      host.remove();
    }
  }
  const plot = new DependencePlot(document.createElement("div"), "function");
  plot.found = one({ name: "rooms", kind: "number", line: true, values: [1, 2, 3], quantiles: [] });
  const words = svgOf((...size) => plot.paint(...size), 1200, 500, palette()).match(/(?<=>)[^<]+(?=<.text)/g);
  if (!words.includes("2") || words.includes("1.5")) cut.push(`rooms are whole, not ${words}`);
  const wordsOf = (found, width) => {
    const plot = new DependencePlot(document.createElement("div"), "function", { small: true });
    plot.found = found;
    return svgOf((...size) => plot.paint(...size), width, 120, palette()).match(/(?<=>)[^<]+(?=<.text)/g);
  };
  const years = { ...days, values: [1.42e12, 1.68e12] };
  for (const [found, width, wanted] of [
    [{ ...one(years), mean: [0.05, 0.95] }, 140, ["0.25", "0.50", "0.75", "2014", "2023"]], // not one alone
    [{ ...one(years), mean: [0.05, 0.95] }, 260, ["0.25", "0.50", "0.75", "Dec 2014", "Mar 2023"]],
    [{ ...one(years), mean: [5e5, 2.5e6] }, 260, ["1,000,000", "2,000,000", "Dec 2014", "Mar 2023"]],
    [{ ...one(years), mean: [5e5, 2.5e6] }, 140, ["1e6", "2e6", "2014", "2023"]], // in full there is no room
    [{ ...one({ ...levels, values: ["a", "b"] }), mean: [1e6, 2e6] }, 120, ["2,000,000", "0"]],
  ]) {
    const said = wordsOf(found, width);
    if (!wanted.every((word) => said.includes(word))) cut.push(`${wanted} at ${width}, not ${said}`);
  }
  return cut;
}"""


def test_no_words_of_a_picture_are_cut(classes: str, tab: Callable[..., Tab]) -> None:
    assert tab(classes, "run").page.evaluate(PICTURES) == []


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_a_column_and_a_pair_are_drawn(classes: str, tab: Callable[..., Tab], look: str) -> None:
    page = tab(classes, "function", dark=look == "dark", phone=look == "phone")
    page.settle()
    assert page.text("#dependence-title") == "Probability of dear, very by area"
    page.coloured("#dependence-stage canvas", "--accent", least=200)  # the mean
    assert page("#dependence-all .small").count() == 4
    before = page("#dependence-stage canvas").get_attribute("aria-label")
    choose(page, "#dependence-output", "0")
    assert page.text("#dependence-title") == "Probability of cheap by area"
    assert page("#dependence-stage canvas").get_attribute("aria-label") != before
    choose(page, "#dependence-with", "city")
    assert page.text("#dependence-title") == "Probability of cheap by area and city"
    page.coloured("#dependence-stage canvas", "--accent", most=200)  # no line: a map
    assert not page("#dependence-each").is_visible()
    page('#dependence-all .small:has-text("garden")').click()
    page.settle()
    assert page.text("#dependence-title") == "Probability of cheap by garden and city"
    choose(page, "#dependence-with", "")
    page.coloured("#dependence-stage canvas", "--accent", least=500)  # bars
    assert page("#dependence-legend .sign-bar, #dependence-legend .sign-dots").count() == 2
    page('#dependence-all .small:has-text("area")').click()
    page.settle()
    assert page("#dependence-legend .sign-line").count() == 2  # the mean and each row
    assert page("#dependence-all .stage[data-waits]").count() == 0


def test_a_row_is_changed_and_answered(classes: str, tab: Callable[..., Tab]) -> None:
    page = tab(classes, "play")
    page.settle()
    assert not page("#play-form").is_visible()
    frame = houses()
    assert page("#trial-form .field").count() == 4
    assert page.text("#trial-hint") == f"In the table: {frame['kind'][0]}."
    page('#trial-form .field:has-text("area") input[type=number]').fill("20")
    page.settle()
    assert page.text("#trial-answer") == "cheap"
    low = model("kind").predict_proba(frame.with_columns(area=20.0))[0, 0]
    assert page.text("#trial-bars .best span") == f"{100 * low:.1f} %"
    page('#trial-form .field:has-text("area") input[type=number]').fill("190")
    page.settle()
    assert page.text("#trial-answer") == "dear, very"
    assert "As it was: " in page.text("#trial-hint")
    assert page("#trial-form .field.changed").count() == 1
    page.until("document.querySelectorAll('#moved-lines li').length === 4")
    assert "area" in page.text("#moved-lines li:first-child")
    page('#moved-measure [data-value="slope"]').click()
    assert "for the typical row" in page.text("#moved-sum")
    page('#trial-rows button:has-text("As it was")').click()
    page.settle()
    assert page("#trial-form .field.changed").count() == 0


def test_what_is_wrong_stands_at_its_field(classes: str, tab: Callable[..., Tab]) -> None:
    page = tab(classes, "play")
    page.settle()
    number = page('#trial-form .field:has-text("area") input[type=number]')
    number.fill("")
    page.settle()
    assert page("#trial-form .field.wrong").count() == 0  # it may be missing
    number.press_sequentially("1e")
    page.settle()
    assert page.text("#trial-form .field.wrong small") == "this is no number"
    assert page.text("#trial-answer") == "–"
    assert number.get_attribute("aria-invalid") == "true"
    assert page.text("#trial-hint") == "Mend area: this is no number."
    number.press("Tab")  # the sliders and what is not seen are passed over
    assert page.page.evaluate("document.activeElement.labels[0].textContent") == "city"
    sold = page('#trial-form .field:has-text("sold") input')
    sold.focus()
    page.page.keyboard.type("0231")  # of February
    page.settle()
    told = page.page.locator("#trial-form .field.wrong small").all_inner_texts()
    assert told == ["this is no number", "there is no such date, or it is not whole"]
    described = sold.evaluate("e => document.getElementById(e.getAttribute('aria-describedby')).textContent")
    assert described == told[1]
    sold.fill("")  # it may be missing, as no row that training saw
    page.settle()
    assert page.text("#trial-form .field.beyond small") == "training saw no row without one"
    sold.fill("2020-03-04")
    number.fill("1000000")
    number.press("Enter")
    page.settle()
    assert page.text("#trial-answer") != "–"
    assert "training saw" in page.text("#trial-form .field.beyond small")
    names = page.page.evaluate("[...document.querySelectorAll('#trial input, #trial select')].map(e => "
                               "e.labels?.length || e.ariaLabel || e.ariaHidden === 'true' ? '' : e.id)")  # fmt: skip
    assert set(names) == {""}


def test_quantiles_are_an_interval_and_rows_are_said_to_be_drawn(quantiles: str, tab: Callable[..., Tab]) -> None:
    page = tab(quantiles, "play")
    page.settle()
    assert page("#trial-bars .interval .track i").count() == 3
    assert "10 % below" in page.text("#trial-bars")
    assert page("#trial-index").count() == 0
    page("#tab-function").click()
    page.settle()
    assert page.text("#dependence-title") == "Quantile 0.5 of price by area"
    assert "drawn column by column from the quantiles and levels" in page.text("#dependence-note")
    assert "(for real ones: schuss.watch(model, data=frame))" in page.text("#dependence-note")
    assert "Quantile 0.9" in page.text("#dependence-legend")


def test_labels_are_shares(labels: str, tab: Callable[..., Tab]) -> None:
    page = tab(labels, "play")
    page.settle()
    shares = page("#trial-bars li span").all_inner_texts()
    assert [share[-2:] for share in shares] == [" %", " %"]
    likely = [name for name, share in zip(("large", "near"), shares, strict=True) if float(share[:-2]) > 50]
    assert page.text("#trial-answer") == (", ".join(likely) or "none")
    assert page.text("#moved-of") == "Label"
    assert page("#trial-bars li b").all_inner_texts() == ["large: yes", "near: yes"]  # whose probability it is
    page.until("document.querySelector('#moved-lines .much')?.textContent.includes(' pp ± ')")
    assert page.text("#moved-sum").startswith("Probability of large: yes:")
    page("#trial-bars li:last-child").click()
    page.settle()
    assert page.text("#moved-sum").startswith("Probability of near: yes:")
    page("#tab-function").click()
    page.settle()
    assert page.text("#dependence-title") == "Probability of large: yes by area"
    page("#tab-run").click()
    head = page('#run-table .card:has-text("Each target") th').all_inner_texts()  # as the command shows each
    assert head == ["Target", "Log loss", "Linear", "Trivial", "Accuracy", "ROC AUC", "Average precision"]


def test_members_are_watched_while_they_train(classes: str, tab: Callable[..., Tab]) -> None:
    page = tab(classes, "run")
    losses = [[0.9, 0.5, 0.3], [0.8, 0.4], []]
    part = {"name": "piecewise relu", "hidden": [8, 8], "epochs": 3, "losses": losses}
    waits = {**part, "name": "periodic hardswish", "losses": [[], [], []]}
    state = {"running": True, "finished": False, "step": 5, "steps": 18, "left": 65.4}
    page.tell("hello", model="A model of price", mode="train", label="t.csv", members=[part, waits], state=state)
    page.settle()
    assert not page("#run-table").is_visible()
    assert not page("#tiles").is_visible()
    told = page.text("#run-members")
    for words in (
        "piecewise relu",
        "1 of 3 members trained",
        "waits",
        "5 of 18 epochs · about 1 min 05 s left",
        "Stop training",
    ):
        assert words in told
    page.tell("members", members=[{**part, "losses": [[0.9, 0.5, 0.3]] * 3}, waits])
    assert "3 of 3 members trained" in page.text("#run-members")
    page("#tab-play").click()
    assert page("#trial-none").is_visible()
    assert not page("#trial-form").is_visible()

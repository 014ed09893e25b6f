"""The documentation's code runs, in order, as it stands, and what the pages say of its results is true."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pages
import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NEEDS = {"viz": "matplotlib", "--watch": "uvicorn", "schuss view": "uvicorn"}  # text of a page: what it takes


ALL = sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))
RUN = [page for page in ALL if any(b.language != "text" for b in pages.blocks((DOCS / page).read_text("utf-8")))]


# -- what the pages claim ----------------------------------------------------------------------------


def _backpropagation(printed: str) -> None:
    assert len(re.findall(r"^[Wb][12] .*True$", printed, re.MULTILINE)) == 4  # schuss's gradients are those by hand
    before, after = (float(re.search(rf"^{word} +(\S+)", printed, re.MULTILINE)[1]) for word in ("before", "after"))
    assert after < before
    measured, by_hand = (float(re.search(rf"^{word} +(\S+)", printed, re.M)[1]) for word in ("measured", "by hand"))
    assert measured == pytest.approx(by_hand, rel=1e-4)


def _digits(printed: str) -> None:
    first, *_, last = re.findall(r"loss ([\d.]+), test accuracy ([\d.]+)%", printed)
    assert float(last[0]) < float(first[0])
    assert float(last[1]) > 96
    assert float(re.search(r"weights\n([\d.]+)", printed)[1]) == pytest.approx(2.303, abs=0.1)


def _reproducibility(printed: str) -> None:
    prints = dict(re.findall(r"^(seed .*?) +([0-9a-f]{16})$", printed, re.MULTILINE))
    assert prints["seed 0"] == prints["seed 0 again"] == prints["seed 0, 1 thread"] != prints["seed 1"]
    assert printed.count("True\n") == 4  # a run that went on, given weights, stopped runs of the command and in Python
    alone, together = map(float, re.search(r"^alone ([\d.]+)%, together ([\d.]+)%$", printed, re.MULTILINE).groups())
    assert together > alone
    assert "False" not in printed


def _own(printed: str) -> None:
    assert 85 < float(re.search(r"above the target in ([\d.]+)%", printed)[1]) < 95
    assert "use schuss.where" in printed
    exact, measured = re.search(r"^(-?0\.\d+) (-?0\.\d+)$", printed, re.MULTILINE).groups()
    assert float(exact) == pytest.approx(float(measured), abs=1e-6)
    assert "a callback asked to" in printed
    assert "GraphModel True" in printed


def _functions(printed: str) -> None:
    by_descent, by_trying = (float(a) for a in re.findall(r"([\d.]+)°", printed))
    assert by_descent == pytest.approx(by_trying, abs=4)
    assert float(re.search(r"off by ([\d.]+) m on average", printed)[1]) < 1


def _images(printed: str) -> None:
    assert float(re.search(r"^test accuracy ([\d.]+)%", printed, re.MULTILINE)[1]) > 96
    assert re.search(r"seven\.png\n.*7", printed)


def _descent(printed: str) -> None:
    losses = [float(loss) for loss in re.findall(r"^step .* loss ([\d.]+)$", printed, re.MULTILINE)]
    assert losses == sorted(losses, reverse=True)


def _loops(printed: str) -> None:
    first, second = (float(loss) for loss in re.findall(r"^loss ([\d.]+)", printed, re.MULTILINE))
    assert second < first < 0.2
    real, made = re.search(r"real ([\d.]+) .*made ([\d.]+) ", printed).groups()
    assert float(made) == pytest.approx(float(real), abs=0.5)


def _transfer(printed: str) -> None:
    assert "the body is as it was: True" in printed
    head, both = (float(a) for a in re.findall(r"accuracy ([\d.]+)%", printed))
    assert both > head > 40
    assert "head 1e-03, body 5e-05" in printed


def _vae(printed: str) -> None:
    assert float(re.search(r"reconstruction ([\d.]+)", printed)[1]) < 0.1
    spread = [float(s) for s in re.findall(r"^at .*spread ([\d.]+)$", printed, re.MULTILINE)]
    assert spread[3] > 2 * max(spread[:2])  # far from the data


CLAIMS: dict[str, Callable[[str], None]] = {
    "guides/functions.md": _functions,
    "guides/images.md": _images,
    "guides/loops.md": _loops,
    "guides/own.md": _own,
    "guides/transfer.md": _transfer,
    "guides/vae.md": _vae,
    "guides/reproducibility.md": _reproducibility,
    "learn/backpropagation.md": _backpropagation,
    "learn/descent.md": _descent,
    "learn/digits.md": _digits,
}


@pytest.mark.parametrize("page", RUN)
def test_the_code_of_a_page_runs(page: str, tmp_path: Path):
    text = (DOCS / page).read_text("utf-8")
    for word, module in NEEDS.items():
        if word in text and importlib.util.find_spec(module) is None:
            pytest.skip(f"pages of the docs need {module}: pip install 'schuss[test]'")
    results = pages.run(text, Path(page).stem, tmp_path)
    assert len(results) == sum(b.language != "text" for b in pages.blocks(text))
    printed = "".join(result.printed for result in results)
    assert "Traceback" not in printed
    for result in results:
        assert ("caption" in str(result.block.words)) <= bool(result.pictures), f"no picture: {result.block.code}"
    for made in re.findall(r"!\[[^]]*\]\(([\w.-]+)\)", text):
        assert (tmp_path / made).stat().st_size > 0
    if page in CLAIMS:
        CLAIMS[page](printed)


def test_claims_are_of_pages():
    assert CLAIMS.keys() <= set(RUN)


# -- the pages' form ---------------------------------------------------------------------------------


def test_every_page_is_in_the_navigation():
    listed = re.findall(r"^ +- (?:Start: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == ALL


@pytest.mark.parametrize("page", ALL)
def test_blocks_have_languages_that_are_run_or_text(page: str):
    for block in pages.blocks((DOCS / page).read_text("utf-8")):
        assert block.language in ("python", "console", "text"), block.line
        assert {word.partition("=")[0] for word in block.words} <= {"fold", "caption", "card", "untimed"}, block.line


@pytest.mark.parametrize("page", ALL)
def test_links_lead_somewhere(page: str):
    text = (DOCS / page).read_text("utf-8")
    for target in _links(text):
        path, _, anchor = target.partition("#")
        if "://" in target or (path and f'"{path}"' in text):  # elsewhere, or made by the page's code
            continue
        other = (DOCS / page).parent / path if path else DOCS / page
        assert other.exists(), target
        if anchor:
            assert anchor in _anchors(other.read_text("utf-8")), target


def _links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def _anchors(text: str) -> Iterator[str]:
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")


def test_extras_that_pages_name_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for page in ALL:
        for names in re.findall(r"(?:schuss|\.)\[([\w,]+)\]'", (DOCS / page).read_text("utf-8")):
            assert set(names.split(",")) <= project["optional-dependencies"].keys(), page

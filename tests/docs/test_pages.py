"""The documentation's code runs, in order, as it stands, and what the pages say of its results is true."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import claims
import pages
import pytest

from schuss.compiler.pipeline import PIPELINE
from tests.thinned import sampled

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NEEDS = {"viz": "matplotlib", "--watch": "uvicorn", "schuss view": "uvicorn"}  # text of a page: what it takes


ALL = sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))
RUN = [page for page in ALL if any(b.language != "text" for b in pages.blocks((DOCS / page).read_text("utf-8")))]


# What takes longest: the site's build runs them as well, with the same claims.
LONG = {
    "guides/estimators.md", "guides/functions.md", "guides/images.md", "guides/plan.md", "guides/reproducibility.md",
    "guides/seeing.md", "guides/speed.md", "index.md", "learn/digits.md",
}  # fmt: skip


@pytest.mark.parametrize("page", sampled([p for p in RUN if p not in LONG], sorted(LONG)))
def test_the_code_of_a_page_runs(page: str, tmp_path: Path):
    text = (DOCS / page).read_text("utf-8")
    for word, module in NEEDS.items():
        if word in text and importlib.util.find_spec(module) is None:
            pytest.skip(f"pages of the docs need {module}: pip install '.[test]'")
    results = pages.run(text, Path(page).stem, tmp_path)
    assert len(results) == sum(b.language != "text" for b in pages.blocks(text))
    printed = "".join(result.printed for result in results)
    for result in results:
        assert ("caption" in str(result.block.words)) <= bool(result.pictures), f"no picture: {result.block.code}"
    for made in re.findall(r"!\[[^]]*\]\(([\w.-]+)\)", text):
        assert (tmp_path / made).stat().st_size > 0
    claims.check(page, printed)


def test_claims_are_of_pages():
    assert claims.CLAIMS.keys() | LONG <= set(RUN)


def test_a_claim_that_is_not_true_is_an_error():
    with pytest.raises(AssertionError):
        claims.check("guides/vae.md", "reconstruction 0.2")
    with pytest.raises(AssertionError):
        claims.check("guides/index.md", "Traceback (most recent call last):")


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


def test_files_and_passes_of_the_architecture_are_there():
    text = (DOCS / "architecture.md").read_text("utf-8")
    places = ("", "src", *(f"src/schuss/{part}" for part in ("", "compiler", "train", "tabular", "sklearn")))
    for name in re.findall(r"`([\w/]+(?:\.py|/))`", text):
        assert any((ROOT / place / name).exists() for place in places), name
    passes = {each.name.removesuffix("-again") for each in PIPELINE}
    assert passes - set(re.findall(r"`(\w+)`", text[text.index("\n1. `simplify`") :])) == set()


def test_extras_that_pages_name_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for page in ALL:
        for names in re.findall(r"(?:schuss|\.)\[([\w,]+)\]'", (DOCS / page).read_text("utf-8")):
            assert set(names.split(",")) <= project["optional-dependencies"].keys(), page

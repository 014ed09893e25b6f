"""schuss report: one file, whole by itself, with the pictures that apply."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from schuss.cli import main

pytest.importorskip("matplotlib", reason="pictures need matplotlib: pip install '.[viz]'")


class Page(HTMLParser):
    """What a report consists of: its tags with their attributes, and its headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = text
        self.feed(text)
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    @property
    def sections(self) -> list[str]:
        return re.findall(r"<h2>(.*?)</h2>", self.text)

    def check_alone(self) -> None:
        """Nothing is loaded, nothing runs."""
        for tag, attributes in self.tags:
            assert tag not in ("script", "link", "iframe", "object", "form", "base"), tag
            for name, value in attributes.items():
                assert not name.startswith("on"), name
                if name in ("src", "href", "srcset", "xlink:href"):
                    assert str(value).startswith(("data:image/", "#")), str(value)[:80]
        assert "url(http" not in self.text
        assert "@import" not in self.text

    def check_pictures(self) -> int:
        """Each picture is sound SVG in light and in dark, with words for who cannot see it."""
        light = [a for tag, a in self.tags if tag == "img"]
        dark = [a for tag, a in self.tags if tag == "source"]
        assert len(light) == len(dark)
        for one, other in zip(light, dark, strict=True):
            assert one["alt"]
            assert other["media"] == "screen and (prefers-color-scheme: dark)"
            bright, dim = (_decoded(str(v)) for v in (one["src"], other["srcset"]))
            assert bright != dim
            for svg in (bright, dim):
                assert ElementTree.fromstring(svg).tag.endswith("svg")
            texts = [re.findall(rb'<g [^>]*transform="(translate[^"]*)"', svg) for svg in (bright, dim)]
            assert texts[0] == texts[1]  # one layout
        links = {str(a["href"])[1:] for tag, a in self.tags if tag == "a"}
        assert links <= {a["id"] for tag, a in self.tags if tag == "section"}
        return len(light)


def _decoded(address: str) -> bytes:
    return base64.b64decode(address.partition("base64,")[2])


@pytest.fixture(scope="module")
def few(npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's file, of few units: each is a picture."""
    path = tmp_path_factory.mktemp("few") / "m.safetensors"
    with pytest.raises(SystemExit):
        main(
            ["train", str(npz), "--hidden", "6", "--epochs", "12", "--batch-size", "32", "--quiet", "--out", str(path)]
        )
    return path


def test_digits(schuss: Any, few: Path, npz: Path, tmp_path: Path):
    out = tmp_path / "r.html"
    done = schuss("report", few, "--data", npz, "-o", out)
    assert done.code == 0, done.err
    assert done.err == ""
    assert str(out) in done.out
    page = Page(out.read_text())
    page.check_alone()
    assert page.sections == [
        "History", "Graph", "Landscape", "Weights", "Confusion", "Mistakes", "Saliency", "Activations", "Parameters",
    ]  # fmt: skip
    assert page.check_pictures() == 8
    assert "784-6-10, 4,780 parameters" in page.text
    right = re.search(r"([\d,]+) of 128 test examples are right", page.text)
    assert right is not None
    accuracy = schuss("evaluate", few, npz, "--json").json["accuracy"]
    assert int(right[1]) == round(accuracy * 128)
    assert 'data-layer="1.Linear"' in page.text
    assert "The loss on a plane of two random, filter-normalised directions through the weights" in page.text
    assert len(page.text) < 8_000_000


def test_without_data(schuss: Any, few: Path):
    done = schuss("report", few)
    assert done.code == 0, done.err
    page = Page(few.with_suffix(".html").read_text())
    page.check_alone()
    assert page.sections == ["History", "Weights", "Parameters"]
    few.with_suffix(".html").unlink()


def test_a_function_of_one_number(schuss: Any, tmp_path: Path):
    x = np.linspace(-1, 1, 80, dtype=np.float32)[:, None]
    data, out = tmp_path / "sine.npz", tmp_path / "sine"
    np.savez(data, x_train=x, y_train=np.sin(3 * x), x_test=x[::4], y_test=np.sin(3 * x[::4]))
    assert schuss("train", data, "--hidden", "8", "--epochs", "3", "--quiet", "--out", out).code == 0
    assert schuss("report", out, "--data", data, "-o", tmp_path / "sine.html").code == 0
    page = Page((tmp_path / "sine.html").read_text())
    page.check_alone()
    page.check_pictures()
    assert {"History", "Graph", "Function", "Landscape", "Parameters"} <= set(page.sections)
    assert not {"Confusion", "Mistakes"} & set(page.sections)


def test_names_cannot_break_the_page(schuss: Any, line: Path, tmp_path: Path):
    evil = tmp_path / "<img src=x onerror=alert(1)>.safetensors"
    evil.write_bytes(line.read_bytes())
    assert schuss("report", evil, "-o", tmp_path / "r.html").code == 0
    page = Page((tmp_path / "r.html").read_text())
    page.check_alone()
    assert "&lt;img src=x onerror=alert(1)&gt;" in page.text


def test_errors_are_one_line(schuss: Any, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert schuss("report", tmp_path / "none").code == 1
    assert "must end in .html" in schuss("report", model, "-o", tmp_path / "r.pdf").error
    assert "no such folder" in schuss("report", model, "-o", tmp_path / "no" / "r.html").error
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    assert "pip install '.[viz]'" in schuss("report", model, "-o", tmp_path / "r.html").error

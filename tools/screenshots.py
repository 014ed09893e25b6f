"""Screenshots of the page: a few for the documentation, or every view in the light, in the dark and on a phone.

    python tools/screenshots.py               # docs/images/page-*.png, each below 150 kB
    python tools/screenshots.py --all FOLDER  # everything, to look at
    python tools/screenshots.py --table penguins.safetensors penguins.csv  # those of the guide about tables

Trains on the bundled digits with `schuss train mnist --watch`. Needs the extras web and browser, and a Chromium.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.web.browser import ARGUMENTS, DESKTOP, PHONE, Tab, chromium_path, command  # noqa: E402

LARGEST = 150_000  # bytes of a kept picture
VIEWS = ("run", "graph", "mountain", "function", "play")
LOOKS = ("light", "dark", "phone", "phone-dark")
KEPT = {
    "page-run": ("run", "light"),
    "page-graph": ("graph", "light"),
    "page-mountain": ("mountain", "dark"),
    "page-function": ("function", "light"),
    "page-play": ("play", "dark"),
    "page-phone": ("function", "phone"),
}
OF_TABLES = {"page-table": ("function", "light"), "page-table-row": ("play", "dark")}
SEVEN = [(0.28, 0.24), (0.72, 0.24), (0.62, 0.45), (0.48, 0.8)]


@contextmanager
def pages() -> Iterator[tuple[Any, str]]:
    """(browser, address of a run in training)."""
    from playwright.sync_api import sync_playwright

    options = ("--hidden", "64,32", "--epochs", "40", "--validation", "0.1", "--threads", "1", "--quiet")
    with (
        tempfile.TemporaryDirectory() as folder,
        command("train", "mnist", "--watch", *options, where=Path(folder)) as made,
        sync_playwright() as p,
    ):
        yield p.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS)), made.address


def opened(browser: Any, address: str, view: str, look: str) -> Tab:
    """A tab on a view, once there is something to see."""
    options = {"viewport": PHONE, "is_mobile": True, "has_touch": True} if "phone" in look else {"viewport": DESKTOP}
    tab = Tab(browser.new_context(color_scheme="dark" if "dark" in look else "light", **options), address, view)
    {"run": _run, "graph": _graph, "mountain": _mountain, "function": _function, "play": _play}[view](tab)
    return tab


def _run(tab: Tab) -> None:
    tab.until("Number(document.getElementById('progress').getAttribute('aria-valuenow')) > 30", 120)


def _graph(tab: Tab) -> None:
    tab("#picture .op").first.wait_for()
    tab('#picture .op[data-op="4.ReLU"]').click()


def _mountain(tab: Tab) -> None:
    tab.until("document.getElementById('mountain-facts').textContent.includes('×')", 120)


def _function(tab: Tab) -> None:
    tab("#pad").wait_for()
    tab.draw("#pad", SEVEN)
    tab.until("document.getElementById('pad-answer').textContent !== '–'")


def _play(tab: Tab) -> None:
    tab("#play-data [data-value=spiral]").click()
    for _ in range(4):
        tab("[data-key=more-0]").click()
    tab("#play-again").click()
    tab.until("Number(document.getElementById('play-epoch').textContent.replace(',', '')) > 250", 60)


def compressed(png: bytes) -> bytes:
    """A PNG as small as it gets; with a palette of 256 colours if it would be too large."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    whole = _saved(picture)
    return whole if len(whole) <= LARGEST else _saved(picture.quantize(256, dither=Image.Dither.NONE))


def _saved(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "png", optimize=True)
    return out.getvalue()


def of_tables(model: Path, table: Path, folder: Path) -> int:
    """Those of a table's model: a column's picture, and a row that was changed. 1 if one is too large."""
    from playwright.sync_api import sync_playwright

    sizes = []
    with command("view", str(model.resolve()), str(table.resolve()), where=folder) as page, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS))
        for name, (view, look) in OF_TABLES.items():
            options = {"viewport": {**DESKTOP, "height": 1010}, "color_scheme": look}
            tab = Tab(browser.new_context(**options), page.address, view)
            tab.settle()
            if view == "play":
                tab("#trial-form input[type=range]").first.evaluate(
                    "e => { e.value = Number(e.min) + 0.6 * (e.max - e.min); e.dispatchEvent(new Event('input')) }"
                )
                tab.settle()
            tab.page.wait_for_timeout(700)
            picture = compressed(tab.page.screenshot())
            (folder / f"{name}.png").write_bytes(picture)
            print(f"{name}.png  {len(picture) / 1000:.0f} kB", *tab.errors)
            sizes.append(len(picture))
            tab.page.context.close()
    return int(max(sizes) > LARGEST)


def main() -> int:
    """Take them; 1 if one is too large."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", type=Path, metavar="FOLDER")
    parser.add_argument("--table", type=Path, nargs=2, metavar=("MODEL", "TABLE"))
    given = parser.parse_args()
    if given.table is not None:
        return of_tables(*given.table, ROOT / "docs" / "images")
    chosen: Path | None = given.all
    folder = chosen or ROOT / "docs" / "images"
    wanted = {f"{v}-{k}": (v, k) for v in VIEWS for k in LOOKS} if chosen else KEPT
    folder.mkdir(parents=True, exist_ok=True)
    too_large = 0
    with pages() as (browser, address):
        for name, (view, look) in sorted(wanted.items(), key=lambda item: item[1][0] == "play"):
            tab = opened(browser, address, view, look)
            tab.page.wait_for_timeout(700)
            picture = compressed(tab.page.screenshot(full_page=bool(chosen)))
            (folder / f"{name}.png").write_bytes(picture)
            print(f"{name}.png  {len(picture) / 1000:.0f} kB", *tab.errors)
            too_large += len(picture) > LARGEST
            if view == "play":
                tab("#play-leave").click()
            tab.page.context.close()
    return 1 if too_large and not chosen else 0


if __name__ == "__main__":
    sys.exit(main())

"""What mkdocs calls while it builds the documentation: the pages' code is run and its results are put below it.

A fence may say more after its language:

- ``python fold`` hides the code behind a line to click, for drawings whose code is not the subject;
- ``python caption="..."`` is the text under the block's pictures;
- ``python card`` keeps a picture's own colours on a white card, for pictures with text on coloured ground.

The build fails where a block fails, where what a page says of its results is not true (claims), and where a page would
load anything from elsewhere.

Files that a page's code writes and the page shows (``![](fit.gif)``) or links become files of the site.
"""

from __future__ import annotations

import html
import re
import tempfile
from pathlib import Path
from typing import Any

import claims
import pages
import reference
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

LINK = re.compile(r"\]\(([^)#:]+)\)")
FROM_ELSEWHERE = re.compile(
    r"<(?:script|link|img|iframe|source|video|audio|embed|object)\b[^>]*?(?:src|href|data)=[\"']?(?:https?:)?//[^>]*>"
)
GREY = re.compile(r"(fill|stroke|stop-color): ?(#[0-9a-f]{6})\b")
MATPLOTLIB_STYLE = '<style type="text/css">*{stroke-linejoin: round; stroke-linecap: butt}</style>'
WIDTH = re.compile(r'<svg\b[^>]*\bwidth="([\d.]+(?:pt|px))"')
ID = re.compile(r'\bid="([^"]+)"')
_pictures: dict[str, list[str]] = {}  # by the page's source


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """The page with the tables' lists, with what its code prints, and a place for each picture."""
    markdown = reference.with_lists(markdown)
    if not any(b.language in ("python", "console") for b in pages.blocks(markdown)):
        return markdown
    source = page.file.src_uri
    with tempfile.TemporaryDirectory() as folder:
        try:
            results = pages.run(markdown, Path(source).stem, Path(folder))
            claims.check(source, "".join(result.printed for result in results))
        except (pages.PageError, AssertionError) as error:
            raise PluginError(f"{source}: {error}") from error
        for target in LINK.findall(markdown):
            made = Path(folder) / target
            if made.is_file():
                uri = (Path(source).parent / target).as_posix()
                files.append(File.generated(config, uri, content=made.read_bytes()))
    _pictures[source] = []
    return _with_results(markdown, results, _pictures[source])


def on_post_page(output: str, page: Any, config: Any) -> str:
    """The pictures in their places. (Not before: the search should not read them.)"""
    for number, picture in enumerate(_pictures.get(page.file.src_uri, [])):
        output = output.replace(f"<!--picture {number}-->", picture)
    own = f'"{config.site_url}' if config.site_url else None  # `mkdocs serve` gives the site an address
    loaded = next((m for m in FROM_ELSEWHERE.finditer(output) if own is None or own not in m[0]), None)
    if loaded:
        raise PluginError(f"{page.file.src_uri}: the page would load something from elsewhere: {loaded[0]}")
    return output


def _with_results(markdown: str, results: list[pages.Result], pictures: list[str]) -> str:
    parts, at = [], 0
    for result in results:
        block = result.block
        parts += [markdown[at : block.start], _shown(result, pictures)]
        at = block.end
    return "".join([*parts, markdown[at:]])


def _shown(result: pages.Result, pictures: list[str]) -> str:
    """A block with its results below."""
    words = dict(word.partition("=")[::2] for word in result.block.words)
    if result.block.language == "console":
        return _fence("{.console .no-copy}", result.printed)
    code = _fence("python", result.block.code)
    if "fold" in words:
        code = '??? code "The code of this picture"\n\n' + re.sub("(?m)^(?=.)", "    ", code)
    parts = [code]
    if result.printed:
        parts.append(_fence("{.text .output .no-copy}", result.printed))
    for number, picture in enumerate(result.pictures):
        last = number == len(result.pictures) - 1
        parts.append(_figure(picture, words.get("caption", "") if last else "", "card" in words, pictures))
    return "\n\n".join(parts)


def _fence(head: str, text: str) -> str:
    ticks = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text) or [""]))
    return f"{ticks}{head}\n{text.rstrip()}\n{ticks}"


def _figure(picture: str, caption: str, card: bool, pictures: list[str]) -> str:
    """The place of a picture; the picture itself is kept until the page is written."""
    kind = "picture card" if card else "picture"
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    place = f'<figure class="{kind}"><div><!--picture {len(pictures)}--></div>{below}</figure>'
    pictures.append(inline(picture, caption, themed=not card))
    return place


def inline(svg: str, label: str, *, themed: bool) -> str:
    """An SVG file as part of a page: no header, no unused ids, a label; greys follow the page's ink and paper."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = svg.replace(MATPLOTLIB_STYLE, "")  # a style element is the whole page's: docs/css/site.css says it
    used = set(re.findall(r"#([\w.-]+)", svg))
    svg = ID.sub(lambda m: m[0] if m[1] in used else "", svg)
    if themed:
        svg = GREY.sub(lambda m: f"{m[1]}: {_ink(m[2])}", svg)
    width = WIDTH.match(svg)
    if width:  # a small picture is not to be stretched to the least width of others on a phone
        svg = f'<svg style="--natural: {width[1]}"{svg[4:]}'
    if label and "aria-label" not in svg[: svg.index(">")]:
        svg = f'<svg role="img" aria-label="{html.escape(label, quote=True)}"{svg[4:]}'
    return svg


def _ink(colour: str) -> str:
    """A grey as so much of the page's ink on its paper; other colours as they are."""
    levels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    if max(levels) - min(levels) > 8:
        return colour
    share = round(100 - sum(levels) / 7.65)
    return f"color-mix(in srgb, var(--ink) {share}%, var(--paper))"

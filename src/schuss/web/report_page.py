"""The report's frame: HTML and its style. Nothing is loaded from anywhere, and nothing runs."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
CSS = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #16181d; --faint: #5c6370; --line: #dfe2e8; --card: #f6f7f9;
  --accent: #0b63b5; }
@media screen and (prefers-color-scheme: dark) {
  :root { --paper: #15171c; --ink: #e4e6eb; --faint: #9aa3b2; --line: #2d323c; --card: #1c1f26; --accent: #6cb2ff;
    --g-box: #1c1f26; --g-closed: #22262f; --g-input: #191c22; --g-frame: #181b21; --g-text: #e4e6eb; --g-soft: #a3abb9;
    --g-line: #6b7484; --g-faint: #343a46; --g-up: #6cb2ff; --g-down: #ff9a62; }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main, header, footer { max-width: 62rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 0 0 .25rem; }
p { margin: 0 0 .75rem; color: var(--faint); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.25rem; margin: 0 0 1.5rem; }
dt { color: var(--faint); }
dd { margin: 0; overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: .4rem; padding-bottom: 1.5rem; border-bottom: 1px solid var(--line); }
nav a { padding: .2rem .7rem; border: 1px solid var(--line); border-radius: 1rem; }
nav a { color: var(--accent); text-decoration: none; }
nav a:hover, nav a:focus-visible { background: var(--card); border-color: var(--accent); }
section { padding: 1.75rem 0; border-bottom: 1px solid var(--line); }
img { display: block; max-width: 100%; height: auto; margin: 0 auto .5rem; }
.graph, .wide { overflow-x: auto; }
.graph svg { display: block; max-width: 100%; height: auto; margin: 0 auto; }
.large svg { max-width: none; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child, .texts :is(th, td) { text-align: left; }
table:not(.texts) td { white-space: nowrap; }
footer { padding: 1.5rem 1.25rem 3rem; color: var(--faint); }
@media print {
  nav { display: none; }
  body { font-size: 11pt; }
  main, header, footer { max-width: none; padding-left: 0; padding-right: 0; }
  section { break-inside: avoid; padding: 1rem 0; }
  section:has(.large) { display: none; }
  h2, h2 + p { break-after: avoid; }
  img { max-height: 20cm; }
  .graph svg { max-height: 22cm; }
  @page { margin: 15mm; }
}
""".strip()


@dataclass(frozen=True)
class Section:
    """A heading with its text; body is HTML."""

    title: str
    text: str
    body: str

    @property
    def anchor(self) -> str:
        """What links to it."""
        return self.title.lower().replace(" ", "-")


def page(label: str, facts: Sequence[tuple[str, str]], sections: Sequence[Section], version: str) -> str:
    """The whole document."""
    title = html.escape(label)
    listed = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in facts)
    links = "".join(f'<a href="#{s.anchor}">{html.escape(s.title)}</a>' for s in sections)
    parts = "\n".join(
        f'<section id="{s.anchor}"><h2>{html.escape(s.title)}</h2><p>{html.escape(s.text)}</p>\n{s.body}</section>'
        for s in sections
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="referrer" content="no-referrer">
<title>{title}: report</title>
<style>
{CSS}
</style>
</head>
<body>
<header><h1>{title}</h1><dl>{listed}</dl><nav aria-label="Sections">{links}</nav></header>
<main>
{parts}
</main>
<footer>Made by schuss {html.escape(version)}.</footer>
</body>
</html>
"""

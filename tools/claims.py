"""What the documentation's pages say of their results, to be held against what their code prints.

The site's build looks at every page (site_hooks), the tests at those that do not take long.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable


def _backpropagation(printed: str) -> None:
    assert len(re.findall(r"^[Wb][12] .*True$", printed, re.MULTILINE)) == 4  # schuss's gradients are those by hand
    before, after = (float(re.search(rf"^{word} +(\S+)", printed, re.MULTILINE)[1]) for word in ("before", "after"))
    assert after < before
    measured, by_hand = (float(re.search(rf"^{word} +(\S+)", printed, re.M)[1]) for word in ("measured", "by hand"))
    assert math.isclose(measured, by_hand, rel_tol=1e-4)


def _digits(printed: str) -> None:
    first, *_, last = re.findall(r"loss ([\d.]+), test accuracy ([\d.]+)%", printed)
    assert float(last[0]) < float(first[0])
    assert float(last[1]) > 96
    assert math.isclose(float(re.search(r"weights\n([\d.]+)", printed)[1]), 2.303, abs_tol=0.1)


def _reproducibility(printed: str) -> None:
    prints = dict(re.findall(r"^(seed .*?) +([0-9a-f]{16})$", printed, re.MULTILINE))
    assert prints["seed 0"] == prints["seed 0 again"] == prints["seed 0, 1 thread"] != prints["seed 1"]
    # a member of fit_many, a run that went on, given weights, stopped runs of the command and in Python
    assert printed.count("True\n") == 5
    assert re.search(r"^accuracy on the rows left out: \[('0\.[89]\d\d'(, )?){4}\]$", printed, re.MULTILINE)
    alone, together = map(float, re.search(r"^alone ([\d.]+)%, together ([\d.]+)%$", printed, re.MULTILINE).groups())
    assert together > alone
    assert "False" not in printed


def _own(printed: str) -> None:
    assert 85 < float(re.search(r"above the target in ([\d.]+)%", printed)[1]) < 95
    assert "use schuss.where" in printed
    exact, measured = re.search(r"^(-?0\.\d+) (-?0\.\d+)$", printed, re.MULTILINE).groups()
    assert math.isclose(float(exact), float(measured), abs_tol=1e-6)
    assert "a callback asked to" in printed
    assert "GraphModel True" in printed


def _estimators(printed: str) -> None:
    assert [float(a) > 0.9 for a in re.findall(r"^accuracy ([\d.]+)$", printed, re.MULTILINE)] == [True, True]
    assert re.search(r"^epochs (\d+) \1 weights agree: True$", printed, re.MULTILINE)
    assert re.search(r"^\d+ epochs, best 0\.\d+ True$", printed, re.MULTILINE)
    assert 0.6 < float(re.search(r"between the quantiles: ([\d.]+)", printed)[1]) < 0.95
    assert "{'radius': 'number', 'size': 'category'}" in printed
    assert "False" not in printed


def _functions(printed: str) -> None:
    by_descent, by_trying = (float(a) for a in re.findall(r"([\d.]+)°", printed))
    assert math.isclose(by_descent, by_trying, abs_tol=4)
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
    assert math.isclose(float(made), float(real), abs_tol=0.5)


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
    "guides/estimators.md": _estimators,
    "guides/transfer.md": _transfer,
    "guides/vae.md": _vae,
    "guides/reproducibility.md": _reproducibility,
    "learn/backpropagation.md": _backpropagation,
    "learn/descent.md": _descent,
    "learn/digits.md": _digits,
}


def check(page: str, printed: str) -> None:
    """AssertionError where a page, by its path in docs/, claims what its code does not show."""
    assert "Traceback" not in printed, page
    if page in CLAIMS:
        CLAIMS[page](printed)

"""Pictures are drawn without a window, in matplotlib's own style, and closed."""

from __future__ import annotations

import importlib.util

import pytest

DRAWS = importlib.util.find_spec("matplotlib") is not None
if DRAWS:
    import matplotlib

    matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed(request):
    """No figure stays open. Without matplotlib only the graph, which draws SVG of its own, is tested."""
    if not DRAWS:
        if "graph" not in request.module.__name__:
            pytest.skip("pictures need matplotlib: pip install '.[viz]'")
        yield
        return
    from matplotlib import pyplot as plt

    with plt.style.context("default"):
        yield
    plt.close("all")

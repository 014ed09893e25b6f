"""Pictures of training, drawn from real runs of your own model.

    import schuss.viz as viz

    run = schuss.fit(model, data, ..., record=True)
    viz.history(run)                 loss, metrics, learning rate and gradient norm over the run
    viz.landscape(run)               the loss around the path, and the path on it
    viz.approximation(run)           the network's function at moments of the run
    viz.graph(model, x, y)           the computational graph, values up and gradients down
    viz.weights(model), viz.activations(model, x), viz.saliency(model, x)
    viz.confusion(model, x, y), viz.mistakes(model, x, y)
    viz.animate(run, "descent.gif")  a run as a GIF or MP4

A picture takes `ax` (or `figure` where it needs several axes) and returns it. The function of the same name with _data
(in schuss.analysis) returns its numbers and needs no matplotlib. Pictures need matplotlib: pip install '.[viz]'.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

_HOME = {
    "Activation": "analysis.activations",
    "Approximation": "analysis.approximation",
    "GraphPicture": "viz.graph",
    "History": "analysis.history",
    "Landscape": "analysis.landscape",
    "Mistake": "analysis.mistakes",
    "activations": "viz.activations",
    "activations_data": "analysis.activations",
    "animate": "viz.animate",
    "approximation": "viz.approximation",
    "approximation_data": "analysis.approximation",
    "as_run": "analysis.runs",
    "confusion": "viz.confusion",
    "confusion_data": "analysis.confusion",
    "graph": "viz.graph",
    "history": "viz.history",
    "history_data": "analysis.history",
    "landscape": "viz.landscape",
    "landscape_data": "analysis.landscape",
    "mistakes": "viz.mistakes",
    "mistakes_data": "analysis.mistakes",
    "saliency": "viz.saliency",
    "saliency_data": "analysis.saliency",
    "weights": "viz.weights",
    "weights_data": "analysis.weights",
}

__all__ = [
    "Activation",
    "Approximation",
    "GraphPicture",
    "History",
    "Landscape",
    "Mistake",
    "activations",
    "activations_data",
    "animate",
    "approximation",
    "approximation_data",
    "as_run",
    "confusion",
    "confusion_data",
    "graph",
    "history",
    "history_data",
    "landscape",
    "landscape_data",
    "mistakes",
    "mistakes_data",
    "saliency",
    "saliency_data",
    "weights",
    "weights_data",
]

if TYPE_CHECKING:
    from schuss.analysis.activations import Activation, activations_data
    from schuss.analysis.approximation import Approximation, approximation_data
    from schuss.analysis.confusion import confusion_data
    from schuss.analysis.history import History, history_data
    from schuss.analysis.landscape import Landscape, landscape_data
    from schuss.analysis.mistakes import Mistake, mistakes_data
    from schuss.analysis.runs import as_run
    from schuss.analysis.saliency import saliency_data
    from schuss.analysis.weights import weights_data
    from schuss.viz.activations import activations
    from schuss.viz.animate import animate
    from schuss.viz.approximation import approximation
    from schuss.viz.confusion import confusion
    from schuss.viz.graph import GraphPicture, graph
    from schuss.viz.history import history
    from schuss.viz.landscape import landscape
    from schuss.viz.mistakes import mistakes
    from schuss.viz.saliency import saliency
    from schuss.viz.weights import weights


class _Pictures(ModuleType):
    """The package, in which a picture's name stays the function: importing the file of that name would rebind it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Pictures


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'schuss.viz' has no attribute {name!r}")
    value = getattr(import_module(f"schuss.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})

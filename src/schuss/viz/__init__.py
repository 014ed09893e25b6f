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

A picture takes `ax` (or `figure` where it needs several axes) and returns it. Beside each stands a function ending in
_data that returns its numbers and needs no matplotlib. Pictures need matplotlib: pip install 'schuss[viz]'.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

_HOME = {
    "Activation": "activations",
    "Approximation": "approximation",
    "GraphPicture": "graph",
    "History": "history",
    "Landscape": "landscape",
    "Mistake": "mistakes",
    "activations": "activations",
    "activations_data": "activations",
    "animate": "animate",
    "approximation": "approximation",
    "approximation_data": "approximation",
    "as_run": "runs",
    "confusion": "confusion",
    "confusion_data": "confusion",
    "graph": "graph",
    "history": "history",
    "history_data": "history",
    "landscape": "landscape",
    "landscape_data": "landscape",
    "mistakes": "mistakes",
    "mistakes_data": "mistakes",
    "saliency": "saliency",
    "saliency_data": "saliency",
    "weights": "weights",
    "weights_data": "weights",
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
    from schuss.viz.activations import Activation, activations, activations_data
    from schuss.viz.animate import animate
    from schuss.viz.approximation import Approximation, approximation, approximation_data
    from schuss.viz.confusion import confusion, confusion_data
    from schuss.viz.graph import GraphPicture, graph
    from schuss.viz.history import History, history, history_data
    from schuss.viz.landscape import Landscape, landscape, landscape_data
    from schuss.viz.mistakes import Mistake, mistakes, mistakes_data
    from schuss.viz.runs import as_run
    from schuss.viz.saliency import saliency, saliency_data
    from schuss.viz.weights import weights, weights_data


class _Pictures(ModuleType):
    """The package, in which a picture's name stays the function: importing the file of that name would rebind it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Pictures


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'schuss.viz' has no attribute {name!r}")
    value = getattr(import_module(f"schuss.viz.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})

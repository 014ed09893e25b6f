"""Backpropagation: graph to graph."""

from schuss.backprop.reverse import backprop

__all__ = ["backprop"]

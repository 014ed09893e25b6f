"""Backpropagation: graph to graph."""

from schuss.backprop.reverse import backprop, between, products

__all__ = ["backprop", "between", "products"]

"""Backpropagation: graph to graph."""

from schuss.backprop.reverse import backprop, between, products, reached

__all__ = ["backprop", "between", "products", "reached"]

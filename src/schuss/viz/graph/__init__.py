"""The computational graph as a textbook draws it: values up, gradients down, the chain rule in every box."""

from schuss.viz.graph.picture import GraphPicture, graph

__all__ = ["GraphPicture", "graph"]

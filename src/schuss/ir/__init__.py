"""The intermediate representation: types, graph, verifier, text form, rewriting, the executor protocol."""

from schuss.ir.graph import Graph, Node, Site, input_node, topological
from schuss.ir.types import N, Sym, TensorType

__all__ = ["Graph", "N", "Node", "Site", "Sym", "TensorType", "input_node", "topological"]

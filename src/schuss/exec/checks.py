"""Indices out of range: found once in resident data, where they are columns as they are; else while they are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from schuss.errors import IndexRangeError
from schuss.ir.executor import Array
from schuss.ir.graph import Graph, Node
from schuss.ir.rewrite import rewrite
from schuss.ir.types import N
from schuss.ops.index import first_outside, range_error

Check = tuple[str, Node]  # the column, and the check_index that reads it


def out_of_range(node: Node, row: int, value: int) -> IndexRangeError:
    """The error for what a check_index met. row: along the first axis, or of the data."""
    attrs = node.attrs
    line = f" (line: {node.site})" if node.site is not None else ""
    at = row if node.type.shape else None
    by = attrs["by"]
    if node.scope:
        by = node.scope if node.scope.endswith(by) else f"{by} in {node.scope}"
    return range_error(by, attrs["size"], attrs["negative"], at, value, line)


def checked_once(graph: Graph, columns: Sequence[str]) -> tuple[Graph, list[Check]]:
    """The graph without the checks of what is a column as it is, and these checks, for `check_columns`."""
    found: list[Check] = []

    def bare(node: Node) -> Node | None:
        if node.op != "check_index" or node.attrs["negative"]:
            return None
        column = _column(node.inputs[0])
        if column not in columns:
            return None
        found.append((column, node))
        return node.inputs[0]

    return rewrite(graph, bare), found


def check_columns(checks: Sequence[Check], columns: Mapping[str, Array]) -> None:
    """IndexRangeError if a column holds an index that a check refuses: names its row."""
    for name, node in checks:
        bad = first_outside(columns[name], node.attrs["size"], node.attrs["negative"])
        if bad is not None:
            raise out_of_range(node, bad[0], bad[1])


def _column(node: Node) -> str:
    """The input whose numbers these are, row by row; "" for what is computed."""
    while node.op == "reshape" or (node.op == "cast" and np.can_cast(node.inputs[0].type.dtype, node.type.dtype)):
        node = node.inputs[0]
    return str(node.attrs["name"]) if node.op == "input" and node.type.shape[:1] == (N,) else ""

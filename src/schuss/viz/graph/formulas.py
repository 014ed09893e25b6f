"""What a layer computes and hands back, in a line each, for its box while it is closed.

A layer is known by its class's name and by the operations it is made of, so that a class of the user's with the same
name, or a loss with another reduction, is not described wrongly.
"""

from __future__ import annotations

from collections.abc import Iterable

from schuss import nn
from schuss.nn.formula import Formula

SILENT = {"cast", "check_index", "one_hot"}  # operations that change nothing about the formula


def of_layer(label: str, operations: Iterable[str]) -> tuple[str, str] | None:
    """(formula, what it hands back) for a layer labelled as 0.Linear; None if it is not known."""
    name = label.rpartition(".")[2]
    table = nn.LAYERS if name in nn.LAYERS else nn.LOSSES
    known: Formula | None = table[name].formula if name in table else None
    if known is None or known.operations != set(operations) - SILENT:
        return None
    return known.computes, known.hands_back

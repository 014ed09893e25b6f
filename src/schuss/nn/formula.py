"""What a layer or a loss computes, in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Formula:
    """What a layer or loss computes, in a line each, for its box in the picture of a graph while it is closed.

    computes    y = x Wᵀ + b
    hands_back  the gradient of its input
    operations  what it is made of, but for such as change nothing about the formula: one that is made of others, as a
                loss with another reduction, is not described by it
    """

    computes: str
    hands_back: str
    operations: frozenset[str]


def described(computes: str, hands_back: str, operations: str) -> Formula:
    """A Formula; the operations in one text."""
    return Formula(computes, hands_back, frozenset(operations.split()))

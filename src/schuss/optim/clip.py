"""Limits on gradients."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

from schuss import ops
from schuss.constraints import POSITIVE, check
from schuss.errors import UsageError
from schuss.optim.rows import RowGradient
from schuss.trace import hyper, node_of


def global_norm(grads: Mapping[str, Any]) -> Any:
    """sqrt of the sum of the squares of all gradients; they have one dtype."""
    squares = [g.squares() if isinstance(g, RowGradient) else ops.sum(g * g) for g in grads.values()]
    if not squares:
        raise UsageError("global_norm: there are no gradients")
    return ops.sqrt(reduce(ops.add, squares))


def clip_grad_norm(grads: Mapping[str, Any], max_norm: Any, eps: float = 1e-6) -> dict[str, Any]:
    """All gradients times min(1, max_norm / (norm + eps)), norm being that of all of them together.

    As PyTorch's clip_grad_norm_. max_norm: a number, or a scalar tensor, as a schedule gives it for a step.
    UsageError unless max_norm > 0. Source: Pascanu, Mikolov and Bengio (ICML 2013).
    """
    if node_of(max_norm) is None:
        check("clip_grad_norm", {"max_norm": POSITIVE}, {"max_norm": max_norm})
    norm = global_norm(grads) + eps
    factor = ops.minimum(hyper("max_norm", max_norm, norm) / norm, 1.0)
    return {name: g * factor for name, g in grads.items()}

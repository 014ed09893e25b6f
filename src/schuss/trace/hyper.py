"""Hyperparameters: numbers that steer a training, as inputs of the compiled program."""

from __future__ import annotations

from typing import Any

from schuss.trace.build import hyperparameter, node_of
from schuss.trace.tensor import Tensor, as_tensor


def hyper(name: str, value: Any, beside: Any) -> Any:
    """A number that steers the training, for arithmetic with `beside` and in its dtype: hyper("p", self.p, x).

    With a tensor it becomes an input of the compiled program with this name and value, which another value leaves as it
    is: nothing is compiled again, and explanations show the name. Beside arrays and numbers it is the value itself. A
    tensor, as a schedule gives it, is cast. What decides whether something is computed at all, as a weight decay of 0,
    is not for it: ask the value before.
    """
    if node_of(beside) is None:
        return value
    dtype = as_tensor(beside).dtype
    if node_of(value) is not None:
        given = as_tensor(value)
        return given if given.dtype == dtype else given.astype(dtype)
    return Tensor(hyperparameter(name, value, dtype))


__all__ = ["hyper"]

"""A run's path in a plane, as a model file can keep it."""

from __future__ import annotations

from dataclasses import dataclass

from schuss.ir.executor import Array


@dataclass(frozen=True)
class Track:
    """A run's path in a plane through its last weights: last + a * directions[0] + b * directions[1]. A model file can
    keep it, where all the weights of the path would be too many.

    directions  two sets of weights, by parameter name
    at          [moments, 2]: a and b of the plane's nearest point to each moment's weights
    loss        [moments]: at these weights themselves
    shares      of the weights' variance along each direction
    """

    directions: tuple[dict[str, Array], dict[str, Array]]
    at: Array
    loss: Array
    shares: tuple[float, float]


__all__ = ["Track"]

"""The mountain: the loss over a plane through the weights, and the real descent on it.

Source: Li, Xu, Taylor, Studer and Goldstein, Visualizing the Loss Landscape of Neural Nets (NeurIPS 2018),
arXiv 1712.09913.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from schuss.analysis.plane import Plane, mean_of, principal, random_plane
from schuss.analysis.progress import Report
from schuss.analysis.runs import final_weights, loss_name, moments_of, sample, spread, task_of
from schuss.analysis.surface import surface
from schuss.constraints import Choice, Constraints, Whole, check
from schuss.ir.executor import Array
from schuss.signature.track import Track
from schuss.train.evaluate import losses
from schuss.train.step import Task

CONSTRAINTS: Constraints = {"around": Choice(("path", "random")), "size": Whole(3), "rows": Whole(or_none=True)}
MARGIN = 0.2  # of the path's extent, left free on each side
PATH_POINTS = 200  # of the path are shown at most


@dataclass(frozen=True)
class Landscape:
    """The loss over a plane through the last weights.

    a, b        float64 [size]: coordinates of the grid; (0, 0), the last weights, is one of its points. In a plane
                around the path they are Euclidean distances in the space of all weights; in a random one multiples of
                the filter-normalised directions
    loss        float64 [size, size]: loss[j, i] at (a[i], b[j])
    path        float64 [moments, 2]: the visited weights' nearest points in the plane; [0, 2] if the run recorded none
    path_loss   float64 [moments]: the loss at the visited weights themselves, not at their nearest points
    directions  the two directions, each a dict of arrays by parameter name
    centre_loss the loss at the last weights
    explained   the share of the visited weights' variance that lies in the plane; None without a path
    shares      of a plane around the path: that share for each direction
    rows        the number of rows all losses are means over
    loss_name   what the loss is called
    """

    a: Array
    b: Array
    loss: Array
    path: Array
    path_loss: Array
    directions: tuple[dict[str, Array], dict[str, Array]]
    centre_loss: float
    explained: float | None
    shares: tuple[float, float] | None
    rows: int
    loss_name: str = "loss"

    def to_json(self) -> dict[str, Any]:
        """All but the directions as lists of numbers; a loss that is not finite is None."""
        return {
            "a": self.a.tolist(),
            "b": self.b.tolist(),
            "loss": [[_finite(v) for v in row] for row in self.loss.tolist()],
            "path": self.path.tolist(),
            "path_loss": [_finite(v) for v in self.path_loss.tolist()],
            "centre_loss": _finite(self.centre_loss),
            "explained": self.explained,
            "shares": self.shares and list(self.shares),
            "rows": self.rows,
            "loss_name": self.loss_name,
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def landscape_data(
    run: Any,
    *,
    around: Literal["path", "random"] = "path",
    size: int = 21,
    rows: int | None = 1000,
    seed: int = 0,
    threads: int | None = None,
    progress: Report = None,
) -> Landscape:
    """The loss on a plane through the run's last weights, and the run's path in it.

    run       what fit returned; for "path" of fit(..., record=True), or as_run of a model whose file keeps the path
    around    "path": the plane of the principal components of the visited weights; "random": two random directions,
              filter-normalised
    size      points along each axis
    rows      rows of the training data the losses are means over, drawn once; None: all
    seed      of the rows and the random directions
    progress  None: a bar on a terminal; a function called with (done, total); False: nothing

    Computed in native code over all cores, dropout off. UsageError for a run without a path ("path") or without data.
    The losses of a path that a file keeps are those of 1,000 rows.
    """
    check("landscape", CONSTRAINTS, {"around": around, "size": size, "rows": rows})
    task, data = task_of(run, "landscape")
    last, data = final_weights(run), sample(data, rows, seed)
    if around == "path":
        track = track_of(run, rows, seed, threads)
        plane, projected, path_loss = Plane(last, track.directions, track.shares), track.at, track.loss
        share: float | None = sum(track.shares)
        a, b = _axes(projected, size)
    else:
        plane, points = random_plane(last, seed), _points(getattr(run, "path", None) or [])
        projected, path_loss = plane.project(points), _losses(task, points, data, threads)
        share = _share(plane, points)
        a, b = _axis(-1, 1, size), _axis(-1, 1, size)
    loss = surface(task, plane, a, b, data, threads, progress)
    centre = float(loss[int(np.flatnonzero(b == 0)[0]), int(np.flatnonzero(a == 0)[0])])
    return Landscape(
        a, b, loss, projected, path_loss, plane.directions, centre, share, plane.shares, len(data["y"]), loss_name(task)
    )


def track_of(run: Any, rows: int | None = 1000, seed: int = 0, threads: int | None = None) -> Track:
    """The run's path in the plane of its principal components, through the last weights: for schuss.save(..., track=).
    Of a loaded model's run the one that its file keeps. The arguments and errors are landscape_data's.
    """
    kept: Track | None = getattr(run, "track", None)
    if kept is not None:
        return kept
    task, data = task_of(run, "landscape")
    points = _points(moments_of(run, "landscape"))
    plane = principal(final_weights(run), points, seed)
    assert plane.shares is not None
    found = _losses(task, points, sample(data, rows, seed), threads)
    return Track(plane.directions, plane.project(points), found, plane.shares)


def _points(path: list[Any]) -> list[Mapping[str, Array]]:
    """The weights of at most PATH_POINTS moments."""
    return [path[i].weights for i in spread(len(path), PATH_POINTS)]


def _losses(task: Task, points: list[Mapping[str, Array]], data: Mapping[str, Array], threads: int | None) -> Array:
    return np.asarray(losses(task, points, data, threads), np.float64).reshape(-1)


def _axes(path: Array, size: int) -> tuple[Array, Array]:
    """Axes of one length, with the path inside and 0 on the grid."""
    low, high = np.minimum(path.min(axis=0), 0), np.maximum(path.max(axis=0), 0)
    extent = float((high - low).max()) or 1.0
    middle, half = (low + high) / 2, extent * (0.5 + MARGIN)
    return _axis(middle[0] - half, middle[0] + half, size), _axis(middle[1] - half, middle[1] + half, size)


def _axis(low: float, high: float, size: int) -> Array:
    """Evenly spaced from about low to about high, exactly 0 at one of its points."""
    step = (high - low) / (size - 1)
    before = min(max(round(-low / step), 0), size - 1)
    result: Array = (np.arange(size) - before) * step
    return result


def _share(plane: Plane, points: list[Mapping[str, Array]]) -> float | None:
    """The share of the points' variance that lies in any plane."""
    if len(points) < 2:
        return None
    mean = mean_of(points)
    total = sum(float(((p[n] - m) ** 2).sum()) for p in points for n, m in mean.items())
    at = plane.project([*points, mean])
    inside = at[:-1] - at[-1]
    return float(np.einsum("ik,kl,il->", inside, plane.gram, inside) / total) if total else None

"""The path of a run in a model file: its arrays, and what of them is sound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from schuss.errors import ModelFileError, UsageError
from schuss.ir.executor import Array
from schuss.signature.track import Track


def track_arrays(track: Track, params: Mapping[str, Array]) -> dict[str, Array]:
    """The track's arrays by their names in a file. UsageError if it is of other weights."""
    forms = [{n: (w.shape, w.dtype) for n, w in some.items()} for some in (params, *track.directions)]
    if not forms[0] == forms[1] == forms[2]:
        raise UsageError("save: the track is that of another model, or of weights of another dtype")
    arrays = {"path/at": track.at, "path/loss": track.loss}
    return arrays | {f"path/{k}/{name}": w for k, d in enumerate(track.directions) for name, w in d.items()}


def read_track(path: Any, tensors: Mapping[str, Array], everything: Mapping[str, Array], shares: Any) -> Track:
    """The run's path: two directions with a number for each of the parameters', and the moments' places and losses."""
    kept = {n.removeprefix("path/"): a for n, a in everything.items() if n not in tensors}
    at, loss = (kept.pop(name, np.zeros(0)) for name in ("at", "loss"))
    wanted = {f"{k}/{n}": (w.shape, w.dtype) for k in (0, 1) for n, w in tensors.items()}
    fits = {n: (a.shape, a.dtype) for n, a in kept.items()} == wanted
    fits = fits and loss.ndim == 1 and loss.size > 0 and at.shape == (loss.size, 2)
    known = (
        isinstance(shares, list)
        and len(shares) == 2
        and all(type(s) in (int, float) and 0 <= s < 1.001 for s in shares)
    )
    if not fits or not known or not all(np.isfinite(a).all() for a in (at, *kept.values())):
        raise ModelFileError(f"{path}: the path it keeps is damaged: its arrays do not fit the parameters")
    first, second = ({n: kept[f"{k}/{n}"] for n in tensors} for k in (0, 1))
    return Track((first, second), at, loss, (float(shares[0]), float(shares[1])))


__all__ = ["read_track", "track_arrays"]

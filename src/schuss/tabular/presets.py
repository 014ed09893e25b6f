"""The presets: which networks are trained on a table of so many rows, and what that costs.

    fast   two hidden layers of 64; piecewise-linear and periodic embeddings of numbers, 8 members each
    best   these, and the piecewise-linear one with three hidden layers of 128 as well; for a target of numbers with a
           long tail also one on a scale that shortens it (schuss.tabular.scales): some three times the work

Below 10,000 rows a short run of the first comes first. Where that has learned as much of its own rows as the linear
model knows of others, and yet does not do better than it by 2 % on others, what a longer run would find is noise: then
another short run with other seeds follows, and that is all.

Without a preset it is `best` where that is at most 2.5e12 multiply-adds, about a minute of two cores, else `fast`. It
goes by rows and columns, never by the clock: the same table and seed give the same bits anywhere.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from schuss.calling import did_you_mean
from schuss.errors import UsageError
from schuss.tabular.networks import EMBEDDING, NOISE, SIGNAL, Layout, Recipe

PRESETS = ("fast", "best")
FOLDS = 8
AFFORDABLE = 2.5e12  # multiply-adds of a training
STEPS = 20_000  # of a member at most: beyond it epochs are fewer
SMALL, LARGE = (64, 64), (128, 128, 128)
WAVES = 0.8  # of the epochs are enough for periodic networks of numbers
SHORT = 8  # epochs of a short run
SHORT_BELOW = 10_000  # rows below which a short run comes first, and tells whether long ones are worth it


def recipes(rows: int, classes: int, preset: str, scale: str = "") -> list[Recipe]:
    """The kinds of networks of a preset, for a table of so many rows; classes 0: numbers, and the scale that they ask
    for, if any. UsageError for no preset."""
    if preset not in PRESETS:
        raise UsageError(f"preset must be fast or best, got {preset!r}{did_you_mean(preset, PRESETS)}")
    if classes:
        long, lr, gently, drop = (16 if rows < 20_000 else 12), 1.2e-2, 4e-3, 0.2
    else:
        long, lr, gently, drop = (32 if rows < 10_000 else 24), 1.5e-2, 1e-2, 0.1
    long = max(1, min(long, STEPS * batch_size(rows) // rows))
    piecewise = Recipe("piecewise", "relu", 1.5 * lr, drop, long, SMALL)
    waves = long if classes else max(1, round(WAVES * long))
    periodic = Recipe("periodic", "hardswish", lr, drop, waves, SMALL)
    kinds = [piecewise, periodic]
    if preset == "best":
        kinds += [replace(piecewise, hidden=LARGE)]
        kinds += [replace(piecewise, scale=scale)] if scale else []
    if rows >= SHORT_BELOW:
        return kinds
    first = replace(piecewise, lr=1.5 * gently, epochs=SHORT)
    return [first, replace(first, only=NOISE), *(replace(kind, only=SIGNAL) for kind in kinds)]


def batch_size(rows: int) -> int:
    """About a twentieth of the rows, a power of two: 32 to 256, up to 1,024 from 100,000 rows on."""
    return int(2 ** np.clip(round(math.log2(rows / 20)), 5, 8 if rows < 100_000 else 10))


def choose(rows: int, layout: Layout, classes: int, passes: int) -> str:
    """The preset of a table for which none was asked. passes: see cost"""
    return "best" if cost(recipes(rows, classes, "best"), rows, layout, passes) <= AFFORDABLE else "fast"


def reason(preset: str, asked: bool, rows: int, layout: Layout, classes: int, passes: int) -> str:
    """Why a table has this preset, for people."""
    if asked:
        return "as asked"
    seconds = 60 * cost(recipes(rows, classes, "best"), rows, layout, passes) / AFFORDABLE
    about = f"some {seconds:.0f} s" if seconds < 120 else f"some {seconds / 60:.0f} min"
    told = "up to a minute" if preset == "best" else "more than a minute"
    return f"by its size: best takes {'less than 2 s' if seconds < 2 else about} of two cores besides compiling, {told}"


def cost(kinds: Sequence[Recipe], rows: int, layout: Layout, passes: int) -> float:
    """Multiply-adds of a training, of all kinds at most: three products a layer for each row a member sees, and its
    embeddings.

    passes  members of a kind that are trained on a row: all but one of folds, all beside validation rows
    """
    most = [kind for kind in kinds if kind.only != NOISE]
    return float(sum(3 * passes * rows * kind.epochs * _of_a_row(kind, layout) for kind in most))


def _of_a_row(kind: Recipe, layout: Layout) -> float:
    dim, each = (4, 8) if kind.embedding == "piecewise" else (3, 16 * 14)
    width = layout.plain + layout.curves * (1 + dim) + len(layout.encoded) * layout.means
    sizes = (width + EMBEDDING * len(layout.embedded), *kind.hidden, layout.outputs)
    return sum(a * b for a, b in itertools.pairwise(sizes)) + layout.curves * each

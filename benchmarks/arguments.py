"""The words of the benchmarks' command lines, checked before anything runs: types for argparse."""

from __future__ import annotations

import shutil
from argparse import ArgumentTypeError
from collections.abc import Callable, Collection

from workloads import WORKLOADS, named

KINDS = ("eager", "foreach", "fused", "step")  # torch: its three forms of an optimizer, and the compiled step
IDIOMS = {  # of each script of sides/; one without a name is its usual one
    "schuss": ("",),
    "jax": ("", "scan", "step", "scan_unthunked"),
    "mlx": ("",),
    "torch": ("", *KINDS, *(f"{kind}_ftz" for kind in KINDS)),
    "sklearn": ("",),
}


def count(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return number


def one_of(names: Collection[str]) -> Callable[[str], str]:
    """One of these words."""

    def check(text: str) -> str:
        if text not in names:
            raise ArgumentTypeError(f"{text!r} is none of {', '.join(names)}")
        return text

    return check


def workload(text: str) -> str:
    """A workload's name, or sizes:batch:rows."""
    try:
        work = named(text)
        fits = len(work.sizes) > 1 and min(*work.sizes, work.batch, work.rows) > 0
    except ValueError:
        fits = False
    if not fits:
        known = ", ".join(WORKLOADS)
        raise ArgumentTypeError(f"{text!r} is none of {known}, nor sizes:batch:rows such as 64,256,10:128:20000")
    return text


def workload_or_all(text: str) -> str:
    """A workload, or the word that stands for all with a name."""
    return text if text == "all" else workload(text)


def side(text: str) -> str:
    """A script of sides/, with an idiom of its own after a colon or without one, and after an @ the interpreter of the
    environment it runs in, if that is not this one."""
    name, _, python = text.partition("@")
    one_of([f"{s}:{i}" if i else s for s, idioms in IDIOMS.items() for i in idioms])(name)
    if python and not shutil.which(python):
        raise ArgumentTypeError(f"{python!r} is no interpreter: give its path, as in jax:scan@old/bin/python")
    return text


def layer_sizes(text: str) -> list[int]:
    """Units of each layer, inputs first, as 784,128,10."""
    found = [count(word) for word in text.split(",")]
    if len(found) < 2:
        raise ArgumentTypeError(f"{text!r} is no list of sizes such as 784,128,10")
    return found


def duration(text: str) -> float:
    """A time above nothing."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return found

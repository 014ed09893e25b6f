"""What the command's settings stand for: its networks and schedules. Other names are in schuss.tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

RATES_OF_0_1_0 = {  # what lr = None meant in the files of that version
    "sgd": 1e-1, "momentum": 1e-2, "nesterov": 1e-2, "rmsprop": 1e-3, "adagrad": 1e-2, "adam": 3e-3, "adamw": 1e-3,
    "nadam": 1e-3, "lion": 1e-4,
}  # fmt: skip
LAID_OUT = ("step", "exponential", "cosine", "one_cycle")  # over all the epochs
SCHEDULES = ("constant", *LAID_OUT)


def schedule(name: str, rate: float, warmup: int, steps: int) -> Any:
    """The learning rate over a run of `steps` steps: a number, or a schedule after `warmup` steps.

    step: divided by the root of 10 after each quarter of the run; exponential: down to a hundredth over the run;
    cosine: down to 0; one_cycle: up to the rate over the first 30 % and down to almost 0.
    """
    from schuss import optim

    rest = max(steps - warmup, 1)
    makers: dict[str, Callable[[], Any]] = {
        "constant": lambda: optim.Constant(rate),
        "step": lambda: optim.Step(rate, step_size=max(rest // 4, 1), gamma=0.1**0.5),
        "exponential": lambda: optim.Exponential(rate, gamma=0.01 ** (1 / rest)),
        "cosine": lambda: optim.Cosine(rate, rest),
        "one_cycle": lambda: optim.OneCycle(rate, rest),
    }
    if name == "constant" and not warmup:
        return rate
    inner = makers[name]()
    return optim.Warmup(inner, warmup) if warmup else inner


def network(row: tuple[int, ...], outputs: int, options: dict[str, Any]) -> Any:
    """Flatten for rows of several axes; Linear, activation, dropout for each hidden layer; a Linear at the end.

    row: the shape of one example.
    """
    from schuss import nn

    layers: list[Any] = [nn.Flatten()] if len(row) > 1 else []
    sizes = (math.prod(row), *options["hidden"])
    activation, settings = nn.LAYERS.preset(options["activation"])
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b, init=options["init"]), activation(**settings)]
        if options["dropout"] > 0:
            layers.append(nn.Dropout(options["dropout"]))
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs, init=options["init"]))

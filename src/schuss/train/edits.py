"""What others than the step do to a model's parameters: a callback, or whoever has the model before its run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from schuss.errors import NonFiniteError, UsageError
from schuss.ir.executor import Array
from schuss.nn.parameter import Parameter
from schuss.nn.walk import frozen_names, named_parameters

END = "return True from the callback to end the run, change it then, and go on by run.resume"
BEGIN = "return True from the callback to end the run, change it then, and begin a new one by fit"


def edited(parameters: Mapping[str, Any], weights: Mapping[str, Array], who: str) -> dict[str, Array]:
    """The arrays param/NAME of a model's parameters that are not these weights any more: set by somebody.

    NonFiniteError, which begins with who did it, for NaN and infinity.
    """
    found = {name: p.data.copy() for name, p in parameters.items() if not np.array_equal(p.data, weights[name])}
    for name, value in found.items():
        if not np.isfinite(value).all():
            raise NonFiniteError(f"{who} set {name} to NaN or infinity; give it finite numbers")
    return {f"param/{name}": value for name, value in found.items()}


def check_untouched(model: Any, parameters: Mapping[str, Parameter], weights: Mapping[str, Array], frozen: Any) -> None:
    """After a callback: UsageError where it did what only acts when a run begins, since it is compiled into the step:
    froze or unfroze parameters, converted, replaced, added or removed them."""
    now = named_parameters(model)
    name = next((n for n in {**parameters, **now} if parameters.get(n) is not now.get(n)), None)
    if name is not None:
        did, mend = ("added", BEGIN) if name not in parameters else ("removed", BEGIN)
        did, mend = ("replaced", END) if name in parameters and name in now else (did, mend)
        raise UsageError(
            f"fit: a callback {did} the parameter {name}, and a run trains those it began with; "
            + ("set its numbers by parameter.data = array, or " if did == "replaced" else "")
            + mend
        )
    name = next((n for n, p in parameters.items() if p.dtype != weights[n].dtype), None)
    if name is not None:
        was, to = weights[name].dtype, parameters[name].dtype
        raise UsageError(f"fit: a callback converted {name} from {was} to {to}, which acts when a run begins; {BEGIN}")
    if set(frozen_names(model)) != frozen:
        raise UsageError(f"fit: a callback changed requires_grad, which acts when a run begins; {END}")


def check_resumable(model: Any, arrays: Mapping[str, Array]) -> None:
    """Before a run with these arrays goes on: UsageError unless the model has the parameters that it trained."""
    trained = {n.removeprefix("param/"): a.dtype for n, a in arrays.items() if n.startswith("param/")}
    now = named_parameters(model)
    for name in {**trained, **now}:
        if name not in trained:
            said = f"has {name}, which the run did not train"
        elif name not in now:
            said = f"has no {name} any more, which the run trained"
        elif trained[name] != now[name].dtype:
            said = f"has {name} in {now[name].dtype}, which the run trained in {trained[name]}"
        else:
            continue
        raise UsageError(f"resume: the model {said}; begin a new run by fit")


__all__ = ["check_resumable", "check_untouched", "edited"]

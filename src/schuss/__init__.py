"""Train neural networks at full speed on a CPU, and see every value and gradient.

import schuss
from schuss import nn, optim

Everything here is loaded when it is first used, so that importing schuss costs little more than numpy.
The operations of schuss.ops are functions here too: schuss.exp, schuss.where, schuss.softmax.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from schuss import dispatch
from schuss.version import __version__

_MODULES = ("errors", "nn", "ops", "optim", "sklearn", "tabular")
_HOME = {
    "Control": "schuss.train.control",
    "EarlyStop": "schuss.train.early_stop",
    "Tensor": "schuss.trace",
    "Updater": "schuss.api.updater",
    "evaluate": "schuss.api.evaluation",
    "explain": "schuss.explanation",
    "fit": "schuss.train.fit",
    "fit_many": "schuss.train.many",
    "freeze": "schuss.api",
    "grad": "schuss.api",
    "jacobian": "schuss.api",
    "jit": "schuss.api",
    "load": "schuss.io.model",
    "plan": "schuss.explanation.plan",
    "predict": "schuss.api.outputs",
    "predict_proba": "schuss.api.outputs",
    "save": "schuss.io.model",
    "value_and_grad": "schuss.api",
    "watch": "schuss.web.watch",
}
_FILLED = (  # what a lower layer calls and a higher one does
    (dispatch.CALL_ON_ARRAYS, "schuss.api.calls"),
    (dispatch.PREDICT, "schuss.api.outputs"),
    (dispatch.PREDICT_PROBA, "schuss.api.outputs"),
    (dispatch.EVALUATE_TABLE, "schuss.tabular.evaluate"),
    (dispatch.RESUME, "schuss.train.resume"),
    (dispatch.BEGIN_PAGE, "schuss.web.watch"),
)
for _slot, _home in _FILLED:
    _slot.load = partial(import_module, _home)
_ELSEWHERE = {  # names of numpy and PyTorch
    "absolute": "abs",
    "cat": "concatenate",
    "clamp": "clip",
    "divide": "div",
    "gather": "take_along_axis",
    "mod": "remainder",
    "multiply": "mul",
    "negative": "neg",
    "permute": "transpose",
    "power": "pow",
    "subtract": "sub",
}
_NOT_TOP = ("lookup", "op")  # ways to declare operations: schuss.ops.op

__all__ = [  # not the operations: `from schuss import *` must not replace Python's sum and abs
    "Control",
    "EarlyStop",
    "Tensor",
    "Updater",
    "__version__",
    "errors",
    "evaluate",
    "explain",
    "fit",
    "fit_many",
    "freeze",
    "grad",
    "jacobian",
    "jit",
    "load",
    "nn",
    "ops",
    "optim",
    "plan",
    "predict",
    "predict_proba",
    "save",
    "value_and_grad",
    "watch",
]

if TYPE_CHECKING:
    from schuss import errors, nn, ops, optim
    from schuss.api import freeze, grad, jacobian, jit, value_and_grad
    from schuss.api.evaluation import evaluate
    from schuss.api.outputs import predict, predict_proba
    from schuss.api.updater import Updater
    from schuss.explanation import explain
    from schuss.explanation.plan import plan
    from schuss.io.model import load, save
    from schuss.ops import *  # noqa: F403
    from schuss.trace import Tensor
    from schuss.train.control import Control
    from schuss.train.early_stop import EarlyStop
    from schuss.train.fit import fit
    from schuss.train.many import fit_many
    from schuss.web.watch import watch


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"schuss.{name}")
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    elif name.startswith("_") or name not in _operations():
        here = f"; it is schuss.{_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
        raise AttributeError(f"module 'schuss' has no attribute {name!r}{here}")
    else:
        value = _operations()[name]
    globals()[name] = value
    return value


def _operations() -> dict[str, Any]:
    """The operations by name."""
    ops = import_module("schuss.ops")
    return {
        name: value
        for name, value in vars(ops).items()
        if callable(value) and not isinstance(value, type) and not name.startswith("_") and name not in _NOT_TOP
    }


def __dir__() -> list[str]:
    return sorted({*__all__, *_operations(), *(name for name in globals() if name.startswith("__"))})

"""solver="lbfgs": scipy's L-BFGS-B on the compiled gradient of all data."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np

from schuss.ir.executor import Array
from schuss.sklearn.network import as_state, from_state
from schuss.sklearn.programs import LARGE, Form, Program, program
from schuss.sklearn.stochastic import Rows
from schuss.sklearn.threads import threads_of


class Whole:
    """The loss of all data and its gradient, as functions of all weights in one vector: coefs_, then intercepts_.

    Batches add up in the step; the penalty, which needs no data, is added here.
    """

    def __init__(self, made: Program, rows: Rows, alpha: float, coefs: list[Array], intercepts: list[Array]) -> None:
        self._made, self._alpha = made, alpha
        self._shapes = [a.shape for a in (*coefs, *intercepts)]
        self._weights = sum(a.size for a in coefs)
        self._layers = len(coefs)
        self._batch = min(LARGE, len(rows.x))
        self._order = np.arange(len(rows.x))
        self._size = float(len(rows.x) if rows.weight is None else rows.weight.sum())
        made.loop.bind(rows.columns())

    def unpacked(self, vector: Array) -> tuple[list[Array], list[Array]]:
        """coefs_ and intercepts_ of a vector."""
        arrays, start = [], 0
        for shape in self._shapes:
            size = int(np.prod(shape))
            arrays.append(vector[start : start + size].reshape(shape))
            start += size
        return arrays[: self._layers], arrays[self._layers :]

    def __call__(self, vector: Array) -> tuple[float, Array]:
        """The loss and its gradient."""
        loop, network = self._made.loop, self._made.task.model.net
        names = self._made.learned
        state = {f"param/net.{n}": v for n, v in as_state(network, *self.unpacked(vector)).items()}
        state |= {f"opt/{n}": v for n, v in self._made.first.items()}
        loop.load(state | {name: np.zeros(()) for name in ("sum/shown", "sum/loss", "sum/count")})
        loop.run(self._order, self._batch, 0, -(-len(self._order) // self._batch), 0)
        found = {n.removeprefix("net."): loop.peek(f"opt/gradient/{n}") for n in names}
        coefs, intercepts = from_state(network, found)
        gradient = np.concatenate([a.ravel() for a in (*coefs, *intercepts)])
        w = vector[: self._weights]
        gradient[: self._weights] += self._alpha * w
        loss = float(loop.peek("sum/shown")) + 0.5 * self._alpha * float(w @ w)
        return loss / self._size, gradient / self._size


def minimise(estimator: Any, form: Form, rows: Rows) -> None:
    """Fit by L-BFGS. The numbers are float64 throughout, as in scikit-learn; coefs_ get the dtype of the data."""
    from scipy.optimize import minimize

    est, dtype = estimator, rows.x.dtype
    wide = Rows(
        rows.x.astype(np.float64, copy=False), _wide(rows.y), None if rows.weight is None else _wide(rows.weight)
    )
    with program(form, min(LARGE, len(rows.x)), threads_of(est.threads)) as made:
        whole = Whole(made, wide, float(est.alpha), est.coefs_, est.intercepts_)
        first = np.concatenate([np.ravel(a).astype(np.float64) for a in (*est.coefs_, *est.intercepts_)])
        curve: list[float] = []

        def note(intermediate_result: Any) -> None:
            curve.append(float(intermediate_result.fun))
            if est.verbose:
                print(f"Iteration {len(curve)}, loss = {curve[-1]:.8f}")

        options = {"maxfun": est.max_fun, "maxiter": est.max_iter, "gtol": est.tol}
        with _blas().limit(limits=1):  # scipy's products are of few rows, and threads cost more than they take
            found = minimize(whole, first, method="L-BFGS-B", jac=True, options=options, callback=note)
        coefs, intercepts = whole.unpacked(found.x)
    est.n_iter_, est.loss_, est.loss_curve_ = min(int(found.nit), est.max_iter), float(found.fun), curve
    est.coefs_ = [np.array(a, dtype) for a in coefs]
    est.intercepts_ = [np.array(a, dtype) for a in intercepts]
    if found.status != 0:
        _warn(found)


@cache
def _blas() -> Any:
    """Of the libraries that scipy computes with."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _wide(y: Array) -> Array:
    return y.astype(np.float64, copy=False) if y.dtype.kind == "f" else y


def _warn(found: Any) -> None:
    from sklearn.exceptions import ConvergenceWarning

    warnings.warn(
        f"lbfgs failed to converge after {found.nit} iteration(s) (status={found.status}):\n{found.message}\n\n"
        "Increase the number of iterations (max_iter, max_fun) or scale the data.",
        ConvergenceWarning,
        stacklevel=5,
    )


__all__ = ["Whole", "minimise"]

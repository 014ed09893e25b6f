"""The gradient that L-BFGS is given, against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
from schuss import nn
from schuss.sklearn import MLPClassifier, MLPRegressor
from schuss.sklearn.lbfgs import Whole
from schuss.sklearn.programs import LARGE, program
from schuss.sklearn.stochastic import Rows
from tests.thinned import thinned

RNG = np.random.default_rng(0)
X = RNG.normal(size=(1300, 4))  # more than one batch
SCORE = X @ np.array([1.0, -1.0, 0.5, 2.0])


CASES: dict[str, tuple[Any, Any]] = {
    "two": (MLPClassifier(activation="tanh"), SCORE > 0),
    "three": (MLPClassifier(activation="logistic"), np.digitize(SCORE, [-1, 1])),
    "numbers": (MLPRegressor(activation="identity"), SCORE),
    "counts": (MLPRegressor("poisson", activation="tanh"), np.abs(SCORE).round()),
    "huber": (MLPRegressor(nn.HuberLoss(0.3), activation=["gelu", "silu"]), SCORE),
}
WEIGHTS = {"plain": None, "weighted": RNG.uniform(0, 2, 1300)}


@pytest.mark.parametrize(("case", "weighted"), thinned([*CASES], [*WEIGHTS], by=2))
def test_gradient(case: str, weighted: str) -> None:
    (made, y), weight = CASES[case], WEIGHTS[weighted]
    est = made.set_params(hidden_layer_sizes=(5, 3), solver="lbfgs", max_iter=1, random_state=0)
    with pytest.warns(UserWarning, match="lbfgs failed to converge"):
        est.fit(X, y, sample_weight=weight)
    rows = Rows(X, est._targets(y, np.float64), weight)
    with program(est._form(np.float64, weight is not None), LARGE, None) as compiled:
        whole = Whole(compiled, rows, 0.7, est.coefs_, est.intercepts_)
        theta = RNG.normal(size=sum(a.size for a in (*est.coefs_, *est.intercepts_))) * 0.5
        _, gradient = whole(theta)
        step = 1e-5 * np.eye(len(theta))
        found = [(whole(theta + e)[0] - whole(theta - e)[0]) / 2e-5 for e in step]
    np.testing.assert_allclose(gradient, found, rtol=1e-5, atol=1e-7)

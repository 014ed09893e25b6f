"""scikit-learn's checks of estimators, with no expected failures."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("sklearn")
from sklearn.utils.estimator_checks import parametrize_with_checks

from schuss.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("default")
# That weights are repetitions is asked to 1e-7, after scikit-learn's number of iterations and with its solvers there.
# Each class once, and each way to learn.
ESTIMATORS = [MLPClassifier(max_iter=100), MLPRegressor(solver="lbfgs", max_iter=100)]
OTHERS = [
    MLPClassifier(solver="lbfgs", max_iter=100),
    MLPRegressor(max_iter=100),
    MLPRegressor(solver="sgd", learning_rate_init=0.01, max_iter=100),
]


@parametrize_with_checks(ESTIMATORS)
def test_estimator_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(OTHERS)
def test_estimator_checks_with_other_solvers(estimator: Any, check: Any) -> None:
    check(estimator)

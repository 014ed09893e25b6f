"""The estimators within scikit-learn: pipelines, searches, ensembles, calibration, metadata routing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_predict,
    cross_val_score,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from schuss import nn
from schuss.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(2)
X = RNG.normal(size=(120, 4))
SCORE = X @ np.array([1.0, -2.0, 0.5, 1.0])
TWO = np.where(SCORE > 0, "yes", "no")


def small(**settings: Any) -> MLPClassifier:
    return MLPClassifier(
        **{"hidden_layer_sizes": (6,), "random_state": 0, "max_iter": 30, "learning_rate_init": 0.02, **settings}
    )


def test_searches_in_other_processes() -> None:
    grid = {"alpha": [1e-4, 1e-1], "activation": ["relu", nn.GELU()]}
    searched = GridSearchCV(small(), grid, n_jobs=2, cv=2).fit(X, TWO)
    here = GridSearchCV(small(), grid, cv=2).fit(X, TWO)
    np.testing.assert_array_equal(searched.cv_results_["mean_test_score"], here.cv_results_["mean_test_score"])
    assert np.array_equal(searched.predict_proba(X), here.predict_proba(X))
    halved = HalvingGridSearchCV(small(), {"alpha": [1e-4, 1e-2, 1.0]}, cv=2, random_state=0).fit(X, TWO)
    assert halved.best_score_ > 0.7
    rounds = HalvingGridSearchCV(
        small(), {"alpha": [1e-4, 1e-2, 1.0]}, resource="max_iter", max_resources=40, min_resources=5, cv=2
    ).fit(X, TWO)
    assert rounds.best_estimator_.max_iter >= 5


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["dask", "ray"])
@pytest.mark.filterwarnings("ignore")
def test_searches_by_other_backends_of_joblib(backend: str) -> None:
    import joblib

    if backend == "dask":
        held: Any = pytest.importorskip("distributed").Client(n_workers=2, threads_per_worker=1, dashboard_address=None)
    else:
        held = pytest.importorskip("ray").init(num_cpus=2, include_dashboard=False)
        pytest.importorskip("ray.util.joblib").register_ray()
    with held, joblib.parallel_config(backend, n_jobs=2):
        found = GridSearchCV(small(), {"alpha": [1e-4, 1e-1]}, cv=2).fit(X, TWO)
    here = GridSearchCV(small(), {"alpha": [1e-4, 1e-1]}, cv=2).fit(X, TWO)
    np.testing.assert_array_equal(found.cv_results_["mean_test_score"], here.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(found.predict_proba(X), here.predict_proba(X))


def test_pipelines_and_columns() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "kind": np.where(X[:, 2] > 0, "hot", "cold")})
    columns = ColumnTransformer([("n", StandardScaler(), ["a", "b"]), ("c", OneHotEncoder(), ["kind"])])
    pipe = make_pipeline(columns, small()).fit(frame, TWO)
    assert pipe.score(frame, TWO) > 0.8
    named = make_pipeline(StandardScaler(), small()).set_output(transform="pandas").fit(frame[["a", "b"]], TWO)
    assert named[-1].feature_names_in_.tolist() == ["a", "b"]
    assert np.mean(cross_val_score(pipe, frame, TWO, cv=3)) > 0.7


def test_ensembles_and_calibration() -> None:
    voted = VotingClassifier([("a", small()), ("b", LogisticRegression())], voting="soft").fit(X, TWO)
    assert voted.score(X, TWO) > 0.85
    assert CalibratedClassifierCV(small(), cv=2).fit(X, TWO).score(X, TWO) > 0.8
    assert StackingClassifier([("a", small())], cv=2).fit(X, TWO).score(X, TWO) > 0.8
    assert OneVsRestClassifier(small()).fit(X, np.digitize(SCORE, [-1, 1])).score(X, np.digitize(SCORE, [-1, 1])) > 0.6
    number = MLPRegressor(hidden_layer_sizes=(6,), random_state=0, max_iter=60, learning_rate_init=0.05)
    assert BaggingRegressor(number, 3).fit(X, SCORE).score(X, SCORE) > 0.7
    cubed = TransformedTargetRegressor(number, func=np.cbrt, inverse_func=lambda z: z**3).fit(X, SCORE)
    assert cubed.score(X, SCORE) > 0.2


def test_looking_into_them() -> None:
    fitted = small().fit(X, TWO)
    assert permutation_importance(fitted, X, TWO, n_repeats=3, random_state=0).importances_mean[1] > 0
    assert cross_val_predict(small(), X, TWO, cv=3, method="predict_proba").shape == (120, 2)
    assert len(learning_curve(small(), X, TWO, cv=2, train_sizes=[0.5, 1.0])[0]) == 2


def test_metadata_is_routed() -> None:
    w = RNG.uniform(0.1, 2, 120)
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipe = make_pipeline(scaler, small().set_fit_request(sample_weight=True).set_score_request(sample_weight=True))
        pipe.fit(X, TWO, sample_weight=w)
        search = GridSearchCV(pipe, {"mlpclassifier__alpha": [0.1]}, cv=2).fit(X, TWO, sample_weight=w)
    scaled = StandardScaler().fit_transform(X)
    np.testing.assert_array_equal(pipe[-1].coefs_[0], small().fit(scaled, TWO, sample_weight=w).coefs_[0])
    assert search.best_score_ > 0.5

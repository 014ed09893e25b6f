"""What is schuss's own in the estimators: activations, losses, optimizers, dropout, weights, callbacks and the rest."""

from __future__ import annotations

import gc
import math
import pickle
import subprocess
import sys
import warnings
import weakref
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pytest

pytest.importorskip("sklearn")
from sklearn import neural_network
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_score

import schuss
from schuss import nn, optim
from schuss.sklearn import MLPClassifier, MLPRegressor, stochastic
from schuss.sklearn.threads import threads_of
from schuss.train.progress import Bar

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(1)
X = RNG.normal(size=(200, 5))
SCORE = X @ np.array([1.0, -2.0, 0.5, 0.0, 1.5])
TWO = np.where(SCORE > 0, "yes", "no")
THREE = np.array(["a", "b", "c"])[np.digitize(SCORE, [-1, 1])]


def small(**settings: Any) -> MLPClassifier:
    return MLPClassifier(**{"hidden_layer_sizes": (8,), "random_state": 0, "max_iter": 40, **settings})


def numbers(**settings: Any) -> MLPRegressor:
    return MLPRegressor(**{"hidden_layer_sizes": (8,), "random_state": 0, "max_iter": 40, **settings})


# -- activations, losses, optimizers --------------------------------------------------------------------------


def test_activations_by_name_object_and_layer() -> None:
    by_name = small(activation="leaky_relu").fit(X, TWO)
    assert np.array_equal(by_name.coefs_[0], small(activation=nn.LeakyReLU()).fit(X, TWO).coefs_[0])
    other = small(activation=nn.LeakyReLU(0.5)).fit(X, TWO)
    assert not np.array_equal(by_name.coefs_[0], other.coefs_[0])
    each = small(hidden_layer_sizes=(8, 6), activation=["gelu", schuss.tanh]).fit(X, THREE)
    z = each.model_(X)
    np.testing.assert_allclose(np.exp(z) / np.exp(z).sum(1, keepdims=True), each.predict_proba(X), rtol=1e-6)
    with pytest.raises(ValueError, match="has 2 entries for 1 hidden layers"):
        small(activation=["relu", "relu"]).fit(X, TWO)
    with pytest.raises(ValueError, match=r"'activation' parameter .* must be"):
        small(activation="nonsense").fit(X, TWO)


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "quantile", "gamma", nn.QuantileLoss(0.8)], ids=str)
def test_losses_of_numbers(loss: Any) -> None:
    y = np.exp(0.3 * SCORE)
    est = numbers(loss=loss, max_iter=300, learning_rate_init=0.01).fit(X, y)
    assert est.loss_curve_[-1] < 0.7 * est.loss_curve_[0]
    assert est.score(X, y) > 0.5
    if loss == "gamma":
        assert est.out_activation_ == "exp"
        with pytest.raises(ValueError, match="needs targets of at least"):
            numbers(loss=loss).fit(X, SCORE)


def test_a_loss_curve_is_the_loss() -> None:
    """One full batch, no penalty: the first entry is the loss of the first weights."""
    y = SCORE
    for loss in (nn.HuberLoss(0.5), nn.L1Loss(), nn.QuantileLoss(0.9)):
        est = numbers(loss=loss, alpha=0.0, batch_size=200, max_iter=1).fit(X, y)
        first = neural_network.MLPRegressor(
            (8,), random_state=0, max_iter=1, solver="sgd", learning_rate_init=1e-300, batch_size=200
        )
        first.set_params(hidden_layer_sizes=(8,), loss="squared_error").fit(X, y)
        assert est.loss_curve_[0] == pytest.approx(float(loss(first.predict(X), y)), rel=1e-9)


def test_several_quantiles_of_one_target() -> None:
    est = numbers(loss=nn.QuantileLoss((0.1, 0.5, 0.9)), max_iter=200, learning_rate_init=0.02).fit(
        X, SCORE + RNG.normal(size=200)
    )
    low, _, high = est.predict(X).T
    assert 0.6 < np.mean((low <= SCORE + 0.0) & (high >= SCORE)) <= 1.0
    assert est.n_outputs_ == 3
    with pytest.raises(
        ValueError, match="score is R2 of one prediction, and 3 quantiles are predicted: give a scoring"
    ):
        est.score(X, SCORE)
    scores = cross_val_score(
        clone(est), X, SCORE, cv=2, scoring=lambda model, X, y: -float(model.loss(model.predict(X), y[:, None]))
    )
    assert (scores < 0).all()  # as the error says
    one = numbers(loss=nn.QuantileLoss((0.5,))).fit(X, SCORE)
    assert one.score(X, SCORE) == r2_score(SCORE, one.predict(X))


def test_losses_of_classes() -> None:
    for y in (TWO, THREE):
        for loss in ("focal", nn.CrossEntropyLoss(label_smoothing=0.1)):
            est = small(loss=loss, max_iter=200, learning_rate_init=0.02).fit(X, y)
            assert est.score(X, y) > 0.9
            assert est.n_outputs_ == len(est.classes_)
            np.testing.assert_allclose(est.predict_proba(X).sum(1), 1)
    plain, same = small().fit(X, THREE), small(loss=nn.CrossEntropyLoss()).fit(X, THREE)
    np.testing.assert_allclose(plain.coefs_[0], same.coefs_[0], rtol=1e-9)
    with pytest.raises(ValueError, match="is not for 3 classes"):
        small(loss=nn.MSELoss()).fit(X, THREE)


def test_optimizers_and_schedules() -> None:
    ours = small(optimizer=optim.SGD(0.05, momentum=0.9, nesterov=True)).fit(X, TWO)
    same = small(solver="sgd", learning_rate_init=0.05).fit(X, TWO)
    np.testing.assert_allclose(ours.coefs_[0], same.coefs_[0], rtol=1e-9)
    falling = optim.ReduceLROnPlateau(0.1, factor=0.5, patience=0, threshold=0.5)
    seen: list[float] = []
    small(optimizer=optim.SGD(falling), callbacks=[lambda run: seen.append(run.history["lr"][-1])]).fit(X, TWO)
    assert seen[0] == 0.1
    assert seen[-1] < 0.01
    ending = optim.ReduceLROnPlateau(0.1, factor=1e-12, patience=0, threshold=0.9)  # after the second epoch
    ended, two = (small(optimizer=optim.SGD(rate), max_iter=n).fit(X, TWO) for rate, n in ((ending, 9), (0.1, 2)))
    np.testing.assert_allclose(ended.coefs_[0], two.coefs_[0], rtol=1e-9)
    with pytest.raises(ValueError, match=r"'optimizer' parameter .* 'init' and"):
        small(optimizer="adamw").fit(X, TWO)
    with pytest.raises(ValueError, match=r"optimizer is the class AdamW: give AdamW\(\.\.\.\)"):
        small(optimizer=optim.AdamW).fit(X, TWO)


# -- dropout, weights of classes, validation -------------------------------------------------------------------


def test_dropout() -> None:
    plain, dropped = small().fit(X, TWO), small(dropout=0.5).fit(X, TWO)
    assert dropped.loss_curve_[-1] > plain.loss_curve_[-1]
    assert np.array_equal(dropped.coefs_[0], small(dropout=[0.5]).fit(X, TWO).coefs_[0])
    assert np.array_equal(dropped.predict_proba(X), dropped.predict_proba(X))
    with pytest.raises(ValueError, match=r"dropout must be a rate in \[0, 1\)"):
        small(dropout=[0.5, 0.5]).fit(X, TWO)


def test_class_weights_multiply_those_of_the_examples() -> None:
    w = RNG.uniform(0.5, 2, 200)
    ours = small(class_weight={"yes": 3.0}).fit(X, TWO, sample_weight=w)
    same = small().fit(X, TWO, sample_weight=w * np.where(TWO == "yes", 3.0, 1.0))
    np.testing.assert_allclose(ours.coefs_[0], same.coefs_[0], rtol=1e-12)
    share = np.where(TWO == "yes", 200 / 2 / (TWO == "yes").sum(), 200 / 2 / (TWO == "no").sum())
    balanced, equal = small(class_weight="balanced").fit(X, TWO), small().fit(X, TWO, sample_weight=share)
    np.testing.assert_allclose(balanced.coefs_[0], equal.coefs_[0], rtol=1e-9)
    with pytest.raises(ValueError, match=r"class_weight has 'maybe', which is none of the classes \['no', 'yes'\]"):
        small(class_weight={"maybe": 2.0}).fit(X, TWO)


def test_validation_rows_of_ones_own() -> None:
    held = X[150:], TWO[150:]
    est = small(early_stopping=True, max_iter=300, n_iter_no_change=5).fit(
        X[:150], TWO[:150], X_val=held[0], y_val=held[1]
    )
    assert est.best_validation_score_ == max(est.validation_scores_) == est.score(*held)
    assert est.n_iter_ == len(est.validation_scores_) < 300
    seen = small().fit(X[:150], TWO[:150], X_val=held[0], y_val=held[1])
    assert len(seen.validation_scores_) == seen.n_iter_
    assert np.array_equal(seen.coefs_[0], small().fit(X[:150], TWO[:150]).coefs_[0])  # they change nothing
    with pytest.raises(ValueError, match="give y_val"):
        small().fit(X, TWO, X_val=X)
    for lone in ({"y_val": TWO}, {"sample_weight_val": np.ones(200)}):
        with pytest.raises(ValueError, match="y_val and sample_weight_val are of rows X_val: give X_val, too"):
            small().fit(X, TWO, **lone)
    for more, rows in (({}, {"X_val": X, "y_val": TWO}), ({"dropout": 0.1}, {}), ({"callbacks": [print]}, {})):
        with pytest.raises(ValueError, match="of epochs, and lbfgs has none"):
            small(solver="lbfgs", **more).fit(X, TWO, **rows)


def test_the_best_weights_are_kept() -> None:
    wild = {
        "learning_rate_init": 2.0,
        "solver": "sgd",
        "max_iter": 15,
        "momentum": 0.5,
        "alpha": 0.0,
        "batch_size": 200,
        "activation": "tanh",
    }
    kept = numbers(restore_best=True, **wild).fit(X, SCORE)
    last = numbers(**wild).fit(X, SCORE)
    assert kept.loss_curve_ == last.loss_curve_
    assert kept.score(X, SCORE) != last.score(X, SCORE)


# -- callbacks -------------------------------------------------------------------------------------------------


def test_callbacks_see_the_run_and_stop_it() -> None:
    seen: list[Any] = []

    def look(run: Any) -> bool:
        seen.append((run.epochs, run.history["loss"][-1], run.model(X[:1])))
        return run.epochs == 4

    est = small(callbacks=[look]).fit(X, TWO)
    assert est.n_iter_ == 4
    assert [loss for _, loss, _ in seen] == est.loss_curve_
    np.testing.assert_allclose(seen[-1][2], est.model_(X[:1]), rtol=1e-12)
    assert np.array_equal(est.coefs_[0], small(max_iter=4).fit(X, TWO).coefs_[0])


def test_weights_that_a_callback_sets_are_trained_on() -> None:
    def reset(run: Any) -> None:
        if run.epochs == 3:
            for parameter in run.model.parameters():
                parameter.data = np.zeros_like(parameter.data)

    for epochs in (3, 4):
        plain = {"solver": "sgd", "momentum": 0.0, "max_iter": epochs}
        est = small(callbacks=[reset], **plain).fit(X, TWO)
        assert not est.coefs_[0].any()  # the slope of relu at 0 is 0
        assert est.intercepts_[-1].any() == (epochs == 4)
        assert small(**plain).fit(X, TWO).coefs_[0].any()


def test_progress_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    class Shown(Bar):
        shown = True  # type: ignore[assignment]

        def __call__(self, at: Any) -> None:
            seen.append((at.epoch, at.step, at.steps, at.examples, at.means["loss"]))

    monkeypatch.setattr(stochastic, "Bar", Shown)
    est = small(progress=True, max_iter=3, batch_size=90).fit(X, TWO)
    assert [(e, s, n, k) for e, s, n, k, _ in seen if s == n] == [(e, 3, 3, 200) for e in range(3)]
    assert [loss for _, s, n, _, loss in seen if s == n] == est.loss_curve_


def test_an_exception_of_a_callback_ends_the_fit() -> None:
    class Pruned(Exception):
        pass

    def prune(run: Any) -> None:
        raise Pruned

    with pytest.raises(Pruned):
        small(callbacks=[prune]).fit(X, TWO)


def test_an_interrupt_keeps_what_there_is() -> None:
    def interrupt(run: Any) -> None:
        if run.epochs == 2:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted by user"):
        est = small(callbacks=[interrupt]).fit(X, TWO)
    assert est.n_iter_ == 2
    assert np.array_equal(est.coefs_[0], small(max_iter=2).fit(X, TWO).coefs_[0])


# -- weights and models ----------------------------------------------------------------------------------------


def test_weights_without_fitting() -> None:
    est = small().fit(X, THREE)
    again = MLPClassifier.from_weights(est.coefs_, est.intercepts_, classes=["a", "b", "c"])
    assert np.array_equal(again.predict_proba(X), est.predict_proba(X))
    assert np.array_equal(again.predict(X), est.predict(X))
    again.partial_fit(X, THREE)
    two = MLPClassifier.from_weights([np.ones((5, 1))], [np.zeros(1)])
    assert two.predict_proba(np.zeros((1, 5))).tolist() == [[0.5, 0.5]]
    line = MLPRegressor.from_weights([np.ones((5, 1), np.float32)], [np.ones(1, np.float32)])
    assert line.predict(np.ones((2, 5), np.float32)).tolist() == [6, 6]
    with pytest.raises(ValueError, match="layers that follow each other"):
        MLPRegressor.from_weights([np.ones((5, 2)), np.ones((3, 1))], [np.ones(2), np.ones(1)])


def test_weights_that_are_changed_count() -> None:
    est = numbers().fit(X, SCORE)
    row = X[:1]
    for _ in range(3):
        before = est.predict(row)
    est.intercepts_[-1] += 1.0  # in place
    assert est.predict(row) == pytest.approx(before + 1.0)
    est.intercepts_[-1] = est.intercepts_[-1] + 1.0  # another array
    assert est.predict(row) == pytest.approx(before + 2.0)
    assert est.predict(X)[0] == pytest.approx(before[0] + 2.0)
    est.coefs_ = [np.zeros_like(w) for w in est.coefs_]
    assert est.predict(row) == pytest.approx(est.predict(X)[:1])


def test_the_model_is_schuss_s(tmp_path: Any) -> None:
    est = small().fit(X, THREE)
    z = est.model_(X)
    np.testing.assert_allclose(np.exp(z) / np.exp(z).sum(1, keepdims=True), est.predict_proba(X), rtol=1e-9)
    np.testing.assert_allclose(schuss.freeze(est.model_)(X), z, rtol=1e-12)
    schuss.save(est.model_, tmp_path / "m.safetensors", inputs=[schuss.ir.TensorType("float64", (schuss.ir.N, 5))])
    np.testing.assert_allclose(schuss.load(tmp_path / "m.safetensors")(X), z, rtol=1e-12)
    with pytest.raises(AttributeError, match="no model_ before fit"):
        _ = small().model_


def test_the_model_says_what_the_estimator_says(tmp_path: Any) -> None:
    several = np.stack([SCORE > 0, X[:, 0] > 0], axis=1).astype(int)
    for y in (TWO, THREE, (SCORE > 0).astype("i2"), several):
        est = small().fit(X, y)
        assert np.array_equal(schuss.predict(est.model_, X), est.predict(X))
        assert schuss.predict(est.model_, X).dtype.kind == est.predict(X).dtype.kind
    proba = small().fit(X, THREE)
    np.testing.assert_allclose(schuss.predict_proba(proba.model_, X), proba.predict_proba(X), rtol=1e-6)
    named = small().fit(X, np.where(SCORE > 0, 7, 3)).model_
    assert set(schuss.predict(named, X)) == {"3", "7"}  # schuss has names for labels that do not count from 0
    for loss in ("squared_error", "poisson", "gamma"):
        est = numbers(loss=loss).fit(X, np.exp(0.2 * SCORE))
        schuss.save(est.model_, tmp_path / "m.safetensors")
        for model in (est.model_, schuss.load(tmp_path / "m.safetensors")):
            np.testing.assert_allclose(schuss.predict(model, X), est.predict(X), rtol=1e-12)


def test_input_jacobian() -> None:
    for est, f in (
        (small(activation="tanh").fit(X, THREE), "predict_proba"),
        (numbers(activation="tanh").fit(X, SCORE), "predict"),
    ):
        found = est.input_jacobian(X[:7])
        step = 1e-5 * np.eye(5)
        slopes = [(getattr(est, f)(X[:7] + e) - getattr(est, f)(X[:7] - e)) / 2e-5 for e in step]
        np.testing.assert_allclose(found, np.stack(slopes, -1).reshape(found.shape), rtol=1e-5, atol=1e-7)
    assert small().fit(X, TWO).input_jacobian(X[:2]).shape == (2, 1, 5)


# -- one row -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_one_row_is_a_row_of_many(dtype: str) -> None:
    x = X.astype(dtype)
    for est, y, f in (
        (small(), TWO, "predict_proba"),
        (small(), THREE, "predict_proba"),
        (numbers(), SCORE, "predict"),
    ):
        est.fit(x, y)
        many = getattr(est, f)(x[:3])
        for _ in range(3):
            np.testing.assert_allclose(getattr(est, f)(x[1:2]), many[1:2], rtol=1e-5)
        assert est._quick._one is not None


def test_bad_rows_are_refused_on_the_short_way_too() -> None:
    est = small().fit(X, TWO)
    for _ in range(3):
        est.predict_proba(X[:1])
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            est.predict_proba(np.full((1, 5), bad))
    with pytest.raises(ValueError, match="4 features"):
        est.predict_proba(X[:1, :4])
    with pytest.raises(ValueError, match="Expected 2D array"):
        est.predict_proba(X[0])
    assert np.isfinite(est.predict_proba(np.full((1, 5), 1e200))).all()
    with pytest.raises(NotFittedError):
        small().predict(X)


def test_names_of_columns() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcde"))
    est = small().fit(frame, TWO)
    assert est.feature_names_in_.tolist() == list("abcde")
    assert np.array_equal(est.predict(frame.iloc[:1]), est.predict(frame)[:1])
    with pytest.warns(UserWarning, match="valid feature names"):
        est.predict(X[:1])
    with pytest.raises(ValueError, match="feature names should match"):
        est.predict(frame[list("edcba")])


# -- other processes ---------------------------------------------------------------------------------------------


def test_copies_and_pickles() -> None:
    est = small(activation=nn.GELU()).fit(X, TWO)
    est.predict_proba(X[:1])
    for other in (pickle.loads(pickle.dumps(est)), clone(est).fit(X, TWO)):
        assert np.array_equal(other.predict_proba(X), est.predict_proba(X))
    again = pickle.loads(pickle.dumps(est))
    est.partial_fit(X, TWO)
    again.partial_fit(X, TWO)
    assert np.array_equal(est.coefs_[0], again.coefs_[0])


def test_one_thread_in_a_task_of_joblibs() -> None:
    assert threads_of(None) is None
    assert threads_of(3) == 3
    for backend in ("threading", "loky"):
        assert joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(threads_of)(None) for _ in range(2)) == [1, 1]
    assert joblib.Parallel(n_jobs=1)([joblib.delayed(threads_of)(None)]) == [None]


def test_one_thread_in_a_worker_of_dasks(monkeypatch: pytest.MonkeyPatch) -> None:
    def outside() -> Any:
        raise ValueError("No worker found")

    for get_worker, want in ((object, 1), (outside, None)):
        monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(get_worker=get_worker))
        assert threads_of(None) == want


def test_compiled_steps_are_found_again() -> None:
    from schuss.sklearn import programs

    small(learning_rate_init=0.01, alpha=0.1).fit(X, TWO)
    known = {key: [id(p) for p in made] for key, made in programs._waiting.items()}
    small(learning_rate_init=0.02, alpha=0.3, beta_1=0.5).fit(X, TWO)
    assert known == {key: [id(p) for p in made] for key, made in programs._waiting.items()}
    assert all(len(c) == 1 for p in next(iter(programs._waiting.values())) for c in p.loop._columns.values())


def test_nobody_s_rows_are_kept() -> None:
    x = np.array(X)
    est = small().fit(x, TWO)
    est.predict(x)
    est.predict_proba(x[:1])
    held = weakref.ref(x)
    del x
    gc.collect()
    assert held() is None


def test_large_loops_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    from schuss.sklearn import programs

    monkeypatch.setattr(programs, "LARGEST", 1)
    monkeypatch.setattr(programs, "_waiting", {})
    small().fit(X, TWO)
    assert not any(programs._waiting.values())


def test_fits_in_threads_of_ones_own() -> None:
    def one(seed: int) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return small(random_state=seed, max_iter=8).fit(X, TWO).coefs_[0]

    at_once = joblib.Parallel(n_jobs=4, backend="threading")(joblib.delayed(one)(s) for s in range(8))
    assert all(np.array_equal(a, one(s)) for s, a in enumerate(at_once))


def test_without_scikit_learn() -> None:
    code = """
import sys
sys.modules["sklearn"] = None
try:
    import schuss.sklearn
except Exception as error:
    print(type(error).__name__, error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "UsageError schuss.sklearn needs sklearn: pip install '.[sklearn]' in the folder of schuss\n"


def test_weights_are_summed_in_each_batch() -> None:
    """A batch without weight moves nothing, and is no NaN."""
    w = np.r_[np.ones(100), np.zeros(100)]
    est = numbers(shuffle=False, batch_size=100, alpha=0.0, max_iter=3, solver="sgd", momentum=0.0).fit(
        X, SCORE, sample_weight=w
    )
    half = numbers(shuffle=False, batch_size=100, alpha=0.0, max_iter=3, solver="sgd", momentum=0.0).fit(
        X[:100], SCORE[:100]
    )
    np.testing.assert_allclose(est.coefs_[0], half.coefs_[0], rtol=1e-12)
    assert math.isfinite(est.loss_)

"""TabularClassifier and TabularRegressor within scikit-learn, on raw tables.

Networks are trained by the reference executor, in numpy: that native code has its bits is tested elsewhere, and here
no two tables have one shape.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pl = pytest.importorskip("polars")
pytest.importorskip("narwhals")
import joblib  # noqa: E402
import sklearn  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.calibration import CalibratedClassifierCV  # noqa: E402
from sklearn.ensemble import VotingClassifier  # noqa: E402
from sklearn.experimental import enable_halving_search_cv  # noqa: E402, F401
from sklearn.model_selection import GridSearchCV, GroupKFold, HalvingGridSearchCV, KFold, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

import schuss  # noqa: E402
from schuss.exec.native.threads import allowed  # noqa: E402
from schuss.registry import Registry  # noqa: E402
from schuss.sklearn import MLPClassifier, TabularClassifier, TabularRegressor  # noqa: E402
from schuss.tables import EXECUTORS  # noqa: E402
from schuss.tabular import presets, training  # noqa: E402
from schuss.tabular.fit import fit_table  # noqa: E402
from schuss.tabular.model import TableModel  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")
TINY: dict[str, Any] = {"preset": "fast", "folds": 2, "epochs": 1, "hidden_layer_sizes": (4,)}


@pytest.fixture(autouse=True)
def in_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    find = Registry.find

    def found(self: Any, name: Any) -> Any:
        return find(self, "reference" if self is EXECUTORS and name == "native" else name)

    monkeypatch.setattr(Registry, "find", found)


@pytest.fixture
def one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """One kind of network, where it is not what is learned that is tested."""
    monkeypatch.setattr(training, "recipes", lambda *given: presets.recipes(*given)[:1])


def raw(rows: int = 120, seed: int = 0) -> tuple[Any, Any]:
    """Numbers with gaps, text, dates, truth values; and what they make."""
    rng = np.random.default_rng(seed)
    area, city = rng.normal(100, 30, rows), rng.choice(["bern", "basel", "genf"], rows)
    frame = pl.DataFrame(
        {
            "area": pl.Series([None if rng.random() < 0.1 else float(a) for a in area]),
            "city": city,
            "garden": rng.random(rows) < 0.5,
            "sold": pl.Series(np.datetime64("2020-01-01") + rng.integers(0, 900, rows)),
            "same": ["x"] * rows,
        }
    )
    return frame, area + 60 * (city == "bern")


FRAME, AMOUNT = raw()
LABELS = np.where(AMOUNT > 120, "much", "little")


@pytest.mark.usefixtures("one_kind")
@parametrize_with_checks([TabularClassifier(**TINY), TabularRegressor(**TINY)])
def test_estimator_checks(estimator: Any, check: Any) -> None:
    check(estimator)


# -- tables -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        in_numpy.__wrapped__(patch)  # type: ignore[attr-defined]
        yield TabularClassifier(**TINY, random_state=3).fit(FRAME, LABELS)


def test_what_is_learned_of_a_raw_table(fitted: Any) -> None:
    assert fitted.classes_.tolist() == ["little", "much"]
    assert fitted.predict(FRAME).dtype == LABELS.dtype
    assert fitted.feature_names_in_.tolist() == FRAME.columns
    assert fitted.n_features_in_ == 5
    assert {name: kind.name for name, kind in fitted.kinds_.items()} == {
        "area": "number", "city": "category", "garden": "boolean", "sold": "date", "same": "constant"
    }  # fmt: skip
    assert fitted.score(FRAME, LABELS) > 0.85
    assert [part["kind"] for part in fitted.parts_][-1] == "linear"
    assert "out of 2 folds" in str(fitted.report_)
    np.testing.assert_array_equal(schuss.predict(fitted.model_, FRAME), fitted.predict(FRAME))


def test_the_bits_of_fit_table(fitted: Any) -> None:
    settings = {"preset": "fast", "folds": 2, "epochs": 1, "hidden": (4,), "progress": False}
    run = fit_table(FRAME.with_columns(y=pl.Series(LABELS)), "y", seed=3, **settings)
    signature = run.model.signature
    p = run.model.answers(signature.inputs[0].transform.read(FRAME))
    np.testing.assert_array_equal(fitted.predict_proba(FRAME), p / p.sum(1, keepdims=True))


def test_columns_go_by_name_from_any_library(fitted: Any) -> None:
    expected = fitted.predict_proba(FRAME)
    turned = FRAME.select(reversed(FRAME.columns)).with_columns(more=pl.lit(1))
    np.testing.assert_array_equal(fitted.predict_proba(turned), expected)
    blank = FRAME.rename({"area": " area", "city": "city "})
    np.testing.assert_array_equal(fitted.predict_proba(blank), expected)
    blank_fit = clone(fitted).set_params(category="city").fit(blank, LABELS)
    np.testing.assert_array_equal(blank_fit.predict_proba(FRAME), expected)
    np.testing.assert_array_equal(blank_fit.predict_proba(blank), expected)
    np.testing.assert_array_equal(fitted.predict_proba(FRAME.row(7, named=True)), expected[7:8])
    np.testing.assert_array_equal(fitted.predict_proba(FRAME.rows(named=True)[:3]), expected[:3])
    with pytest.warns(UserWarning, match="X does not have valid feature names, but TabularClassifier was fitted with"):
        np.testing.assert_array_equal(fitted.predict_proba(FRAME.rows()), expected)
    pandas = pytest.importorskip("pandas")
    np.testing.assert_array_equal(fitted.predict_proba(pandas.DataFrame(FRAME.to_dict(as_series=False))), expected)
    with pytest.raises(ValueError, match="X lacks 'city', which TabularClassifier was fitted with"):
        fitted.predict(FRAME.drop("city"))
    with pytest.raises(ValueError, match="row 0, column area: 'wide' is no number"):
        fitted.predict(FRAME[:1].with_columns(area=pl.lit("wide")))


@pytest.mark.usefixtures("one_kind")
@pytest.mark.parametrize(
    "classes", [[False, True], [0, 1], [3, 7], ["007", "7"], ["NA", "?"], [-1.0, 2.0], [2, 10, 100]]
)
def test_classes_come_back_as_they_were(classes: list[Any]) -> None:
    known = np.array(classes)
    y = known[np.arange(120) % len(known)]
    fitted = TabularClassifier(**TINY, random_state=0).fit(FRAME, y)
    assert fitted.classes_.tolist() == sorted(classes)
    assert fitted.classes_.dtype == known.dtype
    assert fitted.predict(FRAME).dtype == known.dtype
    assert set(fitted.predict(FRAME)) <= set(classes)
    named = schuss.predict(fitted.model_, FRAME)
    names = {label: f"{label:g}" if isinstance(label, float) else str(label) for label in classes}
    assert list(map(str, named)) == [names[label] for label in fitted.predict(FRAME).tolist()]
    series = TabularClassifier(**TINY, random_state=0).fit(FRAME, pl.Series("kind", y.tolist()))
    np.testing.assert_array_equal(series.predict(FRAME), fitted.predict(FRAME))


@pytest.mark.usefixtures("one_kind")
def test_whole_numbers_are_no_classes_for_a_regressor() -> None:
    y = np.arange(120) % 3
    one = TabularRegressor(**TINY, random_state=0).fit(FRAME, y)
    assert one.predict(FRAME).shape == (120,)
    assert one.predict(FRAME).dtype == np.float64
    two = TabularRegressor(**TINY, random_state=0).fit(FRAME, pl.DataFrame({"low": AMOUNT, "high": AMOUNT + y}))
    assert two.predict(FRAME).shape == (120, 2)
    assert two.model_.signature.output.columns == ("low", "high")
    assert two.score(FRAME, np.stack([AMOUNT, AMOUNT + y], 1)) > 0.5


@pytest.mark.usefixtures("one_kind")
def test_few_rows_and_rare_classes() -> None:
    with pytest.warns(UserWarning, match="5 rows make 5 folds, not 8"):
        few = TabularClassifier(**{**TINY, "folds": 8}, random_state=0).fit(FRAME[:5], list("aabbc"))
    assert few.predict_proba(FRAME).shape == (120, 3)
    with pytest.raises(ValueError, match="y has one class, 'a'"):
        TabularClassifier(**TINY).fit(FRAME[:3], list("aab"), sample_weight=[1, 1, 0])
    with pytest.warns(UserWarning, match="2 groups make 2 folds, not 3"):
        TabularRegressor(**{**TINY, "folds": 3}).fit(FRAME, AMOUNT, groups=np.arange(120) % 2)


@pytest.mark.usefixtures("one_kind")
def test_an_array_of_numbers_holds_numbers() -> None:
    x = np.stack([np.arange(120), np.arange(120) % 4], 1)
    fitted = TabularRegressor(**TINY, random_state=0).fit(x, AMOUNT)
    assert [kind.name for kind in fitted.kinds_.values()] == ["number", "number"]  # neither an id nor a code
    assert TabularRegressor(**TINY, category=["x1"]).fit(x, AMOUNT).kinds_["x1"].name == "category"


@pytest.mark.usefixtures("one_kind")
def test_class_weights_and_weights() -> None:
    y = np.where(AMOUNT > 170, 1, 0)
    plain, balanced = (
        TabularClassifier(**TINY, random_state=0, class_weight=w).fit(FRAME, y) for w in (None, "balanced")
    )
    assert balanced.predict_proba(FRAME)[:, 1].mean() > plain.predict_proba(FRAME)[:, 1].mean() + 0.02
    by_row = TabularClassifier(**TINY, random_state=0).fit(
        FRAME, y, sample_weight=np.where(y, 1 / y.mean(), 1 / (1 - y.mean())) / 2
    )
    np.testing.assert_allclose(by_row.predict_proba(FRAME), balanced.predict_proba(FRAME), rtol=1e-5)
    shown = {line.name: line for line in balanced.report_.lines}
    assert shown["accuracy"].trivial == pytest.approx(max(y.mean(), 1 - y.mean()))  # of the rows as they are
    assert TabularClassifier(**TINY, class_weight={0: 1, 1: 3}, missing=["0"]).fit(FRAME, y).classes_.tolist() == [0, 1]
    with pytest.raises(ValueError, match="class_weight has 'two', which is none of the classes"):
        TabularClassifier(**TINY, class_weight={"two": 2}).fit(FRAME, y)


def test_a_rare_class_is_told_by_its_name() -> None:
    y = np.where(np.arange(120) == 7, "rare", LABELS)
    w = np.where(np.arange(120) < 3, 0.0, 1.0)
    with pytest.warns(UserWarning, match=r"class 'rare' has rows in 1 of 2 folds only, .*: X row 7; what"):
        TabularClassifier(**TINY, random_state=0).fit(FRAME, y, sample_weight=w)


@pytest.mark.usefixtures("one_kind")
def test_warnings_are_at_the_users_line() -> None:
    y = ["rare", *["often", "also"] * 60][:120]
    pipe = make_pipeline(TabularClassifier(**TINY, random_state=0))
    for fit in (pipe[0].fit, pipe.fit, partial(cross_val_score, pipe, cv=KFold(2))):
        with pytest.warns(UserWarning, match="'rare' has") as caught:
            fit(FRAME, y)
        assert {warning.filename for warning in caught if "'rare'" in str(warning.message)} == {__file__}


# -- rows apart ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("one_kind")
def test_validation_rows_are_those_of_fit_table() -> None:
    frame = FRAME.with_columns(y=pl.Series(LABELS))
    settings = {"preset": "fast", "folds": 2, "epochs": 1, "hidden": (4,), "progress": False, "seed": 3}
    tiny = TabularClassifier(**TINY, random_state=3)
    w = np.linspace(1, 2, 40)
    for more, given in (
        ({"validation": 0.25}, {"validation": 0.25}),
        ({"validation": frame[80:]}, {"X_val": FRAME[80:], "y_val": LABELS[80:]}),
    ):
        rows = slice(None) if "X_val" not in given else slice(0, 80)
        run = fit_table(frame[rows], "y", **settings, **more)
        found = clone(tiny).fit(FRAME[rows], LABELS[rows], **given)
        p = run.model.answers(run.model.signature.inputs[0].transform.read(FRAME))
        np.testing.assert_array_equal(found.predict_proba(FRAME), p / p.sum(1, keepdims=True))
        assert str(found.report_) == str(run.report)
        assert "validation rows" in found.report_.where
    weighted = clone(tiny).fit(FRAME[:80], LABELS[:80], **given, sample_weight_val=w)
    expected = np.average(weighted.predict(FRAME[80:]) == LABELS[80:], weights=w)
    assert {line.name: line.value for line in weighted.report_.lines}["accuracy"] == pytest.approx(expected)
    numbers = TabularRegressor(**TINY, random_state=3).fit(
        FRAME.to_numpy()[:80, :1], AMOUNT[:80], X_val=FRAME.to_numpy()[80:, :1], y_val=AMOUNT[80:]
    )
    assert numbers.report_.where == "40 validation rows, by which the parts are weighed"
    grouped = TabularRegressor(**TINY).fit(FRAME, AMOUNT, groups=np.arange(120) // 30, validation=0.25)
    assert grouped.report_.where.startswith("30 validation rows")


def test_what_is_no_validation_is_told() -> None:
    tiny, half = TabularClassifier(**TINY), {"X_val": FRAME[:9], "y_val": LABELS[:9]}
    odd = ["odd" if i == 4 else y for i, y in enumerate(LABELS[:9])]
    for given, message in (
        (
            {"validation": 1.5},
            r"validation must be a share of the rows between 0 and 1, got 1\.5; rows of your own are",
        ),
        ({"validation": (FRAME, LABELS)}, "rows of your own are X_val and y_val"),
        ({"validation": 0.5, **half}, "give one of them"),
        ({"X_val": FRAME}, "X_val needs its targets"),
        ({"y_val": LABELS}, "give X_val, too"),
        ({"X_val": FRAME[:9], "y_val": LABELS[:8]}, "inconsistent numbers of samples"),
        ({**half, "y_val": odd}, r"y_val row 4 is 'odd', which no row of y .* is; classes are \['little', 'much'\]"),
        ({**half, "X_val": FRAME[:9].drop("city")}, "X_val lacks 'city', which TabularClassifier was fitted with"),
        ({**half, "X_val": FRAME[:9].with_columns(area=pl.lit("wide"))}, "column area: 'wide' is no number"),
        ({**half, "sample_weight_val": -np.ones(9)}, "Negative values"),
    ):
        with pytest.raises(ValueError, match=message):
            tiny.fit(FRAME, LABELS, **given)
    with pytest.raises(ValueError, match="y_val has 2 targets, and y has 1"):
        TabularRegressor(**TINY).fit(FRAME, AMOUNT, X_val=FRAME, y_val=np.stack([AMOUNT, AMOUNT**2], 1))


@pytest.mark.usefixtures("one_kind")
def test_settings_may_be_none_at_all() -> None:
    for off in ({"dropout": 0.0}, {"weight_decay": 0}):
        found = TabularRegressor(**TINY, **off, random_state=0).fit(FRAME, AMOUNT)
        assert [part[name] for name in off for part in found.parts_[:-1]] == [0]
    assert TabularRegressor(**TINY | {"hidden_layer_sizes": np.int64(3)}).fit(FRAME, AMOUNT).parts_[0]["hidden"] == (3,)
    with pytest.raises(ValueError, match="'n_jobs' parameter of TabularRegressor must be"):
        TabularRegressor(**TINY, n_jobs=0).fit(FRAME, AMOUNT)
    for wrong in ((0,), (8.5,), [4, "x"]):
        with pytest.raises(ValueError, match="hidden_layer_sizes must be whole numbers of at least 1, as"):
            TabularRegressor(**TINY | {"hidden_layer_sizes": wrong}).fit(FRAME, AMOUNT)


@pytest.mark.usefixtures("one_kind")
def test_what_is_missing_in_labels_and_groups_is_told() -> None:
    for gone in (None, float("nan")):
        with pytest.raises(ValueError, match="Input y contains NaN: row 3 has no label"):
            TabularClassifier(**TINY).fit(FRAME, np.array(["a", "b", "a", gone] * 30, dtype=object))
    groups = np.array([None, *"abcdef"] * 18, dtype=object)[:120]
    with pytest.warns(UserWarning, match="group: 18 rows have none in column 'groups': they are taken for one group"):
        TabularRegressor(**TINY).fit(FRAME, AMOUNT, groups=groups)


# -- several labels -----------------------------------------------------------------------------------------

SEVERAL = np.stack([AMOUNT > 120, AMOUNT < 90, FRAME["garden"].to_numpy()], 1).astype(int)


def test_several_labels() -> None:
    from sklearn.metrics import f1_score

    tiny = TabularClassifier(**TINY, random_state=0).set_params(epochs=20)
    found = clone(tiny).fit(FRAME, SEVERAL)
    assert found.classes_.tolist() == [0, 1, 2]
    p, said = found.predict_proba(FRAME), found.predict(FRAME)
    assert (p.shape, said.shape, said.dtype) == ((120, 3), (120, 3), np.dtype(np.int64))
    np.testing.assert_array_equal(said, p > 0.5)
    assert f1_score(SEVERAL, said, average="macro") > 0.7
    assert found.score(FRAME, SEVERAL) == (said == SEVERAL).all(1).mean()
    np.testing.assert_allclose(found.predict_log_proba(FRAME), np.log(p))
    named = pl.DataFrame(SEVERAL > 0, schema=["much", "little", "garden"])
    run = fit_table(
        FRAME.with_columns(named.rename({"garden": "garden_"})), ["much", "little", "garden_"], preset="fast",
        folds=2, epochs=20, hidden=(4,), progress=False,
    )  # fmt: skip
    pandas = pytest.importorskip("pandas")
    for y in (named, pandas.DataFrame(named.to_dict(as_series=False)), SEVERAL.tolist()):
        np.testing.assert_array_equal(clone(tiny).fit(FRAME, y).predict_proba(FRAME), p)
    named_ones = clone(tiny).fit(FRAME, named)
    assert named_ones.model_.signature.output.columns == ("much", "little", "garden_")
    np.testing.assert_allclose(p, run.model.predict_proba(FRAME), rtol=1e-5)
    held = clone(tiny).fit(FRAME[:80], SEVERAL[:80], X_val=FRAME[80:], y_val=SEVERAL[80:])
    assert held.report_.where.startswith("40 validation rows")
    sparse = pytest.importorskip("scipy.sparse").csr_array(SEVERAL)
    np.testing.assert_array_equal(clone(tiny).fit(FRAME, sparse).predict(FRAME), said)


def test_labels_that_are_none_are_told() -> None:
    tiny = TabularClassifier(**TINY, random_state=0)
    words = np.where(SEVERAL == 1, "yes", "no")
    for y in (words, pl.DataFrame(words, schema=list("abc")), SEVERAL + 1):
        with pytest.raises(ValueError, match=r"y should be a 1d array, got an array of shape \(120, 3\): of several"):
            tiny.fit(FRAME, y)
    with pytest.raises(ValueError, match="class_weight is of classes, and y has several labels"):
        clone(tiny).set_params(class_weight="balanced").fit(FRAME, SEVERAL)
    with pytest.raises(ValueError, match=r"y_val must be labels \[N, 3\] of 0 and 1"):
        clone(tiny).fit(FRAME, SEVERAL, X_val=FRAME, y_val=SEVERAL[:, :2])
    with pytest.warns(UserWarning, match="target 'y1': is no in every row that is trained on: nothing is learned"):
        never = clone(tiny).fit(FRAME, SEVERAL * [1, 0, 1])
    assert never.predict_proba(FRAME)[:, 1].max() < 0.2
    with pytest.raises(ValueError, match="there is nothing to learn"):
        clone(tiny).fit(FRAME, SEVERAL * 0)


@pytest.mark.parametrize("estimator", [TabularClassifier(**TINY), MLPClassifier(max_iter=1)])
@pytest.mark.parametrize("odd", [0, True, 2.5])
def test_labels_of_text_and_numbers_are_told(estimator: Any, odd: Any) -> None:
    x, y = np.arange(60.0)[:, None], np.array(["no", odd, "yes"] * 20, object)
    told = re.escape(
        f"mixes text and other labels, which have no order: row 0 is 'no', row 1 is {odd!r} ({type(odd).__name__}); "
        "write all in one way, or give "
    )
    for given in (y, y[:, None] if isinstance(estimator, TabularClassifier) else y):
        with pytest.raises(ValueError, match=f"^y {told}y.astype"):
            clone(estimator).fit(x, given)
    with pytest.raises(ValueError, match=f"^y_val {told}y_val.astype"):
        TabularClassifier(**TINY).fit(x, np.where(x[:, 0] % 3, "no", "yes"), X_val=x, y_val=y)
    assert len(clone(estimator).fit(x, y.astype(str)).classes_) == 3


@pytest.mark.usefixtures("one_kind")
def test_a_file_of_an_estimator_is_measured_on_a_table_with_its_target(tmp_path: Any) -> None:
    """Targets are called as their columns are, and read as text."""
    frame = FRAME.with_columns(size=pl.Series(LABELS), price=pl.Series(AMOUNT), code=pl.Series((AMOUNT > 99) * 5 + 2))
    for target, kind in (("size", TabularClassifier), ("code", TabularClassifier), ("price", TabularRegressor)):
        found = kind(**TINY, random_state=0).fit(FRAME, frame[target])
        schuss.save(found.model_, tmp_path / "m.safetensors")
        values = schuss.evaluate(schuss.load(tmp_path / "m.safetensors"), frame)
        assert values["r2" if target == "price" else "accuracy"] == pytest.approx(found.score(FRAME, frame[target]))


@pytest.mark.usefixtures("one_kind")
def test_classes_are_read_of_a_table_or_refused() -> None:
    """A class that is another one's level is nobody's: never measured as the other."""
    for classes, read in ((["007", "7"], True), (["+5", "5"], False), (["1", "1.0"], False), ([" a", "a"], False)):
        y = np.array(classes)[(AMOUNT > 100).astype(int)]
        found = TabularClassifier(**TINY, random_state=0).fit(FRAME, y)
        assert found.classes_.tolist() == classes
        if read:
            assert schuss.evaluate(found.model_, FRAME.with_columns(y=pl.Series(y)))["accuracy"] == found.score(
                FRAME, y
            )
            continue
        with pytest.raises(schuss.errors.DataError, match="which no training row is; classes are"):
            schuss.evaluate(found.model_, FRAME.with_columns(y=pl.Series(y)))


# -- company ------------------------------------------------------------------------------------------------


def test_copies_give_the_same_bits(fitted: Any) -> None:
    expected = fitted.predict_proba(FRAME)
    written = pickle.dumps(fitted)
    np.testing.assert_array_equal(pickle.loads(written).predict_proba(FRAME), expected)
    assert b"schuss.exec" not in written  # nothing that is compiled goes with it
    again = clone(fitted).fit(FRAME, LABELS)
    np.testing.assert_array_equal(again.predict_proba(FRAME), expected)


@pytest.mark.usefixtures("one_kind")
def test_searches_and_pipelines() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(FRAME.to_dict(as_series=False))
    search = GridSearchCV(TabularClassifier(**TINY, random_state=0), {"epochs": [1, 2]}, cv=2).fit(frame, LABELS)
    assert search.best_score_ > 0.7
    scaled = make_pipeline(StandardScaler(), TabularRegressor(**TINY, random_state=0)).set_output(transform="pandas")
    x = pandas.DataFrame({"a": AMOUNT, "b": AMOUNT % 7})
    assert scaled.fit(x, AMOUNT)[-1].feature_names_in_.tolist() == ["a", "b"]
    assert np.mean(cross_val_score(scaled, x, AMOUNT, cv=2)) > 0.5


@pytest.mark.usefixtures("one_kind")
def test_ensembles_calibration_and_halving() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(FRAME.to_dict(as_series=False))
    tiny = TabularClassifier(**TINY, random_state=0)
    calibrated = CalibratedClassifierCV(tiny, cv=2).fit(frame, LABELS)
    np.testing.assert_allclose(calibrated.predict_proba(frame).sum(1), 1)
    assert calibrated.score(frame, LABELS) > 0.8
    voted = VotingClassifier([("a", tiny), ("b", clone(tiny).set_params(random_state=1))], voting="soft")
    voted.fit(frame, LABELS)
    parts = np.mean([part.predict_proba(frame) for part in voted.estimators_], 0)
    np.testing.assert_allclose(voted.predict_proba(frame), parts)
    grid = {"epochs": [1, 2, 3]}
    halved = HalvingGridSearchCV(tiny, grid, cv=2, factor=2, min_resources=40, random_state=0).fit(frame, LABELS)
    assert halved.n_resources_[-1] > halved.n_resources_[0] >= 40
    assert halved.best_estimator_.kinds_["city"].name == "category"


def test_validation_rows_are_routed_through_pipelines() -> None:
    rows, more = np.stack([AMOUNT, AMOUNT % 7], 1)[:80], np.stack([AMOUNT, AMOUNT % 7], 1)[80:]
    given = {"X_val": more, "y_val": AMOUNT[80:]}
    with sklearn.config_context(enable_metadata_routing=True):
        tiny = TabularRegressor(**TINY, random_state=0).set_fit_request(X_val=True, y_val=True, validation=True)
        pipe = make_pipeline(StandardScaler(), tiny, transform_input=["X_val"]).fit(rows, AMOUNT[:80], **given)
        search = GridSearchCV(tiny, {"epochs": [1, 2]}, cv=2).fit(rows, AMOUNT[:80], **given)
        share = GridSearchCV(tiny, {"epochs": [1, 2]}, cv=2).fit(rows, AMOUNT[:80], validation=0.25)
    scaler = StandardScaler().fit(rows)
    alone = clone(tiny).fit(scaler.transform(rows), AMOUNT[:80], X_val=scaler.transform(more), y_val=AMOUNT[80:])
    np.testing.assert_array_equal(pipe.predict(more), alone.predict(scaler.transform(more)))
    assert search.best_estimator_.report_.where.startswith("40 validation rows")
    assert share.best_estimator_.report_.where.startswith("20 validation rows")


def test_metadata_is_routed() -> None:
    groups, w = np.arange(120) // 10, np.linspace(0.1, 2, 120)
    with sklearn.config_context(enable_metadata_routing=True):
        tiny = TabularRegressor(**TINY, random_state=0).set_fit_request(sample_weight=True, groups=True)
        tiny.set_score_request(sample_weight=True)
        found = make_pipeline(tiny).fit(FRAME, AMOUNT, sample_weight=w, groups=groups)
        GridSearchCV(tiny, {"epochs": [1]}, cv=GroupKFold(2)).fit(FRAME, AMOUNT, sample_weight=w, groups=groups)
    alone = TabularRegressor(**TINY, random_state=0).fit(FRAME, AMOUNT, sample_weight=w, groups=groups)
    np.testing.assert_array_equal(found.predict(FRAME), alone.predict(FRAME))


@pytest.mark.usefixtures("one_kind")
def test_random_states() -> None:
    def told(state: Any) -> Any:
        return TabularRegressor(**TINY, random_state=state).fit(FRAME, AMOUNT).predict(FRAME)

    np.testing.assert_array_equal(told(np.random.RandomState(1)), told(np.random.RandomState(1)))
    assert not np.array_equal(told(np.random.RandomState(1)), told(1))


@pytest.mark.slow
def test_processes() -> None:
    search = GridSearchCV(TabularClassifier(**TINY, random_state=0), {"epochs": [1, 2]}, cv=2)
    here = clone(search).fit(FRAME, LABELS)
    there = search.set_params(n_jobs=2).fit(FRAME, LABELS)
    np.testing.assert_allclose(there.cv_results_["mean_test_score"], here.cv_results_["mean_test_score"], atol=0.05)


@pytest.mark.usefixtures("one_kind")
def test_predictions_take_as_many_threads_as_n_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked = TabularClassifier(**TINY, n_jobs=2).fit(FRAME, LABELS), []
    answers = TableModel.answers

    def noted(*given: Any, **more: Any) -> Any:
        asked.append(allowed(9))
        return answers(*given, **more)

    monkeypatch.setattr(TableModel, "answers", noted)
    for jobs in (2, 1, -1, None):
        found.set_params(n_jobs=jobs).predict(FRAME)
    assert asked == [2, 1, 9, 9]
    with joblib.parallel_config("threading", n_jobs=2):
        joblib.Parallel()(joblib.delayed(found.predict)(FRAME) for _ in range(2))
    assert asked[4:] == [1, 1]


@pytest.mark.usefixtures("one_kind")
def test_losses_and_quantiles() -> None:
    """As fit_table has them; predict gives the median of quantiles."""
    rng = np.random.default_rng(2)
    X = pl.DataFrame({"a": rng.uniform(0, 1, 90), "b": rng.normal(0, 1, 90)})
    y = X["a"].to_numpy() * 10 + rng.normal(0, 1, 90)
    found = TabularRegressor(quantiles=(0.9, 0.1), random_state=0, **TINY).fit(X, y)
    assert found.quantiles_.tolist() == [0.1, 0.5, 0.9]
    wide = found.predict_quantiles(X)
    assert wide.shape == (90, 3)
    assert (np.diff(wide, axis=1) >= 0).all()
    assert np.array_equal(found.predict(X), wide[:, 1])
    assert np.array_equal(pickle.loads(pickle.dumps(found)).predict_quantiles(X), wide)
    run = fit_table(
        X.with_columns(y=y), "y", quantiles=(0.1, 0.5, 0.9), task="regression", progress=False, preset="fast",
        folds=2, epochs=1, hidden=(4,),
    )  # fmt: skip
    assert np.allclose(run.model.predict(X), wide)
    assert TabularRegressor(loss="quantile", **TINY).fit(X, y).quantiles_.tolist() == [0.1, 0.5, 0.9]
    for loss in ("mae", "huber", "poisson"):
        own = TabularRegressor(loss=loss, **TINY).fit(X, np.round(np.abs(y)))
        assert own.predict(X).shape == (90,)
        assert not hasattr(own, "quantiles_")
    with pytest.raises(AttributeError, match=r"predict_quantiles is of quantiles: fit a TabularRegressor\(quantiles"):
        own.predict_quantiles(X)
    with pytest.raises(ValueError, match="quantiles go with loss 'quantile', not 'mae'"):
        TabularRegressor(loss="mae", quantiles=(0.1, 0.9), **TINY).fit(X, y)
    with pytest.raises(ValueError, match="'loss' parameter of TabularClassifier must be"):
        TabularClassifier(loss="mse", **TINY).fit(X, y > 5)
    focal = TabularClassifier(loss="focal", **TINY).fit(X, y > 5)
    assert focal.predict_proba(X).shape == (90, 2)

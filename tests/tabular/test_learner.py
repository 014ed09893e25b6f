"""The table learner: layers against plain formulas, encodings against loops, and whole trainings of small tables."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schuss
from schuss import nn
from schuss.errors import DataError, UsageError

pl = pytest.importorskip("polars")
from schuss.exec.native.threads import allowed  # noqa: E402
from schuss.tabular import algebra, presets, training  # noqa: E402
from schuss.tabular import judge as judging  # noqa: E402
from schuss.tabular import preparation as preparing  # noqa: E402
from schuss.tabular.blend import blend_weights  # noqa: E402
from schuss.tabular.columns import TableColumns, fit_preparation  # noqa: E402
from schuss.tabular.encoding import INNER, PRIOR, encode, inner_folds, is_key, shows_levels  # noqa: E402
from schuss.tabular.fit import fit_table  # noqa: E402
from schuss.tabular.judge import Answers, out_of_fold  # noqa: E402
from schuss.tabular.kinds import find_kinds  # noqa: E402
from schuss.tabular.layers import STEPS, Dense, PairedDropout, Periodic, PiecewiseLinear  # noqa: E402
from schuss.tabular.learn import layout_of  # noqa: E402
from schuss.tabular.metrics import METRICS  # noqa: E402
from schuss.tabular.model import TableModel  # noqa: E402
from schuss.tabular.networks import Recipe, TableNetwork, stacked  # noqa: E402
from schuss.tabular.presets import batch_size, choose, recipes  # noqa: E402

RNG = np.random.default_rng(12345)  # not a seed that the tables below are made with


def table(rows: int = 240, seed: int = 0) -> Any:
    """Numbers, a wide and a narrow category, missing values, yes and no, dates, and what is left out."""
    rng = np.random.default_rng(seed)
    area, rooms = rng.normal(100, 30, rows), rng.integers(1, 6, rows)
    city = rng.choice(["bern", "basel", "genf"], rows)
    street = rng.choice([f"s{i}" for i in range(12)], rows)
    price = area * 3 + rooms * 10 + (city == "bern") * 40 + rng.normal(0, 10, rows)
    gone = rng.random(rows) < 0.1
    return pl.DataFrame(
        {
            "row": np.arange(rows),
            "area": pl.Series([None if g else float(a) for a, g in zip(area, gone, strict=True)]),
            "rooms": rooms,
            "city": pl.Series([None if rng.random() < 0.05 else c for c in city]),
            "street": street,
            "garden": rng.random(rows) < 0.5,
            "sold": pl.Series(np.datetime64("2020-01-01") + rng.integers(0, 900, rows)),
            "same": ["x"] * rows,
            "price": price,
        }
    )


def quick(frame: Any, target: str = "price", kinds: int = 1, **more: Any) -> Any:
    """Trained shortly; of the preset's kinds of networks the first ones."""
    given = {"folds": 3, "epochs": 2, "hidden": (8,), "preset": "fast", "progress": False, "backend": "reference"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "recipes", lambda *asked: presets.recipes(*asked)[:kinds])
        return fit_table(frame, target, **given | more)


@pytest.fixture(scope="module")
def run() -> Any:
    return quick(table(), kinds=3, backend="native")


# -- layers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bins", [5, 40])  # one block, several
def test_piecewise_linear_is_the_product_with_the_encoding(bins: int):
    layer = PiecewiseLinear(3, bins, 2)
    nn.initialize(layer, 0)
    u = RNG.uniform(0, bins, (7, 3)).astype(np.float32)
    u[0], u[1] = 0.0, bins
    share = np.clip(u[:, :, None] - np.arange(bins), 0, 1)  # of each bin that lies below the number
    expected = np.einsum("nfb,bfd->nfd", share, layer.weight.data[:bins]).reshape(7, 6)
    np.testing.assert_allclose(layer(u), expected, atol=1e-5)


def test_two_layers_are_dropped_by_the_halves_of_one_number():
    drop, key = PairedDropout(0.25), np.array([3, 4], np.uint32)
    first = np.ones((64, 32), np.float32)

    def two(x: Any) -> Any:
        h, rest = drop(x)
        return h, *drop(x, rest)[:1]

    with nn.mode(training=True, key=key, step=7):
        a, b = schuss.jit(two, backend="reference")(first)
    u = schuss.random_uniform(key, np.int64(7), shape=first.shape) * STEPS
    np.testing.assert_array_equal(a > 0, np.floor(u) >= 0.25 * STEPS)
    np.testing.assert_array_equal(b > 0, u - np.floor(u) >= 0.25)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.1
    np.testing.assert_allclose(a[a > 0], 1 / 0.75, rtol=1e-6)
    np.testing.assert_array_equal(drop(first)[0], first)  # not in training


def test_periodic_is_waves_times_a_weight():
    layer = Periodic(2, 4, 3)
    nn.initialize(layer, 1)
    z = RNG.normal(size=(5, 2)).astype(np.float32)
    wave = np.cos(2 * np.pi * (z[:, :, None] * layer.frequency.data + layer.phase.data))
    expected = np.einsum("nfw,fwd->nfd", wave, layer.weight.data) + layer.bias.data
    np.testing.assert_allclose(layer(z), expected.reshape(5, 6), atol=1e-5)


@pytest.mark.parametrize("embedding", ["piecewise", "periodic"])
def test_stacked_members_say_what_each_says_alone(embedding: str):
    frame = table()
    preparation, x = fit_preparation(frame, find_kinds(frame.drop("price")), np.zeros((240, 1)))
    layout = layout_of(preparation, 2, 1)
    assert layout.encoded
    networks = [TableNetwork(layout, Recipe(embedding, "relu", 0.01, 0.0, 1, (8,))) for _ in range(3)]
    for seed, network in enumerate(networks):
        nn.initialize(network, seed)
    encoded = RNG.normal(size=(3, 20, len(layout.encoded))).astype(np.float32)
    together = stacked(networks)(x[:20], encoded)
    for k, network in enumerate(networks):
        np.testing.assert_allclose(together[k], network(x[:20], encoded[k]), atol=1e-5)


def test_a_dense_layer_of_members_has_rows_of_its_own_or_shared_ones():
    layer = Dense(4, 2, nn.init.Normal(), members=(3,))
    nn.initialize(layer, 0)
    x = RNG.normal(size=(3, 5, 4)).astype(np.float32)
    for given in (x, x[0]):
        expected = given @ layer.weight.data.swapaxes(1, 2) + layer.bias.data[:, None]
        np.testing.assert_allclose(layer(given), expected, atol=1e-5)


def test_networks_without_weight_are_left_out_and_change_no_answer():
    frame = table()
    found = quick(frame, kinds=3, folds=2, epochs=1)
    assert len(found.model.parts) == sum(part["weight"] > 0 for part in found.parts[:-1])
    assert found.model.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("backend", ["reference", "native"])
def test_each_row_is_predicted_by_the_member_that_has_not_seen_it(run, backend, monkeypatch):
    monkeypatch.setattr("schuss.tabular.judge.COMPILED", 0 if backend == "native" else 10**9)
    monkeypatch.setattr("schuss.tabular.judge.CHUNK", 24)  # several calls, the last of fewer rows
    model = run.model
    x = nn.signature_of(model).inputs[0].transform.read(table(61, seed=9))
    fold = RNG.integers(0, 3, len(x))
    for part in (*model.parts, model.linear):
        every = np.asarray(part(x, model.means(x)))
        found = out_of_fold(Answers(model.means, part, model.objective), x, fold)
        np.testing.assert_allclose(found, every[fold, np.arange(len(x))], atol=1e-5)


# -- encodings ----------------------------------------------------------------------------------------------


def test_a_target_encoding_is_the_mean_out_of_inner_folds():
    codes, y = RNG.integers(0, 4, (60, 1)), RNG.normal(size=(60, 1))
    rows, inner = np.arange(10, 60), inner_folds(60, 0)
    found = encode(codes, [4], y, rows, inner)
    mean, raw = y[rows].mean(), np.zeros(60)
    for i in rows:
        others = [j for j in rows if inner[j] != inner[i] and codes[j, 0] == codes[i, 0]]
        raw[i] = (y[others].sum() + PRIOR * mean) / (len(others) + PRIOR)
    z = (raw[rows] - raw[rows].mean()) / raw[rows].std()
    np.testing.assert_allclose(found.own[rows, 0], z / np.sqrt(1 + (z / 3) ** 2), rtol=1e-4)
    np.testing.assert_array_equal(found.own[:10, 0], found.tables[0][codes[:10, 0], 0])
    assert len(found.tables[0]) == 5
    assert INNER == 8


def test_a_code_is_a_key_and_a_smooth_number_is_none():
    code = RNG.integers(0, 60, 3000).astype(float)
    noise = RNG.normal(0, 0.3, 3000)
    assert is_key(code, (RNG.permutation(60)[code.astype(int)] / 60 + noise)[:, None])
    assert not is_key(code, (code / 60 + noise)[:, None])
    noises = [is_key(RNG.integers(0, 300, 1000).astype(float), RNG.normal(size=(1000, 1))) for _ in range(20)]
    assert sum(noises) < 4


def test_keys_are_found_by_the_outputs_that_vary_most():
    rng = np.random.default_rng(8)
    code = rng.integers(0, 200, 2000)
    told = rng.normal(size=(200, 64))[code] + rng.normal(0, 2, (2000, 64))
    rest = rng.normal(0, 1e-3, (2000, 640))  # of no matter, though they are ten times as many
    assert is_key(code.astype(float), np.hstack([rest, told]))
    assert not is_key(code.astype(float), np.hstack([rest, rng.normal(0, 2, (2000, 64))]))


def test_levels_are_embedded_where_rows_tell_their_means_apart():
    """r^2 n at least 2: r the correlation of a level's mean with the target, n the rows of a level."""
    rng = np.random.default_rng(5)
    code = rng.integers(0, 20, 2000)
    effect = rng.normal(0, 1, 20)[code]
    noise = rng.normal(0, 1, 2000)
    assert shows_levels(code, (effect + noise)[:, None])
    assert not shows_levels(code, noise[:, None])
    assert not shows_levels(code, (0.05 * effect + noise)[:, None])
    assert shows_levels(code, np.stack([noise, effect + noise], 1))  # one output is enough
    assert not shows_levels(np.arange(2000) // 2, noise[:, None])
    frame = pl.DataFrame({"level": [f"l{i}" for i in code], "y": effect, "n": noise})
    kinds = find_kinds(frame, ["y", "n"])
    embedded = [
        fit_preparation(frame, {"level": kinds["level"]}, frame[y].to_numpy()[:, None])[0].categories[0].embedded
        for y in ("y", "n")
    ]
    assert embedded == [True, False]


def test_unseen_levels_and_missing_values_have_places_of_their_own():
    frame = table()
    preparation, x = fit_preparation(frame, find_kinds(frame.drop("price")), np.zeros((240, 1)))
    columns = TableColumns(preparation.config())
    np.testing.assert_array_equal(columns.read(frame), x)
    other = frame.with_columns(street=pl.lit("nowhere"), city=pl.lit("nowhere"), area=pl.lit(None, pl.Float64))
    read = columns.read(other)
    assert (read[:, -1] == 12).all()
    assert np.isfinite(read).all()
    assert len(np.unique(read[:, preparation.plain])) == 1  # the median


def test_rows_do_not_depend_on_the_order_of_rows_and_columns_nor_on_dtypes(run: Any):
    pandas = pytest.importorskip("pandas")
    frame = table(40, seed=1).drop("price")
    expected = run.model.predict(frame)
    np.testing.assert_array_equal(run.model.predict(frame.select(sorted(frame.columns, reverse=True))), expected)
    np.testing.assert_array_equal(run.model.predict(frame[::-1])[::-1], expected)
    np.testing.assert_array_equal(run.model.predict(pandas.DataFrame(frame.to_dict(as_series=False))), expected)
    np.testing.assert_array_equal(run.model.predict(frame.to_dict(as_series=False)), expected)
    for row in range(3):
        one = run.model.predict(frame[row])
        np.testing.assert_allclose(one, expected[row : row + 1], rtol=1e-5)


# -- whole trainings ----------------------------------------------------------------------------------------


def test_a_table_of_numbers_is_learned(run: Any):
    assert run.kinds["row"].name == "id"
    assert run.kinds["same"].name == "constant"
    lines = {line.name: line for line in run.report.lines}
    assert lines["rmse"].value < 0.5 * lines["rmse"].trivial
    assert "240 rows out of 3 folds" in str(run.report)
    assert abs(sum(part["weight"] for part in run.parts) - 1) < 1e-9


def test_the_report_is_of_rows_that_the_members_have_not_seen():
    frame = table().with_columns(price=pl.Series(RNG.normal(size=240)))  # noise
    found = quick(frame, epochs=20, hidden=(32,), folds=2, backend="native")
    lines = {line.name: line for line in found.report.lines}
    assert lines["rmse"].value > 0.9 * lines["rmse"].trivial
    assert found.report.verdict.startswith("nothing was learned")


def test_classes_by_name_and_their_probabilities():
    frame = table().with_columns(kind=pl.when(pl.col("price") > 350).then(pl.lit("dear")).otherwise(pl.lit("cheap")))
    found = quick(frame.drop("price"), "kind")
    assert found.target.names == ("cheap", "dear")
    said = found.model.predict(frame)
    assert set(said) <= {"cheap", "dear"}
    p = found.model.predict_proba(frame)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    assert p.min() > 0
    three = quick(frame.with_columns(level=pl.col("price").rank() // 81).drop("price", "kind"), "level")
    assert three.target.classes == 3
    assert three.model.predict_proba(frame).shape == (240, 3)


def test_two_targets_and_weights():
    frame = table().with_columns(double=pl.col("price") * 2, w=pl.Series(RNG.uniform(0.5, 2, 240)))
    found = quick(frame, ["price", "double"], weight="w")
    p = found.model.predict(frame)
    assert p.shape == (240, 2)
    assert "w" not in found.kinds


def test_equal_seeds_give_equal_bits_with_any_number_of_threads():
    frame = table(90)
    one, two = (quick(frame, seed=3, threads=t, backend="native").model.predict(frame) for t in (1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, quick(frame, seed=4, backend="native").model.predict(frame))


def test_a_file_says_the_same(run: Any, tmp_path: Path):
    frame = table(30, seed=2)
    schuss.save(run.model, tmp_path / "m.safetensors")
    loaded = schuss.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded.predict(frame), run.model.predict(frame))


def test_groups_and_times_and_test_rows():
    frame = table()
    found = quick(frame, group="street", test=0.25)
    assert not set(found.test["street"]) & (set(frame["street"]) - set(found.test["street"]))
    assert f"{len(found.test)} rows held out" in str(found.report)
    late = quick(frame, time="sold").test["sold"].min()
    assert (frame["sold"] >= late).mean() == pytest.approx(0.2, abs=0.01)
    given = quick(frame[:200], test=frame[200:])
    assert "40 rows held out" in str(given.report)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"target": "prize"}, UsageError, "target: the table has no column 'prize'; did you mean 'price'"),
        ({"target": "same"}, DataError, "target 'same': is 'x' in every row"),
        ({"target": "area"}, DataError, "target 'area': .* rows have none, the first is"),
        ({"weight": "price"}, UsageError, "column 'price' is target and weight"),
        ({"weight": "city"}, DataError, "weight: column 'city' must hold numbers"),
        ({"task": "classify"}, UsageError, "task must be classification, regression, counts or labels, .*did you mean"),
        ({"class_weight": "balanced"}, UsageError, "class_weight: the target is numbers"),
        ({"preset": "fat"}, UsageError, "preset must be fast or best"),
        (
            {"target": "odd"},
            DataError,
            "the table row 3 is 'oops', which is no number, and most",
        ),
        ({"target": "odd", "task": "regression"}, DataError, "is 'oops', which is no number"),
        ({"group": "street", "time": "sold"}, UsageError, "group and time: rows are held out by one of them"),
    ],
)
@pytest.mark.filterwarnings("ignore:column 'odd' is left out as text, as 1 of 60")
def test_mistakes(change: dict[str, Any], kind: type[Exception], message: str):
    given = {"target": "price", "preset": "fast", "progress": False, "epochs": 1, **change}
    odd = pl.Series(["oops" if i == 3 else f"{i}.5" for i in range(60)])
    with pytest.raises(kind, match=message):
        fit_table(table(60).with_columns(odd=odd), **given)


def test_rows_are_named_as_they_stand_in_the_table():
    frame = curved(90).with_columns(
        count=pl.Series([-1 if i == 77 else i % 9 for i in range(90)]), w=pl.Series([0.0] * 50 + [1.0] * 40)
    )
    with pytest.raises(DataError, match="target 'count': is -1 in the table row 77; loss 'poisson' takes"):
        fit_table(frame, "count", loss="poisson", task="regression", weight="w", progress=False)


def test_names_with_blanks_around_them_are_found(run: Any):
    frame = table(60).rename({"area": " area ", "price": " price"})
    np.testing.assert_array_equal(run.model.predict(frame), run.model.predict(table(60)))
    assert list(quick(frame, "price", epochs=1).target.kinds) == ["price"]


def test_a_missing_column_is_named(run: Any):
    with pytest.raises(
        DataError,
        match=r"x: lacks 'area', 'city', .*, which .* on; give it such a column, .*; it has 'rooms'",
    ):
        run.model.predict(table(5).select("rooms"))


def test_an_array_without_names_is_never_taken_for_prepared_rows(run: Any):
    width = run.model.signature.inputs[0].shape[1]
    assert width != len(run.kinds)
    for array in (np.zeros((4, 7)), np.zeros((4, width)), np.zeros((4, 7), np.float32)):
        with pytest.raises(DataError, match="give a data frame or a dict, with the columns 'area'"):
            run.model.predict(array)
    two = pl.DataFrame({"a": [0, 1] * 30, "b": [0, 0, 1] * 20, "y": RNG.normal(size=60)})
    assert quick(two, "y").model.signature.inputs[0].shape[1] == 3


def test_a_table_without_a_column_to_learn_from():
    with pytest.raises(DataError, match="no column to learn from"):
        quick(pl.DataFrame({"same": ["x"] * 60, "y": RNG.normal(size=60)}), "y")


def test_a_column_that_was_constant_moves_no_prediction():
    frame = table(60).with_columns(flat=pl.Series([1.0, None] * 30), price=pl.Series(RNG.normal(size=60)))
    model = quick(frame).model
    np.testing.assert_array_equal(
        model.predict(frame.with_columns(flat=pl.lit(1.0))), model.predict(frame.with_columns(flat=pl.lit(5.0)))
    )


# -- losses ---------------------------------------------------------------------------------------------------


def curved(rows: int = 200) -> Any:
    rng = np.random.default_rng(1)
    a = rng.uniform(-2, 2, rows)
    mean = 5 * np.exp(np.sin(2 * a))
    return pl.DataFrame({"a": a, "count": rng.poisson(mean), "amount": rng.gamma(4, mean / 4), "far": mean + 1000})


@pytest.mark.parametrize(
    ("target", "given"),
    [
        ("count", {"loss": "poisson", "task": "regression"}),
        ("amount", {"loss": "gamma"}),
        ("amount", {"loss": "mae"}),
        ("amount", {"loss": "huber"}),
        ("amount", {"quantiles": (0.9, 0.1, 0.5)}),
    ],
)
def test_losses_of_numbers(target: str, given: dict[str, Any]):
    frame = curved()
    run = quick(frame.select("a", target), target, folds=2, epochs=40, hidden=(16,), backend="native", **given)
    main = {line.name: line for line in run.report.lines}[run.report.main]
    assert main.value < 0.8 * main.linear
    assert run.parts[-1]["weight"] < 0.5
    said = np.asarray(run.model.predict(frame))
    if given.get("loss") in ("poisson", "gamma"):
        assert (said > 0).all()
    if "quantiles" in given:
        assert (np.diff(said, axis=1) >= 0).all()
        assert (
            0.65
            < (frame[target].to_numpy() < said[:, 2]).mean() - (frame[target].to_numpy() < said[:, 0]).mean()
            < 0.95
        )
        assert run.model.signature.output.columns == ("amount_0.1", "amount_0.5", "amount_0.9")


def test_the_linear_model_of_amounts_is_gammas():
    """Beside validation rows all members are one: it is scikit-learn's on the same columns."""
    from sklearn.linear_model import GammaRegressor
    from sklearn.preprocessing import StandardScaler

    frame = curved(240)
    run = quick(frame.select("a", "amount")[:200], "amount", validation=frame[200:], loss="gamma", epochs=1)
    read, y = run.model.signature.inputs[0].transform.read, frame["amount"].to_numpy()[:200]
    z = read(frame)[:, :1].astype(np.float64)  # the squeezed number; its place among the bins is the networks'
    if run.parts[-1]["as_they_are"]:
        z = z / np.sqrt(1 - (z / 3) ** 2)
    Z = StandardScaler().fit(z[:200])
    alpha = run.parts[-1]["penalty"] / 200
    oracle = GammaRegressor(alpha=alpha, tol=1e-10, max_iter=1000).fit(Z.transform(z[:200]), y)
    found = run.model.answers(read(frame), len(run.model.parts))[:, 0]
    np.testing.assert_allclose(found, oracle.predict(Z.transform(z)), rtol=1e-4)


def test_validation_rows_let_every_member_see_every_row(monkeypatch: pytest.MonkeyPatch):
    """What the preset costs is then that of all members, not of all but one."""
    seen = []
    monkeypatch.setattr(training, "choose", lambda *given: seen.append(given[-1]) or "fast")
    frame = table().select("area", "price")
    for more in ({}, {"validation": 0.2}, {"folds": 2}):
        quick(frame, "price", preset=None, epochs=1, **more)
    assert seen == [2, 3, 1]
    layout = layout_of(*fit_preparation(frame, find_kinds(frame, "price"), np.zeros((240, 1)))[:1], 1, 1)
    kinds = recipes(240, 0, "best")
    assert presets.cost(kinds, 240, layout, 3) == pytest.approx(1.5 * presets.cost(kinds, 240, layout, 2))


def test_dropout_and_decay_may_be_0():
    frame = curved()
    run = quick(frame.select("a", "far"), "far", dropout=0, weight_decay=0.0, epochs=1)
    assert [(part["dropout"], part["weight_decay"]) for part in run.parts[:-1]] == [(0, 0.0)] * (len(run.parts) - 1)


def test_numbers_far_from_0_come_back_in_their_own_units():
    frame = curved()
    run = quick(frame.select("a", "far"), "far", folds=2, epochs=40, hidden=(16,), backend="native")
    assert np.abs(run.model.predict(frame) - frame["far"].to_numpy()).mean() < 1.0


def test_what_is_reported_is_what_the_model_says_however_far_from_0():
    a = np.linspace(-1, 1, 120)
    frame = pl.DataFrame({"a": a, "t": 1.7e9 + 100 * a + RNG.normal(0, 20, 120)})
    run = quick(frame, "t", folds=2, epochs=1)
    said = run.model.predict(frame)
    assert said.dtype == np.float64
    assert np.sqrt(np.mean((said - frame["t"].to_numpy()) ** 2)) < 2 * run.report.lines[0].value + 1


def test_linear_models_of_folds_that_lack_a_class_spoil_no_other():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(160, 2))
    frame = pl.DataFrame({"a": z[:, 0], "b": z[:, 1], "g": np.arange(160) // 20, "y": ["no"] * 160})
    frame = frame.with_columns(y=pl.when((pl.col("g") == 0) & (pl.col("a") > 0)).then(pl.lit("yes")).otherwise("y"))
    with pytest.warns(UserWarning, match="folds"):
        run = quick(frame, "y", group="g", folds=8, epochs=1)
    assert run.parts[-1]["loss"] < 1.0


def test_an_absolute_error_is_blended_by_it():
    rng = np.random.default_rng(0)
    candidates = [np.zeros((99, 1)), np.full((99, 1), 1.5)]
    y = np.where(rng.random((99, 1)) < 0.8, 0.0, 10.0)
    by = METRICS["mae"]
    assert blend_weights(candidates, y, "regression", by=by).tolist() == [1.0, 0.0]
    assert blend_weights(candidates, y, "regression")[1] > 0.5


def test_rows_of_weight_0_teach_nothing():
    frame = table(90).with_columns(w=pl.Series([1.0] * 80 + [0.0] * 10))
    wild = frame.with_columns(price=pl.when(pl.col("w") == 0).then(1e12).otherwise("price"))
    one, two = (quick(f, weight="w", epochs=1).model.predict(frame[:5]) for f in (frame, wild))
    np.testing.assert_array_equal(one, two)


def test_a_training_part_with_one_class_is_refused():
    frame = pl.DataFrame({"t": np.arange(60) % 50, "y": ["a"] * 50 + ["b"] * 10, "x": RNG.normal(size=60)})
    frame = frame.with_columns(t=pl.Series(np.arange(60) + 0.5))
    with pytest.raises(DataError, match="target 'y': is 'a' in every row that is trained on"):
        quick(frame, "y", time="t")


def test_labels_beyond_what_floats_hold_stay_apart():
    frame = table(60).with_columns(big=pl.Series([2**53 + i % 2 for i in range(60)]))
    run = quick(frame, "big", epochs=1)
    assert run.target.names == (str(2**53), str(2**53 + 1))


def test_focal_loss_of_classes():
    frame = table().with_columns(kind=pl.when(pl.col("price") > 350).then(pl.lit("dear")).otherwise(pl.lit("cheap")))
    assert quick(frame.drop("price"), "kind", loss="focal").model.predict_proba(frame).shape == (240, 2)


@pytest.mark.parametrize(
    ("target", "given", "kind", "message"),
    [
        ("a", {"loss": "gamma"}, DataError, "takes numbers above 0"),
        ("a", {"loss": "poisson"}, DataError, "takes numbers at least 0"),
        ("a", {"loss": "cross_entropy"}, UsageError, "is for classification, and the target was taken as regression"),
        ("a", {"loss": "hubert"}, UsageError, "did you mean 'huber'"),
        ("a", {"quantiles": (0.5, 1.5)}, UsageError, "quantiles must lie between 0 and 1"),
        ("a", {"quantiles": (0.5,), "loss": "mse"}, UsageError, "quantiles go with loss 'quantile'"),
    ],
)
def test_losses_that_do_not_fit(target: str, given: dict[str, Any], kind: type[Exception], message: str):
    with pytest.raises(kind, match=message):
        fit_table(curved(60), target, progress=False, **given)


# -- presets ------------------------------------------------------------------------------------------------


def test_presets_go_by_rows_and_columns():
    frame = table()
    preparation, _ = fit_preparation(frame, find_kinds(frame.drop("price")), np.zeros((240, 1)))
    layout = layout_of(preparation, 1, 1)
    assert choose(1000, layout, 0, 8) == "best"
    assert choose(1_000_000, layout, 0, 8) == "fast"
    assert [batch_size(n) for n in (100, 3000, 60_000, 1_000_000)] == [32, 128, 256, 1024]
    assert [kind.only for kind in recipes(1000, 2, "fast")] == ["", "noise", "signal", "signal"]
    assert [kind.only for kind in recipes(60_000, 2, "fast")] == ["", ""]
    assert recipes(10_000_000, 0, "fast")[0].epochs == 2


def test_long_runs_are_left_out_where_a_short_one_finds_nothing_beside_the_linear_model():
    """Of a straight line and noise; not of a curve, and not where the user says how many epochs or which rate."""
    x = RNG.uniform(-2, 2, (300, 2))
    noise = RNG.normal(0, 1, 300)
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "line": x[:, 0] + noise, "curve": 4 * x[:, 0] ** 2 + noise})
    how: Any = {"folds": 3, "preset": "fast", "progress": False}
    told: list[Any] = []
    line = fit_table(frame.drop("curve"), "line", begin=told.append, **how)
    assert [(p["embedding"], p["epochs"]) for p in line.parts[:-1]] == [("piecewise", 8), ("piecewise", 8)]
    assert [kind.embedding for kind in told[0].kinds] == ["piecewise", "piecewise"]
    curve = fit_table(frame.drop("line"), "curve", **how)
    assert [p["epochs"] for p in curve.parts[:-1]] == [8, *(kind.epochs for kind in recipes(300, 0, "fast")[2:])]
    steep = 20 * (x[:, 0] - x[:, 1]) + 2 * x[:, 0] * x[:, 1] + 0.1 * noise  # a short run does not even learn the lines
    both = fit_table(pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": steep}), "y", **how)
    assert both.parts[0]["loss"] > both.parts[-1]["loss"] > 2 * both.parts[-2]["loss"]
    assert [p["epochs"] for p in both.parts[:-1]] == [8, 32, 26]
    asked = fit_table(frame.drop("curve"), "line", epochs=1, **how)
    assert [p["epochs"] for p in asked.parts[:-1]] == [1, 1]
    rate = fit_table(frame.drop("curve"), "line", lr=1e-3, **how)
    assert [(p["epochs"], p["lr"]) for p in rate.parts[:-1]] == [(32, 1e-3), (26, 1e-3)]


def test_columns_and_rows_are_prepared_alike_by_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what one of them raises is raised."""
    frame = table().with_columns(pl.Series("gone", [None, 1.5, 2.5] * 80))
    kinds, target = find_kinds(frame.drop("price")), frame["price"].to_numpy()[:, None].astype(np.float64)
    alone, x = fit_preparation(frame, kinds, target)
    monkeypatch.setattr(algebra, "MANY", 0)
    monkeypatch.setattr(preparing, "CHUNK", 7)
    monkeypatch.setattr(algebra, "available_cores", lambda: 3)
    beside, z = fit_preparation(frame, kinds, target)
    assert alone == beside
    assert x.tobytes() == z.tobytes()
    threads = set(algebra.side_by_side(lambda i: threading.current_thread(), range(50), 50))
    assert threading.main_thread() not in threads
    assert algebra.side_by_side(lambda i: -i, range(50), 50) == [-i for i in range(50)]
    with pytest.raises(ZeroDivisionError):
        algebra.side_by_side(lambda i: 1 // (i - 3), range(50), 50)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_table_takes_no_more_threads_than_are_asked_for(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    """Where its rows are prepared, judged, measured and shuffled."""
    monkeypatch.setattr(algebra, "MANY", 0)
    monkeypatch.setattr(preparing, "CHUNK", 7)
    monkeypatch.setattr(algebra, "available_cores", lambda: 3)
    pools: list[int] = []
    asked: dict[str, int] = {}

    class Pool(ThreadPoolExecutor):
        def __init__(self, size: int, **options: Any) -> None:
            pools.append(size)
            super().__init__(size, **options)

    def noted(name: str, function: Any) -> Any:
        def called(*given: Any, **more: Any) -> Any:
            asked[name] = allowed(9)
            return function(*given, **more)

        return called

    monkeypatch.setattr(algebra, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(judging, "out_of_fold", noted("judged", judging.out_of_fold))
    monkeypatch.setattr(TableModel, "answers", noted("measured", TableModel.answers))
    run = quick(table(), threads=threads, test=0.2)
    assert asked == {"judged": threads, "measured": threads}
    run.held.importance()
    assert set(pools) == ({2} if threads == 2 else set())
    asked.clear()
    quick(table(), threads=threads).held.importance()
    assert asked == {"judged": threads}
    quick(table())
    assert 3 in pools
    run.model.predict(table())
    assert asked["judged"] == 9


def test_a_training_that_was_stopped_decides_alike_when_it_goes_on(tmp_path: Path) -> None:
    """Stopped in the second part that is trained. Files are numbered by all of the preset's kinds."""
    x, rng = RNG.uniform(-2, 2, 300), np.random.default_rng(0)
    frame = pl.DataFrame({"a": x, "y": 4 * x**2 + rng.normal(0, 1, 300)})
    how: Any = {"folds": 2, "preset": "fast", "hidden": (8,), "threads": 1}
    whole = fit_table(frame, "y", progress=False, **how)
    seen: list[Any] = []

    def stop(runs: Any, at: Any) -> None:
        if not any(runs is known for known in seen):
            seen.append(runs)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_table(frame, "y", progress=stop, checkpoint=tmp_path, **how)
    again = fit_table(frame, "y", progress=False, checkpoint=tmp_path, **how)
    assert again.parts == whole.parts
    assert {f.name.partition("-")[0] for f in tmp_path.iterdir()} == {"part0", "part2", "part3"}
    with pytest.raises(UsageError, match=r"cannot resume .*part0-member0"):
        fit_table(frame, "y", progress=False, checkpoint=tmp_path, epochs=2, **how)

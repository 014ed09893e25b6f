"""Which linear model stands beside the networks: of which numbers, how strict, and what its folds have seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from schuss import jit
from schuss.tabular import linears
from schuss.tabular.encoding import squeezed
from schuss.tabular.fit import fit_table
from schuss.tabular.model import stretched


def trained(frame: pl.DataFrame, **more: Any) -> Any:
    return fit_table(frame, "y", progress=False, preset="fast", epochs=1, hidden=(4,), folds=4, **more)


def linear_part(run: Any) -> dict[str, Any]:
    part: dict[str, Any] = run.parts[-1]
    assert part["kind"] == "linear"
    return part


@pytest.mark.parametrize("backend", ["reference", "native"])
def test_numbers_are_had_back_from_squeezed_ones(backend: str) -> None:
    z = np.concatenate([-np.geomspace(1e-4, 90, 50), [0.0], np.geomspace(1e-4, 90, 50)])
    s = squeezed(z).astype(np.float32)
    np.testing.assert_allclose(jit(stretched, backend=backend)(s), z, rtol=2e-4)
    far = jit(stretched, backend=backend)(squeezed(np.array([-1e6, 1e4, 1e80])).astype(np.float32))
    np.testing.assert_allclose(far, [-100, 100, 100], rtol=1e-3)


@pytest.mark.parametrize(("rows", "how"), [(80, {}), (200, {"validation": 0.3}), (600, {})])
def test_a_line_is_learned_as_exactly_as_by_least_squares(rows: int, how: dict[str, Any]) -> None:
    """y = 2 a - b + noise, and on rows that lie beyond those of the training, too."""
    from sklearn.linear_model import LinearRegression

    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows + 2000, 2))
    y = x @ [2.0, -1.0] + rng.normal(0, 0.05, len(x))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": y})
    run = trained(frame[:rows], **how)
    part = linear_part(run)
    assert part["as_they_are"]
    assert part["weight"] > 0.9
    own = np.sqrt(np.mean(np.square(run.model.predict(frame[rows:]) - y[rows:])))
    least = LinearRegression().fit(x[:rows], y[:rows]).predict(x[rows:])
    assert own < 1.05 * np.sqrt(np.mean(np.square(least - y[rows:])))


@pytest.mark.filterwarnings("ignore:column .a. alone")
def test_a_line_does_not_cross_0_where_no_target_has() -> None:
    a = np.linspace(-1, 1, 200)
    for side in (1, -1):
        y = side * (a + 1.2) + np.random.default_rng(0).normal(0, 0.01, 200)
        run = trained(pl.DataFrame({"a": a, "y": y}))
        assert linear_part(run)["weight"] > 0.9
        said = side * np.asarray(run.model.predict(pl.DataFrame({"a": [-1.3, -1.15, 1.2, 9.0]})))
        np.testing.assert_allclose(said[:3], [0.0, 0.05, 2.4], atol=0.03)
        assert said[3] == pytest.approx(2.2 + 0.5 * 2.0, abs=0.05)  # by half of the range and no further


def test_numbers_far_away_are_drawn_in_where_that_is_better() -> None:
    """A number whose large values say no more than moderate ones do."""
    rng = np.random.default_rng(0)
    a = rng.standard_t(1.5, 600)
    y = np.clip(a, -1.5, 1.5) + rng.normal(0, 0.1, 600)
    assert not linear_part(trained(pl.DataFrame({"a": a, "y": y})))["as_they_are"]


@pytest.mark.parametrize(("noise", "penalties"), [(0.05, {1.0, 0.1}), (30.0, {10.0})])
def test_the_penalty_is_mild_where_lines_part_the_classes(noise: float, penalties: set[float]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6))
    y = np.where(x @ [1.0, -1, 0.5, 0, 0, 0] + rng.normal(0, noise, 300) > 0, "up", "down")
    frame = pl.DataFrame({f"x{i}": x[:, i] for i in range(6)}).with_columns(y=y)
    assert linear_part(trained(frame))["penalty"] in penalties


def test_of_many_rows_the_penalty_is_not_sought(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linears, "FEW", 100)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.where(x.sum(1) > 0, "up", "down")})
    assert linear_part(trained(frame))["penalty"] == 10.0


@pytest.mark.parametrize(("very_few", "milder"), [(1000, True), (100, False)])
def test_the_penalty_is_not_sought_where_lines_are_hopeless(
    monkeypatch: pytest.MonkeyPatch, very_few: int, milder: bool
) -> None:
    """A part of a circle, which networks learn and lines do not; of very few rows it costs nothing to try."""
    monkeypatch.setattr(linears, "VERY_FEW", very_few)
    tried: list[float] = []
    plain = linears.Linears._judged

    def judged(self: Any, as_they_are: bool, penalty: float, *more: Any) -> Any:
        tried.append(penalty)
        return plain(self, as_they_are, penalty, *more)

    monkeypatch.setattr(linears.Linears, "_judged", judged)
    x = np.random.default_rng(0).uniform(-1, 1, (400, 2))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.square(x).sum(1)})
    fit_table(frame, "y", progress=False, preset="fast", folds=4)
    assert (min(tried) < 10) is milder


def test_no_fold_begins_at_a_model_that_has_seen_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """By few steps of a mild penalty a start that has seen the rows held out would still be felt: labels by chance
    would be predicted."""
    rng = np.random.default_rng(0)
    begun: list[tuple[float, Any, Any]] = []
    from schuss.tabular.objectives import Objective

    plain = Objective.linear

    def linear(self: Any, x: Any, y: Any, w: Any, start: Any, *rest: Any) -> Any:
        begun.append((rest[-1], start, plain(self, x, y, w, start, *rest)))
        return begun[-1][2]

    monkeypatch.setattr(Objective, "linear", linear)
    x = rng.normal(size=(200, 3))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": np.where(x @ [1, 1, 0] > 0, "up", "down")})
    trained(frame)
    mild = [one for one in begun if one[0] < 10]
    assert len(mild) >= 4
    for i, (penalty, start, _) in enumerate(mild):
        stricter = [model for p, _, model in begun if p == 10 * penalty]
        assert any(start is model for model in stricter[i % 4 :: 4])


def test_a_label_that_one_fold_lacks_is_not_carried_on() -> None:
    """A model that says "never" is no place for the next fold's to begin from."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    frame = pl.DataFrame({f"x{i}": x[:, i] for i in range(3)})
    frame = frame.with_columns(y=np.arange(200) == 0, often=x[:, 0] > 0)
    how: Any = {"progress": False, "preset": "fast", "epochs": 1, "hidden": (4,), "folds": 8}
    run = fit_table(frame, ["y", "often"], task="labels", **how)
    biases = run.model.linear.dense.bias.data[:, 0]
    assert (biases < -3).all()
    assert (biases >= -31).all()
    assert linear_part(run)["loss"] < 0.4

"""Rows that were trained on are noticed where figures of them are measured."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schuss

pl = pytest.importorskip("polars")
from schuss.tabular import evaluate_table, fit_table  # noqa: E402
from schuss.tabular.seen import KEPT, Seen, hashes  # noqa: E402

QUICK: dict[str, Any] = {
    "folds": 3, "epochs": 1, "hidden": (4,), "preset": "fast", "progress": False, "backend": "reference",
}  # fmt: skip


def table(rows: int = 120, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=rows)
    return pl.DataFrame(
        {
            "a": a.round(3),
            "city": rng.choice(["bern", "basel", "genf"], rows),
            "sold": pl.Series(np.datetime64("2020-01-01") + rng.integers(0, 900, rows)),
            "value": (3 * a + rng.normal(size=rows)).round(3),
            "kind": np.where(a > 0, "high", "low"),
        }
    )


@pytest.fixture(scope="module")
def trained() -> Any:
    return fit_table(table(), "value", **QUICK)


def told(call: Any) -> list[str]:
    """The warnings of a call about rows that were trained on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [text for w in caught if "trained on" in (text := str(w.message))]


@pytest.mark.parametrize("part", ["validation", "test"])
def test_rows_apart_that_are_trained_on_are_told(part: str):
    frame = table()
    found = told(lambda: fit_table(frame, "value", **{part: frame}, **QUICK))
    assert found == [
        f"the {part}: 120 of 120 rows are among those that the model is trained on: their figures tell nothing of rows "
        "that it has not seen; leave them out of one of the two"
    ]
    some = pl.concat([table(80, seed=1), frame[30:40]])
    assert f"the {part}: 10 of 90 rows" in told(lambda: fit_table(frame, "kind", **{part: some}, **QUICK))[0]
    assert not told(lambda: fit_table(frame, "value", **{part: table(seed=1)}, **QUICK))
    assert not told(lambda: fit_table(frame, "value", **{part: 0.3}, **QUICK))


def test_a_model_s_file_knows_its_rows(trained: Any, tmp_path: Path):
    schuss.save(trained.model, tmp_path / "m.safetensors")
    table().write_csv(tmp_path / "t.csv")
    model = schuss.load(tmp_path / "m.safetensors")
    assert told(lambda: evaluate_table(model, tmp_path / "t.csv")) == [
        f"{tmp_path / 't.csv'}: 120 of 120 rows are among those that the model was trained on: their figures tell "
        "nothing of rows that it has not seen; give others, or take the report of its training (schuss info)"
    ]
    other = pl.concat([table(30, seed=2), table()[:7]]).select("value", "sold", "kind", "city", "a")
    found: list[Any] = []
    assert "7 of 37 rows" in told(lambda: found.append(evaluate_table(model, other)))[0]
    assert found[0].to_json()["seen"] == 7
    assert evaluate_table(model, table(seed=3)).seen == 0
    changed = table().with_columns(value=pl.col("value") + 1)  # another target: other rows
    assert not told(lambda: evaluate_table(model, changed))


def test_a_file_that_tells_nothing_of_its_rows_is_measured(trained: Any):
    from dataclasses import replace

    from schuss.nn.holding import set_signature, signature_of

    signature = signature_of(trained.model)
    assert signature is not None
    try:
        for odd in (None, 3, {"rows": 3}, {**signature.record["seen"], "hashes": "abc"}):
            set_signature(trained.model, replace(signature, record={**signature.record, "seen": odd}))
            assert evaluate_table(trained.model, table()).seen is None
    finally:
        set_signature(trained.model, signature)


def test_rows_that_are_alike_by_chance_are_not_told():
    def few(seed: int, rows: int = 400) -> tuple[Any, Any]:
        rng = np.random.default_rng(seed)
        return rng.integers(0, 4, (rows, 3)).astype(np.float32), rng.integers(0, 2, rows)

    seen = Seen.of(*few(0))
    assert seen.twins > 0.8
    for seed in range(1, 20):
        common = seen.common(*few(seed, 300))
        assert common.rows > 200
        assert not common.told
    assert seen.common(*few(0)).told  # the same rows, one and all


@pytest.mark.parametrize("rows", [3, KEPT, KEPT + 1, 40_000])
def test_of_a_large_table_the_rows_in_common_are_estimated(rows: int):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 3)).astype(np.float32), rng.normal(size=(rows, 2))
    kept = Seen.from_json(Seen.of(x, y).to_json())
    assert kept is not None
    assert kept.whole == (rows <= KEPT)
    assert len(kept.lowest) == min(rows, KEPT)
    half = rows // 2 or 1
    others = np.concatenate([x[:half], x[:half] + 1]), np.concatenate([y[:half]] * 2)
    common = kept.common(*others)
    assert common.told
    assert common.rows == pytest.approx(half, rel=0 if kept.whole else 0.1)
    assert str(common).startswith("about ") != kept.whole
    new = kept.common(x + 2, y)
    assert (new.rows, new.told) == (0, False)


def test_a_hash_is_of_values_and_of_all_of_them():
    x, y = np.array([[0.0, 1.0], [-0.0, 1.0], [0.0, 2.0], [0.0, 1.0]], np.float32), np.array([1, 1, 1, 2])
    found = hashes(x, y)
    assert found[0] == found[1]
    assert len(set(found.tolist())) == 3
    np.testing.assert_array_equal(hashes(np.asfortranarray(x), y.astype(float)[:, None]), found)
    assert found.dtype == np.uint64
    assert found.max() < 2**40


def test_a_table_of_equal_rows_is_known_as_a_whole():
    """Some of its rows may be others' as well: every one has a twin."""
    x, y = np.repeat(np.eye(2, dtype="f4"), 50, 0), np.repeat([0.0, 1.0], 50)
    known = Seen.of(x, y)
    assert known.twins == 1
    assert known.common(x, y).told
    assert not known.common(x[:60], y[:60]).told

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
from schuss.tabular.seen import FEW, compared, digests, hashes, trained_on  # noqa: E402
from schuss.tabular.seen import _together as together  # noqa: E402

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
    return [text for w in caught if "figures tell nothing of rows" in (text := str(w.message))]


@pytest.mark.parametrize("part", ["validation", "test"])
def test_rows_apart_that_are_trained_on_are_told(part: str):
    frame = table()
    found = told(lambda: fit_table(frame, "value", **{part: frame[::-1]}, **QUICK))
    assert found == [
        f"the {part}: 120 of 120 rows are equal to rows of the training, more than by chance: their figures tell "
        "nothing of rows that the model has not seen; leave them out of one of the two"
    ]
    some = pl.concat([table(80, seed=1), frame[30:60]])
    assert f"the {part}: 30 of 110 rows" in told(lambda: fit_table(frame, "kind", **{part: some}, **QUICK))[0]
    assert not told(lambda: fit_table(frame, "value", **{part: table(seed=1)}, **QUICK))
    assert not told(lambda: fit_table(frame, "value", **{part: 0.3}, **QUICK))


def test_rows_apart_of_weight_0_are_not_compared():
    frame = table().with_columns(weight=pl.lit(1.0))
    mixed = pl.concat([frame.with_columns(weight=pl.lit(0.0)), table(seed=1).with_columns(weight=pl.lit(2.0))])
    assert not told(lambda: fit_table(frame, "value", weight="weight", validation=mixed, **QUICK))


def test_a_model_s_file_knows_its_rows(trained: Any, tmp_path: Path):
    schuss.save(trained.model, tmp_path / "m.safetensors")
    table().write_csv(tmp_path / "t.csv")
    model = schuss.load(tmp_path / "m.safetensors")
    assert told(lambda: evaluate_table(model, tmp_path / "t.csv")) == [
        f"{tmp_path / 't.csv'}: the model was trained on 120 of its 120 rows: their figures tell nothing of rows that "
        "it has not seen; give others, or take the report of its training (schuss info)"
    ]
    turned = table().sample(120, shuffle=True, seed=1).select("value", "sold", "kind", "city", "a")
    found: list[Any] = []
    assert told(lambda: found.append(evaluate_table(model, turned)))
    assert found[0].to_json()["seen"] == 120


def test_of_other_rows_a_file_does_not_tell(trained: Any):
    changed = table().with_columns(value=pl.col("value") + 1)  # another target: other rows
    for other in (table(seed=3), table()[1:], pl.concat([table(), table()[:1]]), changed):
        found: list[Any] = []
        assert not told(lambda other=other, found=found: found.append(evaluate_table(trained, other)))
        assert found[0].to_json()["seen"] is None


def test_a_table_is_known_of_which_rows_were_held_out():
    run = fit_table(table(), "value", test=0.2, validation=0.2, **QUICK)
    trained = run.model.signature.record["rows"]
    assert 70 <= trained < 80
    assert f"was trained on {trained} of its 120 rows" in told(lambda: evaluate_table(run, table()))[0]
    assert not told(lambda: evaluate_table(run, run.test))


def test_rows_of_weight_0_are_none_of_the_training():
    frame = table().with_columns(weight=pl.Series([0.0] * 20 + [1.0] * 50 + [2.0] * 50))
    run = fit_table(frame, "value", weight="weight", **QUICK)
    assert "was trained on 100 of its 100 rows" in told(lambda: evaluate_table(run, frame))[0]


def test_a_file_that_tells_nothing_of_its_rows_is_measured(trained: Any):
    from dataclasses import replace

    from schuss.nn.holding import set_signature, signature_of

    signature = signature_of(trained.model)
    assert signature is not None
    known = signature.record["seen"][0]
    hashed = {"rows": 120, "twins": 0.0, "whole": True, "hashes": "AAAAAAA="}
    try:
        for odd in (None, 3, hashed, [], [None, 3, {"rows": 3}, {**known, "number": "1"}, {**known, "rows": True}]):
            set_signature(trained.model, replace(signature, record={**signature.record, "seen": odd}))
            assert evaluate_table(trained.model, table()).seen is None
    finally:
        set_signature(trained.model, signature)


# -- what a file tells of a row: nothing ------------------------------------------------------------


def normal(rows: int, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 3)).astype(np.float32), rng.normal(size=(rows, 2))


def test_a_file_has_32_bits_of_all_rows_together(trained: Any):
    written = trained.model.signature.record["seen"]
    assert [list(row) for row in written] == [["rows", "trained", "number"]]
    assert 0 <= written[0]["number"] < 2**32
    numbers = {digests(hashes(*normal(50, seed)), [])[0]["number"] for seed in range(200)}
    assert len(numbers) == 200
    assert np.mean([n / 2**32 for n in numbers]) == pytest.approx(0.5, abs=0.1)


def test_a_part_of_the_rows_says_nothing_of_the_rest():
    """The sum itself would: from that of all and of all but one follows the hash of the one."""
    x, y = normal(60)
    every, most = (digests(hashes(x[:n], y[:n]), [])[0]["number"] for n in (60, 59))
    own = int(hashes(x[59:], y[59:])[0])
    assert (every - most) % 2**32 not in (own % 2**32, own >> 32)


def test_few_different_rows_have_no_digest():
    x, y = normal(FEW - 1)
    assert digests(hashes(np.repeat(x, 500, 0), np.repeat(y, 500, 0)), [hashes(*normal(100))]) == []
    x, y = normal(FEW)
    x, y = np.repeat(x, 500, 0), np.repeat(y, 500, 0)  # sorted: the first ones are alike
    written = digests(hashes(x, y), [])
    assert trained_on(written, x[::-1], y[::-1]) == 500 * FEW
    assert trained_on(written, x[1:], y[1:]) is None
    assert trained_on(written, np.roll(x, 1, 0), y) is None


# -- rows that are alike by chance ------------------------------------------------------------------


def drawn(rows: int, kinds: int, rng: np.random.Generator) -> Any:
    """Hashes of rows of so many possible ones."""
    c = rng.integers(0, kinds // 2, rows)
    x = np.stack([c % 10, c // 10 % 20, c // 200], 1).astype(np.float32)
    return hashes(x, rng.integers(0, 2, rows))


@pytest.mark.parametrize(
    ("trained", "others", "kinds"),
    [(30, 1000, 2000), (100, 1000, 20_000), (300, 10_000, 50_000), (400, 300, 100), (5000, 50, 300), (20, 20, 20)],
)
def test_rows_that_are_alike_by_chance_are_not_told(trained: int, others: int, kinds: int):
    rng = np.random.default_rng(0)
    found = [compared(drawn(trained, kinds, rng), drawn(others, kinds, rng)) for _ in range(50)]
    assert sum(common.rows for common in found) > 50
    assert not any(common.told for common in found)


@pytest.mark.parametrize("kinds", [100, 2000, 50_000, 10**9])
def test_the_same_rows_are_told_however_alike_they_are(kinds: int):
    own = drawn(400, kinds, np.random.default_rng(0))
    assert compared(own, own[::-1]).told
    assert compared(own, own[:100]).told == (kinds > 100)  # of few kinds rows are alike by chance as well


def test_of_rows_in_common_all_are_counted():
    x, y = normal(3000)
    own = hashes(x, y)
    others = np.concatenate([own[:20], own[:20], hashes(*normal(60, seed=1))])
    common = compared(own, others)
    assert (common.rows, common.of, common.told) == (40, 100, True)
    none = compared(own, hashes(*normal(100, seed=1)))
    assert (none.rows, none.of, none.told) == (0, 100, False)
    assert compared(own, own[:0]).rows == 0
    assert compared(own, own[:4]).told  # none is alike within the two
    assert not compared(own[:100], own[90:150]).told  # too few to be sure


def test_what_chance_gives_is_as_counted():
    from itertools import combinations

    for k, n, m in [(2, 5, 3), (3, 5, 3), (4, 5, 3), (2, 1, 1), (6, 5, 3)]:
        ways = [sum(i < n for i in drawn) for drawn in combinations(range(n + m), k)]
        assert together(k, n, m) == pytest.approx(np.mean([some in (0, k) for some in ways]))
    assert 0 < 1 - together(2, 10**9, 1) == pytest.approx(2e-9, rel=1e-6)  # of rare ones, too


# -- hashes -----------------------------------------------------------------------------------------


def test_a_hash_is_of_values_and_of_all_of_them():
    x, y = (
        np.array([[0.0, 1.0], [-0.0, 1.0], [0.0, 2.0], [0.0, 1.0], [1.0, 0.0]], np.float32),
        np.array([0, -0.0, 0, 2, 0]),
    )
    found = hashes(x, y)
    assert found[0] == found[1]
    assert len(set(found.tolist())) == 4
    np.testing.assert_array_equal(hashes(np.asfortranarray(x), y.astype(float)[:, None]), found)
    assert found.dtype == np.uint64
    wide = np.concatenate([normal(5000)[0]] * 3, 1)
    np.testing.assert_array_equal(hashes(wide, np.zeros(5000))[4000:], hashes(wide[4000:], np.zeros(1000)))
    assert not hashes(x[:0], y[:0]).size


def test_rows_that_differ_in_signs_alone_have_hashes_of_their_own():
    """Signs are single bits of words, which products alone do not spread."""
    bits = np.arange(1 << 16)[:, None] >> np.arange(16) & 1
    found = hashes((2 * bits - 1).astype(np.float32), np.zeros(len(bits)))
    for half in (found >> np.uint64(32), found & np.uint64(2**32 - 1)):
        assert len(np.unique(half)) > len(bits) - 10

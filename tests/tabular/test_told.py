"""What is told of tables with mistakes: a stray text in a target, two decimal signs, values that stand for none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from schuss.errors import DataError, UsageError
from schuss.paths import check_apart
from schuss.tabular.fit import fit_table
from schuss.tabular.kinds import find_kinds
from schuss.tabular.read import read_table

RNG = np.random.default_rng(0)
X = RNG.normal(size=120)
PRICES = [f"${v:,.2f}" for v in 100_000 + 1000 * np.arange(120)]


@pytest.mark.parametrize("prices", [PRICES, [f"{v:.2f}" for v in X], [f"{v:.1f} kg" for v in X]])
def test_a_stray_text_in_a_target_of_numbers_is_an_error(prices: list[str]) -> None:
    frame = pl.DataFrame({"x": X, "price": [*prices[:3], "unknown", *prices[4:]]})
    with pytest.raises(DataError, match=r"target 'price': .* 3 is 'unknown', which is no number, and most others are"):
        fit_table(frame, "price", progress=False, preset="fast", epochs=1)


def test_decimals_with_points_and_commas_are_told() -> None:
    mixed = pl.Series([f"{v:.2f}".replace(".", "," if i % 2 else ".") for i, v in enumerate(X)])
    told = (
        r"column 'a' is left out as text, as 60 values have a decimal point \('.*' in x row 0\) and 60 values have a "
    )
    with pytest.warns(UserWarning, match=told + r"decimal comma \('.*' in x row 1\); write all with one sign"):
        find_kinds(pl.DataFrame({"a": mixed}))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([-999.0] * 3 + X.tolist(), r"3 of 123 values are -999, the others -[\d.]+ to [\d.]+; if they stand for"),
        ([99] * 4 + [*range(1, 8)] * 3, "4 of 25 values are 99, the others 1 to 7"),
        ([-999.0, *X.tolist()], None),  # one
        ([99] * 4 + [*range(1, 98)], None),  # near the others
        ([99] * 30 + [1, 2, 3], None),  # most
        ([77.0] * 5 + X.tolist(), None),
    ],
)
@pytest.mark.filterwarnings("error")
def test_values_that_stand_for_none_are_told(values: list[float], told: str | None) -> None:
    frame = pl.DataFrame({"a": values})
    if told is None:
        find_kinds(frame)
        return
    with pytest.warns(UserWarning, match=told):
        find_kinds(frame)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ((64).to_bytes(8, "little") + b'{"a":' + b" " * 60, "is a model's file"),
        (b"\x7fELF\x02\x01\x01" + bytes(64), "is a program or a picture"),
        (b"\x89PNG\r\n" + bytes(64), "is a program or a picture"),
        (b"<!DOCTYPE html><html></html>", "is a web page"),
    ],
)
def test_what_is_no_table_is_told_as_what_it_is(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(DataError, match=told):
        read_table(tmp_path / "t.csv")


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    table, link = tmp_path / "t.csv", tmp_path / "l.csv"
    table.write_text("a\n1\n")
    link.symlink_to(table)
    check_apart(tmp_path / "new.csv", "-o", table, None, "-")
    for same in (table, link):
        with pytest.raises(UsageError, match=r"-o .*csv: is what is read, and would be lost"):
            check_apart(same, "-o", "-", table)

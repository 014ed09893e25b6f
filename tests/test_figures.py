"""Numbers as people read them."""

from __future__ import annotations

import pytest

from schuss.figures import number, ticks, with_error


@pytest.mark.parametrize(
    ("value", "words"),
    [(134250, "134,250"), (9999, "9999"), (0.09464, "0.09464"), (1_550_000, "1,550,000"), (-2.5e9, "−2.5e9"),
     (1.23e-7, "1.23e−7"), (-0.5, "−0.5"),
     (12345.678, "12,346"), (0, "0"), (None, "–"), (float("nan"), "–")],
)  # fmt: skip
def test_a_number(value: float | None, words: str) -> None:
    assert number(value) == words


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [(0.177, 0.0104, "0.177 ± 0.010"), (4095, 160, "4100 ± 160"), (848869, 202111, "850,000 ± 200,000"),
     (4.3e6, 168088, "4,300,000 ± 170,000"), (4.3e9, 1.7e8, "4.30e9 ± 0.17e9"),
     (1e-6, 2.345e-8, "1.000e−6 ± 0.023e−6"), (-3, 410, "0 ± 410"),
     (0.5, 0.0999, "0.50 ± 0.10"), (1.0, 0.0, "1 ± 0"), (5, None, "5"), (None, 1, "–")],
)  # fmt: skip
def test_an_error_has_two_digits_and_the_value_ends_with_it(value: float, error: float | None, words: str) -> None:
    assert with_error(value, error) == words


def test_a_terminal_has_plain_signs() -> None:
    assert (number(-1.5e-7, plain=True), number(None, plain=True)) == ("-1.5e-7", "-")
    assert with_error(-68_461.2, 1_234.5, plain=True) == "-68,500 +- 1200"


def test_ticks_are_alike_and_told_apart() -> None:
    assert ticks([0, 8e5, 1.6e6]) == ["0", "800,000", "1,600,000"]
    assert ticks([1000.25, 1000.5]) == ["1000.25", "1000.50"]
    assert ticks([-0.00025, 0, 0.00025]) == ["−2.5e−4", "0", "2.5e−4"]
    assert ticks([0, 0.25, 0.5]) == ["0", "0.25", "0.50"]
    assert ticks([0, 5e8, 1e9]) == ["0", "5e8", "1e9"]
    assert ticks([0.1 + 0.2, 0.4]) == ["0.3", "0.4"]
    assert ticks([]) == []

"""Numbers of pictures and reports."""

from __future__ import annotations

import pytest

from schuss.viz.style import short
from schuss.viz.words import number, with_error


@pytest.mark.parametrize(
    ("value", "words"),
    [(134250, "134,250"), (9999, "9999"), (0.09464, "0.09464"), (1e6, "1e6"), (1.23e-7, "1.23e−7"), (-0.5, "−0.5"),
     (12345.678, "12,346"), (0, "0"), (None, "–"), (float("nan"), "–")],
)  # fmt: skip
def test_a_number(value: float | None, words: str) -> None:
    assert number(value) == words


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [(0.177, 0.0104, "0.177 ± 0.010"), (4095, 160, "4100 ± 160"), (848869, 202111, "850,000 ± 200,000"),
     (4.3e6, 168088, "4.30e6 ± 0.17e6"), (1e-6, 2.345e-8, "1.000e−6 ± 0.023e−6"), (-3, 410, "0 ± 410"),
     (0.5, 0.0999, "0.50 ± 0.10"), (1.0, 0.0, "1 ± 0"), (5, None, "5 ± –")],
)  # fmt: skip
def test_an_error_has_two_digits_and_the_value_ends_with_it(value: float, error: float | None, words: str) -> None:
    assert with_error(value, error) == words


def test_signs_that_are_wide_count_twice() -> None:
    assert short("売上高の前年", 12) == "売上高の前年"
    assert short("売上高の前年", 11) == "売上高の前…"
    assert (short("abcdef", 6), short("abcdef", 5), short("a/bcdefg", 5)) == ("abcdef", "abcd…", "…defg")

"""Names in pictures."""

from __future__ import annotations

from schuss.viz.style import short


def test_signs_that_are_wide_count_twice() -> None:
    assert short("売上高の前年", 12) == "売上高の前年"
    assert short("売上高の前年", 11) == "売上高の前…"
    assert (short("abcdef", 6), short("abcdef", 5), short("a/bcdefg", 5)) == ("abcdef", "abcd…", "…defg")

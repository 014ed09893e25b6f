"""What messages call an argument: in Python's words, and where the command runs as its option."""

from __future__ import annotations

import pytest

from schuss.asking import asked, called, no_column, of_command


@pytest.mark.parametrize(
    ("name", "value", "python", "command"),
    [
        ("category", ["a b"], "category=['a b']", "--category 'a b'"),
        ("drop", ["a", "b"], "drop=['a', 'b']", "--drop a --drop b"),
        ("date", {"a": "%d/%m"}, "date={'a': '%d/%m'}", "--date a=%d/%m"),
        ("target_missing", "drop", "target_missing='drop'", "--target-missing drop"),
        ("encoding", "cp1252", "reading=Reading(encoding='cp1252')", "--encoding cp1252"),
        ("quote", "", "reading=Reading(quote='')", "--quote ''"),
        ("header", False, "reading=Reading(header=False)", "--no-header"),
        ("missing", "-9", "missing=[*schuss.tabular.kinds.MISSING, '-9']", "--missing -9"),
    ],
)
def test_an_argument_is_called_as_it_can_be_given(name: str, value: object, python: str, command: str) -> None:
    assert asked(name, value) == python
    with of_command():
        assert asked(name, value) == command
    assert asked(name, value) == python


def test_a_column_that_is_not_there_is_told_with_the_nearest() -> None:
    assert called("target_missing") == "target_missing"
    assert no_column("drop", ["pric"], ["area", "price"], "x") == "drop: x has no column 'pric'; did you mean 'price'?"
    with of_command():
        told = "--drop: x has no column 'a, b'; name each by itself: --drop a --drop b"
        assert no_column("drop", ["a, b"], ["a", "b"], "x") == told
        assert no_column("drop", ["zzz"], ["a", "b"], "x") == "--drop: x has no column 'zzz'; it has 'a', 'b'"


def test_no_message_names_an_option_in_python() -> None:
    """The command's options are in messages by `asked` and `called` alone."""
    import re
    from pathlib import Path

    import schuss

    home = Path(schuss.__file__).parent
    files = [p for part in ("tabular", "web", "sklearn", "optim", "api") for p in (home / part).glob("*.py")]
    told = re.compile(r"""(?:Error|warn)\((?:[^()]|\([^()]*\))*--[a-z][a-z-]+""")
    found = {p.name: told.findall(p.read_text()) for p in files}
    assert {name for name, options in found.items() if options} == set()

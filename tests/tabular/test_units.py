"""Numbers that are not all in one unit: told where the column is left out, an error of a target."""

from __future__ import annotations

import warnings

import pytest

from schuss.errors import DataError

pl = pytest.importorskip("polars")
from schuss.tabular.kinds import find_kinds  # noqa: E402
from schuss.tabular.units import find_units, unit_of  # noqa: E402


def texts(*forms: str) -> list[str]:
    """140 different numbers, in these forms in turn."""
    return [forms[i % len(forms)].format(i + 0.5) for i in range(140)]


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("12", ""), ("-1,234.5", ""), ("12 kg", "kg"), ("5km/h", "km/h"), ("$5", "$"), ("7 €", "€"), ("12 %", "%"),
        ("kg", None), ("about 3", None), ("3 %%", None), ("1-2", None), ("Fr. 5", None),
    ],
)  # fmt: skip
def test_a_number_and_its_unit(text: str, unit: str | None):
    assert unit_of(text) == unit


@pytest.mark.parametrize(
    ("forms", "units"),
    [
        (("{} kg", "{} g"), ["kg", "g"]),
        (("{} kg", "{}", "{}"), ["", "kg"]),
        (("${}", "{} €", "{} EUR", "{} EUR"), ["EUR", "$", "€"]),
        (("{} kg", "{}kg"), None),
        (("{} kg", "about {} kg"), None),
        (("{} a", "{} b", "{} c", "{} d", "{} e"), None),
        (("{}", "{}"), None),
    ],
)
def test_several_units(forms: tuple[str, ...], units: list[str] | None):
    found = find_units(pl.Series(texts(*forms)))
    assert (None if found is None else list(found.first)) == units


def test_a_column_in_several_units_is_left_out_with_a_warning():
    frame = pl.DataFrame({"w": texts("{} kg", "{} g", "{}"), "n": range(140)})
    told = "in kg ('0.5 kg' in x row 0), in g ('1.5 g' in x row 1) and without a unit ('2.5' in x row 2)"
    with pytest.warns(UserWarning, match="^column") as caught:
        kind = find_kinds(frame)["w"]
    assert [str(w.message) for w in caught] == [
        f"column 'w' is left out as text, as its numbers are {told}; write all in one unit; if this is meant, say "
        "drop=['w']"
    ]
    assert (kind.name, kind.used) == ("text", False)
    assert kind.reason == "140 different texts in 140 rows, as numbers are in kg, in g and without a unit"
    with pytest.raises(DataError) as raised:
        find_kinds(frame, ["w"])
    assert str(raised.value) == (
        f"target 'w': its numbers are {told}; write all in one unit, or say category=['w'] if they are names"
    )
    assert find_kinds(frame, ["w"], category=["w"])["w"].name == "category"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        few = pl.DataFrame({"size": ["1 kg", "500 g", "250 g"] * 30})  # names of sizes
        assert find_kinds(few)["size"].reason == "3 levels, as numbers are in g and in kg"
        assert find_kinds(few, ["size"])["size"].name == "category"


def test_numbers_without_the_unit_are_told_to_be_in_it():
    kind = find_kinds(pl.DataFrame({"w": texts("{} kg")}))["w"]
    assert kind.reason == "0.5 to 139.5, written as text, kg left out, numbers without it are in kg"

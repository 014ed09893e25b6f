"""Names that differ only in case or blanks are told, of categories and of classes; dates are no target."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from schuss.errors import DataError

pl = pytest.importorskip("polars")
from schuss.tabular.alike import alike  # noqa: E402
from schuss.tabular.kinds import find_kinds  # noqa: E402
from schuss.tabular.targets import find_target  # noqa: E402


def told(call: Any) -> list[str]:
    """The warnings of a call."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(w.message) for w in caught]


def test_names_are_compared_without_case_and_blanks():
    assert alike(["ja", "Ja", "nein", "JA", "12 kg", "12\u00a0kg", "12kg", "Straße", "STRASSE", "ja"]) == [
        ["12 kg", "12kg", "12\u00a0kg"], ["JA", "Ja", "ja"], ["STRASSE", "Straße"],
    ]  # fmt: skip
    assert alike(["a", "b", "A1"]) == []


@pytest.mark.parametrize("given", [{}, {"category": ["city"]}])
def test_levels_of_a_category(given: Any):
    cities = ["Bern", "bern", "New York", "NewYork", "Basel", "Ulm", "ULM", "Rom", "rom"]
    frame = pl.DataFrame({"city": cities * 20, "nr": [f"{i}" for i in range(180)]})
    rest = "; write them in one way if they are one"
    assert told(lambda: find_kinds(frame, **given)) == [
        "column 'city' has levels that differ only in case or blanks: 'Bern', 'bern'; 'New York', 'NewYork'; 'Rom', "
        f"'rom' and 1 more{rest}"
    ]
    declared = frame.select(pl.col("city").cast(pl.Categorical))
    assert "has levels that differ" in told(lambda: find_kinds(declared, **given))[0]
    words = pl.DataFrame({"garden": ["yes", "No", "no", "YES"] * 20})  # which are yes and no
    assert told(lambda: find_kinds(words)) == []
    assert told(lambda: find_kinds(frame, drop=["city"])) == []
    texts = pl.DataFrame({"note": [f"{'Note' if i % 2 else 'note'} {i // 2}" for i in range(200)]})  # left out as text
    assert told(lambda: find_kinds(texts)) == []


def test_classes_of_a_target():
    from schuss.sklearn import TabularClassifier

    frame = pl.DataFrame({"wet": ["Ja", "ja", "nein", "nein "] * 20, "cold": ["Ja", "ja", "nein", "nein"] * 20})
    said = (
        "target 'wet' has classes that differ only in case or blanks: 'Ja', 'ja'; write them in one way if they are one"
    )
    kinds = find_kinds(frame, ["wet", "cold"])
    assert told(lambda: find_target(frame, ["wet"], kinds)) == [said]
    assert told(lambda: find_target(frame, ["wet", "cold"], kinds)) == []  # of labels both say yes
    x = np.arange(80.0)[:, None]
    small = TabularClassifier(folds=2, epochs=1, hidden_layer_sizes=(2,))
    assert said in told(lambda: small.fit(x, frame["wet"].str.strip_chars().to_pandas()))


@pytest.mark.parametrize(
    ("values", "held"),
    [
        (pl.Series(np.datetime64("2020-01-01") + np.arange(40)), "dates 2020-01-01 to 2020-02-09"),
        (pl.Series([f"2020-03-{1 + i % 30:02}" for i in range(40)]), "dates 2020-03-01 to 2020-03-30"),
    ],
)
@pytest.mark.parametrize("task", [None, "classification", "regression", "counts"])
def test_a_date_is_no_target(values: Any, held: str, task: str | None):
    frame = pl.DataFrame({"sold": values})
    with pytest.raises(DataError) as raised:
        find_target(frame, ["sold"], find_kinds(frame, ["sold"]), task)
    assert str(raised.value) == (
        f"target 'sold': holds dates ({held}), which are neither classes nor quantities; give a column of days or "
        "years as the target, or say category=['sold'] if they are names"
    )
    named = find_kinds(frame, ["sold"], category=["sold"])
    if task in (None, "classification"):
        assert find_target(frame, ["sold"], named, task).classes >= 30

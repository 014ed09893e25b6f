"""The table of faults chosen by hand fits the source, and those faults are noticed."""

from __future__ import annotations

import chosen_faults
import pytest

FAULTS = chosen_faults.table()


def test_every_fault_stands_in_the_source():
    for fault in FAULTS:
        source = (chosen_faults.ROOT / "src" / "schuss" / fault.file).read_text()
        broken = fault.broken(source)  # ValueError names the row that a change of the source leaves behind
        assert broken != source
        compile(broken, fault.file, "exec")
        assert fault.area == fault.file.split("/")[0]


def test_every_test_it_names_is_there():
    for test in {test for fault in FAULTS for test in fault.tests.split()}:
        path, _, name = test.partition("::")
        assert not name or f"def {name}(" in (chosen_faults.ROOT / path).read_text(), test


def test_there_are_enough_of_every_area():
    areas = [fault.area for fault in FAULTS]
    assert len({(fault.file, fault.find, fault.put) for fault in FAULTS}) == len(FAULTS)
    assert all(areas.count(area) >= 25 for area in ("train", "api", "io", "exec", "tabular"))


def test_a_row_that_does_not_fit_is_named():
    fault = chosen_faults.Fault("io", "io/record.py", "no such text", "", "")
    with pytest.raises(ValueError, match=r"io/record\.py: 'no such text' stands there 0 times"):
        fault.broken("a text")


def test_a_page_is_written_part_by_part():
    """Rows of areas that were not tried stay, but for those that the table no longer has."""
    io, train = ([f for f in FAULTS if f.area == area] for area in ("io", "train"))
    first = chosen_faults.report([(fault, "tests/a.py::b") for fault in io])
    assert f"{len(io)} faults: {len(io)} noticed, 0 not. {len(FAULTS) - len(io)} not tried." in first
    gone = f"{first}| `io/old.py` | `a  ->  b` | `tests/a.py::b` |\n"
    both = chosen_faults.report([(fault, "") for fault in train], gone)
    assert f"{len(io) + len(train)} faults: {len(io)} noticed, {len(train)} not." in both
    assert "io/old.py" not in both
    assert first[first.index("## io/") :] in both
    assert both.count("| **nothing** |") == len(train)
    again = chosen_faults.report([(fault, "tests/c.py::d") for fault in train], both)
    assert f"{len(io) + len(train)} faults: {len(io) + len(train)} noticed, 0 not." in again


@pytest.mark.slow
def test_a_handful_is_noticed():
    some = [next(f for f in FAULTS if f.area == area) for area in ("train", "api", "io", "exec", "tabular")]
    assert all(noticed for _, noticed in chosen_faults.tried(some))

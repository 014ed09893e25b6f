"""The faults that tests/faults.py leaves out are such as it could put in."""

from __future__ import annotations

import faults


def test_every_harmless_fault_stands_in_the_source():
    there = {fault.name for fault in faults.all_faults({name.split()[0] for name in faults.HARMLESS})}
    assert set(faults.HARMLESS) - there == set()

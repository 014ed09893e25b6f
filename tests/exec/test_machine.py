"""What the machine is taken to be."""

from __future__ import annotations

import pytest

from schuss.errors import UsageError
from schuss.exec.machine import private_cache, told
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.native.threads import available_cores


def test_facts_can_be_told(monkeypatch):
    monkeypatch.setenv("SCHUSS_MACHINE", "cache=262144,cores=64")
    assert (private_cache(), available_cores(), NativeExecutor().threads) == (262144, 64, 64)
    monkeypatch.setenv("SCHUSS_MACHINE", "cores=3")
    assert (told("cache"), available_cores()) == (None, 3)


def test_else_the_machine_is_asked(monkeypatch):
    monkeypatch.delenv("SCHUSS_MACHINE")
    assert (told("cache"), told("cores")) == (None, None)
    assert private_cache() >= 1 << 15
    assert available_cores() >= 1


@pytest.mark.parametrize("text", ["cores=0", "cores=-2", "cores=two", "l3=5", "cores", "cores=2;cache=3"])
def test_facts_that_are_none(monkeypatch, text):
    monkeypatch.setenv("SCHUSS_MACHINE", text)
    with pytest.raises(UsageError, match="SCHUSS_MACHINE"):
        available_cores()

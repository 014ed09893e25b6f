"""What a signal's handler raises is swallowed in many places: the signal comes again. In processes of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from schuss.cli.signals import Signals

if sys.platform == "win32":
    pytest.skip("signals of POSIX", allow_module_level=True)

# A module `lost` of which the command is made to import something meets the signal; `lose` swallows what is raised.
HEAD = """
import contextlib, importlib, signal, sys, threading, time, weakref
from schuss.cli import COMMANDS, main

NUMBER = signal.{number}
met = []

def meet():
    met.append(1)
    signal.raise_signal(NUMBER)  # its handler runs at once

class Thing:
    pass

class Finished:
    def __del__(self):
        meet()

def deleted():
    Finished()

def referred():
    thing = Thing()
    kept = weakref.ref(thing, lambda _: meet())
    del thing

def caught():
    with contextlib.suppress(BaseException):
        meet()

def wrapped():
    class Meeting:
        def __set_name__(self, owner, name):
            meet()
    with contextlib.suppress(Exception):
        class Owner:
            meeting = Meeting()
"""
LOAD = """
lose, load = {lose}, importlib.import_module

def import_module(name):
    lose()
    assert met
    {then}
    return load(name)

importlib.import_module = import_module
main()
"""
ON_AND_ON = "while True: time.sleep(0.01)"


def run(number: str, lose: str, then: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = HEAD.format(number=number) + LOAD.format(lose=lose, then=then)
    return started(program, *arguments)


def started(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("number", "code", "lose"),
    [("SIGTERM", 143, "deleted"), ("SIGINT", 130, "referred"), ("SIGTERM", 143, "caught"), ("SIGTERM", 143, "wrapped")],
)
def test_a_signal_whose_exception_is_swallowed_ends_the_command(number: str, code: int, lose: str):
    done = run(number, lose, ON_AND_ON, "info", "m")
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.strip() == "stopped before anything was done that could be kept"


@pytest.mark.parametrize(("number", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_it_comes_to_the_handler_of_a_command_that_has_its_own(number: str, code: int, npz: Path):
    """Once: the second of two would end it at once, with nothing said of the run."""
    then = """
    from schuss.cli import signals
    from schuss.train.interrupts import Interrupts
    signals.LOOK, enter = 1.0, Interrupts.__enter__
    def entered(self):
        deleted()
        return enter(self)
    Interrupts.__enter__ = entered
    """
    arguments = ["train", str(npz), "--hidden", "8", "--epochs", "1000000"]
    done = run(number, "lambda: met.append(0)", then, *arguments)
    assert done.returncode == code
    assert "stopped at epoch " in done.stderr or "stopped after epoch " in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_cleaned_up_meanwhile_is_not_disturbed():
    """While the exception is on its way, however long that takes, the signal does not come again."""
    then = """
    try:
        meet()
    finally:
        time.sleep(0.5)
        print("cleaned up", flush=True)
    """
    done = run("SIGTERM", "lambda: met.append(0)", then, "info", "m")
    assert (done.returncode, done.stdout) == (143, "cleaned up\n")
    assert done.stderr == "stopped before anything was done that could be kept\n"


def test_other_exceptions_that_python_swallows_are_told_of():
    then = """
    class Wrong:
        def __del__(self):
            raise ValueError("of a __del__")
    Wrong()
    """
    done = run("SIGTERM", "lambda: met.append(0)", then, "info", "--help")
    assert done.returncode == 0
    assert "ValueError: of a __del__" in done.stderr


def test_chains_of_exceptions_may_be_circles():
    signals, error, other = Signals(), ValueError(), KeyError()
    signals._raised = KeyboardInterrupt()
    error.__cause__, other.__context__ = other, error
    assert not signals._is_behind(error)
    other.__cause__, error.__context__ = RuntimeError(), signals._raised
    assert signals._is_behind(error)
    assert not signals._is_behind(None)


def test_an_ignored_interrupt_stays_ignored():
    """As that of a job that a shell's script runs in the background."""
    program = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + HEAD.format(number="SIGINT")
    program += LOAD.format(lose="meet", then="pass")
    done = started(program, "info", "--help")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("out", "said"), [(True, "m.ckpt has the run as it was kept last (--resume goes on)"), (False, "nothing is kept")]
)
def test_a_second_signal_says_what_is_kept(npz: Path, tmp_path: Path, out: bool, said: str):
    """It comes while the model is written, after the checkpoint; the exit code is that of the first."""
    program = f"""
import sys
from schuss.cli import main
from schuss.cli.training import run
from schuss.train.interrupts import Interrupts

def hurried(*_):
    raise KeyboardInterrupt

def reason(self, real=Interrupts.reason):
    self.caught = {int(signal.SIGTERM)}
    return real(self)

Interrupts.reason = reason
run.save_stopped = run.TrainCommand._say_stopped = hurried
main()
"""
    file = ["--out", str(tmp_path / "m")] if out else []
    done = started(program, "train", str(npz), "--hidden", "8", "--epochs", "3", *file)
    assert done.returncode == 143
    assert done.stderr.strip().endswith(f"stopped at once; {tmp_path / said if out else said}")
    assert sorted(p.name for p in tmp_path.iterdir()) == (["m.ckpt"] if out else [])

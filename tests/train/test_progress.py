"""The live line of fit: in terminals and notebooks, nowhere else; printing goes where it went; bits stay the same."""

from __future__ import annotations

import io
import os
import pty
import select
import subprocess
import sys
import types

import pytest

import schuss
from schuss import nn
from schuss.train import progress
from schuss.train.position import Progress
from schuss.train.trainer import Trainer

from .support import blobs, fit, mlp, same_bits, weights

AT = Progress(2, 5, 3, 10, 96, {"loss": 0.5, "accuracy": 0.875})


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Every look at it is a tenth of a second later."""
    now = iter(range(10**6))
    monkeypatch.setattr(progress, "time", types.SimpleNamespace(perf_counter=lambda: next(now) / 10))


def drawn(monkeypatch, terminal, **environment):
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "100", **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.Bar() as bar:
        bar(AT)
        bar(AT)
    return terminal.getvalue()


def test_in_a_terminal(monkeypatch, clock):
    said = drawn(monkeypatch, Terminal())
    for part in ("epoch 3/5", "loss 0.5000", "accuracy 87.50 %", "examples/s", "\x1b[3"):
        assert part in said
    assert "\x1b[3" not in drawn(monkeypatch, Terminal(), NO_COLOR="1")


def test_nothing_off_a_terminal_when_told_so_or_where_it_is_soon_over(monkeypatch, clock):
    assert drawn(monkeypatch, io.StringIO()) == ""
    for stream in (None, object(), closed := io.StringIO()):
        closed.close()
        monkeypatch.setattr(sys, "stderr", stream)
        with progress.Bar() as bar:
            bar(AT)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.Bar(False) as bar:
        bar(AT)
        bar(AT)
    monkeypatch.setattr(progress, "REDRAW", 99.0)
    with progress.Bar() as bar:
        bar(AT)
    assert terminal.getvalue() == ""


def test_in_a_notebook(monkeypatch, clock):
    """A line of text that is updated in place, with neither ipywidgets nor stderr's colour."""
    shown = []
    handle = types.SimpleNamespace(update=lambda data, raw: shown.append(data["text/plain"]))

    def display(data, raw, display_id):
        shown.append(data["text/plain"])
        return handle

    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    terminal = Terminal()
    assert drawn(monkeypatch, terminal) == ""
    assert len(shown) == 2
    assert shown[0].startswith(" 46%  epoch 3/5  loss 0.5000  accuracy 87.50 %  ")


def test_bits_are_the_same(monkeypatch):
    monkeypatch.setattr(progress, "REDRAW", 0.0)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    model, other = mlp(4, 8, 3, dropout=0.5), mlp(4, 8, 3, dropout=0.5)
    fit(model, blobs(), epochs=3)
    assert terminal.getvalue()
    before = len(terminal.getvalue())
    fit(other, blobs(), epochs=3, progress=False)
    assert len(terminal.getvalue()) == before
    assert same_bits(weights(model), weights(other))


def test_where_nobody_sees_it_nothing_is_made(monkeypatch):
    made, progress_of = [], Trainer._progress
    monkeypatch.setattr(Trainer, "_progress", lambda self: made.append(1) or progress_of(self))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    for shown in (False, True):
        fit(mlp(4, 3), blobs(), epochs=2, progress=shown, backend="reference")
    assert not made
    monkeypatch.setattr(sys, "stderr", Terminal())
    fit(mlp(4, 3), blobs(), epochs=2, backend="reference")
    assert made


PRINTS = """
from schuss.train import progress
import sys
sys.path.insert(0, {tests!r})
progress.REDRAW = 0.0
from tests.train.support import blobs, fit, mlp
fit(mlp(4, 3), blobs(), epochs=3, callbacks=[lambda run: print("epoch", run.epochs)])
"""


def test_what_callbacks_print_into_a_file_stays_in_it(tmp_path):
    """rich would send it to the terminal of the bar."""
    leader, follower = pty.openpty()
    code = PRINTS.format(tests=os.getcwd())
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=follower, text=True, check=True)
    assert done.stdout == "epoch 1\nepoch 2\nepoch 3\n"
    assert select.select([leader], [], [], 0)[0], "the bar was drawn"
    os.close(follower)
    os.close(leader)


# -- the history as a data frame ---------------------------------------------------------------------------


def test_the_history_as_a_data_frame(monkeypatch):
    pandas = pytest.importorskip("pandas")
    run = fit(mlp(4, 3), blobs(), epochs=3, validation=0.2)
    frame = run.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.index) == [1, 2, 3]
    assert list(frame.columns) == [name for name in run.history if name != "epoch"]
    assert frame["val_loss"].tolist() == run.history["val_loss"]
    control = schuss.Control()
    control.stop()
    assert fit(mlp(4, 3), blobs(), control=control).to_frame().empty
    own = schuss.fit(mlp(4, 3), blobs(), loss=nn.CrossEntropyLoss(), optimizer=Own())
    assert own.to_frame()["lr"].isna().all(), "an optimizer without a rate"
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(schuss.errors.UsageError, match="pandas is not installed: pip install pandas"):
        run.to_frame()


class Own:
    def init(self, params):
        return {}

    def update(self, params, grads, state, step):
        return {n: w - 0.1 * grads[n] for n, w in params.items()}, {}

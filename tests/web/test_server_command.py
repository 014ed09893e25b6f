"""schuss train --watch, as a person runs it: the same bits and the same machine code, the same ways to end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.web.support import Client, digits_like

if sys.platform == "win32":
    pytest.skip("signals of POSIX", allow_module_level=True)

COMMAND = [sys.executable, "-c", "from schuss.cli import main; main()"]
RUN = ["--hidden", "16", "--batch-size", "8", "--epochs", "40", "--dropout", "0.1", "--threads", "2"]
ENDLESS = ["--hidden", "16", "--batch-size", "8", "--epochs", "1000000", "--schedule", "constant"]


@pytest.fixture(scope="module")
def npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    x, y = digits_like(1200)
    path = tmp_path_factory.mktemp("data") / "pictures.npz"
    x = x.reshape(-1, 8, 8)
    np.savez(path, x_train=x[:1000], y_train=y[:1000], x_test=x[1000:], y_test=y[1000:])
    return path


class Watched:
    """The command in a process of its own, its page found."""

    def __init__(self, *arguments: Any, **environment: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self.said = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line

    def wait_for(self, pattern: str, seconds: float = 60.0) -> re.Match[str]:
        end = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.said)
            if found:
                return found
            assert self.process.poll() is None or self._reader.is_alive(), self.said
            assert time.monotonic() < end, self.said
            time.sleep(0.01)

    @property
    def client(self) -> Client:
        found = self.wait_for(r"page at http://127\.0\.0\.1:(\d+)/([\w-]+)/\n")
        client = Client.__new__(Client)
        client.port, client.token = int(found[1]), found[2]
        return client

    def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """(exit code, stdout) after a signal."""
        self.process.send_signal(number)
        self.process.wait(20)
        self._reader.join(5)
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        assert "Traceback" not in self.said, self.said
        return self.process.returncode, out


@pytest.fixture
def begin() -> Iterator[Any]:
    begun: list[Watched] = []

    def start(*arguments: Any, **environment: str) -> Watched:
        begun.append(Watched(*arguments, **environment))
        return begun[-1]

    yield start
    for one in begun:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def objects(folder: Path) -> set[str]:
    """The names of the machine code kept there: each is a hash of its program."""
    return {p.name for p in folder.rglob("*") if p.is_file()}


def test_watching_changes_no_bit_and_no_code(begin: Any, npz: Path, tmp_path: Path):
    """With a reader of everything: the same weights, and every program the plain run compiled is run as it is."""
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    caches = tmp_path / "cache-plain", tmp_path / "cache-watched"
    subprocess.run(
        [*COMMAND, "train", str(npz), *RUN, "--out", str(plain), "--quiet"],
        check=True,
        capture_output=True,
        env={**os.environ, "SCHUSS_CACHE_DIR": str(caches[0])},
    )
    run = begin("train", npz, *RUN, "--out", watched, "--watch", SCHUSS_CACHE_DIR=str(caches[1]))
    client = run.client
    for event in client.events(60):
        if event["type"] == "end":
            assert event == {"type": "end", "of": "main"}
            break
        if event["type"] == "hello" and event["state"]["finished"]:  # it ended before the stream began
            break
    else:
        raise AssertionError("training did not end")
    run.wait_for("training has ended, the page stays; Ctrl-C ends it")
    assert client.get("function") == {"kind": "image", "shape": [8, 8]}
    hello = next(client.events())
    assert hello["state"]["finished"]
    assert len(hello["history"]["loss"]) == 40
    code, out = run.end()
    assert code == 0
    assert "test accuracy" in out
    one, other = load_file(plain), load_file(watched)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
    assert objects(caches[0])
    assert objects(caches[0]) <= objects(caches[1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_training_stops_as_without(begin: Any, npz: Path, tmp_path: Path, number: signal.Signals):
    out = tmp_path / "m"
    run = begin("train", npz, *ENDLESS, "--out", out, "--watch")
    client = run.client
    client.until("moment")
    checkpoint = Path(f"{out}.ckpt")
    code, said = run.end(number)
    assert (code, said) == (128 + number, "")
    assert f"the last weights are in {checkpoint}" in run.said
    assert {p.name for p in tmp_path.iterdir()} == {out.name, checkpoint.name}


def test_a_signal_while_paused_stops_too(begin: Any, npz: Path, tmp_path: Path):
    run = begin("train", npz, *ENDLESS, "--out", tmp_path / "m", "--watch")
    client = run.client
    client.until("moment")
    client.post("control", {"do": "pause"})
    client.until("state", paused=True)
    code, _ = run.end()
    assert code == 130
    assert Path(f"{tmp_path / 'm'}.ckpt").exists()


def test_stopped_by_hand_is_a_result(begin: Any, npz: Path, tmp_path: Path):
    out = tmp_path / "m"
    run = begin("train", npz, *ENDLESS, "--out", out, "--watch", "--json")
    client = run.client
    client.until("moment")
    client.post("control", {"do": "lr", "value": 0.0007})
    client.until("change")
    client.post("control", {"do": "stop"})
    run.wait_for("the page stays")
    assert f"the last weights are in {out}.ckpt (--resume goes on), these in {out}\n" in run.said
    assert Path(f"{out}.ckpt").exists()
    code, said = run.end(signal.SIGTERM)
    assert code == 143
    import json

    result = json.loads(said)
    assert result["stopped"] == "stopped by hand"
    assert [c["what"] for c in result["changes"]] == ["lr", "stop"]
    from schuss.io.model import read_model

    assert read_model(out)[1]["record"]["changes"] == result["changes"]


def test_a_hung_reader_does_not_hold_up_the_end(begin: Any, npz: Path):
    from tests.web.test_server_stream import hung

    run = begin("train", npz, *RUN, "--watch")
    sockets = [hung(run.client) for _ in range(4)]
    run.wait_for("the page stays")
    assert run.end()[0] == 0
    for s in sockets:
        s.close()


def test_without_the_extra_one_line_says_what_to_install(npz: Path, tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'uvicorn' else find(name, *a)\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    command = [*COMMAND, "train", str(npz), "--watch"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert done.stderr == "Error: the page needs uvicorn: pip install '.[web]' in the folder of schuss\n"


def test_a_run_that_is_not_watched_loads_no_server(npz: Path):
    code = (
        "import sys\nfrom schuss.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('starlette', 'uvicorn', 'asyncio', 'matplotlib')"
        " or m.startswith(('schuss.web', 'schuss.viz'))])"
    )
    options = ["train", str(npz), "--epochs", "1", "--hidden", "4", "--quiet"]
    done = subprocess.run([sys.executable, "-c", code, *options], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_browser_is_opened_only_on_a_desktop(monkeypatch: pytest.MonkeyPatch):
    from schuss.web import server

    for name in ("SSH_CONNECTION", "CI", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert not server.on_a_desktop()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert server.on_a_desktop()
    monkeypatch.setenv("SSH_CONNECTION", "1")
    assert not server.on_a_desktop()
    monkeypatch.delenv("SSH_CONNECTION")
    monkeypatch.delenv("DISPLAY")
    assert not server.on_a_desktop()

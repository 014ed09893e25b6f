"""The cache of object code: never trusted, never needed, never in the way of another process."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import threading

import numpy as np
import pytest

from schuss import ops
from schuss.codegen import build, cache
from schuss.exec.native import NativeExecutor
from schuss.ir import N, TensorType
from schuss.trace import trace

X = np.random.default_rng(0).standard_normal((7, 3)).astype("f4")
GRAPH = trace(lambda x: ops.exp(x) * 2.0 + 1.0, [TensorType("float32", (N, 3))])


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A cache of its own for each test."""
    monkeypatch.setenv("SCHUSS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("SCHUSS_NO_CACHE", raising=False)
    return tmp_path / "cache" / "objects"


@pytest.fixture
def compiled(monkeypatch):
    """How often code was compiled."""
    calls = []

    def counted(*args):
        calls.append(1)
        return compile_object(*args)

    compile_object = build.compile_object
    monkeypatch.setattr(build, "compile_object", counted)
    return calls


def check():
    (result,) = NativeExecutor(1).compile(GRAPH)([X])
    np.testing.assert_allclose(result, np.exp(X) * 2 + 1, rtol=1e-6)


def entry(folder):
    (path,) = folder.iterdir()
    return path


def test_the_second_run_compiles_nothing(folder, compiled):
    check()
    check()
    assert len(compiled) == 1
    assert len(entry(folder).name) == 64


def damaged(content, kind):
    head = len(cache.MAGIC) + 32 + 32
    changes = {
        "empty": b"",
        "half": content[: len(content) // 2],
        "head only": content[:head],
        "one byte short": content[:-1],
        "one byte more": content + b"\0",
        "flipped in the code": content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
        "flipped in the checksum": content[: head - 1] + bytes([content[head - 1] ^ 1]) + content[head:],
        "flipped in the key": content[:20] + bytes([content[20] ^ 1]) + content[21:],
        "older form": content.replace(b"schuss object 1", b"schuss object 0"),
        "zeros": bytes(len(content)),
        "object code alone": content[head:],
    }
    return changes[kind]


KINDS = (
    "empty", "half", "head only", "one byte short", "one byte more", "flipped in the code", "flipped in the checksum",
    "flipped in the key", "older form", "zeros", "object code alone",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_entries_are_compiled_again(folder, compiled, kind):
    check()
    path = entry(folder)
    whole = path.read_bytes()
    path.write_bytes(damaged(whole, kind))
    check()
    assert len(compiled) == 2
    assert path.read_bytes() == whole
    check()
    assert len(compiled) == 2


def test_any_flipped_byte_is_seen(folder):
    check()
    path = entry(folder)
    whole, rng = path.read_bytes(), random.Random(0)
    for _ in range(300):
        content = bytearray(whole)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        assert cache.get(path.name) is None
    path.write_bytes(whole)
    assert cache.get(path.name) is not None


def test_an_entry_under_anothers_name_is_not_run(folder, compiled):
    check()
    path = entry(folder)
    other = "0" * 64
    path.rename(folder / other)
    assert cache.get(other) is None
    check()
    assert len(compiled) == 2


def test_the_key_holds_program_cpu_features_and_versions(monkeypatch):
    from dataclasses import replace

    from schuss.codegen.target import host_target

    target = host_target()
    keys = {
        cache.key("a", target),
        cache.key("b", target),
        cache.key("a", replace(target, cpu="other")),
        cache.key("a", replace(target, features="+other")),
        cache.key("a", replace(target, triple="other")),
    }
    monkeypatch.setattr(cache, "__version__", "other")
    keys.add(cache.key("a", target))
    monkeypatch.setattr(cache.llvmlite, "__version__", "other")
    keys.add(cache.key("a", target))
    assert len(keys) == 7


def test_a_folder_that_is_missing_is_made(folder, compiled):
    assert not folder.exists()
    check()
    assert folder.is_dir()


def test_a_file_in_the_folders_place(folder, compiled):
    folder.parent.parent.mkdir(exist_ok=True)
    folder.parent.write_text("in the way")
    check()
    check()
    assert len(compiled) == 2
    assert folder.parent.read_text() == "in the way"


def test_an_entry_that_is_a_folder(folder, compiled):
    check()
    path = entry(folder)
    path.unlink()
    path.mkdir()
    check()
    assert len(compiled) == 2


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_folder_that_cannot_be_written(folder, compiled, monkeypatch):
    """Also for a user whom permissions do not stop, the writer is made to fail."""
    folder.mkdir(parents=True)
    folder.chmod(0o500)

    def denied(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cache, "atomic_write", denied)
    try:
        check()
        check()
    finally:
        folder.chmod(0o700)
    assert len(compiled) == 2
    assert not list(folder.iterdir())


def test_an_entry_whose_time_cannot_be_set_is_still_used(folder, compiled, monkeypatch):
    """As in a read-only folder of another user."""
    check()

    def denied(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cache.os, "utime", denied)
    check()
    assert len(compiled) == 1


def test_no_home(compiled, monkeypatch):
    def homeless():
        raise OSError(2, "no home folder")

    monkeypatch.setattr(cache, "cache_dir", homeless)
    check()
    assert len(compiled) == 1


def test_a_full_disk_leaves_nothing(folder, monkeypatch):
    from schuss import paths

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(paths.os, "fsync", full)
    check()
    assert not list(folder.iterdir())


def test_the_cache_can_be_turned_off(folder, compiled, monkeypatch):
    monkeypatch.setenv("SCHUSS_NO_CACHE", "1")
    check()
    check()
    assert len(compiled) == 2
    assert not folder.exists()


def test_entries_used_longest_ago_go_first(folder, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 1000)
    names = [hashlib.sha256(bytes([i])).hexdigest() for i in range(4)]
    for age, name in enumerate(names[:3]):
        cache.put(name, bytes(200))
        os.utime(folder / name, (1000 + age, 1000 + age))
    assert cache.get(names[0]) is not None  # used now
    monkeypatch.setattr(cache, "LIMIT", 900)
    cache.put(names[3], bytes(200))
    assert {p.name for p in folder.iterdir()} == {names[0], names[2], names[3]}


SCRIPT = """
import sys, numpy as np
from schuss import ops
from schuss.exec.native import NativeExecutor
from schuss.ir import N, TensorType
from schuss.trace import trace
x = np.ones((4, 3), "f4")
print("ready", flush=True)
sys.stdin.readline()
for i in range(6):
    f = NativeExecutor(1).compile(trace(lambda x: ops.tanh(x) * float(i), [TensorType("float32", (N, 3))]))
    assert np.allclose(f([x])[0], np.tanh(1.0) * i), i
"""


def test_two_processes_at_once(folder):
    """Both compile and write the same entries at the same time."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    for path in folder.iterdir():
        assert cache.get(path.name) is not None


def test_many_threads_at_once(folder):
    wrong = []

    def work():
        try:
            check()
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not wrong
    assert len(list(folder.iterdir())) == 1

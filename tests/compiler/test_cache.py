"""The cache of object code: never trusted, never needed, never in the way of another process."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading

import numpy as np
import pytest

from schuss import ops
from schuss.compiler import link as build
from schuss.compiler.llvm import cache
from schuss.exec.native.executor import NativeExecutor
from schuss.ir import N, TensorType
from schuss.trace import trace

X = np.random.default_rng(0).standard_normal((7, 3)).astype("f4")
GRAPH = trace(lambda x: ops.exp(x) * 2.0 + 1.0, [TensorType("float32", (N, 3))])


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A cache of its own for each test."""
    monkeypatch.setenv("SCHUSS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("SCHUSS_NO_CACHE", raising=False)
    monkeypatch.setattr(cache, "_told", set())
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
        "older form": content.replace(b"schuss object 2", b"schuss object 1"),
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

    from schuss.compiler.llvm.target import host_target

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


def refused(says):
    return pytest.warns(RuntimeWarning, match=says)


POSIX = pytest.mark.skipif(os.name == "nt", reason="owners and modes of POSIX")
ROOT = pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root gives files away")
NOBODY = 65534


@POSIX
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_all_is_for_the_user_alone_whatever_the_umask(folder, umask, monkeypatch):
    folder = folder.parent / "deep" / "objects"
    monkeypatch.setenv("SCHUSS_CACHE_DIR", str(folder.parent))
    before = os.umask(umask)
    try:
        check()
    finally:
        os.umask(before)
    made = (folder.parent.parent, folder.parent, folder)
    assert [oct(p.stat().st_mode & 0o777) for p in made] == ["0o700"] * 3
    assert [oct(p.stat().st_mode & 0o777) for p in (entry(folder), folder.with_name(cache.KEY))] == ["0o600"] * 2


@POSIX
@pytest.mark.parametrize("what", ["folder", "parent"])
@pytest.mark.parametrize("mode", [0o1777, 0o777, 0o775, 0o702])
def test_a_folder_others_may_write_to_is_not_used_and_said_once(folder, compiled, what, mode):
    check()
    before = entry(folder).read_bytes()
    loose = folder if what == "folder" else folder.parent
    loose.chmod(mode)
    with refused("may be written to by other users") as said:
        check()
        check()
    assert len(compiled) == 3
    assert len(said) == 1
    assert entry(folder).read_bytes() == before


@POSIX
@pytest.mark.parametrize("what", ["entry", "key"])
def test_an_entry_or_key_others_may_write_to_is_not_used(folder, compiled, what):
    check()
    (entry(folder) if what == "entry" else folder.with_name(cache.KEY)).chmod(0o666)
    with refused("may be written to by other users"):
        check()
    assert len(compiled) == 2


@ROOT
@pytest.mark.parametrize("what", ["entry", "folder", "parent", "key"])
def test_anothers_entry_folder_or_key_is_not_used(folder, compiled, what):
    """As root, too: nobody's code must not run with root's rights."""
    check()
    theirs = {"entry": entry(folder), "folder": folder, "parent": folder.parent, "key": folder.with_name(cache.KEY)}
    os.chown(theirs[what], NOBODY, NOBODY)
    with refused("belongs to another user .uid 65534"):
        check()
    assert len(compiled) == 2


@ROOT
def test_anothers_code_of_the_right_form_is_not_run(folder, compiled):
    """What the attack did: a whole entry, with the user's own seal, put there by somebody else."""
    check()
    path = entry(folder)
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(whole)
    os.chown(path, NOBODY, NOBODY)
    with refused("belongs to another user"):
        assert cache.get(path.name) is None
    check()
    assert path.stat().st_uid == 0  # made anew
    assert len(compiled) == 2


def test_an_entry_sealed_with_another_key_is_not_run(folder, compiled):
    check()
    folder.with_name(cache.KEY).write_bytes(bytes(32))
    check()
    check()
    assert len(compiled) == 2


@pytest.mark.parametrize("content", [b"", b"short", bytes(33)])
def test_a_damaged_key_is_made_again(folder, compiled, content):
    check()
    folder.with_name(cache.KEY).write_bytes(content)
    check()
    check()
    assert len(compiled) == 2


@POSIX
@pytest.mark.parametrize("kind", ["link", "dangling link", "fifo", "/dev/zero", "circle"])
def test_only_regular_files_are_read_and_links_not_followed(folder, compiled, tmp_path, kind):
    check()
    path, elsewhere = entry(folder), tmp_path / "elsewhere"
    if kind == "link":
        path.rename(elsewhere)  # the same content, where a link leads
    else:
        path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to({"/dev/zero": "/dev/zero", "circle": path}.get(kind, elsewhere))
    content = elsewhere.read_bytes() if elsewhere.exists() else None
    check()
    assert len(compiled) == 2
    assert path.is_file()
    assert not path.is_symlink()
    assert (elsewhere.read_bytes() if elsewhere.exists() else None) == content
    check()
    assert len(compiled) == 2


@pytest.mark.parametrize("garbage", [b"", b"no object code", bytes(500), b"\x7fELF" + bytes(500)])
def test_garbage_under_the_right_seal_is_compiled_again(folder, compiled, garbage):
    check()
    name = entry(folder).name
    cache.put(name, garbage)
    assert cache.get(name) == garbage
    check()
    assert len(compiled) == 2
    assert len(cache.get(name)) > len(garbage)


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

    def denied(*args, **options):
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

    monkeypatch.setattr(paths.os, "replace", full)
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
    names = [digit * 64 for digit in "1230"]
    for age, name in enumerate(names[:3]):
        cache.put(name, bytes(200))
        os.utime(folder / name, (1000 + age, 1000 + age))
    assert cache.get(names[0]) is not None  # used now
    monkeypatch.setattr(cache, "LIMIT", 900)
    (folder / ".schuss-1-left.tmp").write_bytes(b"by a killed writer")
    beside = folder.with_name(".schuss-1-key.tmp")
    beside.write_bytes(b"likewise, of a key")
    cache.put(names[2], bytes(200))
    assert len(list(folder.iterdir())) == 4
    os.utime(folder / names[2], (1002, 1002))
    cache.put(names[3], bytes(200))  # one in 16 looks
    assert {p.name for p in folder.iterdir()} == {names[0], names[2], names[3]}
    assert not beside.exists()


SCRIPT = """
import sys, numpy as np
from schuss import ops
from schuss.exec.native.executor import NativeExecutor
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

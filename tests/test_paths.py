from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

import pytest

from schuss import paths
from schuss.paths import atomic_write, cache_dir


def test_cache_dir_override(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCHUSS_CACHE_DIR", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.setenv("SCHUSS_CACHE_DIR", "here")
    assert cache_dir() == Path.cwd() / "here"


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX home folder")
@pytest.mark.parametrize(
    "platform, variables, expected",
    [
        ("linux", {}, "/home/me/.cache/schuss"),
        ("linux", {"XDG_CACHE_HOME": "/fast"}, "/fast/schuss"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/schuss"),
        ("darwin", {"XDG_CACHE_HOME": "/fast"}, "/home/me/Library/Caches/schuss"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/schuss"),
        ("win32", {}, "/home/me/AppData/Local/schuss"),
        ("linux", {"SCHUSS_CACHE_DIR": "~/mine"}, "/home/me/mine"),
        ("linux", {"SCHUSS_CACHE_DIR": ""}, "/home/me/.cache/schuss"),
    ],
)
def test_cache_dir_of_each_platform(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: str
) -> None:
    for name in ("SCHUSS_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(paths.sys, "platform", platform)
    assert cache_dir() == Path(expected)


def test_no_home_is_an_os_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("SCHUSS_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(paths.Path, "home", homeless)
    with pytest.raises(OSError, match="set SCHUSS_CACHE_DIR"):
        cache_dir()


def test_writes_bytes_and_by_function(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a", b"one")
    atomic_write(str(tmp_path / "a"), memoryview(b"two"))
    assert (tmp_path / "a").read_bytes() == b"two"
    atomic_write(tmp_path / "a", lambda file: [file.write(b"th"), file.write(b"ree")])
    assert (tmp_path / "a").read_bytes() == b"three"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("error", [OSError("disk full"), ValueError("mine"), KeyboardInterrupt()])
def test_an_error_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise error

    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(type(error)):
        atomic_write(tmp_path / "a", fail)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_synced_before_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(paths.os, "fsync", lambda handle: (steps.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(paths.os, "replace", lambda a, b: (steps.append("replace"), replace(a, b))[1])
    atomic_write(tmp_path / "a", b"x")
    assert steps[:2] == ["fsync", "replace"]
    if sys.platform != "win32":
        assert steps[2:] == ["fsync"]  # the folder's


def test_failing_rename_removes_the_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise PermissionError("in use")

    monkeypatch.setattr(paths.os, "replace", fail)
    with pytest.raises(PermissionError):
        atomic_write(tmp_path / "a", b"x")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: object, *arguments: int) -> int:
        if path == tmp_path:
            raise PermissionError("as on Windows")
        return opened(path, *arguments)  # type: ignore[arg-type]

    opened = os.open
    monkeypatch.setattr(paths.os, "open", fail)
    atomic_write(tmp_path / "a", b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


def test_missing_folder_and_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        atomic_write(tmp_path / "none" / "a", b"x")
    with pytest.raises(OSError, match="not a regular file"):
        atomic_write(tmp_path, b"x")
    with pytest.raises(OSError, match="not a regular file"):
        atomic_write(os.devnull, b"x")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights, modes differ")
def test_links_are_followed_and_the_umask_obeyed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "a")
    mask = os.umask(0o022)
    try:
        atomic_write(tmp_path / "link", b"x")
    finally:
        os.umask(mask)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "a").read_bytes() == b"x"
    assert (tmp_path / "there" / "a").stat().st_mode & 0o777 == 0o644


# -- files that stand there already ------------------------------------------------------------------

POSIX = pytest.mark.skipif(os.name == "nt", reason="modes, owners and pipes of POSIX")


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755, 0o444])
def test_a_replaced_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(mode)
    atomic_write(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert (tmp_path / "a").stat().st_mode & 0o7777 == mode


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root gives files away")
def test_a_replaced_file_keeps_its_owner(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    os.chown(tmp_path / "a", 65534, 65533)
    atomic_write(tmp_path / "a", b"new")
    status = (tmp_path / "a").stat()
    assert (status.st_uid, status.st_gid) == (65534, 65533)


@POSIX
def test_an_owner_that_cannot_be_kept_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(paths.os, "fchown", refused)
    monkeypatch.setattr(paths.os, "fchmod", refused)
    atomic_write(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


@POSIX
def test_a_circle_of_links_is_an_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="symbolic link"):
        atomic_write(tmp_path / "a", b"x")
    assert (tmp_path / "a").is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


@POSIX
def test_pipes_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(OSError, match="not a regular file"):
            paths.open_regular(path)
        with pytest.raises(OSError, match="not a regular file"):
            atomic_write(path, b"x")
    with pytest.raises(IsADirectoryError):
        paths.open_regular(tmp_path)


# -- what killed writers leave -------------------------------------------------------------------------

WRITER = """
import os, sys, time
from schuss.paths import atomic_write

def slowly(file):
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.readline()

atomic_write(sys.argv[1], slowly)
"""


def writer(path: Path) -> subprocess.Popen[str]:
    """A process that is in the middle of writing a file."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


@POSIX
def test_what_a_killed_writer_left_goes_at_the_next_save_and_a_living_ones_stays(tmp_path: Path) -> None:
    killed, living = writer(tmp_path / "killed"), writer(tmp_path / "living")
    killed.kill()
    killed.wait()
    assert len(os.listdir(tmp_path)) == 2
    atomic_write(tmp_path / "mine", b"x")
    (left,) = (n for n in os.listdir(tmp_path) if n != "mine")
    assert f"-{living.pid}-" in left
    living.communicate("go\n")
    assert living.returncode == 0
    assert sorted(os.listdir(tmp_path)) == ["living", "mine"]


@POSIX
def test_looking_whether_a_place_can_be_written_sweeps_too(tmp_path: Path) -> None:
    """As a run does that then finds nothing left to write."""
    killed, living = writer(tmp_path / "killed"), writer(tmp_path / "living")
    killed.kill()
    killed.wait()
    paths.check_writable(tmp_path / "mine")
    (left,) = os.listdir(tmp_path)
    assert f"-{living.pid}-" in left
    living.communicate("go\n")
    assert os.listdir(tmp_path) == ["living"]


def test_the_file_of_a_quicker_process_is_kept(tmp_path: Path) -> None:
    def meanwhile(file: BinaryIO) -> None:
        file.write(b"slower")
        (tmp_path / "a").write_bytes(b"quicker")

    atomic_write(tmp_path / "a", meanwhile, keep=True)
    assert (tmp_path / "a").read_bytes() == b"quicker"
    atomic_write(tmp_path / "b", b"first", keep=True)
    assert (tmp_path / "b").read_bytes() == b"first"
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_without_links_a_file_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(paths.os, "link", none)
    atomic_write(tmp_path / "a", b"x", keep=True)
    assert (tmp_path / "a").read_bytes() == b"x"
    assert os.listdir(tmp_path) == ["a"]


@POSIX
def test_own_files_that_are_being_written_stay(tmp_path: Path) -> None:
    def both(file: BinaryIO) -> None:
        file.write(b"outer")
        atomic_write(tmp_path / "inner", b"inner")

    atomic_write(tmp_path / "outer", both)
    assert sorted(os.listdir(tmp_path)) == ["inner", "outer"]


@POSIX
def test_what_is_no_left_over_stays(tmp_path: Path) -> None:
    names = [".schuss-notes", "a.tmp", ".schuss-1-folder.tmp", ".schuss-1-link.tmp", ".schuss-1-pipe.tmp"]
    (tmp_path / names[0]).write_bytes(b"")
    (tmp_path / names[1]).write_bytes(b"")
    (tmp_path / names[2]).mkdir()
    (tmp_path / names[3]).symlink_to(tmp_path / names[1])
    os.mkfifo(tmp_path / names[4])
    if os.geteuid() == 0:
        names.append(".schuss-1-theirs.tmp")
        (tmp_path / names[5]).write_bytes(b"")
        os.chown(tmp_path / names[5], 65534, 65534)
    atomic_write(tmp_path / "x", b"x")
    assert sorted(os.listdir(tmp_path)) == sorted([*names, "x"])


SAVER = """
import sys
from schuss.paths import atomic_write

content = sys.argv[2].encode() * 1_000_000
print("ready", flush=True)
while True:
    atomic_write(sys.argv[1], content)
"""


def killed_while_saving(folder: Path, count: int, seed: int) -> int:
    """So many writers killed at random moments: the file is always one of theirs, whole. How many left something."""
    rng, path, left = random.Random(seed), folder / "a", 0
    atomic_write(path, b"0" * 1_000_000)
    for _ in range(count):
        letter = rng.choice("123456789")
        process = subprocess.Popen([sys.executable, "-c", SAVER, str(path), letter], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(rng.random() * 0.03)
        process.kill()
        process.communicate()
        content = path.read_bytes()
        assert len(content) == 1_000_000
        assert content == content[:1] * len(content)
        left += len(os.listdir(folder)) > 1
        atomic_write(folder / "b", b"")
        assert sorted(os.listdir(folder)) == ["a", "b"]
        (folder / "b").unlink()
    return left


@POSIX
def test_kills_while_saving(tmp_path: Path) -> None:
    killed_while_saving(tmp_path, 6, 0)


@pytest.mark.slow
@POSIX
def test_many_kills_while_saving(tmp_path: Path) -> None:
    assert killed_while_saving(tmp_path, 200, 1) > 20

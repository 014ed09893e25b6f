from __future__ import annotations

import os
import sys
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
    def fail(*arguments: object) -> int:
        raise PermissionError("as on Windows")

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

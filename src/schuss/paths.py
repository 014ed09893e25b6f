"""Where schuss keeps what it can make again, and how it writes files: whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def cache_dir() -> Path:
    """The user's cache folder for schuss; it may not exist yet.

    `SCHUSS_CACHE_DIR` if set, else the platform's place: `$XDG_CACHE_HOME/schuss` or `~/.cache/schuss`,
    `~/Library/Caches/schuss` on macOS, `%LOCALAPPDATA%\\schuss` on Windows.

    Raises OSError if there is no home folder; whoever caches treats that like a folder it cannot write to.
    (No shared temporary folder instead: another user could plant code in it.)
    """
    try:
        override = os.environ.get("SCHUSS_CACHE_DIR")
        if override:
            return Path(override).expanduser().absolute()
        return _platform_cache() / "schuss"
    except RuntimeError as error:  # Path.home() found none
        raise OSError(errno.ENOENT, "no home folder for the cache: set SCHUSS_CACHE_DIR") from error


def _platform_cache() -> Path:
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    # The XDG base directory specification says to ignore a relative path.
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    return Path(xdg) if os.path.isabs(xdg) else Path.home() / ".cache"


def atomic_write(path: str | os.PathLike[str], content: bytes | memoryview | Callable[[BinaryIO], object]) -> None:
    """Write a file so that anyone sees the old one or the whole new one, also after a crash.

    `content` is the bytes, or a function that writes them to the open file it is given. Steps: a new file
    beside it, flush, fsync, rename over `path`, fsync of the folder. A symbolic link is followed. On any
    error the old file stands, the new one is removed, and the error (OSError, or the function's own) goes on.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(target))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(target.parent))
    # Not tempfile.mkstemp: its files are for the owner only, while a result should obey the umask.
    temporary = target.with_name(f".schuss-{os.getpid()}-{secrets.token_hex(6)}.tmp")
    try:
        with open(temporary, "xb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable. Windows cannot open a folder, some file systems cannot sync one."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

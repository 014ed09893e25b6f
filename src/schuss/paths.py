"""Where schuss keeps what it can make again, and how it writes files: whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from schuss.errors import UsageError

PREFIX, SUFFIX = ".schuss-", ".tmp"  # of files that are being written
_writing: set[Path] = set()  # by this process, which over NFS does not see its own locks


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


# -- reading ------------------------------------------------------------------------------------


def open_regular(path: str | os.PathLike[str], links: bool = True) -> BufferedReader:
    """A regular file, open to be read. A pipe or device, which might never end, is an OSError at once.

    links: whether a symbolic link in its place is followed.
    """
    extra = getattr(os, "O_NONBLOCK", 0) | (0 if links else getattr(os, "O_NOFOLLOW", 0))
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | extra))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    return file


# -- what is the user's own ---------------------------------------------------------------------


class NotOwn(OSError):
    """A file or folder that is somebody else's, or that others may write to."""


def check_own(status: os.stat_result, path: object) -> None:
    """NotOwn unless the user owns it and nobody else may write to it. (Windows keeps a user's folders apart itself.)"""
    if os.name != "posix":
        return
    if status.st_uid != os.geteuid():
        raise NotOwn(errno.EPERM, f"belongs to another user (uid {status.st_uid})", str(path))
    if status.st_mode & 0o022:
        raise NotOwn(errno.EPERM, "may be written to by other users", str(path))


def read_own(path: Path, most: int) -> bytes:
    """A regular file of the user's own, no link, of `most` bytes at most. OSError otherwise; see check_own.

    Its time of access is set: it was used now.
    """
    with open_regular(path, links=False) as file:
        status = os.fstat(file.fileno())
        check_own(status, path)
        if status.st_size > most:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        return file.read(most)


def private_folder(path: Path) -> None:
    """Make the folder, for the user alone whatever the umask, where it is not. OSError if that cannot be."""
    if path.is_dir():
        return
    private_folder(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
        path.chmod(0o700)


# -- writing ------------------------------------------------------------------------------------


def atomic_write(
    path: str | os.PathLike[str],
    content: bytes | memoryview | Callable[[BinaryIO], object],
    private: bool = False,
    keep: bool = False,
) -> None:
    """Write a file so that anyone sees the old one or the whole new one, also after a crash.

    `content` is the bytes, or a function that writes them to the open file it is given. Steps: a new file
    beside it, flush, fsync, rename over `path`, fsync of the folder. A symbolic link is followed. The new file
    has the old one's mode, and its owner where the user may give files away; without an old one it obeys the umask.
    On any error the old file stands, the new one is removed, and the error (OSError, or the function's own) goes on.
    What killed writers left in the folder is removed.

    private: a cache's file. It is for the user alone whatever the umask and whatever was there, also in a link's place.
    It can be made again, so nothing waits for the disk, and what killed writers left stays: see remove_left_over.
    keep: a file that is there by then, because another process was quicker, stays.
    """
    target = Path(path).absolute() if private else Path(os.path.realpath(path))
    old = None if private else _replaced(target)
    _check_folder(target.parent)
    # Not tempfile.mkstemp: its files are for the owner only, while a result should obey the umask.
    temporary, file = _begin(target.parent, 0o600 if private or old is not None else 0o666, sweep=not private)
    try:
        with file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            if private or old is not None:
                _give(file.fileno(), None if private else old)
            if not private:
                os.fsync(file.fileno())
            if os.name == "posix":  # while it is open and so marked as somebody's
                _place(temporary, target, keep)
        if os.name != "posix":
            _place(temporary, target, keep)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    finally:
        _writing.discard(temporary)
    if not private:
        _sync_folder(target.parent)


def _place(temporary: Path, target: Path, keep: bool) -> None:
    """The finished file under its name; see atomic_write for keep."""
    if keep:
        with contextlib.suppress(OSError):  # a file system without links
            with contextlib.suppress(FileExistsError):
                os.link(temporary, target)
            temporary.unlink()
            return
    os.replace(temporary, target)


def _replaced(target: Path) -> os.stat_result | None:
    """What is known of the file that is to be replaced. OSError for what is no file, as a circle of links."""
    try:
        old = os.stat(target)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(old.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(target))
    return old


def check_writable(path: str | os.PathLike[str]) -> None:
    """OSError unless atomic_write could write there: no file is there or one, and the folder takes a new one.

    As by atomic_write, what killed writers left in the folder is removed: also where nothing is left to be written.
    """
    target = Path(os.path.realpath(path))
    _replaced(target)
    _check_folder(target.parent)
    temporary, file = _begin(target.parent, 0o600, sweep=True)
    file.close()
    with contextlib.suppress(FileNotFoundError):  # free for a moment, it may be taken for a dead writer's
        temporary.unlink()
    _writing.discard(temporary)


def check_apart(output: Path, option: str, *read: object) -> None:
    """UsageError where what is written would take the place of a file that is read."""
    for place in read:
        if place is None or not isinstance(place, str | os.PathLike):
            continue
        with contextlib.suppress(OSError, ValueError):
            if os.path.samefile(output, place):
                raise UsageError(f"{option} {output}: is what is read, and would be lost; give another name")


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(folder))


def _begin(folder: Path, mode: int, sweep: bool) -> tuple[Path, BinaryIO]:
    """A new file with a name of its own, locked as long as it is open, which tells others that its writer lives.

    sweep: the folder is rid of the dead ones' before.
    """
    if sweep:
        remove_left_over(folder)
    while True:
        temporary = folder / f"{PREFIX}{os.getpid()}-{secrets.token_hex(6)}{SUFFIX}"
        _writing.add(temporary)
        try:
            file = open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode))  # noqa: SIM115
        except OSError:
            _writing.discard(temporary)
            raise
        _lock(file.fileno())
        if os.name != "posix" or os.fstat(file.fileno()).st_nlink:
            return temporary, file
        file.close()  # taken for a dead writer's, in the moment before it was locked
        _writing.discard(temporary)


def _lock(handle: int) -> bool:
    """Whether the file is now locked by this process. It is free again when the process ends, however it ends."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):  # another system, a file system without locks; or another process has it
        return False
    return True


def _give(handle: int, old: os.stat_result | None) -> None:
    """The old file's owner, where that is allowed, and mode; without one, everything to the user alone."""
    if old is None:
        if hasattr(os, "fchmod"):
            os.fchmod(handle, 0o600)
        return
    if hasattr(os, "fchown"):
        with contextlib.suppress(OSError):
            os.fchown(handle, old.st_uid, old.st_gid)
    if hasattr(os, "fchmod"):
        with contextlib.suppress(OSError):
            os.fchmod(handle, stat.S_IMODE(old.st_mode))


def remove_left_over(folder: Path) -> None:
    """Remove temporary files of this user's whose writers are dead: the living hold a lock on theirs."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        names = [e.name for e in entries if e.name.startswith(PREFIX) and e.name.endswith(SUFFIX)]
        for path in (folder / name for name in names):
            if path in _writing:
                continue
            with contextlib.suppress(OSError), open_regular(path, links=False) as file:
                if os.fstat(file.fileno()).st_uid == os.geteuid() and _lock(file.fileno()):
                    path.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable. Windows cannot open a folder, some file systems cannot sync one."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

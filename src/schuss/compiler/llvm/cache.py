"""Object code on disk, so that the second run of a program compiles nothing.

An entry is found by a hash of the program's text, the CPU with its features and all versions involved, and carries a
code (HMAC-SHA256) of its content under a key that only the user can read. Whatever is damaged, cut, foreign or
another user's is compiled again, never run; in a folder that others may write to nothing is read nor written. A folder
that cannot be written is no error. SCHUSS_NO_CACHE=1 turns the cache off.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import warnings
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm

from schuss.compiler.llvm.target import Target
from schuss.paths import NotOwn, atomic_write, cache_dir, check_own, private_folder, read_own, remove_left_over
from schuss.version import __version__

MAGIC = b"schuss object 2\n"
LIMIT = 256 << 20  # bytes kept, about; the entries used longest ago go first
KEY, KEY_BYTES = "objects.key", 32
SEAL = 32  # bytes of an entry's code
_told: set[str] = set()  # what was said already


def key(text: str, target: Target) -> str:
    """The name of a program's entry."""
    parts = (
        text,
        target.triple,
        target.cpu,
        target.features,
        llvmlite.__version__,
        str(llvm.llvm_version_info),
        __version__,
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def get(name: str) -> bytes | None:
    """The object code, or None if there is no sound entry."""
    if _off():
        return None
    try:
        folder = _folder()
        secret = _secret(folder)
        data = read_own(folder / name, LIMIT)
    except NotOwn as error:
        _tell(error)
        return None
    except OSError:
        return None
    with contextlib.suppress(OSError):  # in a folder that can only be read
        os.utime(folder / name)
    head = MAGIC + bytes.fromhex(name)
    code = data[len(head) + SEAL :]
    sealed = data.startswith(head) and hmac.compare_digest(data[len(head) :][:SEAL], _seal(secret, head, code))
    return code if sealed else None


def put(name: str, code: bytes) -> None:
    """Keep the object code, if the folder allows it."""
    if _off():
        return
    try:
        folder = _folder(make=True)
        head = MAGIC + bytes.fromhex(name)
        sealed = head + _seal(_secret(folder, make=True), head, code) + code
        atomic_write(folder / name, sealed, private=True)
        if name[0] == "0":  # one in 16: to look at thousands of entries takes as long as to make one
            _trim(folder)
    except NotOwn as error:
        _tell(error)
    except OSError:
        pass


def drop(name: str) -> None:
    """Forget an entry that cannot be run."""
    with contextlib.suppress(OSError):
        (_folder() / name).unlink()


def _off() -> bool:
    return os.environ.get("SCHUSS_NO_CACHE", "") not in ("", "0")


def _tell(error: NotOwn) -> None:
    text = f"{error.filename}: {error.strerror}: compiled code is not taken from there"
    if text not in _told:
        _told.add(text)
        mend = "own it and chmod go-w, remove it, or set SCHUSS_CACHE_DIR to a folder of your own"
        warnings.warn(f"{text}; {mend}", RuntimeWarning, stacklevel=2)


def _folder(make: bool = False) -> Path:
    """The entries' folder. NotOwn unless it and the one it lies in are the user's own."""
    folder = cache_dir() / "objects"
    for part in (folder.parent, folder):
        if make:
            private_folder(part)
        check_own(os.stat(part), part)
    return folder


def _secret(folder: Path, make: bool = False) -> bytes:
    """The user's key, which lies beside the folder."""
    path = folder.with_name(KEY)
    with contextlib.suppress(FileNotFoundError):
        found = read_own(path, 2 * KEY_BYTES)
        if len(found) == KEY_BYTES:
            return found
        if make:  # damaged
            path.unlink()
    if not make:
        raise FileNotFoundError(str(path))
    atomic_write(path, secrets.token_bytes(KEY_BYTES), private=True, keep=True)  # two processes then have the same
    return read_own(path, KEY_BYTES)


def _seal(secret: bytes, head: bytes, code: bytes) -> bytes:
    return hmac.digest(secret, head + code, "sha256")


def _trim(folder: Path) -> None:
    """Drop the entries used longest ago while there are too many bytes, and what killed writers left."""
    for swept in (folder, folder.parent):
        remove_left_over(swept)
    entries = []
    with os.scandir(folder) as found:
        for entry in found:
            with contextlib.suppress(OSError):  # another process may have dropped it
                status = entry.stat(follow_symlinks=False)
                entries.append((status.st_mtime, status.st_size, entry.path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= LIMIT:
            return
        with contextlib.suppress(OSError):
            os.unlink(path)
            total -= size

"""Object code on disk, so that the second run of a program compiles nothing.

An entry is found by a hash of the program's text, the CPU with its features and all versions involved,
and carries a checksum. Whatever is damaged, cut or foreign is compiled again, never run. A folder that
cannot be written is no error. SCHUSS_NO_CACHE=1 turns the cache off.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm

from schuss.codegen.target import Target
from schuss.paths import atomic_write, cache_dir
from schuss.version import __version__

MAGIC = b"schuss object 1\n"
LIMIT = 256 << 20  # bytes kept; the entries used longest ago go first


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
        path = _folder() / name
        data = path.read_bytes()
    except OSError:
        return None
    with contextlib.suppress(OSError):  # in a folder that can only be read
        os.utime(path)
    head = MAGIC + bytes.fromhex(name)
    code = data[len(head) + 32 :]
    sound = data.startswith(head) and data[len(head) : len(head) + 32] == hashlib.sha256(code).digest()
    return code if sound else None


def put(name: str, code: bytes) -> None:
    """Keep the object code, if the folder allows it."""
    if _off():
        return
    with contextlib.suppress(OSError):
        folder = _folder()
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / name, MAGIC + bytes.fromhex(name) + hashlib.sha256(code).digest() + code)
        _trim(folder)


def _off() -> bool:
    return os.environ.get("SCHUSS_NO_CACHE", "") not in ("", "0")


def _folder() -> Path:
    return cache_dir() / "objects"


def _trim(folder: Path) -> None:
    """Drop the entries used longest ago while there are too many bytes."""
    entries = []
    for path in folder.iterdir():
        with contextlib.suppress(OSError):  # another process may have dropped it
            status = path.stat()
            entries.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries, key=lambda e: e[0]):
        if total <= LIMIT:
            return
        with contextlib.suppress(OSError):
            path.unlink()
            total -= size

"""Files that hold tables: opened, decompressed, and told apart by their first bytes."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from schuss.errors import DataError, UsageError, no_such_file

STDIN = "-"
FORMS = {  # first bytes: what such a file is
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"\xff\xff\xff\xff": "stream",
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
}
REFUSED = {
    b"PK\x03\x04": "is a zip archive or a workbook; save the sheet as CSV, or unzip it",
    b"\xd0\xcf\x11\xe0": "is an old workbook; save the sheet as CSV",
    b"FEA1": "is of the first Feather format; write it anew as Arrow IPC (df.to_feather)",
    b"\x89HDF": "is an HDF5 file; write its table as Parquet or CSV",
    b"SQLite format 3": "is a database; write the table as Parquet or CSV",
    b'{"': "is JSON; write its table as CSV or Parquet",
    b"[{": "is JSON; write its table as CSV or Parquet",
    b"<!DOCTYPE": "is a web page; load the table itself down",
    b"<!doctype": "is a web page; load the table itself down",
    b"<html": "is a web page; load the table itself down",
    b"\x93NUMPY": "is an array of numpy; give it in Python: as_frame(numpy.load(file))",
}
BINARY = (b"\x7fELF", b"MZ\x90", b"\xcf\xfa\xed\xfe", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"%PDF")
ENDINGS = {".parquet": "parquet", ".pq": "parquet", ".feather": "arrow", ".arrow": "arrow", ".ipc": "arrow"}


@dataclass
class Opened:
    """An open table. form: parquet, arrow, stream or text; path: of a file that is read as it is, not decompressed."""

    name: str
    file: BinaryIO
    form: str
    path: Path | None


@contextlib.contextmanager
def opened(source: Any) -> Iterator[Opened]:
    """A path, "-" for standard input, or a binary file, open to be read. DataError if it is missing, or no table."""
    with contextlib.ExitStack() as stack:
        name, file, path = _open(source, stack)
        with _explained(name):
            first = _first_bytes(file)
            form = next((form for start, form in FORMS.items() if first.startswith(start)), "text")
            if mend := next((mend for start, mend in REFUSED.items() if first.startswith(start)), ""):
                raise DataError(f"{name}: {mend}")
            if form == "text" and first[8:10] == b'{"' and int.from_bytes(first[:8], "little") < 1 << 32:
                raise DataError(
                    f"{name}: is a model's file, or other arrays as safetensors, and no table; name the table"
                )
            if form == "text" and first.startswith(BINARY):
                raise DataError(f"{name}: is a program or a picture, and no table; name the table")
            wanted = ENDINGS.get(Path(name).suffix.lower())
            if wanted and form == "text":
                kind = "Parquet" if wanted == "parquet" else "Feather (Arrow IPC)"
                raise DataError(f"{name}: {'is empty' if not first else f'is no {kind} file'}; write it anew")
            if form in ("gzip", "zstd", "bzip2", "xz"):
                file, form, path = stack.enter_context(_decompressed(name, file, form)), "text", None
            yield Opened(name, file, form, path)


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """Failures of reading as DataError."""
    try:
        yield
    except (OSError, EOFError) as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            raise
        raise DataError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _open(source: Any, stack: contextlib.ExitStack) -> tuple[str, BinaryIO, Path | None]:
    if source == STDIN:
        return "standard input", sys.stdin.buffer, None
    if hasattr(source, "read"):
        return str(getattr(source, "name", "the table")), source, None
    if not isinstance(source, str | os.PathLike):
        raise UsageError(f"a table is read from a path, '-' or a file open as binary, not from {type(source).__name__}")
    if "://" in str(source):
        raise DataError(f"{source}: is an address; load the file down and give its path")
    path = Path(source)
    try:
        file = stack.enter_context(path.open("rb"))
    except FileNotFoundError:
        raise DataError(no_such_file(path)) from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder; name the file in it") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    return str(path), file, path if regular else None


def _first_bytes(file: Any) -> bytes:
    """The first bytes, which are read again later."""
    if hasattr(file, "peek"):
        return bytes(file.peek(16)[:16])
    first = file.read(16)
    if isinstance(first, str):
        raise DataError("the table: is open as text; open it by open(path, 'rb')")
    file.seek(-len(first), os.SEEK_CUR)
    return bytes(first)


def _decompressed(name: str, file: BinaryIO, form: str) -> Any:
    if form == "gzip":
        import gzip

        return gzip.GzipFile(fileobj=file)
    if form == "bzip2":
        import bz2

        return bz2.BZ2File(file)
    if form == "xz":
        import lzma

        return lzma.LZMAFile(file)
    return _zstd(name, file)


def _zstd(name: str, file: BinaryIO) -> Any:
    with contextlib.suppress(ImportError):
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]  # of Python 3.14

        return zstd.ZstdFile(file)
    try:
        import zstandard
    except ImportError:
        raise DataError(
            f"{name}: to read what zstd wrote needs zstandard: pip install zstandard (or: zstd -d {name})"
        ) from None
    return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)


def read_exactly(file: BinaryIO, size: int, name: str) -> bytes:
    """So many bytes, fewer only at the end of the file."""
    with _explained(name):
        parts, held = [], 0
        while held < size and (part := file.read(size - held)):
            parts.append(part)
            held += len(part)
    return b"".join(parts)

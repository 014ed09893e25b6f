"""The encoding of a file of text: found by its beginning, and turned into UTF-8 as the file is read."""

from __future__ import annotations

import codecs
import re

from schuss.asking import asked
from schuss.errors import DataError, warn

BOM = "\ufeff".encode()
MARKS = (  # at a file's beginning
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
UNUSED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")  # by cp1252
WIDE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)  # UTF-8's, beyond ASCII


def find_encoding(head: bytes, given: str | None) -> str:
    """The encoding of a file that begins so; "utf-8" where nothing speaks against it."""
    if given is not None:
        return codecs.lookup(given).name
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    if len(head) > 3 and b"\0" in head:  # of UTF-16 without a mark, most texts have a zero in each pair
        even, odd = head[0::2], head[1::2]
        if odd.count(0) > 0.4 * len(odd) and even.count(0) < 0.1 * len(even):
            return "utf-16-le"
        if even.count(0) > 0.4 * len(even) and odd.count(0) < 0.1 * len(odd):
            return "utf-16-be"
    return "utf-8"


class Decoder:
    """Pieces of a file as UTF-8, without its mark. Where UTF-8 was only assumed and does not hold, it is cp1252 or
    latin-1, unless something before was UTF-8."""

    def __init__(self, encoding: str, given: bool, name: str) -> None:
        self.encoding, self.given, self.name = encoding, given, name
        self._decode = codecs.getincrementaldecoder(encoding)()
        self._begun = self._wide = False
        self._lines = 1
        self._held = b""  # of a character that the last piece ended in

    def __call__(self, piece: bytes, last: bool) -> bytes:
        """The next piece. DataError with the line of what is not in the encoding."""
        if self.encoding == "utf-8" and not self._held and piece.isascii():
            out = piece
        else:
            try:
                out = self._decode.decode(piece, last).encode()
            except UnicodeDecodeError as error:
                out = self._other(self._held + piece, last, error)
            except UnicodeEncodeError:  # halves of pairs
                raise DataError(
                    f"{self.name}: is no {self.encoding}; give its encoding, as {asked('encoding', 'cp1252')}"
                ) from None
            if self.encoding == "utf-8":
                self._held = self._decode.getstate()[0]
                self._wide = self._wide or not out.isascii()
        if not self._begun and out:
            self._begun = True
            out = out.removeprefix(BOM)
        self._lines += out.count(b"\n")
        return out

    def _other(self, data: bytes, last: bool, error: UnicodeDecodeError) -> bytes:
        """What is no UTF-8 as the encoding of Western Europe, or DataError."""
        line = self._lines + error.object[: error.start].count(b"\n")
        byte = error.object[error.start]
        told = f"{self.name} line {line}: byte 0x{byte:02x} is no {self.encoding}"
        if self.given or self.encoding != "utf-8":
            raise DataError(f"{told}; give the encoding that the file has, as {asked('encoding', 'cp1252')}")
        if self._wide or WIDE.search(data):
            mend = f"save it in one encoding, or say which it has: {asked('encoding', 'cp1252')}"
            raise DataError(f"{told}, as other lines are: encodings are mixed; {mend}")
        self.encoding = "latin-1" if UNUSED.search(data) else "cp1252"
        mend = f"if that is wrong, say which, as {asked('encoding', 'cp1250')}"
        warn(f"{told}, so the file is read as {self.encoding}; {mend}")
        self._held = b""
        self._decode = codecs.getincrementaldecoder(self.encoding)()
        return self._decode.decode(data, last).encode()


__all__ = ["BOM", "Decoder", "find_encoding"]

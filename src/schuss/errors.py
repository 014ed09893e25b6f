"""Typed exceptions. Each message is one line: what is wrong, where, and how to mend it.

The command turns a SchussError into one line on stderr and exit code 1; a UsageError exits with 2.
"""

from __future__ import annotations

import re
import sys
import warnings

from schuss.lines import is_between

# What a terminal takes for a command, or what turns the order of the text: control characters but tab and newline,
# marks of direction, line separators, halves of pairs that no encoding takes.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with what a terminal would obey, and not show, written as \\x1b: names come from files, too."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def one_line(text: object) -> str:
    """The text on one line, for messages that quote a file or another library."""
    return printable(" ".join(str(text).split()))


class SchussError(Exception):
    """Base of every error schuss raises on purpose. Its text is one line and safe to print, whatever it quotes."""

    def __init__(self, *parts: object) -> None:
        super().__init__(*(printable(p).replace("\n", r"\n") if isinstance(p, str) else p for p in parts))


class UsageError(SchussError):
    """An argument or option is out of range or does not fit with another."""


class ShapeError(SchussError):
    """Shapes of an operation's inputs do not fit. Names the op, the shapes and the user's line.

    bare  the text without a mend, for who knows a better one
    """

    bare: str = ""


class DTypeError(SchussError):
    """A dtype an operation cannot take."""


class TraceError(SchussError):
    """Python code did something with a traced value that needs a number (an `if`, a `float()`)."""


class GradientError(SchussError):
    """Something cannot be differentiated: an op without a rule, a loss that is not a scalar."""


class GraphError(SchussError):
    """A graph breaks the rules of the IR (found by the verifier or the parser)."""


class LoweringError(SchussError):
    """An operation has no native lowering for what was asked; names the op."""


class DataError(SchussError):
    """A data file or array is missing, damaged or of the wrong form."""


class IndexRangeError(DataError, IndexError):
    """An index is outside its range. Names the operation, the row, the index and the range."""

    def __init__(self, message: str, row: int | None = None, value: int = 0) -> None:
        super().__init__(message)
        self.row, self.value = row, value


class ModelFileError(SchussError):
    """A model file or checkpoint is damaged, from a newer version or not ours."""


class NonFiniteError(SchussError):
    """A loss or parameter became NaN or infinite. Names the op and the step."""


def no_such_file(path: object) -> str:
    """What every message about a file that is not there says."""
    return f"{path}: no such file"


def warn(message: str) -> None:
    """A UserWarning at the user's line, which Python shows once for each line. The command shows it as one line."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and is_between(frame.f_code.co_filename):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)

"""What the command says of an error, in one line."""

from __future__ import annotations

import errno
import os

from schuss.errors import SchussError, UsageError, no_such_file, one_line
from schuss.lines import raised_by_user, users_line


def told(error: Exception) -> tuple[str, int]:
    """The line, and the exit code: 2 for wrong usage.

    An error in code of the user's (a network, a loss, a source of data) is told with its kind and line. One that
    schuss raises has a line where it came through such code; what that code says by a SchussError is said as it is.
    """
    return _text(error), 2 if isinstance(error, UsageError) else 1


def kind_and_text(error: BaseException) -> str:
    """An error of code that is not schuss's, with the user's line: ValueError: negative (line: net.py:3)"""
    text = one_line(error.msg if isinstance(error, SyntaxError) else error)
    return f"{type(error).__name__}{': ' * bool(text)}{text}{users_line(error)}"


def with_line(error: SchussError) -> str:
    """What schuss says, with the user's line if it names none."""
    text = str(error)
    return text if " (line: " in text or raised_by_user(error) else text + users_line(error)


def _text(error: Exception) -> str:
    if isinstance(error, SchussError):
        return with_line(error)
    if raised_by_user(error) or (users_line(error) and not isinstance(error, OSError)):
        return kind_and_text(error)
    if isinstance(error, FileNotFoundError) and error.filename and error.strerror == os.strerror(errno.ENOENT):
        return no_such_file(error.filename) + users_line(error)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}{users_line(error)}"
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}"
    return f"{kind_and_text(error)} (not foreseen; SCHUSS_DEBUG=1 shows where)"


__all__ = ["kind_and_text", "told", "with_line"]

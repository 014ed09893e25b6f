"""Whose line of code it is, for messages that name the user's."""

from __future__ import annotations

import os
from functools import cache
from types import TracebackType

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_PYTHON = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_INSTALLED = tuple(f"{os.sep}{kind}-packages{os.sep}" for kind in ("site", "dist"))


def is_installed(file: str) -> bool:
    """Whether it is of an installed package."""
    return any(folder in file for folder in _INSTALLED)


@cache
def is_passed(file: str) -> bool:
    """Whether a line of this file is nobody's who could mend it: schuss's, or Python's own, as of a cached_property."""
    return file.startswith(_PACKAGE) or (file.startswith(_PYTHON) and not is_installed(file))


@cache
def is_between(file: str) -> bool:
    """Whether it stands between a call of the user's and schuss: such a file, or one of scikit-learn or joblib, whose
    pipelines, searches and decorators call the estimators."""
    return is_passed(file) or any(f"-packages{os.sep}{name}{os.sep}" in file for name in ("sklearn", "joblib"))


def users_line(error: BaseException) -> str:
    """The innermost line of the user's that an error came through, as " (line: FILE:LINE)"; "" where there is none."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" (line: {error.filename}:{error.lineno})"
    own = [(file, line) for file, line in _lines(error.__traceback__) if not _is_nobodys(file)]
    return f" (line: {own[-1][0]}:{own[-1][1]})" if own else ""


def raised_by_user(error: BaseException) -> bool:
    """Whether the line that raised it is the user's, and no package's that he called."""
    lines = _lines(error.__traceback__)
    return bool(lines) and not _is_nobodys(lines[-1][0])


def _lines(trace: TracebackType | None) -> list[tuple[str, int]]:
    """The file and line of each frame, the innermost last."""
    found: list[tuple[str, int]] = []
    while trace is not None:
        found.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    return found


def _is_nobodys(file: str) -> bool:
    return is_passed(file) or is_installed(file) or file.startswith("<")


__all__ = ["is_between", "is_installed", "is_passed", "raised_by_user", "users_line"]

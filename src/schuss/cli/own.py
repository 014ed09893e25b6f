"""A network of the user's own, from a Python file: schuss train --net FILE.py:NAME."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from schuss.cli.failures import kind_and_text, with_line
from schuss.errors import SchussError, UsageError, no_such_file

NAME = "make"  # what is called where the file is given alone


def own_network(given: str) -> Any:
    """The model that a function of a file returns; FILE.py alone means FILE.py:make.

    UsageError for a file that is not there or fails, for a name it has not, and for what is no model.
    """
    path, name = _parts(given)
    made = getattr(_module(path), name, None)
    if made is None:
        raise UsageError(f"--net {given}: {path} has no {name}; write def {name}(): return nn.Sequential(...)")
    try:
        model = made() if (callable(made) and not hasattr(made, "parameters")) or isinstance(made, type) else made
    except SchussError as error:
        raise UsageError(f"--net {given}: {with_line(error)}") from error
    except Exception as error:
        raise UsageError(f"--net {given}: {name}() fails: {kind_and_text(error)}") from error
    if not callable(model):
        raise UsageError(f"--net {given}: {name}() returned {type(model).__name__}, which is no model")
    return model


def _parts(given: str) -> tuple[Path, str]:
    path, colon, name = given.rpartition(":")
    if not colon or not name.isidentifier():
        path, name = given, NAME
    return Path(path), name


def _module(path: Path) -> ModuleType:
    """The file as a module; what lies beside it can be imported."""
    if not path.is_file():
        raise UsageError(f"--net: {no_such_file(path)}; give FILE.py:NAME")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"--net: {path} is no Python file; give FILE.py:NAME")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"--net: {path} fails: {kind_and_text(error)}") from error
    finally:
        sys.path.pop(0)
    return module

"""A network of the user's own, from a Python file: schuss train --net FILE.py:NAME."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from schuss.calling import did_you_mean
from schuss.cli.failures import kind_and_text, with_line
from schuss.errors import SchussError, UsageError, no_such_file

NAME = "make"  # what is called where the file is given alone


def own_network(given: str) -> Any:
    """The model that a function of a file returns; FILE.py alone means FILE.py:make.

    UsageError for a file that is not there or fails, for a name it has not, and for what is no model.
    """
    path, name = _parts(given)
    module = _module(path)
    made = getattr(module, name, None)
    if made is None:
        near = did_you_mean(name, [n for n in vars(module) if not n.startswith("_")])
        raise UsageError(f"--net {given}: {path} has no {name}{near}; write def {name}(): return nn.Sequential(...)")
    try:
        model = made() if (callable(made) and not hasattr(made, "parameters")) or isinstance(made, type) else made
    except SchussError as error:
        raise UsageError(f"--net {given}: {with_line(error)}") from error
    except Exception as error:
        raise UsageError(f"--net {given}: {name}() fails: {kind_and_text(error)}") from error
    if not callable(model):
        raise UsageError(f"--net {given}: {name}() returned {type(model).__name__}, which is no model")
    return model


def same_network(one: Any, other: Any) -> bool:
    """Whether two texts name one network: ./net.py and net.py:make do, seen from the same folder."""
    if not isinstance(one, str) or not isinstance(other, str):
        return one is other
    with suppress(UsageError):
        (path, name), (second, called) = _parts(one), _parts(other)
        return name == called and path.resolve() == second.resolve()
    return one == other


def _parts(given: str) -> tuple[Path, str]:
    """FILE.py:NAME, or the file alone. A colon belongs to the file's name where no Python file stands before it.

    UsageError for what is no name.
    """
    path, colon, name = given.rpartition(":")
    if not colon or not path.endswith(".py"):
        return Path(given), NAME
    if not name.isidentifier():
        what = f"{name!r} is no name of Python's" if name else "nothing stands behind the colon"
        raise UsageError(f"--net {given}: {what}; give {path}:NAME, or {path} alone, which means {path}:{NAME}")
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

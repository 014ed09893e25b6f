"""Importing schuss is cheap and loads nothing that is not needed; its names are there."""

from __future__ import annotations

import builtins
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import schuss
from schuss import ops

HEAVY = ("llvmlite", "rich", "click", "safetensors", "PIL", "jax", "torch", "sklearn", "importlib.metadata")


def in_fresh_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_import_loads_nothing_heavy():
    code = f"import schuss, sys; print([m for m in {HEAVY!r} if m in sys.modules], 'schuss.nn' in sys.modules)"
    assert in_fresh_python(code) == "[] False"


def test_nn_and_optim_load_nothing_heavy():
    code = f"from schuss import nn, optim; import sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert in_fresh_python(code) == "[]"


def test_gradients_do_not_load_the_compiler():
    code = "import schuss, sys; schuss.grad(lambda x: x * x)(1.0); print('llvmlite' in sys.modules)"
    assert in_fresh_python(code) == "False"


def test_a_model_can_be_called_whatever_was_imported_first():
    for first in (
        "from schuss import nn",
        "import schuss.nn as nn",
        "from schuss.nn import Linear; import schuss.nn as nn",
    ):
        code = f"{first}\nimport numpy as np\nprint(nn.Linear(3, 2)(np.ones((1, 3), np.float32)).shape)"
        assert in_fresh_python(code) == "(1, 2)"


def test_version_is_that_of_the_project():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert schuss.__version__ == project["version"]


@pytest.mark.parametrize("name", schuss.__all__)
def test_every_name_is_there(name):
    value = getattr(schuss, name)
    assert value is getattr(schuss, name)
    assert name in dir(schuss)


def test_star_import_leaves_python_s_functions_alone():
    assert not set(schuss.__all__) & set(dir(builtins)) - {"__version__"}


def test_operations_are_functions_of_schuss():
    assert schuss.exp is ops.exp
    assert schuss.softmax is ops.softmax
    assert {"where", "sum", "relu"} <= set(dir(schuss))


@pytest.mark.parametrize("name", ["nonsense", "REGISTRY", "Kind", "lookup", "op", "_operations_of"])
def test_other_names_are_not(name):
    with pytest.raises(AttributeError, match=f"module 'schuss' has no attribute '{name}'"):
        getattr(schuss, name)


def test_explaining_modules_do_not_hide_the_function():
    code = "from schuss.explanation import Step; import schuss as s; print(callable(s.explain), callable(s.jit))"
    assert in_fresh_python(code) == "True True"

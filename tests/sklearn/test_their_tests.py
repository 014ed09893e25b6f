"""scikit-learn's own tests of its MLP, run on ours: the installed file with our classes in place of its.

What is left out, each with its reason, is LEFT_OUT.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

sklearn = pytest.importorskip("sklearn")
from sklearn import neural_network  # noqa: E402

from schuss.sklearn import MLPClassifier, MLPRegressor  # noqa: E402

LEFT_OUT = {
    "test_gradient": "calls the private _loss_grad_lbfgs; test_mlp_lbfgs.py tests the gradient by differences",
}
PLACE = Path(neural_network.__file__).parent / "tests" / "test_mlp.py"
pytestmark = pytest.mark.filterwarnings("default")  # as in their suite, which does not turn them into errors


def with_our_classes() -> ModuleType:
    """Their module, whose `from sklearn.neural_network import` finds ours."""
    spec = importlib.util.spec_from_file_location("their_test_mlp", PLACE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neural_network, "MLPClassifier", MLPClassifier)
        patch.setattr(neural_network, "MLPRegressor", MLPRegressor)
        spec.loader.exec_module(module)
    assert module.MLPClassifier is MLPClassifier  # type: ignore[attr-defined]
    return module


THEIRS = {name: value for name, value in vars(with_our_classes()).items() if name.startswith("test_")}
globals().update({name: test for name, test in THEIRS.items() if name not in LEFT_OUT})


@pytest.fixture
def global_random_seed() -> int:
    """Their conftest's: one seed unless the environment asks for more."""
    return 42


def test_what_is_left_out_is_there() -> None:
    assert set(LEFT_OUT) <= set(THEIRS)
    assert len(THEIRS) >= 30

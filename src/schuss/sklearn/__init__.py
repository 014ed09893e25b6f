"""Estimators with scikit-learn's interface.

from schuss.sklearn import MLPClassifier, MLPRegressor            in place of sklearn.neural_network's
from schuss.sklearn import TabularClassifier, TabularRegressor    of raw tables; need schuss[tables], too
"""

from typing import TYPE_CHECKING, Any

from schuss.asking import lacking
from schuss.errors import UsageError

try:
    import scipy  # noqa: F401
    import sklearn  # noqa: F401
except ImportError as error:
    raise UsageError(lacking("schuss.sklearn needs", str(error.name), "sklearn")) from None

from schuss.sklearn.classifier import MLPClassifier
from schuss.sklearn.regressor import MLPRegressor

if TYPE_CHECKING:
    from schuss.sklearn.tabular import TabularClassifier, TabularRegressor


def __getattr__(name: str) -> Any:
    """The estimators of tables are loaded when they are first used: they need polars."""
    if name not in ("TabularClassifier", "TabularRegressor"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from schuss.sklearn import tabular

    return getattr(tabular, name)


__all__ = ["MLPClassifier", "MLPRegressor", "TabularClassifier", "TabularRegressor"]

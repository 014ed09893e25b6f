"""Estimators with scikit-learn's interface: MLPClassifier and MLPRegressor in place of sklearn.neural_network's.

from schuss.sklearn import MLPClassifier
"""

from schuss.errors import UsageError

try:
    import scipy  # noqa: F401
    import sklearn  # noqa: F401
except ImportError as error:
    raise UsageError(f"schuss.sklearn needs {error.name}: pip install 'schuss[sklearn]'") from None

from schuss.sklearn.classifier import MLPClassifier
from schuss.sklearn.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]

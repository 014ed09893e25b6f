"""Whether an estimator has partial_fit."""

from __future__ import annotations

from typing import Any


def can_partial_fit(estimator: Any) -> bool:
    """For sklearn's available_if. AttributeError with scikit-learn's words where the solver takes all data at once."""
    if estimator.solver == "lbfgs" and estimator.optimizer is None:
        raise AttributeError(
            f"partial_fit is only available for stochastic optimizers. {estimator.solver} is not stochastic."
        )
    return True


__all__ = ["can_partial_fit"]

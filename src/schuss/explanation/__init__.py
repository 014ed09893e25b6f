"""Every value, local gradient and chain-rule product of one run, as numbers to check by hand."""

from schuss.explanation.explanation import Explanation, Flow, Step
from schuss.explanation.walk import explain

__all__ = ["Explanation", "Flow", "Step", "explain"]

"""What a model expects of its data and what its answers mean: the object behind `model.signature`."""

from schuss.signature.inputs import Input
from schuss.signature.outputs import CLASSIFICATION, REGRESSION, Output
from schuss.signature.signature import Signature
from schuss.signature.transforms import Scale, Standardize, Transform

__all__ = ["CLASSIFICATION", "REGRESSION", "Input", "Output", "Scale", "Signature", "Standardize", "Transform"]

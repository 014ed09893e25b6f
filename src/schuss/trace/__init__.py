"""Tracing: running a Python function on Tensors to get a Graph."""

from schuss.trace.build import made_for, node_of, noted, notice, scope
from schuss.trace.examples import note_predictions, one_example_axis
from schuss.trace.hyper import hyper
from schuss.trace.tensor import Tensor, as_tensor
from schuss.trace.trace import building, trace, tracing
from schuss.trace.twice import settled, settles

__all__ = ["Tensor", "as_tensor", "building", "hyper", "made_for", "node_of", "noted"]
__all__ += ["note_predictions", "notice", "one_example_axis", "scope", "settled", "settles", "trace", "tracing"]

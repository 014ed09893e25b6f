"""Where the model side and the machine side meet: gradients, compiled functions, models called on arrays."""

from schuss.api.calls import call_on_arrays
from schuss.api.frozen import Frozen, freeze
from schuss.api.gradients import grad, jacobian, value_and_grad
from schuss.api.jitted import Jitted, jit

__all__ = ["Frozen", "Jitted", "call_on_arrays", "freeze", "grad", "jacobian", "jit", "value_and_grad"]

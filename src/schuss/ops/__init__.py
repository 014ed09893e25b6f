"""The operations: primitives, one record each, and composites made of them.

Called with arrays an op computes by numpy; called with traced tensors it makes graph nodes.
"""

from schuss.ops.contract import matmul, swap_last
from schuss.ops.index import one_hot, scatter_add, take
from schuss.ops.maps import (
    abs,
    add,
    cast,
    clip,
    cos,
    div,
    equal,
    erf,
    exp,
    expm1,
    floor,
    greater,
    greater_equal,
    identity,
    less,
    less_equal,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    mul,
    neg,
    not_equal,
    pow,
    relu,
    rsqrt,
    sigmoid,
    sign,
    sin,
    sqrt,
    stop_gradient,
    sub,
    tanh,
    where,
)
from schuss.ops.random import random_bits, random_uniform
from schuss.ops.reduce import argmax, count, max, mean, min, sum
from schuss.ops.registry import REGISTRY, Kind, Op, lookup, op
from schuss.ops.views import broadcast_to, concatenate, pad, reshape, slice_axis, transpose

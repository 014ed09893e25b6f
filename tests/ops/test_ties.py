"""Which of several largest elements has the gradient of a maximum."""

from __future__ import annotations

import numpy as np
import pytest
from numeric import reference

from schuss import ops
from schuss.backprop import backprop
from schuss.errors import GraphError
from schuss.ir.text import to_text
from schuss.ir.types import TensorType
from schuss.ops.check import parse_graph
from schuss.trace import trace

TIED = np.array([[[0.0, 2.0, 2.0], [2.0, 2.0, 1.0]], [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])


def slopes(function, x):
    return reference(lambda x: backprop(function(x).sum(), [x])[0], x)[0]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_first_in_row_major_order(sign):
    fold = ops.max if sign > 0 else ops.min
    found = slopes(lambda x: fold(x, axis=(1, 2), ties="first"), sign * TIED)
    assert np.argwhere(found).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert set(found[found != 0]) == {1.0}
    across = slopes(lambda x: fold(x, axis=(0, 2), ties="first"), sign * TIED)
    assert np.argwhere(across).tolist() == [[0, 0, 1], [0, 1, 0]]
    alone = slopes(lambda x: fold(x, axis=1, keepdims=True, ties="first"), sign * TIED)
    assert np.argwhere(alone).tolist() == [[0, 0, 1], [0, 0, 2], [0, 1, 0], [1, 0, 0], [1, 0, 1], [1, 0, 2]]


def test_a_share_for_each_otherwise():
    found = slopes(lambda x: ops.max(x, axis=(1, 2)), TIED)
    assert np.array_equal(found, np.where(TIED == [[[2.0]], [[0.0]]], [[[0.25]], [[1 / 6]]], 0.0))


def test_over_no_axes_all_of_it_passes():
    assert np.array_equal(slopes(lambda x: ops.max(x, axis=(), ties="first"), TIED), np.ones_like(TIED))


def test_a_node_has_the_attribute_only_where_it_differs():
    """So that files of older versions, and what is made of them, stay as they are."""
    text = (
        "schuss graph 1\ninput %0 x float32[3,2]\n%1 = max(%0, axis=(1,), keepdims=false{}) : float32[3]\noutput y %1\n"
    )
    assert "ties" not in parse_graph(text.format("")).outputs[0].attrs
    assert parse_graph(text.format(', ties="first"')).outputs[0].attrs["ties"] == "first"
    with pytest.raises(GraphError, match="ties has its default"):
        parse_graph(text.format(', ties="share"'))
    both = trace(lambda x: [ops.max(x, axis=1), ops.max(x, axis=1, ties="first")], [TensorType("float32", (3, 2))])
    assert to_text(both).count("ties") == 1

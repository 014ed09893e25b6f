"""Steps that read the rows of resident data in another order than they lie: native code against the reference.

A call has its arrays as they are; only in training does a kernel that reads a column directly have to go through the
order of examples, whatever shape the column was brought into.
"""

from __future__ import annotations

import numpy as np
import pytest

import schuss
from schuss import nn, optim

ROWS, BATCH = 64, 16
DRAWN = np.random.default_rng(0)


class Contracted(nn.Module):
    """x w by dot_general."""

    def __init__(self, *shape):
        self.w = nn.Parameter(np.random.default_rng(1).normal(0, 0.05, shape).astype("f4"))

    def forward(self, x):
        return schuss.dot_general(x, self.w, contract=((1,), (0,)))


class Matrix(Contracted):
    """The same as a product of matrices, whose one column is then dropped."""

    def forward(self, x):
        return (x @ self.w)[:, 0]


def squares(pred, target):
    return ((pred - target) ** 2).mean()


LOSSES = {
    "as it is": squares,
    "a row": lambda p, t: squares(p[None, :], t[None, :]),
    "the target a row": lambda p, t: squares(p[None, :], schuss.reshape(t, (1, -1))),
    "a column": lambda p, t: squares(p[:, None], t[:, None]),
    "between": lambda p, t: squares(p[None, :, None], t[None, :, None]),
    "every example with every other": lambda p, t: squares(p[:, None] - p[None, :], t[:, None] - t[None, :]),
    "a row repeated": lambda p, t: (schuss.broadcast_to(t[None, :], (3, t.shape[0])) * p).mean(),
}


def trained(model, data, loss, backend, threads):
    how = {"epochs": 2, "batch_size": BATCH, "seed": 1, "backend": backend, "threads": threads}
    schuss.fit(model, data, loss=loss, optimizer=optim.SGD(0.1), **how)
    return model.w.data


@pytest.mark.parametrize("form", LOSSES)
@pytest.mark.parametrize("model", [lambda: Contracted(8), lambda: Matrix(8, 1)], ids=["dot_general", "matmul"])
def test_targets_of_any_shape_are_those_of_the_examples(form, model):
    data = DRAWN.standard_normal((ROWS, 8), np.float32), DRAWN.standard_normal(ROWS, np.float32)
    native, reference = (trained(model(), data, LOSSES[form], b, 1) for b in ("native", "reference"))
    np.testing.assert_allclose(native, reference, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [(64, 64), (128, 64)])
def test_a_matrix_of_a_contraction_is_not_divided_by_columns(shape):
    """Its gradient is no product of matrices by structure, and has no form by columns."""
    data = DRAWN.standard_normal((ROWS, shape[0]), np.float32), DRAWN.standard_normal((ROWS, shape[1]), np.float32)
    native, reference = (trained(Contracted(*shape), data, squares, b, 2) for b in ("native", "reference"))
    np.testing.assert_allclose(native, reference, rtol=1e-4, atol=1e-6)

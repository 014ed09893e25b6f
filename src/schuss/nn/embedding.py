"""Rows of a table by their numbers."""

from __future__ import annotations

from typing import Any, ClassVar

from schuss import ops
from schuss.constraints import Choice, Constraints, Flag, Whole, check
from schuss.nn import init as initializers
from schuss.nn.layers import SIZE, Layer, kept
from schuss.nn.parameter import Parameter
from schuss.trace import Tensor, as_tensor


class Embedding(Layer):
    """y[...] = weight[x[...]]: a row of weight [num_embeddings, embedding_dim] for each integer in x.

    weight starts standard normal. The row padding_idx (-1: the last) starts at 0 and has no gradient, so that only
    weight decay moves it: for what only fills sequences up. IndexRangeError for an index outside
    0 .. num_embeddings-1, -1 too: pandas' code of a missing value is no category. With mode "clip" it takes the nearest
    row. UsageError for sizes below 1, another mode, and a padding_idx that is no row; DTypeError if x does not hold
    integers.

    With sparse=True `fit` updates the rows that a batch has touched and no others, so that a step costs what the batch
    is, whatever the size of the table. For such a row the update is the optimizer's own formula, with g the sum of the
    row's gradients in the batch; all other rows, and their moments, stay as they are: momentum does not move them, and
    weight decay (AdamW's too) and the decay of moments pass them by. t, in the correction of moments and in schedules,
    counts all steps. So SGD without momentum and weight decay does what it does without `sparse`; Adam does what
    torch.optim.SparseAdam does (which leaves out Adam's correction of eps, that is sqrt(1 - b2**t)). clip_norm takes
    the norm of the sums. The table may be used several times in a model, but by Embeddings and
    `take(sparse=True)` only, and the optimizer must work element by element: UsageError of `fit` else. In loops of
    your own (schuss.grad, schuss.Updater) gradient and update are those of the whole table.
    """

    constraints: ClassVar[Constraints] = {
        "num_embeddings": SIZE,
        "embedding_dim": SIZE,
        "mode": Choice(("raise", "clip")),
        "sparse": Flag(),
    }

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        dtype: str = "float32",
        *,
        padding_idx: int | None = None,
        mode: str = "raise",
        sparse: bool = False,
    ) -> None:
        self._check(num_embeddings=num_embeddings, embedding_dim=embedding_dim, mode=mode, sparse=sparse)
        row = {"padding_idx": Whole(-int(num_embeddings), int(num_embeddings) - 1, or_none=True)}
        check("Embedding", row, {"padding_idx": padding_idx})
        self.num_embeddings = num_embeddings = int(num_embeddings)
        self.embedding_dim = embedding_dim = int(embedding_dim)
        self.mode, self.sparse = mode, bool(sparse)
        self.padding_idx = None if padding_idx is None else int(padding_idx) % num_embeddings
        law = initializers.Normal() if self.padding_idx is None else initializers.PaddedNormal(self.padding_idx)
        self.weight = Parameter((num_embeddings, embedding_dim), law, dtype)

    def forward(self, x: Any) -> Tensor:
        index = as_tensor(x)
        if self.mode == "raise":
            index = ops.check_index(index, size=self.num_embeddings, by="Embedding")
        y: Tensor = ops.take(self.weight, index, axis=0, mode="clip", sparse=self.sparse)
        if self.padding_idx is None:
            return y
        place = ops.clip(ops.cast(index, dtype="int64"), 0, self.num_embeddings - 1)
        padded: Tensor = ops.where(
            (place == self.padding_idx)[..., None], ops.stop_gradient(self.weight[self.padding_idx]), y
        )
        return padded

    def config(self) -> dict[str, Any]:
        sizes = {"num_embeddings": self.num_embeddings, "embedding_dim": self.embedding_dim}
        more = {"padding_idx": self.padding_idx} if self.padding_idx is not None else {}
        more |= {"sparse": True} if self.sparse else {}
        return {"type": type(self).__name__, **sizes, "dtype": self.weight.dtype, "mode": self.mode, **more} | kept(
            self
        )

    def __repr__(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"Embedding({self.num_embeddings}, {self.embedding_dim}{padding}{', sparse=True' * self.sparse})"


__all__ = ["Embedding"]

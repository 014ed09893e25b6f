"""einsum: sums of products by the names of the axes, made of transposes, products and sums."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from schuss.errors import ShapeError
from schuss.ir.types import Dim, Sym, static_size
from schuss.ops import comparison, reduce
from schuss.ops.contract import dot_general, matmul
from schuss.ops.infer import show
from schuss.ops.views import reshape, transpose


def einsum(subscripts: str, *operands: Any) -> Any:
    """numpy's einsum: einsum("bij,bjk->bik", x, y). Axes of one name are multiplied together; names not in the result
    are summed over. Without "->" the result has the names that stand once, in the alphabet's order.

    Two tensors at a time, from the left, by a product of matrices (dot_general where axes of unknown length cannot be
    joined to one) where they are floating and axes are summed. ShapeError for a name of two lengths, and for what is no
    such text.
    """
    from schuss.ops.registry import value_of

    tensors = [value_of(x) for x in operands]
    terms, result = _parsed(subscripts, [len(x.shape) for x in tensors])
    lengths: dict[str, Dim] = {}
    for names, x in zip(terms, tensors, strict=True):
        for name, dim in zip(names, x.shape, strict=True):
            if lengths.setdefault(name, dim) != dim:
                raise ShapeError(f"einsum: {name} of {subscripts!r} is {lengths[name]} and {dim} long")
    pairs = [_diagonal(n, x) for n, x in zip(terms, tensors, strict=True)]
    names, x = pairs[0]
    for at, (other, y) in enumerate(pairs[1:], start=1):
        wanted = set(result).union(*(n for n, _ in pairs[at + 1 :]))
        names, x = _product(names, x, other, y, wanted)
    x = _summed(names, x, set(result))
    names = "".join(n for n in names if n in result)
    return transpose(x, axes=tuple(names.index(n) for n in result)) if names != result else x


def _parsed(subscripts: Any, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The names of each tensor's axes, and of the result's; an ellipsis gets capital letters that are free."""
    text = subscripts.replace(" ", "") if isinstance(subscripts, str) else ""
    given, arrow, result = text.partition("->")
    terms = given.split(",")
    plain = text.replace("->", "").replace(",", "").replace("...", "")
    if not text or len(terms) != len(ranks) or not all(c in string.ascii_letters for c in plain):
        raise ShapeError(f"einsum: {subscripts!r} is no text like 'ij,jk->ik' for {len(ranks)} tensors")
    free = [c for c in string.ascii_uppercase + string.ascii_lowercase if c not in plain]
    rest = [rank - len(t.replace("...", "")) for t, rank in zip(terms, ranks, strict=True)]
    if any(r < 0 or (r > 0 and "..." not in t) for t, r in zip(terms, rest, strict=True)):
        raise ShapeError(f"einsum: {subscripts!r} names other numbers of axes than the tensors have: {list(ranks)}")
    most = max((r for t, r in zip(terms, rest, strict=True) if "..." in t), default=0)
    dots = "".join(free[:most])
    terms = [t.replace("...", dots[most - r :]) for t, r in zip(terms, rest, strict=True)]
    if arrow:
        result = result.replace("...", dots)
    else:
        every = "".join(terms)
        result = dots + "".join(sorted(n for n in set(every) if every.count(n) == 1 and n not in dots))
    if len(set(result)) != len(result) or not set(result) <= set("".join(terms)):
        raise ShapeError(f"einsum: the result of {subscripts!r} has a name twice, or one that no tensor has")
    return terms, result


def _diagonal(names: str, x: Any) -> tuple[str, Any]:
    """A name that stands twice means the diagonal: what lies beside it is left out of a sum."""
    for name in dict.fromkeys(names):
        while names.count(name) > 1:
            first, second = names.index(name), names.rindex(name)
            length = x.shape[first]
            if isinstance(length, Sym):
                raise ShapeError(f"einsum: no diagonal of {length.axis} of {show(x.shape)}")
            on = np.eye(length, dtype=bool).reshape([length if a in (first, second) else 1 for a in range(len(names))])
            x = reduce.sum(comparison.where(on, x, 0), axis=first)
            names = names[:first] + names[first + 1 :]
    return names, x


def _summed(names: str, x: Any, wanted: set[str]) -> Any:
    gone = tuple(a for a, n in enumerate(names) if n not in wanted)
    return reduce.sum(x, axis=gone) if gone else x


def _product(left: str, x: Any, right: str, y: Any, wanted: set[str]) -> tuple[str, Any]:
    """Both multiplied, and summed over the names that nothing later needs."""
    x, y = _summed(left, x, wanted | set(right)), _summed(right, y, wanted | set(left))
    left, right = ("".join(n for n in a if n in wanted | set(b)) for a, b in ((left, right), (right, left)))
    both = [n for n in left if n in right]
    batch, inner = "".join(n for n in both if n in wanted), "".join(n for n in both if n not in wanted)
    rows, columns = ("".join(n for n in a if n not in both) for a in (left, right))
    x, y = _ordered(left, x, batch + rows + inner), _ordered(right, y, batch + inner + columns)
    dims = dict(zip(batch + rows + inner, x.shape, strict=True)) | dict(
        zip(batch + inner + columns, y.shape, strict=True)
    )
    parts = [[dims[n] for n in names] for names in (rows, inner, columns)]
    floating = all(str(v.dtype).startswith("float") for v in (x, y))
    if inner and floating and any(len(p) > 1 and any(isinstance(d, Sym) for d in p) for p in parts):
        first, last = tuple(range(len(batch))), len(batch) + len(rows)
        summed = tuple(range(last, last + len(inner))), tuple(range(len(batch), len(batch) + len(inner)))
        return batch + rows + columns, dot_general(x, y, contract=summed, batch=(first, first))
    if inner and floating:
        head = [dims[n] for n in batch]
        m, k, n = (p[0] if len(p) == 1 else static_size(tuple(p)) for p in parts)
        z = matmul(reshape(x, shape=(*head, m, k)), reshape(y, shape=(*head, k, n)))
        return batch + rows + columns, reshape(z, shape=(*head, *parts[0], *parts[2]))
    every = batch + rows + inner + columns
    wide = [
        reshape(v, shape=tuple(dims[n] if n in names else 1 for n in every)) for v, names in ((x, left), (y, right))
    ]
    z = wide[0] * wide[1]
    return batch + rows + columns, _summed(every, z, set(batch + rows + columns))


def _ordered(names: str, x: Any, order: str) -> Any:
    return x if names == order else transpose(x, axes=tuple(names.index(n) for n in order))

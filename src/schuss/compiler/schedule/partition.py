"""How each group is partitioned among threads, and which products are blocked along k or pack.

Threads divide elements of a group's result, never a sum, so a thread count changes no bits:

    rows    the example axis: thread t takes rows n*t/T .. n*(t+1)/T of each such group, so a row's values
            stay with one thread from the gather to the loss and back, and no barrier lies between
    columns the last axis of a product whose right operand is large beside the rows of its left one: each thread
            reads its own part of the weights, where by rows each would read them all, at the price of a barrier;
            and the last axis of the gradient of these weights, if the thread that changes them is to read them forward;
            and of a product that packs its transposed right operand, so that each column is packed once; and of a large
            sum over examples (and places), as the gradient of a convolution's bias
    split   the first axis, of static length: other weight gradients with the update in their epilogue; of a contraction
            over any axes all but the last, as one, unless the examples are among them
    one     thread 0: scalars and small things
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from schuss.compiler.schedule.fuse import Form, Group
from schuss.compiler.storage import ITEMSIZE, Storage
from schuss.compiler.structure import folded_axes, is_matrix_product, is_rowwise
from schuss.compiler.tuning import Tuning
from schuss.compiler.views import view_of
from schuss.ir.graph import Node
from schuss.ir.types import Shape, Sym, static_size

Partition = tuple[str, int]
ONE: Partition = ("one", 0)
ROWS: Partition = ("rows", 0)


def in_words(partition: Partition) -> str:
    """For people."""
    how, length = partition
    words = {"rows": "split over the batch", "one": "single thread", "split": f"split over {length} rows"}
    return words.get(how, f"split over {length} columns")


def divide(
    groups: Sequence[Group], cells: Mapping[Node, Node], storage: Storage, threads: int, tuning: Tuning
) -> tuple[dict[Group, Partition], frozenset[Group]]:
    """(each group's partition, the products that pack their transposed right operand by panels).

    cells: for each new state written in place, the old one.
    """
    packs = frozenset(g for g in groups if _packs(g, storage, tuning))
    by_columns = _by_columns(groups, cells, storage.capacity, threads, tuning) | packs
    by_columns |= {g for g in groups if _sums_columns(g, storage.capacity, tuning)}
    return {g: _partition(g, by_columns, tuning.shared_map) for g in groups}, packs


def _partition(group: Group, by_columns: AbstractSet[Group], shared_map: int) -> Partition:
    """How threads share the group: see the module's text."""
    shape = group.space
    if group in by_columns:
        return ("columns", static_size(shape[-1:]))
    folds = [group.anchor] if group.anchor is not None and group.form is Form.REDUCE else group.folds
    first = any(0 in folded_axes(f) for f in folds)
    if group.form is Form.OPAQUE:
        return ONE
    if is_rowwise(shape):
        return ONE if first else ROWS
    if group.form is Form.REDUCE:
        return ONE
    if group.anchor is not None and group.form is Form.CONTRACT and not is_matrix_product(group.anchor):
        rows = shape[:-1]  # the last axis is that of the lanes
        if any(isinstance(d, Sym) for d in rows):
            rows = shape[:1]
        total = 0 if any(isinstance(d, Sym) for d in rows) else static_size(rows)
        return ("split", total) if total > 1 else ONE
    big = group.form is Form.CONTRACT or static_size(shape) >= shared_map
    if shape and big and isinstance(shape[0], int) and shape[0] > 1 and not first:
        return ("split", shape[0])
    return ONE


def _by_columns(
    groups: Sequence[Group], cells: Mapping[Node, Node], capacity: int, threads: int, tuning: Tuning
) -> set[Group]:
    """Products of rows by a matrix that read much more of it than of the rows.

    Where the step changes the matrix, more is enough: the gradient goes by columns too, and what a thread reads of
    the matrix no other has written.
    """
    products = {g: g.anchor.inputs[1] for g in groups if g.anchor is not None and rows_by_matrix(g)}
    matrices = [g for g in groups if g.form is Form.CONTRACT and g.anchor is not None and is_matrix_product(g.anchor)]
    updates = {cells[n]: g for g in matrices for n in g.stores if n in cells}
    kept = {y for y in products.values() if y in updates and _kept(y, updates[y], capacity, threads, tuning)}
    large = {g for g, y in products.items() if _much_larger(g, y, capacity, tuning)}
    return large | {g for g, y in products.items() if y in kept} | {updates[y] for y in kept}


def rows_by_matrix(group: Group) -> bool:
    """Whether it is a product of examples' rows by a matrix that is the same for all."""
    if group.form is not Form.CONTRACT or len(group.space) != 2 or not is_rowwise(group.space):
        return False
    assert group.anchor is not None
    if not is_matrix_product(group.anchor):
        return False
    x, y = group.anchor.inputs
    return not y.type.symbolic and is_rowwise(x.type.shape) and isinstance(group.space[1], int)


def _packs(group: Group, storage: Storage, tuning: Tuning) -> bool:
    """Whether the product packs its transposed right operand by panels; for few rows it transposes in registers."""
    if not rows_by_matrix(group) or storage.capacity <= tuning.few_rows:
        return False
    assert group.anchor is not None
    matrix = group.anchor.inputs[1]
    view = view_of(matrix, storage)
    return view is not None and view.strides[-1] != 1 and matrix.type.shape[-1] != 1


def _kept(matrix: Node, update: Group, capacity: int, threads: int, tuning: Tuning) -> bool:
    """Whether forward a thread reads less of what others wrote by columns (rows and results) than by rows (weights).

    Sums over more than tuning.k_block_rows examples go by rows, in blocks.
    """
    shape = matrix.type.shape
    if threads == 1 or capacity > tuning.k_block_rows or update.space != shape:
        return False
    rows, columns = static_size(shape[:1]), static_size(shape[1:])
    return columns % (threads * tuning.column_unit) == 0 and rows * columns >= capacity * (rows + columns)


def _sums_columns(group: Group, capacity: int, tuning: Tuning) -> bool:
    """Whether it folds the examples, and of so many elements that threads should share its columns."""
    if group.form is not Form.REDUCE or group.anchor is None or not is_rowwise(group.space):
        return False
    folded, last = folded_axes(group.anchor), len(group.space) - 1
    columns = group.space[last]
    if 0 not in folded or last in folded or isinstance(columns, Sym) or columns < tuning.column_unit:
        return False
    return capacity * static_size(group.space) >= tuning.shared_sum


def _much_larger(group: Group, matrix: Node, capacity: int, tuning: Tuning) -> bool:
    assert group.anchor is not None
    left, right = capacity * static_size(group.anchor.inputs[0].type.shape), static_size(matrix.type.shape)
    return (
        right * ITEMSIZE[matrix.type.dtype] >= tuning.column_split_bytes and right >= tuning.column_split_ratio * left
    )


def is_k_blocked(group: Group, partition: Partition, capacity: int, tuning: Tuning) -> bool:
    """Whether the product is blocked along k, the sums so far in memory.

    Long ones for a large batch do, where the result or the right operand is a large matrix: then what a block reads
    of the operands stays in a core's cache.
    """
    if group.form is not Form.CONTRACT or capacity <= tuning.k_block_rows or len(group.space) != 2:
        return False
    assert group.anchor is not None
    if not is_matrix_product(group.anchor):
        return False
    (depth,), (rows, columns) = depth_of(group), group.space
    if isinstance(columns, Sym) or columns == 1 or group.anchor in group.stores:
        return False
    if partition[0] == "split" and isinstance(depth, Sym):
        large = static_size((rows, columns))
    elif partition == ROWS and not isinstance(depth, Sym) and depth >= tuning.k_block_rows:
        large = depth * columns
    else:
        return False
    return large * ITEMSIZE[group.anchor.type.dtype] >= tuning.k_block_bytes


def depth_of(group: Group) -> Shape:
    """The axis along which a product sums."""
    assert group.anchor is not None
    return group.anchor.inputs[0].type.shape[-1:]

"""What the compiler asks of a node: how it is computed (schuss.ir.structure), never what it is called."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from schuss.ir.graph import LEAVES, Node
from schuss.ir.structure import Access, Structure, ViewMap, elementwise
from schuss.ir.types import N, Shape
from schuss.ops.registry import REGISTRY, Op, lookup

_structures: WeakKeyDictionary[Node, Structure] = WeakKeyDictionary()  # a node never changes


def is_source(node: Node) -> bool:
    """Whether the value is given: an input, a constant or a hyperparameter."""
    return node.op in LEAVES


def is_input(node: Node) -> bool:
    return node.op == "input"


def is_const(node: Node) -> bool:
    return node.op == "const"


def is_hyperparameter(node: Node) -> bool:
    return node.op == "hyperparameter"


def record(node: Node) -> Op | None:
    """The operation's record; None for what is given."""
    return None if is_source(node) else lookup(node.op)


def structure_of(node: Node) -> Structure | None:
    """The node's structure; None for what is given, for views and for opaque operations."""
    op = REGISTRY.get(node.op)  # what is given has no record
    if op is None or op.structure is None:
        return None
    try:
        return _structures[node]
    except KeyError:
        found = op.structure(node.type, *(i.type for i in node.inputs), **node.attrs)
        _structures[node] = found
        return found


def _is_plain(node: Node) -> bool:
    """Whether it is a map by its record alone: most nodes are, and are asked often."""
    op = REGISTRY.get(node.op)
    return op is not None and op.structure is elementwise


def is_view(node: Node) -> bool:
    """Whether the node is read where its source lies, by strides."""
    op = REGISTRY.get(node.op)  # what is given has no record
    return op is not None and op.view is not None


def view_map(node: Node) -> ViewMap:
    """Where the elements of a view lie in what it reads."""
    op = lookup(node.op)
    assert op.view is not None, f"{node} is no view"
    return op.view(node.type, node.inputs[0].type, **node.attrs)


def is_opaque(node: Node) -> bool:
    """Whether nothing is known of how it is computed."""
    return not is_source(node) and not is_view(node) and structure_of(node) is None


def has_code(node: Node) -> bool:
    """Whether it can be computed natively: one of schuss's own, or by its emit rule, or a view, or by its structure."""
    op = record(node)
    return op is None or op.own or op.emit is not None or not (is_opaque(node) or is_elementwise(node))


def is_elementwise(node: Node) -> bool:
    """Whether each element depends on one place alone: maps, one_hot, counts, random numbers."""
    if _is_plain(node):
        return True
    found = structure_of(node)
    return found is not None and found.elementwise


def is_map(node: Node) -> bool:
    """Whether each element is computed of one element of each operand, and of nothing else."""
    if _is_plain(node):
        return True
    found = structure_of(node)
    return found is not None and found.elementwise and found.placeless


def is_reduction(node: Node) -> bool:
    """Whether it folds axes of one operand."""
    found = None if _is_plain(node) else structure_of(node)
    return found is not None and found.reduction


def is_contraction(node: Node) -> bool:
    """Whether it is a sum of products of two operands."""
    found = None if _is_plain(node) else structure_of(node)
    return found is not None and found.contraction


def is_matrix_product(node: Node) -> bool:
    """Whether it is a contraction of matrices in the order in which they are read by rows."""
    found = None if _is_plain(node) else structure_of(node)
    return found is not None and found.matrix_product


def contracted(node: Node) -> Shape:
    """The lengths of the folded axes."""
    found = structure_of(node)
    return () if found is None else tuple(found.space[a] for a in found.folded)


def is_copy(node: Node) -> bool:
    """Whether it says that the value must lie in memory, see schuss.compiler.passes.materialize."""
    op = record(node)
    return op is not None and op.written


def written_over(node: Node) -> int | None:
    """The number of the operand over which the result is written in some places, and which it is everywhere else."""
    found = None if _is_plain(node) else structure_of(node)
    return None if found is None else found.onto


def scratch_of(node: Node) -> tuple[Shape, ...]:
    """Shapes of the int64 numbers that an opaque operation works with."""
    op = record(node)
    if op is None or op.scratch is None:
        return ()
    return tuple(op.scratch(node.type, *(i.type for i in node.inputs), **node.attrs))


def is_noting(node: Node) -> bool:
    """Whether it notes what is wrong, for the caller to raise."""
    op = record(node)
    return op is not None and op.noting


def sums_examples(node: Node) -> bool:
    """Whether a contraction sums over the examples and more, as the gradient of a convolution's weight does."""
    lengths = contracted(node)
    return len(lengths) > 1 and lengths[0] == N


def folded_axes(node: Node) -> tuple[int, ...]:
    """The axes of the space that a node folds; none of any other node."""
    found = None if _is_plain(node) else structure_of(node)
    return () if found is None else found.folded


def reads(node: Node) -> tuple[Access | None, ...]:
    """How each operand is read; an opaque operation and a view read all of it."""
    found = structure_of(node)
    return (Access(whole=True),) * len(node.inputs) if found is None else found.reads


def in_place(node: Node, number: int) -> bool:
    """Whether of this operand the element at the very place is read."""
    if node.inputs[number].type.shape != node.type.shape:
        return False
    if _is_plain(node):
        return True
    access = reads(node)[number]
    return access is not None and not access.whole and access.through is None and access.part is None


_free: WeakKeyDictionary[Node, bool] = WeakKeyDictionary()


def is_free(node: Node) -> bool:
    """A scalar made of constants, hyperparameters and counts: each kernel that needs it makes it itself, no thread
    waits for it."""
    if node.type.shape and _is_plain(node):
        return False
    waiting = [node]
    while node not in _free:
        asked = waiting[-1]
        unknown = [i for i in asked.inputs if i not in _free] if _made_of_inputs(asked) else []
        if unknown:
            waiting.extend(unknown)
        else:
            _free[asked] = _is_free(asked)
            waiting.pop()
    return _free[node]


def _is_free(node: Node) -> bool:
    """is_free, where it is known of the inputs."""
    if is_const(node):
        return bool(node.attrs["value"].size == 1)
    return of_shapes(node) or is_hyperparameter(node) or (_made_of_inputs(node) and all(_free[i] for i in node.inputs))


def of_shapes(node: Node) -> bool:
    """Whether it is a number known from the operands' shapes."""
    if _is_plain(node):
        return False
    found = structure_of(node)
    return found is not None and bool(found.reads) and all(a is None for a in found.reads)


def _made_of_inputs(node: Node) -> bool:
    return node.type.shape == () and is_map(node) and not is_copy(node)


def base_of(node: Node) -> Node:
    """The value a chain of views reads."""
    while is_view(node):
        node = node.inputs[0]
    return node


def is_rowwise(shape: Shape) -> bool:
    """Whether the first axis is the example axis."""
    return shape[:1] == (N,)

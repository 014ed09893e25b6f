"""A model known by its graphs alone: what a file gives where the classes of its layers are not at hand."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from schuss import nn
from schuss.errors import ModelFileError, SchussError, UsageError
from schuss.io.budget import read_graph
from schuss.ir.graph import LEAVES, Graph, Node
from schuss.ir.rewrite import with_constants
from schuss.ir.text import to_text
from schuss.ir.types import Dim, Sym, bind, static_size
from schuss.nn.forward import RANDOM, Types, forward_graph
from schuss.nn.module import Mode, Module, current_mode
from schuss.ops.registry import lookup
from schuss.signature.transforms import SCALING
from schuss.trace import Tensor, as_tensor, scope, settled

HALF = 1 << 31  # streams from here on are the second half of random_normal's
SAME = "same"  # a file's word for a graph of training that is that of evaluation


class GraphModel(Module):
    """Called, it replays the graph of the mode, training or evaluation; its parameters can be trained on.

    A file of version 0.1.0 holds the graph of evaluation only: a model from it trains by that, and says so.
    """

    has_scope = False  # the graph's nodes have the scopes of the model it was

    def __init__(
        self,
        graph: Graph,
        params: Mapping[str, nn.Parameter],
        training: Graph | None = None,
        results: Sequence[str] | None = None,
    ) -> None:
        self._graph = graph
        self._params = dict(params)
        self._training = training
        self._results = None if results is None else tuple(results)  # the names in the dict that the model gives

    def named_children(self) -> Iterator[tuple[str, Any]]:
        """The parameters, under the names they have in the file."""
        yield from self._params.items()

    def __repr__(self) -> str:
        takes = ", ".join(f"{node.attrs['name']} {node.type}" for node in _own(self._graph))
        names = self._results or [""] * len(self._graph.outputs)
        gives = ", ".join(f"{name} {out.type}".strip() for name, out in zip(names, self._graph.outputs, strict=True))
        operations = sum(node.op not in LEAVES for node in self._graph.nodes)
        numbers = sum(p.data.size for p in self._params.values())
        has = f"{operations} operations, {numbers:,} numbers in {len(self._params)} parameters"
        signature = nn.signature_of(self)
        transforms = [] if signature is None else [i.transform for i in signature.inputs if i.transform is not None]
        told = [t.model_in_words(signature.output, signature.record) for t in transforms if signature is not None]
        return f"GraphModel({'; '.join([*filter(None, told), f'{takes} -> {gives}', has])})"

    def forward(self, *xs: Any) -> Any:
        """The graph's results for these inputs."""
        wanted = len(_own(self._graph))
        if len(xs) == 1 and isinstance(xs[0], Mapping):
            xs = self._by_name(xs[0])
        if len(xs) != wanted:
            raise UsageError(f"the model takes {wanted} inputs, got {len(xs)}")
        now = current_mode()
        if now.training and self._training is None:
            warnings.warn(
                "the model's file has no graph of training: dropout, if the model had any, is left out. Save the model "
                "again with its own classes",
                UserWarning,
                stacklevel=2,
            )
        results = self._replay(self._training if now.training and self._training is not None else self._graph, xs, now)
        if self._results is not None:
            return dict(zip(self._results, results, strict=True))
        return results[0] if len(results) == 1 else tuple(results)

    def _by_name(self, given: Mapping[str, Any]) -> tuple[Any, ...]:
        """The inputs in the graph's order."""
        signature = nn.signature_of(self)
        names = [] if signature is None else [i.name for i in signature.inputs if i.keyed]
        if set(given) != set(names):
            wanted = f"a dict of {', '.join(names)}" if names else "arrays, and no dict of them"
            raise UsageError(f"the model takes {wanted}, got a dict of {', '.join(map(str, given))}")
        return tuple(given[name] for name in names)

    def _replay(self, graph: Graph, xs: Sequence[Any], now: Mode) -> list[Any]:
        own = dict(zip(_own(graph), xs, strict=True))
        values = {node: own[node] if node in own else self._value(graph, node, now) for node in graph.inputs}
        lengths = _lengths(own)
        key = next((node for node in graph.inputs if node.attrs["name"] == "key"), None)
        bare: set[Node] = set()  # floats where the graph scales integers, which lets them be
        first = now.next_stream(_streams(graph, key)) if key is not None else 0
        for node in graph.nodes:
            if node in values:
                continue
            if node.op in LEAVES:
                values[node] = Tensor(node)
                continue
            attrs: dict[str, Any] = {k: bind(v, lengths) if k == "shape" else v for k, v in node.attrs.items()}
            if _draws(node, key):
                attrs["stream"] += first
            raw = (
                next((i for i in node.inputs if i in bare or _is_bare(i, values[i])), None) if _prepares(node) else None
            )
            if raw is not None:
                values[node] = as_tensor(values[raw]).astype(node.type.dtype)
                bare.add(node)
                continue
            with scope(node.scope):
                values[node] = lookup(node.op)(*(values[i] for i in node.inputs), **attrs)
        return [values[o] for o in graph.outputs]

    def _value(self, graph: Graph, node: Node, now: Mode) -> Any:
        """What stands for an input that is not the model's own: a parameter, or the mode's key or step."""
        name = node.attrs["name"]
        if name.startswith("param/"):
            return self._params[name.removeprefix("param/")]
        if name == "step":
            return as_tensor(0 if now.step is None else now.step, "int64")
        if now.key is None:
            raise UsageError("the model draws random numbers and needs a key: nn.mode(training=True, key=...)")
        return as_tensor(now.key)


def _own(graph: Graph) -> list[Node]:
    """The inputs that a caller gives."""
    return [i for i in graph.inputs if not i.attrs["name"].startswith("param/") and i.attrs["name"] not in RANDOM]


def _prepares(node: Node) -> bool:
    """Whether the node belongs to what scales the integers of an input."""
    return node.scope.rpartition("/")[2] == SCALING


def _is_bare(node: Node, value: Any) -> bool:
    """Whether floats stand for the graph's integers."""
    return not node.type.is_float and bool(as_tensor(value).is_float)


def _draws(node: Node, key: Node | None) -> bool:
    """Whether the node draws random numbers from the mode's key."""
    return key is not None and "stream" in node.attrs and node.inputs[0] is key


def _streams(graph: Graph, key: Node | None) -> int:
    """How many streams of the mode's key the graph may draw from: they are moved behind those in use already."""
    used = [n.attrs["stream"] % HALF for n in graph.nodes if _draws(n, key)]
    return max(used, default=-1) + 1


def _lengths(own: Mapping[Node, Any]) -> dict[Sym, Dim]:
    """The lengths at hand for the symbols of the graph's inputs: numbers, or symbols again."""
    found: dict[Sym, Dim] = {}
    for node, x in own.items():
        for symbol, length in zip(node.type.shape, x.shape, strict=False):  # the operations know a wrong rank
            if isinstance(symbol, Sym):
                found.setdefault(symbol, length)
    return found


# -- in a file -------------------------------------------------------------------------------------------


def training_text(model: Any, inputs: Types, evaluation: str, acting: bool = False) -> str | None:
    """The graph of training for a file: "same" where it is that of evaluation, None where it is not known."""
    if any(isinstance(m, GraphModel) and m._training is None for m in nn.named_modules(model).values()):
        return None
    try:
        graph = settled(lambda: forward_graph(model, inputs, training=True, acting=acting), lambda g: g)
        text = to_text(with_constants(graph))
    except SchussError:
        return None  # a model that only computes in evaluation mode
    return SAME if text == evaluation else text


def training_graph(path: Any, description: Mapping[str, Any], evaluation: Graph) -> Graph | None:
    """The graph of training in a file's description; None in a file without. ModelFileError for a wrong one."""
    text = description.get("training")
    if text is None or text == SAME:
        return None if text is None else evaluation
    try:
        graph = read_graph(text, _held(evaluation))
    except (SchussError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path}: the model's graph of training: {error}") from None
    known = {n.attrs["name"]: n.type for n in evaluation.inputs} | RANDOM
    fits = all(known.get(n.attrs["name"]) == n.type for n in graph.inputs)
    fits = fits and [n.type for n in _own(graph)] == [n.type for n in _own(evaluation)]
    if not fits or [o.type for o in graph.outputs] != [o.type for o in evaluation.outputs]:
        raise ModelFileError(f"{path}: the model's graph of training does not fit that of evaluation")
    return graph


def _held(graph: Graph) -> int:
    """The numbers of the parameters."""
    return sum(static_size(n.type.shape) for n in graph.inputs if n.attrs["name"].startswith("param/"))

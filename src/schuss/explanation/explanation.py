"""An explanation: one step for each operation and what flows back through it; and its text, the forward pass as a
table, then the chain rule step by step, backwards.
"""

from __future__ import annotations

import html
import linecache
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from schuss.ir.executor import Array
from schuss.ir.graph import Site

WIDTH = 100
_CHAIN_RULE = """\
The chain rule: an operation takes the incoming gradient, of {result} with respect to its value,
multiplies it by its own local gradient and hands the product to its input. Where a value is used
several times, the products that come back add up."""


@dataclass(frozen=True, eq=False)
class Flow:
    """What one operation hands back to one of its inputs.

    to         the input's name
    local      the operation's local gradient, the rule applied to an incoming gradient of ones: an array to
               multiply the incoming gradient by, element by element. None for an operation that mixes or
               moves elements (a matrix product, a reshape)
    product    incoming times local, in the input's shape
    summed     axes of incoming times local that were summed, because the input was stretched along them
    rule       the operation's gradient rule for this input, with the names of its step: incoming * y
    """

    to: str
    local: Array | None
    product: Array
    summed: tuple[int, ...] = ()
    rule: str = ""


@dataclass(frozen=True, eq=False)
class Step:
    """One operation of the function.

    name        the user's own variable where there is one, else the layer's path or t1, t2, ...
    expression  what it computes, as x @ W1
    rules       its gradient rule for each input that can be differentiated: d loss/d x = incoming * y
    value       its value
    incoming    the gradient of the result with respect to it; None if none comes here
    came_from   the steps whose products add up to the incoming gradient
    flows       what it hands back to its inputs
    site, scope the user's line and the layer
    inputs      the names of what it is computed from, in order; None for a constant written into the expression
    """

    name: str
    op: str
    expression: str
    rules: tuple[str, ...]
    value: Array
    incoming: Array | None
    came_from: tuple[str, ...]
    flows: tuple[Flow, ...]
    site: Site | None
    scope: str
    inputs: tuple[str | None, ...] = ()

    @property
    def rule(self) -> str:
        """The rules in a line; "none" where nothing can be handed back."""
        return "; ".join(self.rules) or "none"


@dataclass(frozen=True, eq=False)
class Explanation:
    """A run of a function forwards and backwards. Its text is str(explanation); its numbers are here.

    title      the function called
    result     the name of the result
    inputs     the arguments' arrays by name
    constants  the hyperparameters, and constants too large to be written into an expression
    steps      in the order of computation
    gradients  the gradient of the result with respect to each floating input
    came_from  for each of these the steps whose products add up to it
    """

    title: str
    result: str
    inputs: Mapping[str, Array]
    constants: Mapping[str, Array]
    steps: tuple[Step, ...]
    gradients: Mapping[str, Array]
    came_from: Mapping[str, tuple[str, ...]]
    largest: int = 32

    @property
    def value(self) -> Array:
        """The function's result."""
        named = {step.name: step.value for step in self.steps}
        return named[self.result] if self.result in named else self.inputs[self.result]

    def __getitem__(self, name: str) -> Step:
        """The step of that name. KeyError lists the names."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(f"no step {name!r}; there are {', '.join(s.name for s in self.steps)}")

    def __str__(self) -> str:
        return render(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def render(e: Explanation) -> str:
    """The whole text."""
    return "\n".join([*_forward(e), "", *_backward(e), "", *_gradients(e)])


# -- numbers ----------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Five significant digits."""
    return f"{value:.5g}"


def numbers(array: Array, largest: int, indent: int) -> str:
    """The array's numbers, its rows below each other; a large one by shape and range."""
    if array.size > largest:
        return summary(array)
    if array.ndim == 0:
        return str(array.item()) if array.dtype.kind in "biu" else number(array.item())
    shown = np.array2string(
        array,
        max_line_width=WIDTH + indent,
        separator=", ",
        threshold=largest,
        prefix=" " * indent,
        formatter={"float_kind": _aligned(array)},  # type: ignore[arg-type]
    )
    return shown


def _aligned(array: Array) -> Callable[[float], str]:
    """Numbers of one array in one width, five digits of the largest; exponents if that is far from 1."""
    finite = np.abs(array[np.isfinite(array)], dtype=np.float64)
    top = float(finite.max()) if finite.size else 0.0
    if not finite.size or (np.all(finite == np.round(finite)) and top < 1e5):
        spec = ".0f"
    elif 1e-3 <= top < 1e5:
        spec = f".{max(0, 4 - math.floor(math.log10(top)))}f"
    else:
        spec = ".4e"

    def text(value: float) -> str:
        shown = format(float(value), spec)
        return shown if float(shown) else shown.removeprefix("-")

    width = max((len(text(v)) for v in array.reshape(-1)), default=0)
    return lambda value: text(value).rjust(width)


def summary(array: Array) -> str:
    """float32[64, 784], from 0 to 1, mean 0.13"""
    kind = f"{array.dtype}{list(array.shape)}"
    if array.dtype.kind == "b":
        return f"{kind}, {int(array.sum())} true"
    if not array.size:
        return kind
    return f"{kind}, from {number(array.min())} to {number(array.max())}, mean {number(array.mean())}"


def _line(label: str, array: Array, e: Explanation) -> str:
    return f"{label} = {numbers(array, e.largest, len(label) + 3)}"


# -- forwards ---------------------------------------------------------------------------------------


def _forward(e: Explanation) -> Iterator[str]:
    yield f"{e.title} = {numbers(e.value, e.largest, 0)}"
    yield ""
    yield "FORWARD"
    given = {**e.inputs, **e.constants}
    width = max((len(name) for name in given), default=0)
    for name, array in given.items():
        yield _line(f"  {name:<{width}}", array, e)
    for header, steps in _by_line(e.steps):
        yield f"{header}"
        width = max(len(_equation(s)) for s in steps)
        for step in steps:
            yield _line(f"  {_equation(step):<{width}}", step.value, e)


def _equation(step: Step) -> str:
    return f"{step.name} = {step.expression}"


def _by_line(steps: Iterable[Step]) -> Iterator[tuple[str, list[Step]]]:
    """The steps in groups of one line and layer, each with its header."""
    for header, group in groupby(steps, _header):
        yield header, list(group)


def _header(step: Step) -> str:
    where = [f"[{step.scope}]"] if step.scope else []
    if step.site is not None:
        where.append(f"{os.path.basename(step.site.file)}:{step.site.line}")
        source = linecache.getline(step.site.file, step.site.line).strip()
        where += [f"  {source}"] if source else []
    return " ".join(where) or "-"


# -- backwards --------------------------------------------------------------------------------------


def _backward(e: Explanation) -> Iterator[str]:
    yield "BACKWARD"
    yield _CHAIN_RULE.format(result=e.result)
    passed = [s for s in reversed(e.steps) if s.incoming is not None]
    for header, steps in _by_line(passed):
        yield header
        for step in steps:
            yield from _step(step, e)


def _step(step: Step, e: Explanation) -> Iterator[str]:
    assert step.incoming is not None
    yield f"  {_equation(step)}"
    label = "    rule      "
    fits = len(step.rule) <= WIDTH
    yield label + (step.rule if fits else f"\n{' ' * len(label)}".join(step.rules))
    yield _line(f"    incoming  {_d(e.result, step.name)}{_sum_of(step.came_from)}", step.incoming, e)
    for flow in step.flows:
        yield from _flow(flow, step.incoming, e)


def _sum_of(sources: tuple[str, ...]) -> str:
    return f" (from {' + '.join(sources)})" if len(sources) > 1 else ""


def _flow(flow: Flow, incoming: Array, e: Explanation) -> Iterator[str]:
    label = f"    to {flow.to}: "
    if flow.local is None:
        yield _line(f"{label}{flow.rule}", flow.product, e)
        return
    local = _uniform(flow.local)
    if flow.local.size == 1 or (local is not None and flow.product.size == 1 and incoming.size == 1):
        one = number(flow.local.reshape(-1)[0])
        yield _line(f"{label}incoming × local = {number(incoming.item())} × {one}", flow.product, e)
        return
    if local == 1 and flow.product.shape == incoming.shape and not flow.summed:
        yield f"{label}local = 1, so the incoming gradient passes on"
        return
    if local is not None:
        yield f"{label}local = {number(local)} everywhere"
    else:
        yield _line(f"{label}local", flow.local, e)
    how = "incoming × local"
    if flow.summed:
        axes = ", ".join(map(str, flow.summed))
        how += f", summed over {'axis' if len(flow.summed) == 1 else 'axes'} {axes}"
    yield _line(f"{' ' * len(label)}{how}", flow.product, e)


def _uniform(local: Array) -> float | None:
    """The one number all elements are, if so."""
    if not local.size or not np.all(local == local.reshape(-1)[0]):
        return None
    return float(local.reshape(-1)[0])


def _d(y: str, x: str) -> str:
    return f"d {y}/d {x}"


def _gradients(e: Explanation) -> Iterator[str]:
    yield f"GRADIENTS of {e.result}"
    width = max((len(_d(e.result, name)) for name in e.gradients), default=0)
    for name, array in e.gradients.items():
        label = f"  {_d(e.result, name):<{width}}{_sum_of(e.came_from[name])}"
        yield _line(label, array, e)

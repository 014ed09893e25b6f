"""schuss graph: the step graph of a model, as text, JSON or DOT."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import click
import numpy as np

from schuss.cli.say import say
from schuss.cli.tables.graph import Places, places_in, text_of
from schuss.explanation.outline import Item, outline
from schuss.ir.executor import Step
from schuss.ir.graph import LEAVES, Graph, Node

COLOURS = {"forward": "#dbe9ff", "backward": "#ffe3d6", "optimizer": "#e4f3dc", "metrics": "#eeeeee"}


@click.command("graph")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "json", "dot"]), default="text", show_default=True)
@click.option("--all", "everything", is_flag=True, help="The optimizer's update and the metrics too.")
@click.option("--plan", is_flag=True, help="The kernels of the native step: what is fused, costs, threads, and why.")
@click.option("--llvm", is_flag=True, help="The native step in LLVM's language.")
@click.option("--asm", is_flag=True, help="The native step in assembly language.")
@click.option("--print-after", "after", metavar="PASS", help="What the compiler has after a pass: fuse, buffers, ...")
@click.option("--batch-size", type=click.IntRange(min=1), help="Of the native step.  [default: as trained, or 64]")
@click.option("--threads", type=click.IntRange(min=1), help="Of the native step.  [default: the cores there are]")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file.")
def command(
    model: Path,
    form: str,
    everything: bool,
    plan: bool,
    llvm: bool,
    asm: bool,
    after: str | None,
    batch_size: int | None,
    threads: int | None,
    output: Path | None,
) -> None:
    """The training step of MODEL: forward and backward pass, layer by layer, with each operation's gradient rule.

    The DOT form is for Graphviz: schuss graph MODEL --format dot | dot -Tsvg > graph.svg

    The words of --plan and --print-after are explained in docs/guides/plan.md.
    """
    from schuss.io.model import load
    from schuss.paths import atomic_write

    asked = [name for name, given in (("plan", plan), ("llvm", llvm), ("asm", asm), ("print-after", after)) if given]
    if len(asked) > 1:
        raise click.UsageError(f"{' and '.join(f'--{name}' for name in asked)} are different views: give one of them")
    view = asked[0] if asked and after is None else None
    if not asked and (batch_size or threads):
        mend = "add --plan, --llvm, --asm or --print-after"
        raise click.UsageError(f"--batch-size and --threads are of the native step: {mend}")
    if everything and asked:
        raise click.UsageError(f"--all is of the graph: --{asked[0]} shows the whole step")
    loaded = load(model)
    if not asked:
        graph, items = _step(loaded)
        shown = [i for i in items if everything or i.part in ("forward", "backward")]
        columns = places_in(loaded)
        forms: dict[str, Callable[[Graph, list[Item]], Iterator[str]]] = {
            "text": partial(_text, columns),
            "json": partial(_json, columns),
            "dot": _dot,
        }
        text = "\n".join(forms[form](graph, shown)) + "\n"
    else:
        text = _native(loaded, view, after, form, batch_size, threads)
    if output is None:
        say(text, nl=False)
    else:
        atomic_write(output, text.encode())


def _step(model: Any) -> tuple[Graph, list[Item]]:
    """The step as it was trained; only what the file tells of: without a known loss the forward pass alone."""
    from schuss.nn.forward import forward_graph, prepared_types
    from schuss.nn.holding import signature_of

    signature = signature_of(model)
    assert signature is not None
    found = _training_step(model)
    if found is None:
        say("the file does not tell the loss: the forward pass alone", err=True)
        graph = forward_graph(model, prepared_types(model, signature.inputs))
        return graph, outline(graph, None, {})
    step, gradients = found
    return step.graph, outline(step.graph, step.graph.output("loss"), gradients)


def _native(
    model: Any, view: str | None, after: str | None, form: str, batch_size: int | None, threads: int | None
) -> str:
    """The compiled step: its plan, its code, or what there is after a pass."""
    from schuss.errors import ModelFileError
    from schuss.explanation.plan import VIEWS, native_text, text_after
    from schuss.ir.types import N, symbols_in
    from schuss.nn.holding import signature_of

    if form not in VIEWS[view or "llvm"]:
        raise click.UsageError(f"--{view or 'print-after'} has no form {form}")
    signature, found = signature_of(model), _training_step(model)
    if found is None or signature is None:
        asked = f'"{view}"' if after is None else f'after="{after}"'
        mend = f"schuss.plan(run, {asked}) shows that of a run with a loss of your own"
        raise ModelFileError(f"the file does not tell the loss, so there is no training step to compile; {mend}")
    for part in signature.inputs:
        if open_lengths := [str(d) for d in symbols_in(part.shape) if d != N]:
            raise ModelFileError(
                f"the input {part.name} {part} has a length that is open, {open_lengths[0]}, and a step is compiled "
                "for a number: schuss.plan(run) shows that of a run, by its data"
            )
    batch = batch_size or signature.record.get("batch_size") or 64
    if after is not None:
        return text_after(found[0], batch, after, threads)
    assert view is not None
    return native_text(found[0], batch, view, form, threads)


def _training_step(model: Any) -> tuple[Step, dict[Node, Node]] | None:
    """The step as it was trained, and the gradients in it; None if the file does not tell of a loss."""
    from schuss import nn, optim
    from schuss.errors import UsageError
    from schuss.nn.holding import signature_of
    from schuss.nn.walk import frozen_names
    from schuss.train.step import Task, training

    signature = signature_of(model)
    assert signature is not None
    try:
        loss = nn.loss_from_config(signature.loss or {})
        if signature.target is None:
            raise UsageError("no target")
    except UsageError:
        return None
    try:
        optimizer = optim.from_config(signature.optimizer or {})
    except UsageError:
        table = "this is the blend of a table's model, whose parts were trained each by itself, by AdamW"
        told = table if places_in(model) else "the file does not tell the optimizer"
        say(f"{told}: gradient descent stands in for it", err=True)
        optimizer = optim.SGD(lr=1.0)
    frozen, transform = frozenset(frozen_names(model)), signature.target_transform
    task = Task(model, loss, optimizer, signature.inputs, signature.target, frozen=frozen, target_transform=transform)
    made = training(task)
    return made.step, made.gradients


def _groups(items: Iterable[Item]) -> Iterator[tuple[str, list[tuple[str, list[Item]]]]]:
    """(part, [(layer, its operations)])"""
    for part, members in groupby(items, key=lambda i: i.part):
        yield part, [(layer, list(group)) for layer, group in groupby(members, key=lambda i: i.layer)]


# -- text ----------------------------------------------------------------------------------------------


def _text(columns: Places, graph: Graph, items: list[Item]) -> Iterator[str]:
    if columns:
        yield from ("columns  (what the numbers of an input's row are)", *text_of(columns), "")
    used = {i for item in items for i in item.node.inputs}
    inputs = [n for n in graph.inputs if n in used]
    width = max((len(n.attrs["name"].removeprefix("param/")) for n in inputs), default=0)
    yield "inputs"
    for node in inputs:
        yield f"    {node.attrs['name'].removeprefix('param/'):<{width}}  {node.type}"
    if chosen := [n for n in graph.nodes if n.op == "hyperparameter" and n in used]:
        yield ""
        yield "hyperparameters  (numbers that the compiled step is given: another one compiles nothing again)"
        width = max(len(n.attrs["name"]) for n in chosen)
        for node in chosen:
            value = f"{node.attrs['value'].item():.6g}"
            yield f"    {node.attrs['name']:<{width}}  {value:<12}  {node.scope}".rstrip()
    for part, groups in _groups(items):
        yield ""
        yield part + ("  (under each operation: what it hands back)" if part == "forward" else "")
        for layer, members in groups:
            yield f"  {layer or '(the model itself)'}"
            left = [f"    {i.name} = {i.text}" for i in members]
            width = min(max(map(len, left)), 90)
            for item, line in zip(members, left, strict=True):
                yield f"{line:<{width}}  : {item.node.type}"
                for rule in item.rules:
                    yield f"        {rule}"


# -- json ----------------------------------------------------------------------------------------------


def _json(columns: Places, graph: Graph, items: list[Item]) -> Iterator[str]:
    number = _numbers(graph, items)
    nodes = [_outer(node, n) for node, n in number.items() if node.op in LEAVES]
    nodes += [
        {
            "id": number[i.node],
            "op": i.node.op,
            "name": i.name,
            "part": i.part,
            "layer": i.layer,
            "inputs": [number[n] for n in i.node.inputs],
            "attributes": {k: _plain(v) for k, v in i.node.attrs.items()},
            "dtype": i.node.type.dtype,
            "shape": _plain(i.node.type.shape),
            "text": i.text,
            "rules": list(i.rules),
            "gradient_of": i.gradient_of,
        }
        for i in items
    ]
    outputs = {n: number[o] for n, o in zip(graph.output_names, graph.outputs, strict=True) if o in number}
    yield json.dumps({"nodes": nodes, "outputs": outputs, **({"columns": columns} if columns else {})})


def _outer(node: Node, number: int) -> dict[str, Any]:
    """An input or constant."""
    kept: dict[str, Any] = {"id": number, "op": node.op, "dtype": node.type.dtype, "shape": _plain(node.type.shape)}
    if node.op == "input":
        return {**kept, "name": node.attrs["name"]}
    named = {"name": node.attrs["name"]} if node.op == "hyperparameter" else {}
    return {**kept, **named, "value": node.attrs["value"].tolist()}


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)


def _numbers(graph: Graph, items: list[Item]) -> dict[Node, int]:
    shown = {i.node for i in items}
    needed = shown | {n for i in items for n in i.node.inputs}
    return {node: k for k, node in enumerate(n for n in graph.nodes if n in needed)}


# -- dot -----------------------------------------------------------------------------------------------


def _dot(graph: Graph, items: list[Item]) -> Iterator[str]:
    number = _numbers(graph, items)
    yield "digraph step {"
    yield '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif", fontsize=10];'
    yield '  edge [color="#555555"]; rankdir=BT; compound=true; fontname="sans-serif";'
    for node, k in number.items():
        if node.op == "input":
            label = f"{node.attrs['name'].removeprefix('param/')}\n{node.type}"
            yield f"  n{k} [label={_quoted(label)}, shape=ellipse];"
    clusters = 0
    for part, groups in _groups(items):
        merged: dict[str, list[Item]] = {}
        for layer, members in groups:
            merged.setdefault(layer, []).extend(members)
        for layer, members in merged.items():
            clusters += 1
            yield f"  subgraph cluster_{clusters} {{"
            yield f'    label={_quoted(f"{layer or part}  ({part})")}; style="rounded,filled";'
            yield f'    color="{COLOURS[part]}"; fillcolor="{COLOURS[part]}";'
            for item in members:
                lines = [
                    f"{item.name} = {item.text}",
                    str(item.node.type),
                    *item.rules,
                ]
                yield f"    n{number[item.node]} [label={_quoted(chr(10).join(lines))}];"
            yield "  }"
    for item in items:
        for source in item.node.inputs:
            if source.op not in LEAVES[1:]:
                yield f"  n{number[source]} -> n{number[item.node]};"
    yield "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'

"""schuss info: what is in a model file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from schuss.cli.models import opened
from schuss.cli.say import say
from schuss.cli.tables.models import columns_of
from schuss.frames import listed
from schuss.signature import Signature
from schuss.signature.transforms import scale_in_words

SHOWN = 10  # epochs at each end of a long history


@click.command("info")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def command(model: Path, as_json: bool) -> None:
    """Layers, shapes, parameters and training record of MODEL."""
    from schuss import nn
    from schuss.io.model import read_model
    from schuss.nn.holding import signature_of

    network = opened(model)
    description = read_model(model)[1]
    signature = signature_of(network)
    assert signature is not None
    result = {
        "file": str(model),
        "bytes": model.stat().st_size,
        "version": description.get("version"),
        "inputs": [str(t) for t in signature.inputs],
        "target": None if signature.target is None else str(signature.target),
        "classes": signature.classes,
        "scale": next((i.scale for i in signature.inputs if i.scale is not None), None),
        "transforms": [i.transform.in_words() for i in signature.inputs if i.transform is not None and i.scale is None],
        "signature": signature.to_json(),
        "columns": next((i.columns for i in signature.inputs if i.columns is not None), None),
        "parameters": sum(p.data.size for p in nn.named_parameters(network).values()),
        "layers": _layers(network, signature),
        "loss": signature.loss,
        "optimizer": signature.optimizer,
        "record": network.record,
    }
    if as_json:
        say(json.dumps(result))
        return
    _show({**result, "record": signature.record}, columns_of(signature))


def _layers(model: Any, signature: Signature) -> list[dict[str, Any]]:
    """Each layer with its parameters and the type of its result, in the order of the graph.

    What belongs to no layer, the model's own operations and parameters, has the name "".
    """
    from schuss import nn
    from schuss.ir.graph import LEAVES
    from schuss.nn.forward import forward_graph, prepared_types

    parameters = nn.named_parameters(model)
    rows = {path: _row(path, type(layer).__name__) for path, layer in nn.named_modules(model).items() if path}
    for node in forward_graph(model, prepared_types(model, signature.inputs)).nodes:
        if node.op not in LEAVES:
            path, kind = layer_of(node.scope)
            rows.setdefault(path, _row(path, kind))["output"] = str(node.type)
    for name, parameter in parameters.items():
        path, _, short = name.rpartition(".")
        row = rows.setdefault(path, _row(path, ""))
        row["weights"][short] = list(parameter.shape)
        row["parameters"] += parameter.data.size
    return [row for row in rows.values() if row["type"] != "Sequential"]


def _row(path: str, kind: str) -> dict[str, Any]:
    return {"name": path, "type": kind, "output": None, "weights": {}, "parameters": 0}


def layer_of(scope: str) -> tuple[str, str]:
    """Path and class of the layer a node's scope names: ("block.0", "Linear") of block.Block/0.Linear."""
    layers = [part.rpartition(".") for part in scope.split("/") if "." in part]
    return ".".join(path for path, _, _ in layers), layers[-1][2] if layers else ""


def _show(result: dict[str, Any], columns: Any) -> None:
    """columns: what reads the rows of a model of a table."""
    say(f"{result['file']}  {result['bytes']:,} bytes, written by schuss {result['version']}")
    if columns is not None:
        from schuss.cli.tables import info

        info.show(result, columns)
        return
    scale = "" if result["scale"] is None else f", times {scale_in_words(result['scale'])}"
    others = "".join(f", {text}" for text in result["transforms"])
    say(f"\ninput    {', '.join(result['inputs'])}{scale}{others}")
    if result["columns"]:
        say(f"columns  {listed(result['columns'])}")
    if result["target"]:
        say(f"target   {result['target']}")
    if result["classes"]:
        say(f"classes  {', '.join(result['classes'])}")
    _show_layers(result["layers"], result["parameters"])
    for name in ("loss", "optimizer"):
        say(f"{name:<11}{_settings(result[name])}")
    _show_record(result["record"])


def _show_layers(layers: list[dict[str, Any]], total: int) -> None:
    table = [("layer", "type", "output", "parameters", "weights")]
    for row in layers:
        weights = "  ".join(f"{name} {shape}" for name, shape in row["weights"].items())
        table.append((row["name"] or "-", row["type"], row["output"] or "", f"{row['parameters']:,}", weights))
    table.append(("in all", "", "", f"{total:,}", ""))
    a, b, c, d = (max(len(row[i]) for row in table) for i in range(4))
    say("")
    for name, kind, output, count, weights in table:
        say(f"{name:<{a}}  {kind:<{b}}  {output:<{c}}  {count:>{d}}  {weights}".rstrip())
    say("")


def _settings(config: Any) -> str:
    """Adam(lr=OneCycle(max_lr=0.003, steps=4690), betas=[0.9, 0.999])"""
    if not isinstance(config, dict):
        return "unknown" if config is None else str(config)
    parts = [f"{k}={_settings(v) if isinstance(v, dict) else v}" for k, v in config.items() if k != "type"]
    if not parts:
        return f"{config.get('type')}, of your own"
    return f"{config.get('type')}({', '.join(p for p in parts if not p.endswith('=None'))})"


def _show_record(record: dict[str, Any]) -> None:
    facts = [f"{k} {record[k]}" for k in ("data", "epochs", "batch_size", "seed") if record.get(k) is not None]
    if record.get("seconds"):
        facts.append(f"{record['seconds']:.2f} s")
    if record.get("test_accuracy") is not None:
        facts.append(f"test accuracy {record['test_accuracy'] * 100:.2f} %")
    if record.get("stopped"):
        facts.append(f"stopped: {record['stopped']}")
    say(f"{'training':<11}{', '.join(facts) or 'no record'}")
    history = {k: v for k, v in (record.get("history") or {}).items() if any(x is not None for x in v)}
    if not history:
        return
    say("\n" + "".join(f"{name:>14}" for name in history))
    lines = [
        "".join(f"{'None':>14}" if v is None else f"{v:>14.6g}" for v in row)
        for row in zip(*history.values(), strict=False)
    ]
    if len(lines) > 2 * SHOWN:
        lines[SHOWN:-SHOWN] = [f"{'...':>14}"]
    say("\n".join(lines))

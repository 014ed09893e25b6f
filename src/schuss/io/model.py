"""Model files: the parameters as safetensors, and beside them all it takes to run the model without its code.

The header's metadata has one JSON text under "schuss": the format's version, the forward graph in its text form (for
layers that are not schuss's own also that of training, with its dropout), the signature, the layers' configuration
where all layers are schuss's own, loss, optimizer and record.
Any safetensors reader opens the tensors. Loading runs no code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from schuss import nn
from schuss.errors import ModelFileError, SchussError, UsageError, warn
from schuss.io.budget import check_graph, read_graph
from schuss.io.graph_model import GraphModel, training_graph, training_text
from schuss.io.record import sound
from schuss.io.tensors import check_sum, read_sealed, write_tensors
from schuss.io.track import read_track, track_arrays
from schuss.ir.executor import Array
from schuss.ir.graph import Graph
from schuss.ir.rewrite import with_constants
from schuss.ir.text import to_text
from schuss.ir.types import N, TensorType, of_an_input
from schuss.nn.forward import Types, forward, forward_graph, model_dtype, prepared_types
from schuss.nn.holding import graph_signature, own_signature
from schuss.nn.rebuild import from_outside
from schuss.nn.walk import callable_model, freeze_names, frozen_names
from schuss.signature import Signature
from schuss.signature.inputs import Input, by_scale, handed_over
from schuss.signature.signature import settings_of
from schuss.signature.track import Track
from schuss.signature.written import from_first_format, from_json
from schuss.tables import SOURCES
from schuss.trace import settled
from schuss.version import __version__

FORMAT = 3  # 1 and, with a path, 2: of version 0.1.0, without the signature as such


def save(
    model: Any,
    path: str | os.PathLike[str],
    *,
    record: Mapping[str, Any] | None = None,
    inputs: Sequence[TensorType] | TensorType | None = None,
    scale: float | None = None,
    loss: Any = None,
    optimizer: Any = None,
    track: Track | None = None,
) -> None:
    """Write a model of any class, or that of fit's run, to a file, whole or not at all.

    inputs  the type of the model's input, as TensorType("float32", (N, 784)), or a list of those of several; if not
            given, those of its signature, or of its first Linear. N is the number of examples; another length that may
            differ from call to call is a symbol of any name, as in TensorType("float32", (N, Sym("T"), 8)) for
            sequences: axes of one symbol are of one length. N, Sym and TensorType are in schuss.ir
    scale   what integers of the input are multiplied by before the model sees them
    record  what is known of the training, anything JSON holds
    loss, optimizer  kept by their settings
    track   the run's path in a plane, to draw it later: schuss.analysis.landscape.track_of(run). The file is three
            times as large with it

    What is not given is taken from the model's signature.

    Raises UsageError if the inputs are not known or no types, OSError if the file cannot be written (an old one stays).
    """
    if isinstance(model, (str, os.PathLike)):
        raise UsageError(f"save: the model comes first, then the file: schuss.save(model, {os.fspath(model)!r})")
    model = callable_model(model, "save")
    nn.initialize(model)
    layers = _layers(model)
    signature = _signature_to_save(model, layers, inputs, scale)
    params = nn.state_dict(model)
    description = _description(model, layers, signature, params)
    description |= {
        "loss": settings_of(signature.loss if loss is None else loss),
        "optimizer": settings_of(signature.optimizer if optimizer is None else optimizer),
        "record": dict(signature.record if record is None else record),
    }
    try:
        json.dumps(description["record"])
    except (TypeError, ValueError) as error:
        raise UsageError(f"save: the record must hold what JSON can hold: {error}") from None
    if track is not None:
        params = params | track_arrays(track, params)
        description["shares"] = list(track.shares)
    write_tensors(path, params, description)


def _signature_to_save(
    model: Any, layers: Any, inputs: Sequence[TensorType] | TensorType | None, scale: float | None
) -> Signature:
    """The model's own, or what is known without one, with the inputs that were given."""
    signature = nn.signature_of(model) or (_first_layer(model) if inputs is None else Signature())
    if inputs is not None:
        return replace(signature, inputs=by_scale(_types(inputs), scale))
    if own_signature(model) is None and layers is None:  # what acts is in the model's graph
        acting = graph_signature(model)[0].inputs
        return replace(signature, inputs=acting or signature.inputs)  # none where nothing in it was ever fitted
    return signature


def _description(model: Any, layers: Any, signature: Signature, params: Mapping[str, Array]) -> dict[str, Any]:
    """What a file says of the model itself: its graph, and the layers it can be rebuilt from."""
    prepared = prepared_types(model, signature.inputs)
    within = own_signature(model) is None
    graph = _forward_text(model, prepared, params, within)
    outside = [] if layers is None else from_outside(model)
    if outside and _text(layers, prepared, params) != graph:
        layers, outside = None, []  # its settings do not say all about a class
    bare = layers is None or bool(outside)  # a reader may have nothing but the graph
    description: dict[str, Any] = {
        "format": FORMAT,
        "version": __version__,
        "graph": graph,
        "training": training_text(model, prepared, graph, within) if bare else None,
        "signature": signature.to_json(),
        "parameters": {name: [str(v.dtype), list(v.shape)] for name, v in params.items()},
        "layers": layers,
    }
    names = forward(model, prepared, acting=within)[1].names
    if names is not None:
        description["results"] = list(names)
    if outside:
        description["outside"] = outside
    if bare and (frozen := frozen_names(model)):  # else they stand in the layers' configs
        description["frozen"] = frozen
    return description


def _forward_text(model: Any, inputs: Types, params: Mapping[str, Array], acting: bool) -> str:
    """The graph for a file. UsageError for one that load would refuse."""
    graph = with_constants(settled(lambda: forward_graph(model, inputs, acting=acting), lambda g: g))
    try:
        check_graph(graph, sum(p.size for p in params.values()))
    except SchussError as error:
        raise UsageError(f"save: the model {error}, and would not be loaded again") from None
    return to_text(graph)


def _layers(model: Any) -> dict[str, Any] | None:
    """What the model can be rebuilt from. Not where classes of the user's stand around parts that scale integers: a
    reader without them has the graph, in which these are."""
    layers = nn.to_config(model)
    acting = own_signature(model) is None and any(i.within for i in graph_signature(model)[0].inputs)
    return None if layers is not None and acting and from_outside(model) else layers


def _built(layers: Any, params: Mapping[str, Array]) -> Any:
    """The model that these layers make, with the parameters. SchussError where they do not fit."""
    model = nn.from_config(layers)
    for name, parameter in nn.named_parameters(model).items():
        parameter.to_dtype(str(params[name].dtype) if name in params else parameter.dtype)
    nn.load_state_dict(model, params)
    return model


def _text(layers: Any, inputs: Types, params: Mapping[str, Array]) -> str | None:
    """The graph of the model that these layers make; None if they make none."""
    try:
        return to_text(forward_graph(_built(layers, params), inputs))
    except Exception:  # classes of the user's may raise anything
        return None


def load(path: str | os.PathLike[str]) -> Any:
    """The model in a file: its layers where all their classes are registered, as schuss's own are, else a GraphModel
    that computes the same.

    The model has `record`, what the file says of its training; pictures and commands use as much of it as has the form
    that a run writes. Raises ModelFileError if the file is damaged, from a newer
    version or not schuss's; OSError if it cannot be read.
    """
    everything, description = read_model(path)
    tensors = {name: value for name, value in everything.items() if not name.startswith("path/")}
    graph = _graph(path, description, sum(t.size for t in tensors.values()))
    _check_parameters(path, tensors, description, graph)
    signature = _signature(path, description, graph)
    model = _rebuilt(path, description, graph, tensors, signature.inputs)
    model.record = _mapping(description, "record") or {}
    track = read_track(path, tensors, everything, description.get("shares")) if len(everything) > len(tensors) else None
    nn.set_signature(model, replace(signature, track=track))
    return model


def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """The tensors and the description in a model file, the file's form checked."""
    _refuse_data(path)
    tensors, description, checksum = read_sealed(path)
    if "position" in description:
        raise ModelFileError(
            f"{path}: is the checkpoint of a run, not a model; go on with the run, which gives the model: schuss train "
            "... --out MODEL --resume, or fit(..., resume=path) and schuss.save"
        )
    version = description.get("format")
    if not isinstance(version, int) or version < 1:
        raise ModelFileError(f"{path}: the model's description has no format number")
    if version > FORMAT:
        made_by = description.get("version", "a newer version")
        raise ModelFileError(
            f"{path}: is of format {version}, from a newer version of schuss ({made_by}); upgrade schuss"
        )
    check_sum(path, tensors, description, checksum)
    return tensors, description


AFTER = "a model comes first (train --out makes one), data go after it or as --data"
MAGIC = {b"PK\x03\x04": "a zip or npz archive", b"\x93NUM": "a numpy array", b"\x1f\x8b": "a compressed file"}
MAGIC |= {b"\x00\x00\x08": "an idx file"}


def _refuse_data(path: str | os.PathLike[str]) -> None:
    """ModelFileError for data where a model is expected, which would be called a damaged model."""
    what = None
    if os.fspath(path) in SOURCES.places:
        what = "a data set by name"
    elif os.path.isdir(path):
        raise ModelFileError(f"{path}: is a folder, no model file; {AFTER} {path}")
    elif os.path.isfile(path):  # a pipe would be waited for: what reads the file says what is wrong
        with open(path, "rb") as file:
            head = file.read(9)
        if head[8:] == b"{":  # safetensors: the first bytes are a length, which may look like anything
            return
        what = next((words for start, words in MAGIC.items() if head.startswith(start)), None) or _source(path)
    if what is not None:
        raise ModelFileError(f"{path}: is data ({what}), no model file; {AFTER} {path}")


def _source(path: str | os.PathLike[str]) -> str | None:
    """What a file is that one of the sources of data recognises."""
    for name, source in SOURCES.items():
        if source().recognises(os.fspath(path)):
            return (SOURCES.sets.get(name) or SOURCES.rows.get(name) or f"a {name}").partition(" (")[0]
    return None


def _types(given: Any) -> list[TensorType | Input]:
    """The types of the inputs, of which there may be one. UsageError for what is none."""
    one = isinstance(given, (TensorType, Input))
    types = [given] if one else list(given) if isinstance(given, (list, tuple)) else []
    if not types or not all(isinstance(t, (TensorType, Input)) for t in types):
        raise UsageError(f"save: inputs are types, as [TensorType('float32', (N, 784))], got {given!r:.80}")
    return [
        replace(t, type=of_an_input(t.type, "save")) if isinstance(t, Input) else of_an_input(t, "save") for t in types
    ]


def _first_layer(model: Any) -> Signature:
    """float32[N, in_features] of the first Linear. UsageError if there is none."""
    dtype = model_dtype(model)
    for layer in nn.named_modules(model).values():
        if isinstance(layer, nn.Linear):
            return Signature(by_scale([TensorType(dtype, (N, layer.in_features))], None))
    raise UsageError(
        "save: the model's inputs are not known: fit it first, or give inputs=[TensorType(dtype, (N, ...))]"
    )


def _graph(path: Any, description: Mapping[str, Any], held: int) -> Graph:
    text = description.get("graph")
    if not isinstance(text, str):
        raise ModelFileError(f"{path}: the model's description has no graph")
    try:
        return read_graph(text, held)
    except SchussError as error:
        raise ModelFileError(f"{path}: the model's graph: {error}") from None


def _check_parameters(path: Any, tensors: Mapping[str, Array], description: Mapping[str, Any], graph: Graph) -> None:
    """The tensors, the table of parameters and the graph's inputs must name the same arrays."""
    table = description.get("parameters")
    found = {name: [str(v.dtype), list(v.shape)] for name, v in tensors.items()}
    if table != found:
        both = table if isinstance(table, dict) else {}
        wrong = sorted(set(both) ^ set(found)) or [n for n in found if both[n] != found[n]]
        name = wrong[0] if wrong else "?"
        raise ModelFileError(
            f"{path}: parameter {name}: the description says {both.get(name)}, the file has {found.get(name)}"
        )
    for node in graph.inputs:
        name = node.attrs["name"]
        if name.startswith("param/"):
            key = name.removeprefix("param/")
            if found.get(key) != [node.type.dtype, list(node.type.shape)]:
                raise ModelFileError(
                    f"{path}: parameter {key}: the graph needs {node.type}, the file has {found.get(key)}"
                )


def _rebuilt(
    path: Any, description: Mapping[str, Any], graph: Graph, tensors: Mapping[str, Array], inputs: Sequence[Input]
) -> Any:
    layers = description.get("layers")
    for name, tensor in tensors.items():
        if tensor.dtype.kind != "f":
            raise ModelFileError(f"{path}: parameter {name}: is {tensor.dtype}, parameters are float32 or float64")
    if layers is None or not _are_known(path, description, graph, tensors, inputs):
        names = description["parameters"]
        params = {n: nn.Parameter(tensors[n], dtype=str(tensors[n].dtype)) for n in names}
        model = GraphModel(graph, params, training_graph(path, description, graph), _results(path, description, graph))
        _freeze(path, model, description.get("frozen", []))
        return model
    try:
        return _built(layers, tensors)
    except SchussError as error:
        raise ModelFileError(f"{path}: {error}") from None
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise ModelFileError(f"{path}: the layers' description is damaged: {error}") from None


def _are_known(
    path: Any, description: Mapping[str, Any], graph: Graph, tensors: Mapping[str, Array], inputs: Sequence[Input]
) -> bool:
    """Whether the layers' classes that are not schuss's own are registered, and compute what the file's graph does."""
    outside = description.get("outside", [])
    if not isinstance(outside, list) or not all(isinstance(name, str) for name in outside):
        raise ModelFileError(f"{path}: the model's description has no sound list of classes")
    if not all(name in nn.LAYERS for name in outside):
        return False
    types = [n.type for n in graph.inputs if not n.attrs["name"].startswith("param/")]
    given = handed_over(inputs, types)[0] if any(i.keyed for i in inputs) else types
    if not outside or _text(description["layers"], given, tensors) == description["graph"]:
        return True
    warn(
        f"load: {', '.join(outside)} computes something else than when {path} was written: the model is what the file "
        "says, a GraphModel; its parameters alone: nn.load_state_dict(model, nn.state_dict(loaded))"
    )
    return False


def _results(path: Any, description: Mapping[str, Any], graph: Graph) -> list[str] | None:
    """The names of the results of a model that gives a dict."""
    names: Any = description.get("results")
    if names is None:
        return None
    texts = isinstance(names, list) and all(isinstance(n, str) for n in names)
    if not texts or len(names) != len(graph.outputs) or len(set(names)) != len(names):
        raise ModelFileError(f"{path}: the model's description has no sound names of results")
    return list(names)


def _freeze(path: Any, model: GraphModel, names: Any) -> None:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelFileError(f"{path}: the model's description has no sound list of frozen parameters")
    try:
        freeze_names(model, names)
    except SchussError as error:
        raise ModelFileError(f"{path}: {error}") from None


def _mapping(description: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    value = description.get(key)
    return value if isinstance(value, dict) else None


def _signature(path: Any, description: Mapping[str, Any], graph: Graph) -> Signature:
    """The model's signature; the inputs, prepared, must be the graph's."""
    try:
        known = from_json(description) if description["format"] >= FORMAT else from_first_format(description)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: the model's description has no sound {error}") from None
    wanted = [n.type for n in graph.inputs if not n.attrs["name"].startswith("param/")]
    pairs = zip(known.inputs, wanted, strict=False)
    try:
        found = [i.prepared_type(w.dtype if w.is_float else "float32") for i, w in pairs]
    except SchussError as error:
        raise ModelFileError(f"{path}: the model's description has no sound inputs: {error}") from None
    if found != wanted or len(known.inputs) != len(wanted):
        raise ModelFileError(f"{path}: the model's description has no sound inputs: they are not its graph's")
    kept, left_out = sound(description.get("record") or {})
    loss, optimizer = _mapping(description, "loss"), _mapping(description, "optimizer")
    return replace(known, loss=loss, optimizer=optimizer, record=kept, left_out=left_out)

"""Whoever shows an operation shows its gradient rule for every input."""

import json

import numpy as np
import pytest
from numeric import type_of
from opcases import CASES

import schuss
from schuss import viz
from schuss.explanation.names import rules_of
from schuss.ops.registry import REGISTRY
from schuss.trace import trace


def first_of_floats(name):
    """The first sample with more than one number in it that takes floats: its attributes and arrays."""
    samples = [s for s in CASES[name].samples if s.floating and all(np.prod(a.shape) for a in s.args)]
    sample = next((s for s in samples if all(a.shape for a in s.args)), samples[0])
    return sample.attrs, sample.arrays([0])


@pytest.mark.parametrize("name", [name for name in CASES if REGISTRY[name].rule])
def test_every_input_has_its_rule_in_text_and_on_the_page(name):
    attrs, arrays = first_of_floats(name)
    node = trace(lambda *xs: REGISTRY[name](*xs, **attrs), [type_of(a) for a in arrays]).outputs[0]
    picture = viz.graph(lambda *xs: schuss.sum(REGISTRY[name](*xs, **attrs)), *arrays, collapse=False)
    step = next(s for s in picture.explanation.steps if s.op == name)
    names = dict(zip(node.inputs, step.inputs, strict=True)) | {node: step.name}
    wanted = [(names[i], r) for i, r in zip(node.inputs, rules_of(node, names), strict=True) if i.type.is_float]
    assert wanted, name
    assert step.rules == tuple(f"d {picture.explanation.result}/d {x} = {rule}" for x, rule in wanted)
    (shown,) = (op for op in picture.to_json()["ops"] if op["name"] == step.name)
    assert shown["rules"] == list(step.rules)
    assert [f["rule"] for f in shown["flows"]] == [rule for x, rule in wanted if rule != "0"]
    text = str(picture.explanation)
    if step.incoming is not None:
        assert all(rule in text for rule in step.rules)


def test_the_rules_of_maximum_and_concatenate():
    a, b = np.array([1.0, 4.0]), np.array([3.0, 2.0])
    picture = viz.graph(lambda a, b: schuss.sum(schuss.concatenate([schuss.maximum(a, b), b])), a, b, collapse=False)
    both, joined = (next(s for s in picture.explanation.steps if s.op == op) for op in ("maximum", "concatenate"))
    assert both.rule.split("; ")[1].endswith("d b = incoming where b > a, incoming/2 where a = b, else 0")
    lines = str(picture.explanation).splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip().startswith("rule") and "a > b" in line)
    assert lines[at + 1].strip() == both.rules[1]  # what is too long for a line has lines
    assert [f.rule for f in joined.flows] == ["its part of incoming"] * 2
    assert picture.svg.count("its part of incoming") == 4  # in the boxes and where the mouse rests on them
    assert "incoming where b &gt; a" in picture.svg
    json.dumps(picture.to_json())

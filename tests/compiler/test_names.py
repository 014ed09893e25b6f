"""The compiler asks what an operation does, never what it is called: its source is read."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import schuss
from schuss.ops.registry import REGISTRY

COMPILER = Path(schuss.__file__).parent / "compiler"
# Algebra is of particular operations: these files say which rewrites leave every value as it was.
ALGEBRA = {"passes/simplify.py", "passes/window.py", "passes/axes.py", "passes/pads.py"}
# Operations without a structure have their lowering in a table, by name.
TABLES = {"lower/opaque.py": {"_RULES"}}
FILES = sorted(p.relative_to(COMPILER).as_posix() for p in COMPILER.rglob("*.py"))


def asked(tree: ast.AST) -> list[tuple[int, str]]:
    """(line, name) wherever a text that is an operation's name is compared with, looked for or looked up."""
    found = []

    def names(node: ast.AST) -> list[str]:
        texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        return [t for t in texts if t in REGISTRY]

    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            found += [(node.lineno, name) for name in names(node)]
        elif isinstance(node, ast.MatchValue):
            found += [(node.value.lineno, name) for name in names(node.value)]
        elif isinstance(node, (ast.Dict, ast.Set)):
            found += [(node.lineno, name) for name in names(ast.Tuple([k for k in _keys(node) if k is not None]))]
        elif isinstance(node, ast.Assign) and isinstance(node.value, (ast.Tuple, ast.List)):
            found += [(node.lineno, name) for name in names(node.value)]
    return found


def _keys(node: ast.Dict | ast.Set) -> list[ast.expr | None]:
    return node.keys if isinstance(node, ast.Dict) else list(node.elts)


def _without_tables(tree: ast.Module, names: set[str]) -> ast.Module:
    def targets(node: ast.stmt) -> set[str]:
        aims = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        return {t.id for t in aims if isinstance(t, ast.Name)}

    return ast.Module([s for s in tree.body if not targets(s) & names], [])


@pytest.mark.parametrize("file", [f for f in FILES if f not in ALGEBRA])
def test_no_operation_is_asked_for_by_name(file):
    tree = _without_tables(ast.parse((COMPILER / file).read_text()), TABLES.get(file, set()))
    assert asked(tree) == [], f"compiler/{file} asks for operations by name: declare what they do (ir/structure.py)"


@pytest.mark.parametrize("file", [f for f in FILES if f not in ALGEBRA])
def test_no_node_is_asked_for_its_operation_but_for_its_record(file):
    """node.op is compared in one file: with the kinds of node that no operation makes."""
    tree = ast.parse((COMPILER / file).read_text())
    compared = [
        n.lineno
        for c in ast.walk(tree)
        if isinstance(c, ast.Compare)
        for n in ast.walk(c)
        if isinstance(n, ast.Attribute) and n.attr == "op"
    ]
    allowed = {"structure.py": 4}  # leaves
    assert len(compared) == allowed.get(file, 0)


@pytest.mark.parametrize(
    "text",
    [
        'node.op == "matmul"',
        'node.op in ("take", "pad")',
        '{"sum": 1}[node.op]',
        'NAMES = ("one_hot", "argmax")',
        'match node.op:\n    case "transpose":\n        pass',
    ],
)
def test_the_reader_sees_it(text):
    assert asked(ast.parse(text))


def test_what_every_operation_declares():
    """An elementwise body, a structure, a view, or a lowering of its own."""
    from schuss.compiler.lower import opaque

    for op in REGISTRY.values():
        declared = [op.structure is not None, op.view is not None, op.name in opaque._RULES]
        assert sum(declared) == 1, f"{op.name} declares {sum(declared)} of structure, view and a lowering of its own"

"""Faults put into schuss on purpose, to see that the tests catch each of them.

    python tests/faults.py                        200 faults; the report goes to the standard output
    python tests/faults.py --count 20 --seed 7    others
    python tests/faults.py --only schedule/fuse   those of one file
    python tests/faults.py --first 100 --last 150 a part of the 200

A fault is one small change of meaning in a gradient rule (`grad=` of an operation, backprop/), in a pass or in the
code generator: another arithmetic operator or comparison, a condition turned round, a constant off by one, two
arguments exchanged, a statement left out. The files are not touched: each fault is compiled into a process of its own,
which runs the tests that look at the fault's folder until one fails (without a fault all of them pass: that is tried
too). A crash and a hang count as caught: no one could overlook them. What is left over is printed as NOT CAUGHT;
one that is listed in HARMLESS, with the reason why no result can show it, is not tried.
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import itertools
import os
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "schuss"
SECONDS = 900  # a process that takes longer hangs
BROKEN = "no test: the run itself broke"  # then nothing is proved
FOLDERS = {
    "ops": "gradient rules",
    "backprop": "gradient rules",
    "compiler": "passes",
    "compiler/passes": "passes",
    "compiler/schedule": "passes",
    "compiler/lower": "code generation",
    "compiler/lower/gemm": "code generation",
    "compiler/llvm": "code generation",
}
SHARES = {"gradient rules": 0.35, "passes": 0.3, "code generation": 0.35}

TESTS = {  # which look at an area
    "gradient rules": ["tests/ops", "tests/backprop", "tests/nn"],
    "passes": ["tests/compiler", "tests/exec", "tests/api", "tests/train/test_fit.py"],
    "code generation": ["tests/exec", "tests/ops", "tests/compiler"],
}

# Faults that change no result, by their description without the line; they are not tried.
_FETCH = "memory is asked for in advance, and any address will do: only speed"
_TILE = "which tile is chosen changes no bits: only speed"
_SPEED = "the same numbers by another way: only speed"
_STRICT = "the lengths are equal by construction"
HARMLESS: dict[str, str] = {
    "ops/arithmetic.py _pow_grad: where(flat, 1.0, y - 1.0)  ->  where(flat, 2.0, y - 1.0)": "there y = 0 is a factor",
    "ops/arithmetic.py _pow_grad: where(positive, x, 1.0)  ->  where(positive, x, 2.0)": "there the result is not used",
    "backprop/reverse.py _sum_to: extra > 0  ->  extra >= 0": "a sum over no axes is the value itself",
    "backprop/reverse.py backprop: True  ->  False": _STRICT,
    "backprop/reverse.py products: True  ->  False": _STRICT,
    "compiler/passes/simplify.py _fold: static_size(node.type.shape) > FOLD_LIMIT  ->  "
    "static_size(node.type.shape) >= FOLD_LIMIT": "a constant of just this size is worked out later: the same value",
    "compiler/lower/gemm/gemm.py Contraction._epilogue: True  ->  False": _STRICT,
    "compiler/lower/gemm/prefetch.py prefetch_right: LINE // (tile.width * ITEMSIZE[panel.dtype])  ->  "
    "LINE * (tile.width * ITEMSIZE[panel.dtype])": _FETCH,
    "compiler/lower/gemm/microkernel.py row_sums.some: tile.width > 1  ->  tile.width > 2": _FETCH,
    "compiler/lower/gemm/tiles.py choose_tile: -(-columns // width)  ->  -columns // width": _TILE,
    "compiler/lower/gemm/tiles.py choose_tile: column_cost(rows, down, rest) if rest else 0  ->  "
    "column_cost(rows, down, rest) if not rest else 0": _TILE,
    "compiler/llvm/cache.py _trim: total <= LIMIT  ->  total < LIMIT": "one entry more is dropped where the sum is just this",  # noqa: E501
    "compiler/lower/gemm/prefetch.py prefetch_row: v * tile.width  ->  v + tile.width": _FETCH,
    "compiler/llvm/vecmath.py MathEmitter._power_edges: self._equal(x, one)  ->  self._equal(one, x)": "equality is symmetric",  # noqa: E501
    "compiler/lower/gemm/tiles.py choose_tile: -columns  ->  columns": _TILE,
    "compiler/lower/gemm/tiles.py choose_tile: (target.registers - across - 1) // across + 1  ->  "
    "(target.registers - across - 1) // across - 1": _TILE,
    "compiler/schedule/partition.py _much_larger: right * ITEMSIZE[matrix.type.dtype] >= tuning.column_split_bytes  "
    "->  right * ITEMSIZE[matrix.type.dtype] > tuning.column_split_bytes": _SPEED,
    "compiler/lower/gemm/gemm.py Contraction._is_far: static_size(shape) * ITEMSIZE[self.dtype] >= "
    "self.tuning.far_bytes  ->  static_size(shape) * ITEMSIZE[self.dtype] > self.tuning.far_bytes": _FETCH,
    "compiler/lower/gemm/gemm.py Contraction._is_far: static and (not local) and (static_size(shape) * ITEMSIZE[self.dtype] >= "  # noqa: E501
    "self.tuning.far_bytes)  ->  static or not local or static_size(shape) * ITEMSIZE[self.dtype] >= self.tuning.far_bytes": _FETCH,  # noqa: E501
    "compiler/lower/gemm/tiles.py choose_tile: rows > 2  ->  rows > 3": _TILE,
    "compiler/lower/gemm/gemm.py Contraction._is_prefetched: self.tile.width > 1  ->  self.tile.width > 2": _FETCH,
    "compiler/lower/gemm/prefetch.py prefetch_rows: panel.k.b.add(i, r)  ->  panel.k.b.sub(i, r)": _FETCH,
    "compiler/lower/gemm/prefetch.py by_place: term.strides[-2] != 0  ->  term.strides[-2] != 1": _FETCH,
    "compiler/lower/gemm/gemm.py Contraction._rows_a_thread: self.rank == 2  ->  self.rank == 3": _TILE,
    "compiler/lower/gemm/microkernel.py transposed_sums: -1  ->  1": "these operands have two axes: the same one",
    "compiler/lower/elementwise.py ElementwiseLoops._block: (0, 1)  ->  (1, 1)": _SPEED,
    "compiler/lower/elementwise.py ElementwiseLoops._width: axis.length == 1  ->  axis.length != 1": _SPEED,
    "compiler/lower/reduction.py _run.take: b.sub(stop, i)  ->  b.add(stop, i)": "lanes beyond the end: read, and not used",  # noqa: E501
    "compiler/llvm/waiting.py wait_function_address: sys.platform == 'linux' and platform.machine() in FUTEX  ->  "
    "sys.platform == 'linux' or platform.machine() in FUTEX": "the same on every machine that runs the tests",
    "compiler/schedule/partition.py _partition: static_size(shape) >= shared_map  ->  static_size(shape) > shared_map": _SPEED,  # noqa: E501
    "compiler/schedule/fuse.py _depends: last >= 0  ->  last >= 1": _SPEED,
    "compiler/schedule/order.py _accesses: not is_const(base) and (not is_free(base))  ->  "
    "not is_const(base) or not is_free(base)": "nobody writes constants",
    "compiler/schedule/fuse.py _depends: -1  ->  -2": "both mean: in no group",
    "compiler/passes/materialize.py _Written._rows_contiguous: -1  ->  1": _SPEED,
    "compiler/schedule/partition.py _partition: shape[0] > 1  ->  shape[0] > 2": _SPEED,
    "compiler/lower/gemm/microkernel.py _lane_sums.add: k.fma(left, right, Value(sums[n], dtype))  ->  "
    "k.fma(right, left, Value(sums[n], dtype))": "a product is the same either way",
    "compiler/schedule/buffers.py Place: True  ->  False": "nobody changes a place, nor looks one up",
}

# -- the faults ----------------------------------------------------------------------------------

BINARY = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
COMPARE = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
METHODS = {  # of the builders of native code
    "add": "sub",
    "sub": "add",
    "mul": "add",
    "fadd": "fsub",
    "fsub": "fadd",
    "fmul": "fadd",
    "fdiv": "fmul",
    "div": "mul",
    "udiv": "urem",
    "urem": "udiv",
    "minimum": "maximum",
    "maximum": "minimum",
    "and_": "or_",
    "or_": "and_",
    "shl": "lshr",
    "lshr": "shl",
}
# Calls whose arguments are not exchanged: the first one if it is one of these, any of these functions'
BUILDERS = ("b", "k", "kernel", "g")
SAME = {"isinstance", "zip", "max", "min", "getattr", "hasattr", "add", "mul", "fadd", "fmul", "and_", "or_", "xor"}
SAME |= {"equal", "not_equal", "logical_and", "logical_or", "minimum", "maximum"}
QUIET = (ast.Raise, ast.Assert, ast.AnnAssign, ast.JoinedStr, ast.Import, ast.ImportFrom)


def _other(value: bool | int | float) -> bool | int | float:
    """Another constant: off by one, or half as much again where it is a fraction."""
    if isinstance(value, bool):
        return not value
    return value + 1 if value == int(value) else value * 1.5


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """The faulty forms of one node."""
    if isinstance(node, ast.BinOp) and type(node.op) in BINARY and not isinstance(node.left, ast.JoinedStr):
        yield ast.BinOp(node.left, BINARY[type(node.op)](), node.right)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARE:
        yield ast.Compare(node.left, [COMPARE[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.And() if isinstance(node.op, ast.Or) else ast.Or(), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield node.operand
    elif isinstance(node, (ast.If, ast.IfExp)):
        other = copy.copy(node)
        other.test = ast.UnaryOp(ast.Not(), node.test)
        yield other
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        yield ast.Constant(_other(node.value))
    elif (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)) or isinstance(node, ast.AugAssign):
        yield ast.Pass()
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS and len(node.args) == 2:
            yield ast.Call(
                ast.Attribute(node.func.value, METHODS[node.func.attr], ast.Load()), node.args, node.keywords
            )
        at = 1 if node.args and isinstance(node.args[0], ast.Name) and node.args[0].id in BUILDERS else 0
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        alike = len(node.args) >= at + 2 and type(node.args[at]) is type(node.args[at + 1])
        if alike and name not in SAME and not any(isinstance(a, ast.Starred) for a in node.args):
            args = [*node.args[:at], node.args[at + 1], node.args[at], *node.args[at + 2 :]]
            yield ast.Call(node.func, args, node.keywords)


@dataclass(frozen=True)
class Fault:
    """A change of one node: the number-th node of the file's tree, its number-th faulty form."""

    area: str
    file: str
    line: int
    place: str
    node: int
    form: int
    text: str

    @property
    def name(self) -> str:
        return f"{self.file} {self.place}: {self.text}"


def short(node: ast.AST) -> str:
    """The first line of a node."""
    return ast.unparse(ast.fix_missing_locations(node)).split("\n")[0]


@cache
def source(file: str) -> str:
    """A file's text as it was when the run began."""
    return (SOURCE / file).read_text()


def exchanged(root: ast.AST, number: int, other: ast.AST) -> ast.AST:
    """The tree with its number-th node (of ast.walk) exchanged."""
    root = copy.deepcopy(root)
    target = next(itertools.islice(ast.walk(root), number, None))

    class Exchange(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            return ast.copy_location(other, target) if node is target else super().generic_visit(node)

    return ast.fix_missing_locations(Exchange().visit(root))


def faults_of(file: Path, area: str, rules_only: bool) -> Iterator[Fault]:
    """Every fault of a file, of its gradient rules alone or of all its functions."""
    name = file.relative_to(SOURCE).as_posix()
    tree = ast.parse(source(name))
    numbers = {id(node): i for i, node in enumerate(ast.walk(tree))}

    def described(node: ast.AST, other: ast.AST, around: ast.AST) -> str:
        if isinstance(node, ast.Constant) and isinstance(around, ast.expr):  # a bare number says too little
            at = next(i for i, n in enumerate(ast.walk(around)) if n is node)
            return f"{short(around)}  ->  {short(exchanged(around, at, other))}"
        return f"{short(node)}  ->  {short(other)}"

    def visit(node: ast.AST, around: ast.AST, place: str, inside: bool) -> Iterator[Fault]:
        if isinstance(node, QUIET):
            return
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            place = f"{place}.{node.name}".strip(".")
            inside = inside or not rules_only or node.name.endswith("_grad")
        inside = inside or (isinstance(node, ast.keyword) and node.arg == "grad")
        for form, other in enumerate(changes(node) if inside else ()):
            text = described(node, other, around)
            if len(set(text.split("  ->  "))) == 2:
                yield Fault(area, name, node.lineno, place, numbers[id(node)], form, text)  # type: ignore[attr-defined]
        for child in ast.iter_child_nodes(node):
            documented = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            annotation = child is getattr(node, "returns", None) or isinstance(child, ast.arguments)
            if not documented and not annotation:
                yield from visit(child, node, place, inside)

    yield from visit(tree, tree, "", file.name == "coefficients.py")


def all_faults(files: Container[str] | None = None) -> list[Fault]:
    """Of every file that is asked, or of these alone."""
    found: list[Fault] = []
    for folder, area in FOLDERS.items():
        for file in sorted((SOURCE / folder).glob("*.py")):
            asked = files is None or file.relative_to(SOURCE).as_posix() in files
            if asked and file.name != "cost.py":  # it only tells
                found += faults_of(file, area, rules_only=folder == "ops")
    return found


def drawn(seed: int, fault: Fault) -> bytes:
    """A fault's place in the draw. It hangs on the fault alone: a change elsewhere moves no other."""
    return hashlib.sha256(f"{seed} {fault.name}".encode()).digest()


def faulty_tree(fault: Fault) -> ast.Module:
    """The file's tree with the fault in it."""
    tree = ast.parse(source(fault.file))
    target = next(itertools.islice(ast.walk(tree), fault.node, None))
    other = next(itertools.islice(changes(target), fault.form, None))
    return exchanged(tree, fault.node, other)  # type: ignore[return-value]


# -- one fault in a process of its own -------------------------------------------------------------


class Finder(importlib.abc.MetaPathFinder):
    """Imports the faulty module from its tree."""

    def __init__(self, fault: Fault, tree: ast.Module) -> None:
        parts = ["schuss", *Path(fault.file).with_suffix("").parts]
        self.name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        path = str(SOURCE / fault.file)
        code = compile(tree, path, "exec")

        class Loader(importlib.machinery.SourceFileLoader):
            def get_code(self, fullname: str) -> Any:
                return code

        self.loader = Loader(self.name, path)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.loader.path, loader=self.loader)


class Watch:
    """Remembers the first test that fails."""

    def __init__(self, file: str) -> None:
        self.file = file

    def say(self, what: str) -> None:
        if not Path(self.file).exists():
            Path(self.file).write_text(what)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.say(report.nodeid)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.say(f"{report.nodeid} (collecting)")


def child(fault: Fault, folder: str) -> None:
    """Run the tests until one fails; the exit code says whether one did."""
    os.environ["SCHUSS_CACHE_DIR"] = f"{folder}/cache"
    sink = os.open(f"{folder}/out", os.O_WRONLY | os.O_CREAT)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    import pytest

    tree = faulty_tree(fault) if fault.text else ast.parse(source(fault.file))
    sys.meta_path.insert(0, Finder(fault, tree))
    words = [] if fault.area != "gradient rules" or fault.file.startswith("backprop") else operation_of(fault)
    watch = Watch(f"{folder}/test")
    common = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    runs = [["tests/ops/test_table.py", "-k", word] for word in words] + [TESTS[fault.area]]
    for run in runs:
        code = pytest.main([*common, *run], plugins=[watch])
        if code not in (0, 5):  # 5: no test of that name
            watch.say(BROKEN)
            os._exit(1)
    os._exit(0)


def operation_of(fault: Fault) -> list[str]:
    """The operation a rule belongs to, as tests name it."""
    name = fault.place.split(".")[0].strip("_").removesuffix("_grad")
    return [name] if name else []


@dataclass
class Running:
    fault: Fault
    folder: str
    pid: int
    began: float


def start(fault: Fault) -> Running:
    folder = tempfile.mkdtemp(prefix="schuss-fault-")
    pid = os.fork()
    if not pid:
        os.setsid()
        try:
            child(fault, folder)
        except BaseException as error:  # the fault may do anything
            Watch(f"{folder}/test").say(f"{BROKEN}: {error!r}")
        os._exit(1)
    return Running(fault, folder, pid, time.monotonic())


def outcome(running: Running) -> str | None:
    """What became of it, None while it goes on, "" if no test failed."""
    pid, status = os.waitpid(running.pid, os.WNOHANG)
    if not pid:
        if time.monotonic() - running.began < SECONDS:
            return None
        os.killpg(running.pid, signal.SIGKILL)  # with the processes its tests have started
        os.waitpid(running.pid, 0)
        return f"hangs: no end after {SECONDS} s"
    if os.WIFSIGNALED(status):
        return f"crashes: {signal.Signals(os.WTERMSIG(status)).name}"
    test = Path(running.folder) / "test"
    return "" if os.WEXITSTATUS(status) == 0 else test.read_text() if test.exists() else "ends the tests"


def run(chosen: list[Fault], workers: int, first: int) -> int:
    """All of them, some at a time; how many were not caught. first: the number of the first fault."""
    waiting, team, left = list(enumerate(chosen, first - sum(not f.text for f in chosen))), {}, 0
    numbers: dict[int, int] = {}
    totals: dict[str, list[int]] = {fault.area: [0, 0, 0] for fault in chosen}
    while waiting or team:
        while waiting and len(team) < workers:
            number, fault = waiting.pop(0)
            if fault.name in HARMLESS:
                totals[fault.area][1] += 1
                print(f"{number:4d} {fault.file}:{fault.line} {fault.place}: {fault.text}")
                print(f"       harmless: {HARMLESS[fault.name]}", flush=True)
                continue
            running = start(fault)
            team[running.pid] = running
            numbers[running.pid] = number
        time.sleep(0.05)
        for pid, running in list(team.items()):
            found = outcome(running)
            if found is None:
                continue
            del team[pid]
            shutil.rmtree(running.folder, ignore_errors=True)
            fault, seconds = running.fault, time.monotonic() - running.began
            if not fault.text:
                if found:
                    sys.exit(f"the tests fail without a fault: {found}")
                print(f"     no fault: the tests of {fault.area} pass ({seconds:.0f} s)", flush=True)
                continue
            if found and found.startswith(BROKEN):
                sys.exit(f"{fault.name}\n{found}")
            totals[fault.area][0 if found else 2] += 1
            verdict = f"caught by {found}" if found else "NOT CAUGHT"
            left += not found
            print(f"{numbers[pid]:4d} {fault.file}:{fault.line} {fault.place}: {fault.text}")
            print(f"       {verdict} ({seconds:.0f} s)", flush=True)
    print()
    for area, (caught, harmless, missed) in totals.items():
        print(f"{area:<16} {caught} caught, {harmless} harmless, {missed} not caught")
    return left


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--last", type=int)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="", help="part of a file's name or of a fault's text")
    parser.add_argument("--area", choices=SHARES, help="of one area only")
    parser.add_argument("--list", action="store_true", help="print the faults, run nothing")
    given = parser.parse_args()
    os.chdir(ROOT)
    faults = [f for f in all_faults() if given.only in f.name]
    chosen: list[Fault] = []
    areas = [given.area] if given.area else list(SHARES)
    for area in areas:
        of_area = sorted((f for f in faults if f.area == area), key=lambda f: drawn(given.seed, f))
        chosen += of_area if given.only else of_area[: round(given.count * SHARES[area])]
    chosen = chosen[given.first - 1 : given.last]
    if given.list:
        for fault in chosen:
            print(f"{fault.area}: {fault.file}:{fault.line} {fault.place}: {fault.text}")
        print(f"{len(chosen)} of {len(faults)}")
        return
    sys.path[:0] = [str(ROOT / "tests")]
    warnings.simplefilter("ignore")  # jax warns of forks; its threads have not started yet
    for name in ("numpy", "jax", "jax.numpy", "jax.scipy.special", "optax", "sklearn.neural_network", "hypothesis"):
        importlib.import_module(name)
    for name in ("hypothesis.strategies", "hypothesis.extra.numpy", "pytest", "mpmath", "llvmlite.binding"):
        importlib.import_module(name)
    assert not any(name.split(".")[0] == "schuss" for name in sys.modules)
    print(f"{len(chosen)} of {len(faults)} possible faults, seed {given.seed}", flush=True)
    controls = [
        Fault(area, "compiler/schedule/fuse.py", 0, "", 0, 0, "") for area in dict.fromkeys(f.area for f in chosen)
    ]
    sys.exit(1 if run([*controls, *chosen], given.workers, given.first) else 0)


if __name__ == "__main__":
    main()

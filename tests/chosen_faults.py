"""Faults chosen by hand: one line of train/, api/, io/, exec/ or tabular/ broken as a maintainer might break it, and
the tests that must notice. tests/faults.py draws faults of the gradient rules and the compiler by chance instead.

    python tests/chosen_faults.py                      all of them; writes tests/chosen_faults.md
    python tests/chosen_faults.py --area tabular       those of a file of the table; writes their part of that page
    python tests/chosen_faults.py --only train/best    those whose file or text has this; prints, writes nothing
    python tests/chosen_faults.py --first 10 --last 19 a part of them, likewise

The table is tests/chosen_faults/AREA.toml: the file below src/schuss, the text to `find` in it, what to `put` there,
and the `tests` that must fail (as for pytest, separated by blanks). The text stands once in the file;
tests/test_chosen_faults.py holds the table against the source. One fault at a time is put into a copy of the tree, in
which its tests run in a process of their own; without a fault all of them pass, which is tried first. A crash or a hang
counts as noticed. What is not noticed is a hole in the tests: write the missing one.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "tests" / "chosen_faults"
REPORT = ROOT / "tests" / "chosen_faults.md"
SECONDS = 100  # tests that take longer hang
LARGE = 1 << 20  # bytes of files that nobody changes, as data
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Fault:
    """One row of the table; file is a path below src/schuss."""

    area: str
    file: str
    find: str
    put: str
    tests: str

    @property
    def text(self) -> str:
        """find  ->  put, each on one line."""
        find, put = (" ".join(part.split()) for part in (self.find, self.put))
        return f"{find}  ->  {put or 'nothing'}"

    @property
    def row(self) -> str:
        """The beginning of its line in the page."""
        text = self.text.replace("|", "\\|")
        return f"| `{self.file}` | `{text}` | "

    def broken(self, source: str) -> str:
        """The file with the fault in it. ValueError unless its text stands there once."""
        if source.count(self.find) != 1:
            raise ValueError(f"{self.file}: {self.find!r} stands there {source.count(self.find)} times, not once")
        return source.replace(self.find, self.put)


def table() -> list[Fault]:
    """All faults, area by area."""
    rows = (
        (path.stem, row) for path in sorted(TABLE.glob("*.toml")) for row in tomllib.loads(path.read_text())["fault"]
    )
    return [Fault(area, **row) for area, row in rows]


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of the tracked tree; large files are linked."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory(prefix="schuss-fault-") as folder:
        tree = Path(folder) / "tree"
        for name in filter(None, listed.decode().split("\0")):
            source, place = ROOT / name, tree / name
            if source.is_file():
                place.parent.mkdir(parents=True, exist_ok=True)
                (os.symlink if source.stat().st_size > LARGE else shutil.copyfile)(source, place)
        yield tree


@contextmanager
def broken(place: Path, fault: Fault) -> Iterator[None]:
    """The file with the fault in it meanwhile. Of bytecode, which is told by second and size, none is left."""
    whole, compiled = place.read_text(), Path(cache_from_source(str(place)))
    for text in (fault.broken(whole), whole):
        place.write_text(text)
        compiled.unlink(missing_ok=True)
        if text != whole:
            yield


def failing(tree: Path, tests: Sequence[str], seconds: int | None = SECONDS) -> str:
    """What the tests say in this tree: the first one that fails, or that they crash or hang; "" if all pass."""
    known = {**os.environ, "PYTHONPATH": str(tree / "src"), "SCHUSS_CACHE_DIR": str(tree.parent / "cache")}
    command = [sys.executable, "-m", "pytest", "-n", "0", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command, cwd=tree, env=known, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no end after {seconds} s"
    if done.returncode == 0:
        return ""
    if done.returncode < 0:
        return f"a crash: signal {-done.returncode}"
    found = FAILED.search(done.stdout)
    if found is None:
        raise RuntimeError(f"pytest {' '.join(tests)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return found[1]


def tried(faults: list[Fault]) -> Iterator[tuple[Fault, str]]:
    """Each fault and what noticed it, "" for nothing. RuntimeError if a test fails without any."""
    with copied() as tree:
        every = list(dict.fromkeys(test for fault in faults for test in fault.tests.split()))
        if found := failing(tree, every, seconds=None):
            raise RuntimeError(f"without a fault: {found}")
        for fault in faults:
            with broken(tree / "src" / "schuss" / fault.file, fault):
                found = failing(tree, fault.tests.split())
            yield fault, found


def report(found: list[tuple[Fault, str]], before: str = "") -> str:
    """The page of a run. Of areas that it did not try the rows that the page before has, where the table still does."""
    whole, areas = table(), {fault.area for fault, _ in found}
    tried = {fault.row: f"{f'`{noticed}`' if noticed else '**nothing**'} |" for fault, noticed in found}
    for fault in whole:
        if fault.area not in areas and (known := re.search(f"^{re.escape(fault.row)}(.*)$", before, re.MULTILINE)):
            tried[fault.row] = known[1]
    missed, untried = sum(noticed == "**nothing** |" for noticed in tried.values()), len(whole) - len(tried)
    lines = ["# Faults chosen by hand, and what noticed them", ""]
    lines += ["Written by `python tests/chosen_faults.py`; the table is in `tests/chosen_faults/`.", ""]
    lines += [
        f"{len(tried)} faults: {len(tried) - missed} noticed, {missed} not." + f" {untried} not tried." * bool(untried)
    ]
    for area in dict.fromkeys(fault.area for fault in whole):
        rows = [fault.row + tried[fault.row] for fault in whole if fault.area == area and fault.row in tried]
        if rows:
            lines += ["", f"## {area}/", "", "| file | fault | noticed by |", "|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--area", help="a file of the table", choices=sorted(p.stem for p in TABLE.glob("*.toml")))
    parser.add_argument("--only", default="", help="part of a file's name or of a fault's text")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--last", type=int)
    given = parser.parse_args()
    area = [fault for fault in table() if given.area in (None, fault.area)]
    faults = [fault for fault in area[given.first - 1 : given.last] if given.only in f"{fault.file} {fault.text}"]
    found = []
    for number, (fault, noticed) in enumerate(tried(faults), 1):
        found.append((fault, noticed))
        print(f"{number:4d} {fault.file}: {fault.text}\n       {noticed or 'NOT NOTICED'}", flush=True)
    if len(faults) == len(area):
        REPORT.write_text(report(found, REPORT.read_text()))
    sys.exit(any(not noticed for _, noticed in found))


if __name__ == "__main__":
    main()

"""What this machine says of itself, and what it is taken to be instead.

SCHUSS_MACHINE=cores=8,cache=262144 stands for a process that may use 8 cores with 256 kB of second-level cache each:
plans and the numbers of threads are then those of such a machine. Tests run so, so that no verdict hangs on the host;
SCHUSS_TARGET masks its instruction sets (compiler/llvm/target.py).
"""

from __future__ import annotations

import contextlib
import os
from functools import cache
from pathlib import Path

from schuss.errors import UsageError

FACTS = ("cores", "cache")


def told(fact: str) -> int | None:
    """The fact as SCHUSS_MACHINE has it; None where the machine itself is to be asked. UsageError if it is unsound."""
    return _parsed(os.environ.get("SCHUSS_MACHINE", "")).get(fact)


@cache
def _parsed(text: str) -> dict[str, int]:
    facts: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name not in FACTS or not value.isdecimal() or int(value) < 1:
            raise UsageError(f"SCHUSS_MACHINE={text!r}: {part!r} is not one of cores=N, cache=BYTES")
        facts[name] = int(value)
    return facts


def private_cache() -> int:
    """Bytes of a core's own second-level cache; 1 MiB where the system does not say."""
    known = told("cache")
    if known is not None:
        return known
    with contextlib.suppress(OSError, ValueError):
        text = Path("/sys/devices/system/cpu/cpu0/cache/index2/size").read_text().strip()
        return int(text.removesuffix("K")) << 10
    return 1 << 20

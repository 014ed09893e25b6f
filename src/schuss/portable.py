"""What can be had again in another process by its name alone, as pickle stores functions and classes."""

from __future__ import annotations

import sys
from typing import Any


def global_name(value: Any) -> str | None:
    """The name under which the value's module has this very value; None for one that is not there."""
    name = getattr(value, "__qualname__", None)
    found: Any = sys.modules.get(str(getattr(value, "__module__", None)))
    for part in name.split(".") if isinstance(name, str) else (None,):
        found = getattr(found, str(part), None)
    return name if found is value else None

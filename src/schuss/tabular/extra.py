"""The libraries of the extra [tables], or the error that names the command which brings them.

What they cost (x86-64 Linux, Python 3.11): polars 173 MB installed (55 MB to download) and 0.25 s to import, narwhals
6 MB (0.5 MB) and 0.09 s, scipy 146 MB (35 MB). `import schuss` and the command's help load none of them; the first
table that is read loads polars, the first data frame of another library loads narwhals.
"""

from __future__ import annotations

from typing import Any

from schuss.asking import lacking
from schuss.errors import UsageError

try:
    import polars as pl
except ImportError:
    raise UsageError(lacking("tables need", "polars", "tables")) from None


def narwhals() -> Any:
    """The module narwhals."""
    try:
        import narwhals as nw
    except ImportError:
        raise UsageError(lacking("a data frame of another library than polars needs", "narwhals", "tables")) from None
    return nw


__all__ = ["narwhals", "pl"]

"""polars and narwhals, or the error that names the command which brings them."""

from __future__ import annotations

from schuss.errors import UsageError

try:
    import narwhals as nw
    import polars as pl
except ImportError as error:
    raise UsageError(f"tables need {error.name}: pip install 'schuss[tables]'") from None

__all__ = ["nw", "pl"]

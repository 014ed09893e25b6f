"""A model file, for the commands that show the record of its training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


def opened(path: Path) -> Any:
    """The model in the file; a line on stderr says what of its record is left out."""
    from schuss.io.model import load
    from schuss.nn.forward import seen_by

    model = load(path)
    seen = seen_by(model)
    if seen is not None and seen.left_out:
        click.echo(f"{path}: {seen.left_out}", err=True)
    return model

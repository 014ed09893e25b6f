"""A model file, for the commands that show the record of its training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from schuss.cli.say import say


def opened(path: Path) -> Any:
    """The model in the file; a line on stderr says what of its record is left out."""
    from schuss.io.model import load
    from schuss.nn.holding import signature_of

    model = load(path)
    signature = signature_of(model)
    if signature is not None and signature.left_out:
        say(f"{path}: {signature.left_out}", err=True)
    return model

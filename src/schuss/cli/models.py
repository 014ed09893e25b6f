"""A model file, for the commands that read it, and data for the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from schuss.cli.say import say

if TYPE_CHECKING:
    from schuss.data import Dataset
    from schuss.signature import Signature


def labelled(dataset: Dataset, signature: Signature | None) -> Dataset:
    """The data set with the labels that the model with this signature knows. DataError for names it does not know."""
    from schuss.train.source import check_knows_names

    if dataset.class_names is not None:
        check_knows_names(signature, dataset.name)
    return dataset.labelled_as(None if signature is None else signature.classes)


def opened(path: Path) -> Any:
    """The model in the file; a line on stderr says what of its record is left out."""
    from schuss.io.model import load
    from schuss.nn.holding import signature_of

    model = load(path)
    signature = signature_of(model)
    if signature is not None and signature.left_out:
        say(f"{path}: {signature.left_out}", err=True)
    return model

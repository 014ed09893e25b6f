"""What a model was trained to say: the target's type, the task and the names of the classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schuss.ir.types import TensorType
from schuss.signature.inputs import Input, type_to_json
from schuss.signature.transforms import Transform, to_json

CLASSIFICATION, REGRESSION = "classification", "regression"
KINDS = ("bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float32", "float64")


@dataclass(frozen=True)
class Output:
    """type     of the targets, one batch
    task     "classification", "regression", or None where it is not known
    classes  the names of the classes in the order of their labels; None where they have none
    named    whether the targets were these names, and not the labels: then predictions are names, too
    transform what becomes of targets that are the input itself (an autoencoder's)
    columns  the names of the columns, where the targets were a data frame of several
    kind     numpy's dtype of the labels as they were given, which predictions have, too; None: int64
    words    of several columns of labels what each calls no and yes, where one of them has words: then predictions are
             these
    """

    type: TensorType
    task: str | None = None
    classes: tuple[str, ...] | None = None
    transform: Transform | None = None
    named: bool = False
    columns: tuple[str, ...] | None = None
    kind: str | None = None
    words: tuple[tuple[str, str], ...] | None = None

    @property
    def of_examples(self) -> bool:
        """Whether the targets are labels, one an example: [N] or [N, 1]."""
        return self.task == CLASSIFICATION and all(d == 1 for d in self.type.shape[1:2]) and self.type.rank <= 2

    def prepared(self, y: Any, dtype: str) -> Any:
        """Targets as the model's loss takes them."""
        return Input("y", self.type, self.transform).prepared(y, dtype)

    def to_json(self) -> dict[str, Any]:
        """As a model file holds it."""
        classes = None if self.classes is None else list(self.classes)
        written = {
            "type": type_to_json(self.type),
            "task": self.task,
            "classes": classes,
            "scale": to_json(self.transform),
        }
        written |= {"named": self.named, **({} if self.kind is None else {"kind": self.kind})}
        written |= {} if self.words is None else {"words": [list(pair) for pair in self.words]}
        return written if self.columns is None else {**written, "columns": list(self.columns)}

"""What a training prints in the end."""

from __future__ import annotations

import json
from typing import Any

from schuss.cli.say import say


def show(result: dict[str, Any], as_json: bool) -> None:
    """The result of a training, as lines or as one JSON object."""
    if as_json:
        say(json.dumps(result))
        return
    accuracy = result.get("test_accuracy")
    speed = f"{result.get('examples_per_second') or 0:,} examples/s"
    epochs = f"{result['epochs']} epoch{'' if result['epochs'] == 1 else 's'}"
    rows = [
        ("model", f"{result['model']}, {result['parameters']:,} parameters"),
        (
            "trained",
            f"{epochs} in {result['seconds']:.2f} s, {speed}",
        ),
    ]
    if result["train_loss"] is not None:  # none if the run was stopped in its first epoch
        rows.append(("train loss", f"{result['train_loss']:.4f}"))
    rows.append(("test loss", f"{result['test_loss']:.4f}"))
    if accuracy is not None:
        rows.append(("test accuracy", f"{accuracy * 100:.2f} %"))
    if result.get("stopped"):
        rows.append(("stopped", result["stopped"]))
    if result.get("out"):
        rows.append(("saved", result["out"]))
    for name, value in rows:
        say(f"{name:<14} {value}")

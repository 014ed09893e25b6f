"""What a layer computes and hands back, in a line each, for its box while it is closed.

A layer is known by its class's name and by the operations it is made of, so that a class of the user's with the same
name, or a loss with another reduction, is not described wrongly.
"""

from __future__ import annotations

from collections.abc import Iterable

SILENT = {"cast", "check_index", "one_hot"}  # operations that change nothing about the formula

# class: (formula, what it hands back to its input, its operations)
LAYERS: dict[str, tuple[str, str, str]] = {
    "Linear": ("y = x Wᵀ + b", "incoming · W", "add matmul transpose"),
    "LeakyReLU": ("y = x, or a·x where x < 0", "incoming, or a · incoming", "greater mul where"),
    "GELU": ("y = x · Φ(x)", "incoming · (Φ(x) + x · φ(x))", "add erf mul"),
    "SiLU": ("y = x · σ(x)", "incoming · (σ + x · σ · (1 − σ))", "mul sigmoid"),
    "Softmax": ("y = exp x / Σ exp x", "y · (incoming − Σ incoming · y)", "div exp max stop_gradient sub sum"),
    "LogSoftmax": ("y = x − log Σ exp x", "incoming − softmax(x) · Σ incoming", "exp log max stop_gradient sub sum"),
    "LayerNorm": ("y = (x − mean) / √(var + ε) · w + b", "incoming through y, mean and var", "add mean mul rsqrt sub"),
    "CrossEntropyLoss": (
        "mean of −log softmax(pred)[target]",
        "(softmax(pred) − one-hot target) / N",
        "add clip equal exp log max mean stop_gradient sub sum where",
    ),
    "NLLLoss": ("mean of −pred[target]", "−1/N at the target", "mean neg sum where"),
    "BCEWithLogitsLoss": (
        "mean of binary cross entropy",
        "(σ(pred) − target) / count",
        "add exp greater log1p mean mul neg sub where",
    ),
    "MSELoss": ("mean of (pred − target)²", "2 · (pred − target) / count", "mean mul sub"),
    "L1Loss": ("mean of |pred − target|", "sign(pred − target) / count", "abs mean sub"),
}


def of_layer(label: str, operations: Iterable[str]) -> tuple[str, str] | None:
    """(formula, what it hands back) for a layer labelled as 0.Linear; None if it is not known."""
    known = LAYERS.get(label.rpartition(".")[2])
    if known is None or set(known[2].split()) != set(operations) - SILENT:
        return None
    return known[0], known[1]

"""A binary classification with primitives only: x -> L1 -> S -> L2 -> probability -> cross entropy.

The four points are those of the exclusive or, which no single layer can tell apart. The chain rule is
printed as numbers for the first step; at the end the four probabilities.
"""

from __future__ import annotations

import numpy as np

import schuss


def cross_entropy(weights, x, y):
    """Mean of -log(the probability given to the right answer)."""
    p = probability(weights, x)
    right = y * schuss.log(p) + (1.0 - y) * schuss.log(1.0 - p)
    loss = -right.mean()
    return loss


def probability(weights, x):
    """The probability that the answer is 1."""
    L1 = x @ weights["W1"] + weights["b1"]
    S = schuss.tanh(L1)
    L2 = S @ weights["W2"] + weights["b2"]
    P = schuss.sigmoid(L2)
    return P


def main(steps: int = 1000, lr: float = 0.5) -> float:
    """Explain the first step, then descend. Returns the share of right answers."""
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    y = np.array([[0], [1], [1], [0]], np.float32)
    rng = np.random.default_rng(3)
    weights = {
        "W1": rng.normal(size=(2, 3)).astype(np.float32),
        "b1": np.zeros(3, np.float32),
        "W2": rng.normal(size=(3, 1)).astype(np.float32),
        "b2": np.zeros(1, np.float32),
    }
    print(schuss.explain(cross_entropy, weights, x, y))

    print("\nGRADIENT DESCENT")
    step = schuss.jit(schuss.value_and_grad(cross_entropy))
    for i in range(steps):
        loss, gradient = step(weights, x, y)
        if i % 200 == 0 or i == steps - 1:
            print(f"step {i:4}  loss {float(loss):.5f}")
        weights = {name: weights[name] - lr * gradient[name] for name in weights}

    found = schuss.jit(probability)(weights, x)
    for point, wanted, p in zip(x, y, found, strict=True):
        print(f"{point[0]:.0f} xor {point[1]:.0f} = {wanted[0]:.0f}   probability of 1: {p[0]:.4f}")
    return float(((found > 0.5) == (y > 0.5)).mean())


if __name__ == "__main__":
    main()

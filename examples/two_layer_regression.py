"""Two layers and a mean squared loss, made of primitives: x -> L1 -> S -> L2 -> loss.

Every value, every local gradient and every product of the chain rule is printed for three points, as
numbers to check by hand. Then gradient descent fits them.
"""

from __future__ import annotations

import numpy as np

import schuss


def mean_squared_loss(weights, x, y):
    """A linear layer, a sigmoid, a linear layer; the mean of the squared errors."""
    L1 = x @ weights["W1"] + weights["b1"]
    S = schuss.sigmoid(L1)
    L2 = S @ weights["W2"] + weights["b2"]
    error = L2 - y
    loss = (error * error).mean()
    return loss


def first_weights():
    """Small numbers that are easy to follow."""
    return {
        "W1": np.array([[0.1, -0.2], [0.3, 0.4]], np.float32),
        "b1": np.array([0.0, 0.1], np.float32),
        "W2": np.array([[0.5], [-0.6]], np.float32),
        "b2": np.array([0.2], np.float32),
    }


def main(steps: int = 4000, lr: float = 0.5) -> tuple[float, float]:
    """Explain the first step, then descend. Returns the first and the last loss."""
    x = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], np.float32)
    y = np.array([[0.5], [-0.3], [0.8]], np.float32)
    weights = first_weights()
    print(schuss.explain(mean_squared_loss, weights, x, y))

    step = schuss.jit(schuss.value_and_grad(mean_squared_loss))
    print("\nGRADIENT DESCENT: each weight moves against its gradient, W <- W - lr * d loss/d W")
    losses = []
    for i in range(steps):
        loss, gradient = step(weights, x, y)
        losses.append(float(loss))
        if i in (0, 1, 10, 100, 1000, steps - 1):
            print(f"step {i:5}  loss {losses[-1]:.6f}")
        weights = {name: weights[name] - lr * gradient[name] for name in weights}
    return losses[0], losses[-1]


if __name__ == "__main__":
    main()

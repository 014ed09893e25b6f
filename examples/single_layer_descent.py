"""Gradient descent on a single layer, its weights followed step by step.

One weight and one bias fit a line. The loss is a bowl over the (w, b) plane; each step goes downhill from
where it stands, by the gradient that the chain rule gives.
"""

from __future__ import annotations

import numpy as np

import schuss


def mean_squared_loss(w, b, x, y):
    """The line w x + b against the points."""
    error = w * x + b - y
    loss = (error * error).mean()
    return loss


def main(steps: int = 60, lr: float = 0.4) -> tuple[float, float]:
    """Explain one step by its numbers, then follow w and b. Returns where they end."""
    x = np.array([-1.0, -0.5, 0.0, 0.5, 1.0], np.float32)
    y = 2.0 * x - 1.0  # so the descent should end at w = 2, b = -1
    w, b = np.float32(-1.0), np.float32(1.5)
    print(schuss.explain(mean_squared_loss, w, b, x, y))

    print(f"\n{'step':>4} {'w':>9} {'b':>9} {'loss':>11} {'d loss/d w':>11} {'d loss/d b':>11}")
    step = schuss.jit(schuss.value_and_grad(mean_squared_loss, argnums=(0, 1)))
    for i in range(steps):
        loss, (dw, db) = step(w, b, x, y)
        if i < 10 or i % 10 == 0:
            print(f"{i:4} {w:9.5f} {b:9.5f} {loss:11.7f} {dw:11.6f} {db:11.6f}")
        w, b = w - lr * dw, b - lr * db
    print(f"end  {w:9.5f} {b:9.5f}")
    return float(w), float(b)


if __name__ == "__main__":
    main()

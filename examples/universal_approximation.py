"""One hidden layer learns an arbitrary curve.

A sum of enough shifted and scaled copies of one bent function comes as near to a continuous curve as one
likes (Cybenko, Approximation by superpositions of a sigmoidal function, 1989; Hornik, Stinchcombe and
White, 1989). Here 64 units of tanh learn a curve with bends, a kink and a step. Drawn as text.
"""

from __future__ import annotations

import numpy as np

import schuss
from schuss import nn, optim


def curve(x):
    """Something no formula with few terms would give."""
    return np.sin(6.0 * x) * np.exp(-x) + 0.5 * np.abs(x - 0.6) + np.where(x > 0.2, 0.4, 0.0)


def draw(x, wanted, learned, width: int = 72, height: int = 20) -> str:
    """Both curves as text: · the curve, o the network, * both."""
    low = min(wanted.min(), learned.min())
    high = max(wanted.max(), learned.max())
    page = [[" "] * width for _ in range(height)]
    for values, mark in ((wanted, "·"), (learned, "o")):
        for column in range(width):
            value = values[column * (len(x) - 1) // (width - 1)]
            row = round((high - value) / (high - low) * (height - 1))
            page[row][column] = "*" if page[row][column] != " " else mark
    return "\n".join("".join(row).rstrip() for row in page)


def main(hidden: int = 64, epochs: int = 1000) -> tuple[float, float]:
    """Train and draw. Returns the first and the last loss."""
    x = np.linspace(-1.0, 1.0, 400, dtype=np.float32)[:, None]
    y = curve(x).astype(np.float32)
    model = nn.Sequential(nn.Linear(1, hidden), nn.Tanh(), nn.Linear(hidden, 1))
    nn.initialize(model, seed=0)
    model[0].weight.data = model[0].weight.data * 8.0  # bends spread over the whole interval
    schuss.fit(
        model,
        (x, y),
        loss=nn.MSELoss(),
        optimizer=optim.Adam(lr=1e-2),
        epochs=epochs,
        batch_size=400,
        seed=0,
    )
    learned = model(x)
    print(draw(x[:, 0], y[:, 0], learned[:, 0]))
    loss = float(((learned - y) ** 2).mean())
    print(f"{hidden} hidden units, mean squared error {loss:.6f}, the curve's variance {float(y.var()):.4f}")
    return float(y.var()), loss


if __name__ == "__main__":
    main()

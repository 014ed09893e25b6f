"""Seconds of a fit and microseconds of a prediction: schuss.sklearn's MLP, scikit-learn's and PyTorch's eager loop.

    pip install -e '.[bench,sklearn]'
    python benchmarks/mlp.py [--rounds 5] [--sides schuss sklearn torch] [--threads 2]

All in one process, in turns, at the same settings: float32 rows, a fixed number of epochs (tol=0), adam and sgd,
batches of 200 and 32. schuss's first fit of a form compiles; it is told apart ("first"). The others are warm after
one fit.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from arguments import count

Data = tuple[Any, Any]


def tables() -> dict[str, tuple[Callable[[], Data], tuple[int, ...], int]]:
    """By name: the rows, the hidden layers and the epochs of a fit."""

    def made(rows: int, features: int) -> Data:
        rng = np.random.default_rng(0)
        x = rng.standard_normal((rows, features), np.float32)
        return x, (x[:, :4].sum(1) + rng.standard_normal(rows) > 0).astype(int)

    def cancer() -> Data:
        from sklearn.datasets import load_breast_cancer
        from sklearn.preprocessing import StandardScaler

        x, y = load_breast_cancer(return_X_y=True)
        return StandardScaler().fit_transform(x).astype(np.float32), y

    return {
        "20,000 x 16 -> 32,32": (lambda: made(20_000, 16), (32, 32), 5),
        "100,000 x 50 -> 100": (lambda: made(100_000, 50), (100,), 2),
        "cancer 569 x 30 -> 16": (cancer, (16,), 100),
    }


def fit_estimator(
    module: str, data: Data, hidden: tuple[int, ...], epochs: int, solver: str, batch: int, threads: int
) -> Any:
    from importlib import import_module

    made = import_module(module).MLPClassifier
    more = {"threads": threads} if module == "schuss.sklearn" else {}
    est = made(
        hidden,
        solver=solver,
        batch_size=batch,
        max_iter=epochs,
        tol=0.0,
        random_state=0,
        n_iter_no_change=10**6,
        **more,
    )
    return est.fit(*data)


def fit_torch(data: Data, hidden: tuple[int, ...], epochs: int, solver: str, batch: int, threads: int) -> Any:
    """The loop that PyTorch's tutorials write, without a DataLoader, which would cost more."""
    import torch

    torch.set_num_threads(threads)
    x, y = torch.from_numpy(data[0]), torch.from_numpy(data[1].astype(np.float32))[:, None]
    layers: list[Any] = []
    for a, b in zip((x.shape[1], *hidden), hidden, strict=False):
        layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(hidden[-1], 1))
    loss = torch.nn.BCEWithLogitsLoss()
    if solver == "adam":
        optimizer: Any = torch.optim.Adam(model.parameters(), 1e-3)
    else:
        optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9, nesterov=True)
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for start in range(0, len(x), batch):
            rows = order[start : start + batch]
            optimizer.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            optimizer.step()
    return model


def sides(asked: list[str]) -> dict[str, Callable[..., Any]]:
    known: dict[str, Callable[..., Any]] = {
        "schuss": lambda *a: fit_estimator("schuss.sklearn", *a),
        "sklearn": lambda *a: fit_estimator("sklearn.neural_network", *a),
        "torch": fit_torch,
    }
    return {name: known[name] for name in asked}


def fits(asked: list[str], rounds: int, threads: int) -> None:
    print("| fit | batch | solver | " + " | ".join(f"{s}, s" for s in asked) + " | first, s |")
    for name, (make, hidden, epochs) in tables().items():
        data = make()
        for batch in (200, 32):
            for solver in ("adam", "sgd"):
                took: dict[str, list[float]] = {side: [] for side in asked}
                for _ in range(rounds + 1):
                    for side, run in sides(asked).items():
                        start = time.perf_counter()
                        run(data, hidden, epochs, solver, batch, threads)
                        took[side].append(time.perf_counter() - start)
                middle = {side: statistics.median(times[1:]) for side, times in took.items()}
                own = middle.get("schuss")
                shown = [
                    f"{t:.4f}" + (f" ({t / own:.1f}x)" if own and s != "schuss" else "") for s, t in middle.items()
                ]
                print(f"| {name} | {batch} | {solver} | {' | '.join(shown)} | {took[asked[0]][0]:.3f} |", flush=True)


def predictions(rounds: int) -> None:
    """predict_proba of one row, in turns."""
    print("| predict_proba of one row | schuss, us | sklearn, us |")
    for name, (make, hidden, _) in tables().items():
        data = make()
        row, times = np.ascontiguousarray(data[0][:1]), {}
        made = {
            s: run((data[0][:2000], data[1][:2000]), hidden, 1, "adam", 200, 1)
            for s, run in sides(["schuss", "sklearn"]).items()
        }
        for _ in range(rounds):
            for side, est in made.items():
                est.predict_proba(row), est.predict_proba(row)
                start = time.perf_counter()
                for _ in range(1000):
                    est.predict_proba(row)
                times.setdefault(side, []).append((time.perf_counter() - start) * 1e3)
        print(f"| {name} | {min(times['schuss']):.2f} | {min(times['sklearn']):.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=count, default=5)
    parser.add_argument("--threads", type=count, default=2)
    parser.add_argument(
        "--sides", nargs="+", default=["schuss", "sklearn", "torch"], choices=["schuss", "sklearn", "torch"]
    )
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    fits(asked.sides, asked.rounds, asked.threads)
    predictions(asked.rounds)


if __name__ == "__main__":
    main()

"""Accuracy floors on scikit-learn's bundled sets: ours against its MLP at the same settings, and tables' learner.

    python benchmarks/floors.py [--seeds 5]

A seed is a split, a quarter of the rows for the test, and the random_state of all. Figures are medians over the seeds:
accuracy of classes, R2 of numbers, of test rows. Inputs of the MLPs are standardised; all of their settings are
scikit-learn's defaults but max_iter=400.
"""

from __future__ import annotations

import argparse
import statistics
import warnings
from collections.abc import Callable
from typing import Any

from sklearn import datasets, neural_network
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from schuss import sklearn as ours

SETS = ("iris", "wine", "breast_cancer", "digits", "diabetes")


def _mlp(library: Any, numbers: bool, seed: int) -> Any:
    settings = {"max_iter": 400, "random_state": seed}
    if numbers:
        inner = make_pipeline(StandardScaler(), library.MLPRegressor(**settings))
        return TransformedTargetRegressor(inner, transformer=StandardScaler())
    return make_pipeline(StandardScaler(), library.MLPClassifier(**settings))


def _table(numbers: bool, seed: int) -> Any:
    kind = ours.TabularRegressor if numbers else ours.TabularClassifier
    return kind("fast", random_state=seed)


LEARNERS: dict[str, Callable[[bool, int], Any]] = {
    "scikit-learn's MLP": lambda numbers, seed: _mlp(neural_network, numbers, seed),
    "schuss's MLP": lambda numbers, seed: _mlp(ours, numbers, seed),
    "Tabular, fast": _table,
}


def scores(name: str, seed: int) -> dict[str, float]:
    """The score of each learner on the test rows of a split."""
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    numbers = name == "diabetes"
    parts = train_test_split(x, y, test_size=0.25, random_state=seed, stratify=None if numbers else y)
    return {
        learner: make(numbers, seed).fit(parts[0], parts[2]).score(parts[1], parts[3])
        for learner, make in LEARNERS.items()
    }


def main() -> None:
    """Print a row for each set as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    count = parser.parse_args().seeds
    warnings.simplefilter("ignore")
    print("| set | " + " | ".join(LEARNERS) + " |\n" + "| --- " * (len(LEARNERS) + 1) + "|")
    for name in SETS:
        found = [scores(name, seed) for seed in range(count)]
        medians = [statistics.median(one[learner] for one in found) for learner in LEARNERS]
        print(f"| {name} | " + " | ".join(f"{m:.4f}" for m in medians) + " |", flush=True)


if __name__ == "__main__":
    main()

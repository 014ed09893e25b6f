"""How the default run of `schuss train mnist` was chosen: on validation data alone.

    python benchmarks/defaults.py            the candidates, on 5,000 training images held out; the test set is not read
    python benchmarks/defaults.py --test     then, once: the chosen settings with the seeds 0 to 9 on the test set

Each candidate changes one setting of the chosen run. Shown: mean and least validation accuracy over the seeds, and the
mean time of a run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

from arguments import count

HELD_OUT = 5000 / 60000
CANDIDATES = [
    [],
    ["--hidden", "128,64"],
    ["--hidden", "256"],
    ["--hidden", "512,256"],
    ["--dropout", "0"],
    ["--dropout", "0.2"],
    ["--lr", "0.001"],
    ["--lr", "0.002"],
    ["--lr", "0.005"],
    ["--schedule", "cosine"],
    ["--schedule", "constant", "--lr", "0.001"],
    ["--optimizer", "adamw", "--weight-decay", "0.01", "--lr", "0.003"],
    ["--activation", "gelu"],
    ["--batch-size", "64"],
    ["--batch-size", "256"],
    ["--epochs", "5"],
    ["--epochs", "20"],
]


def run(options: list[str], seed: int) -> dict[str, object]:
    """One run of the command in a process of its own."""
    command = [sys.executable, "-c", "from schuss.cli import main; main()", "train", "mnist", "--json", "--quiet"]
    done = subprocess.run([*command, "--seed", str(seed), *options], capture_output=True, text=True, check=True)
    result: dict[str, object] = json.loads(done.stdout)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--seeds", type=count, default=5)
    given = parser.parse_args()
    if given.test:
        accuracies = [float(str(run([], seed)["test_accuracy"])) for seed in range(10)]
        print("test accuracy, seeds 0 to 9:", " ".join(f"{a * 100:.2f}" for a in accuracies))
        print(f"least {min(accuracies) * 100:.2f} %, mean {statistics.mean(accuracies) * 100:.2f} %")
        return
    for options in CANDIDATES:
        results = [run(["--validation", repr(HELD_OUT), *options], seed) for seed in range(given.seeds)]
        values = [r["history"]["val_accuracy"][-1] * 100 for r in results]  # type: ignore[index]
        seconds = statistics.mean(float(str(r["seconds"])) for r in results)
        name = " ".join(options) or "the default"
        print(f"{name:<52} mean {statistics.mean(values):.2f}  least {min(values):.2f}  {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()

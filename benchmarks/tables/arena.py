"""Competitors on tables, measured alike: one JSON line a fit, appended to a file; what that holds is not run again.

    pip install -e '.[bench-tables]'
    python benchmarks/tables/sets.py build/tables
    python benchmarks/tables/arena.py build/tables build/tables.jsonl [--competitors schuss-fast catboost ...]
        [--sets oj credit ...] [--seeds 0 1 2] [--threads 1]
    python benchmarks/tables/report.py build/tables.jsonl

A seed is a split: a fifth of the rows, of classes in their shares, is the test (train_test_split with that
random_state), the same rows for everybody; it is the competitor's seed as well. Fits follow each other in one process.
Of numbers `nrmse` decides: RMSE divided by the deviation of the whole target; of classes the log loss of probabilities
of at least 1e-7. Beside them MAE, R2, accuracy, ROC AUC (of several classes each against all others, their mean) and
the calibration error of the most probable class (15 bins).
`fit_cpu_s` are processor seconds of all threads and of processes that were started, preparation included, libraries
loaded; `fit_s` and `predict_s` are seconds by the clock, which the load of the machine (`load`) makes longer.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Any

LEAST, BINS, SHARE = 1e-7, 15, 0.2
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def processor() -> str:
    """The processor's name."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def split(folder: Path, task: dict[str, Any], seed: int) -> dict[str, Any]:
    """train and test: frames; y and truth: their targets, as places among `classes` or as numbers; deviation."""
    import numpy as np
    import pandas as pd
    from sklearn.model_selection import train_test_split

    frame = pd.read_csv(folder / task["file"])
    target = frame.pop(task["target"])
    classes: tuple[str, ...] = ()
    if task["task"] == "regression":
        y = target.to_numpy(np.float64)
    else:
        names, y = np.unique(target.astype(str).to_numpy(object), return_inverse=True)
        classes = tuple(names)
    parts = train_test_split(frame, y, test_size=SHARE, random_state=seed, stratify=y if classes else None)
    train, test = (part.reset_index(drop=True) for part in parts[:2])
    return {"train": train, "test": test, "y": parts[2], "truth": parts[3], "classes": classes, "deviation": y.std()}


def scores(given: dict[str, Any], answer: Any) -> dict[str, float]:
    """The metrics of an answer for the test rows."""
    import numpy as np
    from sklearn import metrics

    truth, classes = given["truth"], given["classes"]
    if not np.isfinite(answer).all():
        raise ValueError("the answer is not finite")
    if not classes:
        return {
            "nrmse": metrics.root_mean_squared_error(truth, answer) / given["deviation"],
            "mae": metrics.mean_absolute_error(truth, answer),
            "r2": metrics.r2_score(truth, answer),
        }
    p = np.clip(answer, LEAST, 1)
    p = p / p.sum(1, keepdims=True)
    sure, hit = answer.max(1), answer.argmax(1) == truth
    at = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = np.bincount(at, sure, BINS) - np.bincount(at, hit, BINS)
    auc = metrics.roc_auc_score(truth, answer[:, 1] if len(classes) == 2 else answer, multi_class="ovr")
    return {
        "log_loss": -np.log(p[np.arange(len(p)), truth]).mean(),
        "accuracy": hit.mean(),
        "auc": auc,
        "calibration_error": np.abs(gaps).sum() / len(p),
    }


def busy() -> float:
    """Processor seconds of this process and of those it has started and seen end."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def measured(kind: Any, given: dict[str, Any], target: str, seed: int, threads: int) -> dict[str, Any]:
    """One fit and its scores, or why there are none."""
    from competitors import Problem
    from threadpoolctl import threadpool_limits

    kind.load()  # before its threads are limited
    threadpool_limits(threads)
    competitor = kind(Problem(target, given["classes"], seed, threads))
    load, start, used = os.getloadavg()[0], time.perf_counter(), busy()
    try:
        competitor.fit(given["train"], given["y"])
        found = {"fit_s": time.perf_counter() - start, "fit_cpu_s": busy() - used}
        start, used = time.perf_counter(), busy()
        answer = competitor.predict(given["test"])
        found |= {"predict_s": time.perf_counter() - start, "predict_cpu_s": busy() - used}
        found |= scores(given, answer)
    except Exception as error:
        traceback.print_exc()
        return {"status": f"{type(error).__name__}: {error}"[:300]}
    return {"status": "ok", **{name: float(f"{value:.6g}") for name, value in found.items()}, "load": round(load, 1)}


def known(results: Path) -> set[tuple[str, str, int]]:
    """What is there already; what failed is tried again."""
    lines = results.read_text().splitlines() if results.exists() else []
    found = [json.loads(line) for line in lines]
    return {(line["set"], line["competitor"], line["seed"]) for line in found if line["status"] == "ok"}


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    from competitors import COMPETITORS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, help="the folder that sets.py has written")
    parser.add_argument("results", type=Path, help="a file of JSON lines")
    parser.add_argument("--competitors", nargs="+", choices=COMPETITORS, default=list(COMPETITORS), metavar="NAME",
                        help=", ".join(COMPETITORS))  # fmt: skip
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="by default all, the small ones first")
    parser.add_argument("--seeds", nargs="+", type=int, choices=range(5), default=list(range(5)), metavar="SEED")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(words)
    if not (given.tables / "tasks.json").exists():
        parser.error(f"there is no {given.tables}/tasks.json: python benchmarks/tables/sets.py {given.tables}")
    given.tasks = {task["name"]: task for task in json.loads((given.tables / "tasks.json").read_text())}
    for name in given.sets or ():
        if name not in given.tasks:
            parser.error(f"--sets: {name!r} is none of {', '.join(given.tasks)}")
    if given.threads < 1:
        parser.error("--threads: at least 1")
    return given


def main(words: list[str] | None = None) -> None:
    import competitors

    given = arguments(words)
    os.environ |= dict.fromkeys(POOLS, str(given.threads))  # for processes that are started
    tasks = sorted((given.tasks[name] for name in given.sets or given.tasks), key=lambda task: task["rows"])
    done = known(given.results)
    for seed in given.seeds:
        for task in tasks:
            wanted = [name for name in given.competitors if (task["name"], name, seed) not in done]
            parts = split(given.tables, task, seed) if wanted else {}
            for name in wanted:
                kind = competitors.COMPETITORS[name]
                found = measured(kind, parts, task["target"], seed, given.threads)
                line = {
                    "set": task["name"], "competitor": name, "seed": seed, **found, "threads": given.threads,
                    "versions": " ".join(f"{package} {version(package)}" for package in kind.packages),
                    "processor": processor(), "python": platform.python_version(),
                }  # fmt: skip
                with given.results.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                score = found.get("nrmse", found.get("log_loss", float("nan")))
                print(f"{task['name']:14} {name:20} {seed} {score:8.4f} {found.get('fit_cpu_s', 0):8.2f} s "
                      f"{found['status']}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

"""The lines that arena.py has written, as Markdown.

    python benchmarks/tables/report.py RESULTS.jsonl [MORE.jsonl ...] [--seeds 0 1] [--no-times]

Set by set the deciding metric (arena.py), lower is better, the mean over the seeds that all columns of the row have.
Then of each of ours (schuss-...): mean rank among the rivals, over the sets and seeds on which all were measured; wins
and processor time, over those that both have; and where it loses to a linear model or scikit-learn's MLP. A rank is
that of one set and seed, equal ones share theirs. Of several lines of one fit the last counts.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

OURS, REFERENCE = "schuss-", "catboost"
RIVALS = ("catboost", "lightgbm", "histgb", "xgboost", "sklearn-mlp", "sklearn-mlp-es", "linear")
FLOORS = ("linear", "sklearn-mlp")  # what no set should be lost to
BASELINE = "trivial"

Key = tuple[str, int]  # set and seed
Values = dict[str, dict[Key, float]]  # of a competitor


def read(paths: list[Path], seeds: list[int] | None) -> list[dict[str, Any]]:
    """The lines of fits that went well, one each."""
    lines = [json.loads(line) for path in paths for line in path.read_text().splitlines() if line.strip()]
    last = {(line["competitor"], line["set"], line["seed"]): line for line in lines}
    return [line for line in last.values() if line["status"] == "ok" and (seeds is None or line["seed"] in seeds)]


def values(lines: list[dict[str, Any]], *names: str) -> Values:
    """The first of these fields that a line has, by competitor, set and seed."""
    found: Values = defaultdict(dict)
    for line in lines:
        for name in names:
            if name in line:
                found[line["competitor"]][line["set"], line["seed"]] = line[name]
                break
    return found


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def order(found: Values) -> list[str]:
    """Ours first, then the rivals."""
    known = [name for name in RIVALS if name in found]
    return [*sorted(n for n in found if n.startswith(OURS)), *known, *[n for n in (BASELINE,) if n in found]]


def by_set(found: Values, digits: str) -> str:
    """Means over the seeds that all have which have the set at all; the best is bold."""
    names, rows = order(found), []
    for of in sorted({key[0] for own in found.values() for key in own}):
        seeds = {name: {key[1] for key in found[name] if key[0] == of} for name in names}
        shared = set.intersection(*(own for own in seeds.values() if own))
        mean = {n: statistics.fmean(found[n][of, seed] for seed in shared) for n in names if seeds[n] and shared}
        least = min(mean.values(), default=0.0)
        cells = [_cell(mean.get(name), least, digits) for name in names]
        rows.append([of, ", ".join(map(str, sorted(shared))) or "none shared", *cells])
    return table(["set", "seeds", *names], rows)


def _cell(value: float | None, least: float, digits: str) -> str:
    if value is None:
        return "-"
    text = format(value, digits)
    return f"**{text}**" if text == format(least, digits) else text


def ranks(found: Values, own: str, keys: list[Key]) -> dict[str, float]:
    """Mean ranks of own and its rivals over these sets and seeds."""
    names = [own, *rivals(found, keys)]
    places: dict[str, list[float]] = {name: [] for name in names}
    for key in keys:
        row = {name: found[name][key] for name in names}
        for name, value in row.items():
            better = sum(other < value for other in row.values())
            equal = sum(other == value for other in row.values())
            places[name].append(better + (equal + 1) / 2)
    return {name: statistics.fmean(some) for name, some in places.items()}


def rivals(found: Values, keys: list[Key]) -> list[str]:
    return [name for name in RIVALS if name in found and all(key in found[name] for key in keys)]


def covered(found: Values, own: str) -> list[Key]:
    """The sets and seeds of own that most rivals have been measured on."""
    known = [name for name in RIVALS if name in found]
    return [key for key in found[own] if all(key in found[name] for name in known)]


def against(found: Values, costs: Values, own: str, times: bool) -> str:
    """Rank, wins, ties and the median change of the metric, and processor time, beside each rival."""
    keys = covered(found, own)
    if not keys:
        return f"{own}: no set and seed on which all rivals were measured\n"
    rank = ranks(found, own, keys)
    rows = [_row(found, costs, own, name, rank, times) for name in sorted(rank, key=lambda name: rank[name])]
    sets = len({key[0] for key in keys})
    seeds = ", ".join(map(str, sorted({key[1] for key in keys})))
    head = ["competitor", "mean rank", "won by ours", "lost", "median change"]
    head += ["CPU s a fit", f"of {REFERENCE}'s"] if times else []
    return f"### {own}: {len(keys)} fits on {sets} sets, seeds {seeds}\n\n{table(head, rows)}\n"


def _row(found: Values, costs: Values, own: str, name: str, rank: dict[str, float], times: bool) -> list[str]:
    pairs = [(found[own][key], found[name][key]) for key in found[own] if key in found[name]]
    won, lost = sum(a < b for a, b in pairs), sum(a > b for a, b in pairs)
    change = statistics.median(a / max(b, 1e-9) - 1 for a, b in pairs)
    duel = ["", "", ""] if name == own else [str(won), str(lost), f"{100 * change:+.1f} %"]
    cost = [_mean_cost(costs, name, own), _ratio(costs, name)] if times else []
    return [name, f"{rank[name]:.2f}", *duel, *cost]


def _mean_cost(costs: Values, name: str, own: str) -> str:
    both = [costs[name][key] for key in costs[own] if key in costs[name]]
    return f"{_geometric(both):.3g}" if both else "-"


def _ratio(costs: Values, name: str) -> str:
    reference = costs.get(REFERENCE, {})
    both = [max(costs[name][key], 1e-3) / max(reference[key], 1e-3) for key in costs[name] if key in reference]
    return f"{_geometric(both):.2f}" if both else "-"


def _geometric(numbers: list[float]) -> float:
    return math.exp(statistics.fmean(math.log(max(number, 1e-3)) for number in numbers))


def worst(found: Values, own: str) -> str:
    """The sets on which own is worse than a linear model or scikit-learn's MLP, by the mean over common seeds."""
    rows = []
    for name in (name for name in FLOORS if name in found):
        gaps: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for key in sorted(found[own]):
            if key in found[name]:
                gaps[key[0]].append((found[own][key], found[name][key]))
        for of, pairs in gaps.items():
            mine, theirs = (statistics.fmean(side) for side in zip(*pairs, strict=True))
            if mine > theirs:
                differences = [a - b for a, b in pairs]
                spread = f"{statistics.stdev(differences):.4f}" if len(pairs) > 1 else "one seed"
                rows.append([of, name, f"{mine:.4f}", f"{theirs:.4f}", f"{mine - theirs:+.4f}", spread])
    if not rows:
        return f"{own} is nowhere worse than {' or '.join(FLOORS)}.\n"
    head = ["set", "worse than", "ours", "theirs", "difference", "its deviation over seeds"]
    return f"{own} is worse on these:\n\n{table(head, sorted(rows))}\n"


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int)
    parser.add_argument("--no-times", action="store_true", help="of a machine that was busy")
    given = parser.parse_args(words)
    for path in given.results:
        if not path.exists():
            parser.error(f"there is no file {path}: python benchmarks/tables/arena.py FOLDER {path}")
    lines = read(given.results, given.seeds)
    if not lines:
        parser.error("no fit went well in these files, of these seeds")
    found, costs = values(lines, "nrmse", "log_loss"), values(lines, "fit_cpu_s")
    print("## RMSE / deviation of the target, or log loss\n")
    print(by_set(found, ".4f"))
    for title, field in (("Accuracy", "accuracy"), ("ROC AUC", "auc"), ("Calibration error", "calibration_error")):
        if of_classes := values(lines, field):
            print(f"\n## {title}\n\n{by_set(of_classes, '.4f').replace('**', '')}")
    print("\n## Ranks and duels\n")
    for own in (name for name in order(found) if name.startswith(OURS)):
        print(against(found, costs, own, not given.no_times))
        print(worst(found, own))
    if not given.no_times:
        print(f"## Processor seconds of a fit\n\n{by_set(costs, '.3g').replace('**', '')}")


if __name__ == "__main__":
    main()

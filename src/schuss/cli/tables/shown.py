"""What is shown of a table: its columns, the training, what was measured."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from schuss.cli.say import say
from schuss.figures import aligned, number, with_error
from schuss.tabular.importance import is_sure
from schuss.tabular.metrics import METRICS
from schuss.tabular.parts import names_beside
from schuss.tabular.report import table_of

if TYPE_CHECKING:
    from schuss.tabular.beyond import Beyond
    from schuss.tabular.training import Training

NAMES = 30  # columns an error names
ROWS = 60  # columns that are shown one by one
WIDEST = 28  # characters of a column's name
BARS = 20  # rows of importances
HINT = re.compile(r"; (?=--|\w+=)")  # before an option, or an argument in Python, that a reason ends with
KINDS = {"text": "text", "id": "id", "constant": "constant", "empty": "empty", "dropped": "dropped"}


def cut(text: str, width: int) -> str:
    """At most so many characters."""
    return text if len(text) <= width else text[: max(width - 3, 1)] + "..."


def fitted(text: str, width: int) -> list[str]:
    """Lines of at most so many characters: what is longer is cut, but an option that it ends with has a line of its own
    and is whole."""
    if len(text) <= width or (at := HINT.search(text)) is None:
        return [cut(text, width)]
    return [cut(text[: at.start()], width), text[at.end() :]]


def width() -> int:
    """Characters of a line."""
    return max(shutil.get_terminal_size((120, 24)).columns, 80)


def columns(kinds: Mapping[str, tuple[str, str, bool]]) -> list[str]:
    """The columns, {name: (kind, reason, used)}, those that are left out below; of many the counts of kinds."""
    if len(kinds) > ROWS:
        counts = Counter(kind if used else f"{kind} (left out)" for kind, _, used in kinds.values())
        return [f"{len(kinds):,} columns: " + ", ".join(f"{n:,} {kind}" for kind, n in counts.most_common())]
    rows = [("column", "kind", "why")]
    rows += [(cut(name, WIDEST), kind, why) for name, (kind, why, used) in kinds.items() if used]
    rows += [(cut(name, WIDEST), "left out", f"{kind}: {why}") for name, (kind, why, used) in kinds.items() if not used]
    left = width() - sum(max(len(row[i]) for row in rows) + 2 for i in (0, 1))
    return aligned(_wrapped(rows, max(left, 24)))


def _wrapped(rows: Sequence[tuple[str, ...]], width: int) -> list[tuple[str, ...]]:
    """Rows whose last cell is fitted."""
    found: list[tuple[str, ...]] = []
    for *cells, last in rows:
        first, *more = fitted(last, width)
        found += [(*cells, first), *((*[""] * len(cells), line) for line in more)]
    return found


def found(training: Training, options: Mapping[str, Any]) -> None:
    """What is known before the training."""
    table, target = training.table, training.table.target
    place = "standard input" if options["data"] == "-" else options["data"]
    apart = options["test"] is not None or options["time"] is not None or training.validated is not None
    say(f"{place}: {len(table):,} rows{' to train on' * apart}\n")
    say("\n".join(columns({name: (k.name, k.reason, k.used) for name, k in table.kinds.items()})))
    held = training.validated
    if held is None:
        how = ("folds", f"{training.members}, each kind of network has a member for each")
    else:
        each = f"each kind of network has {training.members} members of all other rows"
        how = ("validation", f"{len(held):,} rows, by which the parts are weighed; {each}")
    facts = [
        ("target", f"{', '.join(target.kinds)}: {training.objective.task}, {target.reason}"),
        ("loss", " ".join([training.objective.loss, ", ".join(map(str, training.objective.quantiles))])),
        *((role, options[role]) for role in ("group", "time", "weight") if options[role] is not None),
        ("preset", f"{training.preset}, {training.why}"),
        how,
    ]
    left = width() - max(len(name) for name, _ in facts) - 2
    say("\n" + "\n".join(aligned(_wrapped(facts, left))) + "\n")


def result(result: Mapping[str, Any]) -> None:
    """What a training gave."""
    report = result["report"]
    say("\n".join(table_of(report)))
    say("\n" + "\n".join(parts(result["parts"], report["main"])))
    if lines := importance(result["importance"], report["main"]):
        say("\n" + "\n".join(lines))
    say(f"\n{report['verdict']}")
    say(f"trained in {result['seconds']:.1f} s" + (f", saved in {result['out']}" if result["out"] else ""))


def say_beyond(beyond: Beyond, what: str) -> None:
    """On stderr: which rows are unlike all of the training."""
    for line in beyond.lines:
        say(f"{what}: {line}", err=True)


def parts(written: Sequence[Mapping[str, Any]], main: str) -> list[str]:
    """The kinds of networks and the linear model, with the main metric of each and their weights in the answer."""
    from schuss.tabular.judge import ENOUGH
    from schuss.tabular.networks import NOISE

    rows = [("part", "hidden", "epochs", METRICS[main].title if main in METRICS else "loss", "weight")]
    for part, name in zip(written, names_beside(written), strict=True):
        hidden, epochs = ",".join(map(str, part.get("hidden", ()))), part.get("epochs", "")
        rows.append((name, hidden or "-", str(epochs), number(part["loss"], plain=True), f"{part['weight']:.2f}"))
    short = any(part.get("only") == NOISE for part in written)
    by = f"{100 * (1 - ENOUGH):.2g} %"
    left = f"longer runs and larger networks are left out: a short run is not better than the linear model by {by}"
    return [*aligned(rows, right=(2, 3, 4)), *([left] if short else [])]


def importance(measured: Sequence[Mapping[str, Any]], main: str) -> list[str]:
    """The columns by how much the main metric rises when they are shuffled."""
    if not measured:
        return []
    most = max(one["rise"] for one in measured)
    rows = []
    for one in measured[:BARS]:
        bar = "█" * round(20 * one["rise"] / most) if is_sure(one["rise"], one["error"]) else "may be chance"
        rows.append(
            (cut(" + ".join(one["columns"]), 2 * WIDEST), with_error(one["rise"], one["error"], plain=True), bar)
        )
    more = len(measured) - BARS
    head = f"what {METRICS[main].title} rises by where a column's values are shuffled:"
    return [head, *aligned(rows, right=(1,)), *([f"... and {more:,} more; --json has all"] if more > 0 else [])]

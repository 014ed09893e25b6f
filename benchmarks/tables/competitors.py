"""Those that learn a table: schuss and what its users would take in its place, each as it comes, without tuning.

One is a small class: `fit` of raw rows, as pandas reads them from the CSV, and `predict`. Threads and seed are set, no
more. Libraries that do not take raw rows get them prepared (prepared.py). A new one is a class with a name, in
COMPETITORS.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from prepared import NONE, Columns, Levels, dense, texts

REGRESSION = "regression"
WIDEST = 255  # levels of a category that scikit-learn's trees take


@dataclass(frozen=True)
class Problem:
    """What a competitor is told beside the rows. target: its column's name; classes: sorted, () of numbers."""

    target: str
    classes: tuple[str, ...]
    seed: int
    threads: int

    @property
    def task(self) -> str:
        return ("binary" if len(self.classes) == 2 else "multiclass") if self.classes else REGRESSION


class Competitor:
    """A way to learn a table. packages: whose versions stand beside its figures; they are imported before the clock
    starts."""

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ("scikit-learn",)
    modules: ClassVar[tuple[str, ...]] = ("sklearn",)

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    @classmethod
    def load(cls) -> None:
        for name in cls.modules:
            import_module(name)

    def fit(self, frame: pd.DataFrame, y: np.ndarray) -> None:
        """Learn from raw rows; y: places among the classes, or numbers."""
        raise NotImplementedError

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Probabilities [N, classes], or values [N]."""
        raise NotImplementedError


# -- schuss -------------------------------------------------------------------------------------------------


class Fast(Competitor):
    """schuss's estimators with the preset `fast`; classes by their names."""

    name = "schuss-fast"
    packages = ("schuss", "polars")
    modules = ("schuss.sklearn.tabular", "schuss.tabular.fit", "schuss.exec.native.executor", "schuss.compiler.link")
    settings: ClassVar[dict[str, Any]] = {"preset": "fast"}

    def fit(self, frame: pd.DataFrame, y: np.ndarray) -> None:
        from schuss.sklearn import TabularClassifier, TabularRegressor

        own = self.problem
        kind = TabularClassifier if own.classes else TabularRegressor
        self.model = kind(random_state=own.seed, n_jobs=own.threads, **self.settings)
        self.model.fit(frame, np.array(own.classes, dtype=object)[y] if own.classes else y)
        assert not own.classes or tuple(self.model.classes_) == own.classes

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        return self.model.predict_proba(frame) if self.problem.classes else self.model.predict(frame)


class Best(Fast):
    """The same with the preset `best`."""

    name = "schuss-best"
    settings: ClassVar[dict[str, Any]] = {"preset": "best"}


class Command(Competitor):
    """`schuss train` and `schuss predict` on CSV files, with the preset `fast`; reading and writing them counts."""

    name = "schuss-command-fast"
    packages = ("schuss", "polars")
    modules = ("schuss",)
    preset: ClassVar[str] = "fast"

    def fit(self, frame: pd.DataFrame, y: np.ndarray) -> None:
        own = self.problem
        self.folder = tempfile.TemporaryDirectory()
        self.place = Path(self.folder.name)
        target = np.array(own.classes, dtype=object)[y] if own.classes else y
        frame.assign(**{own.target: target}).to_csv(self.place / "rows.csv", index=False)
        words = ["--target", own.target, "--seed", str(own.seed), "--preset", self.preset, "--threads"]
        task = "classification" if own.classes else REGRESSION
        self._run("train", "rows.csv", *words, str(own.threads), "--task", task, "--out", "model.safetensors")

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        frame.to_csv(self.place / "new.csv", index=False)
        self._run("predict", "model.safetensors", "new.csv", "-o", "out.csv")
        found = pd.read_csv(self.place / "out.csv")
        columns = [f"p_{name}" for name in self.problem.classes] or "prediction"
        return found[columns].to_numpy(np.float64)

    def _run(self, *words: str) -> None:
        code = "from schuss.cli import main; main()"
        line = [sys.executable, "-c", code, *words]
        done = subprocess.run(line, cwd=self.place, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"schuss {words[0]}: {done.stderr[-500:]}")


class CommandBest(Command):
    """The same with the preset `best`."""

    name = "schuss-command-best"
    preset = "best"


# -- others -------------------------------------------------------------------------------------------------


class Prepared(Competitor):
    """An estimator in scikit-learn's manner, behind prepared columns."""

    def build(self, rows: pd.DataFrame) -> Any:
        """The estimator, for rows as Columns makes them."""
        raise NotImplementedError

    def kind(self, module: str, stem: str, **settings: Any) -> Any:
        """module.stemClassifier or module.stemRegressor, with settings."""
        name = stem + ("Classifier" if self.problem.classes else "Regressor")
        return getattr(import_module(module), name)(**settings)

    def fit(self, frame: pd.DataFrame, y: np.ndarray) -> None:
        self.columns = Columns(frame)
        rows = self.columns(frame)
        self.model = self.build(rows)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of too few iterations, of levels that are new
            self.model.fit(rows, y)

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        rows = self.columns(frame)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not self.problem.classes:
                return np.ravel(self.model.predict(rows))
            p = np.asarray(self.model.predict_proba(rows), np.float64)
        return p / p.sum(1, keepdims=True)


def chain(*steps: Any) -> Any:
    return import_module("sklearn.pipeline").make_pipeline(*steps)


class Trivial(Prepared):
    """The shares of the classes, or the mean."""

    name = "trivial"
    modules = ("sklearn.dummy",)

    def build(self, rows: pd.DataFrame) -> Any:
        return self.kind("sklearn.dummy", "Dummy", strategy="prior" if self.problem.classes else "mean")


class Linear(Prepared):
    """Logistic or ridge regression."""

    name = "linear"
    modules = ("sklearn.linear_model",)

    def build(self, rows: pd.DataFrame) -> Any:
        from sklearn.linear_model import LogisticRegression, Ridge

        return chain(dense(), LogisticRegression(max_iter=1000) if self.problem.classes else Ridge())


class Network(Prepared):
    """scikit-learn's MLP; a target of numbers is standardised."""

    name = "sklearn-mlp"
    modules = ("sklearn.neural_network", "sklearn.compose")
    stops: ClassVar[bool] = False

    def build(self, rows: pd.DataFrame) -> Any:
        from sklearn.compose import TransformedTargetRegressor
        from sklearn.preprocessing import StandardScaler

        found = self.kind("sklearn.neural_network", "MLP", random_state=self.problem.seed, early_stopping=self.stops)
        if not self.problem.classes:
            found = TransformedTargetRegressor(found, transformer=StandardScaler())
        return chain(dense(), found)


class StoppedNetwork(Network):
    """The same with early stopping."""

    name = "sklearn-mlp-es"
    stops = True


class Histogram(Prepared):
    """scikit-learn's histogram gradient boosting. Texts of more levels than it takes are target-encoded."""

    name = "histgb"
    modules = ("sklearn.ensemble",)

    def build(self, rows: pd.DataFrame) -> Any:
        from sklearn.compose import make_column_transformer
        from sklearn.preprocessing import TargetEncoder

        own = self.problem
        trees = self.kind(
            "sklearn.ensemble", "HistGradientBoosting", random_state=own.seed, categorical_features="from_dtype"
        )
        wide = [name for name in texts(rows) if rows[name].nunique() > WIDEST]
        if not wide:
            return chain(Levels(), trees)
        task = own.task if own.classes else "continuous"
        encoded = make_column_transformer(
            (TargetEncoder(target_type=task, random_state=own.seed), wide),
            remainder="passthrough", verbose_feature_names_out=False,
        )  # fmt: skip
        return chain(encoded.set_output(transform="pandas"), Levels(), trees)


class LightGBM(Prepared):
    name = "lightgbm"
    packages = modules = ("lightgbm",)

    def build(self, rows: pd.DataFrame) -> Any:
        own = self.problem
        return chain(Levels(), self.kind("lightgbm", "LGBM", n_jobs=own.threads, random_state=own.seed, verbose=-1))


class XGBoost(Prepared):
    name = "xgboost"
    packages = modules = ("xgboost",)

    def build(self, rows: pd.DataFrame) -> Any:
        own = self.problem
        trees = self.kind("xgboost", "XGB", n_jobs=own.threads, random_state=own.seed, enable_categorical=True)
        return chain(Levels(), trees)


class CatBoost(Prepared):
    """CatBoost, told which columns are categories."""

    name = "catboost"
    packages = modules = ("catboost",)

    def build(self, rows: pd.DataFrame) -> Any:
        from sklearn.preprocessing import FunctionTransformer

        own = self.problem
        trees = self.kind(
            "catboost", "CatBoost", thread_count=own.threads, random_seed=own.seed, cat_features=texts(rows), verbose=0,
            allow_writing_files=False,
        )  # fmt: skip
        return chain(FunctionTransformer(_filled), trees)


def _filled(frame: pd.DataFrame) -> pd.DataFrame:
    """Texts that are missing as a level of their own."""
    return frame.fillna(dict.fromkeys(texts(frame), NONE))


COMPETITORS = {
    kind.name: kind
    for kind in (
        Fast, Best, Command, CommandBest, CatBoost, LightGBM, Histogram, XGBoost, Network, StoppedNetwork, Linear,
        Trivial,
    )
}  # fmt: skip

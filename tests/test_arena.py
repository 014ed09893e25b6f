"""The arena of tables: its splits, scores, preparation and report, on small tables that are made up."""

from __future__ import annotations

import importlib
import json
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

PLACE = Path(__file__).parent.parent / "benchmarks" / "tables"
MODULES = ("arena", "competitors", "prepared", "report", "sets")


@pytest.fixture(autouse=True)
def own_modules(monkeypatch):
    """The scripts find each other as they do when they are run, and leave no names behind."""
    monkeypatch.syspath_prepend(str(PLACE))
    yield
    for name in MODULES:
        sys.modules.pop(name, None)


def module(name):
    return importlib.import_module(name)


@pytest.fixture
def folder(tmp_path):
    """Two tables of 60 rows, and their tasks.json."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    frame = pd.DataFrame(
        {
            "no": np.arange(60), "x": x, "of it [m]": np.where(rng.random(60) < 0.2, np.nan, rng.normal(size=60)),
            "colour": rng.choice(["red", "green", None], 60),
            "day": pd.date_range("2024-01-01", periods=60).astype(str),
        }
    )  # fmt: skip
    frame.assign(price=3 * x + rng.normal(size=60)).to_csv(tmp_path / "prices.csv", index=False)
    frame.assign(kind=np.where(x < -0.4, "low", np.where(x > 0.4, "on top", "mid"))).to_csv(
        tmp_path / "kinds.csv", index=False
    )
    tasks = [
        {"name": "prices", "file": "prices.csv", "target": "price", "task": "regression", "rows": 60},
        {"name": "kinds", "file": "kinds.csv", "target": "kind", "task": "multiclass", "rows": 60},
    ]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    return tmp_path


def task_of(folder, name):
    return next(task for task in json.loads((folder / "tasks.json").read_text()) if task["name"] == name)


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_seed_is_a_stratified_split(folder):
    from sklearn.model_selection import train_test_split

    found = module("arena").split(folder, task_of(folder, "kinds"), 3)
    frame = pd.read_csv(folder / "kinds.csv")
    kind = frame.pop("kind")
    train, test, y, truth = train_test_split(frame, kind, test_size=0.2, random_state=3, stratify=kind)
    assert found["classes"] == ("low", "mid", "on top")
    assert found["train"].equals(train.reset_index(drop=True))
    assert found["test"].equals(test.reset_index(drop=True))
    assert [found["classes"][i] for i in found["y"]] == list(y)
    assert [found["classes"][i] for i in found["truth"]] == list(truth)


def test_the_deviation_is_that_of_all_targets(folder):
    found = module("arena").split(folder, task_of(folder, "prices"), 0)
    assert found["deviation"] == pytest.approx(pd.read_csv(folder / "prices.csv")["price"].std(ddof=0))


def test_scores_of_classes_are_scikit_learns():
    from sklearn import metrics

    rng = np.random.default_rng(1)
    truth, p = rng.integers(0, 3, 50), rng.dirichlet(np.ones(3), 50)
    found = module("arena").scores({"truth": truth, "classes": ("a", "b", "c")}, p)
    bins = np.minimum((p.max(1) * 15).astype(int), 14)
    hit = p.argmax(1) == truth
    gap = sum(abs(p.max(1)[bins == b].mean() - hit[bins == b].mean()) * (bins == b).mean() for b in set(bins))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(truth, p))
    assert found["accuracy"] == hit.mean()
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(truth, p, multi_class="ovr"))
    assert found["calibration_error"] == pytest.approx(gap)


def test_one_sure_mistake_does_not_decide():
    given = {"truth": np.array([0, 1]), "classes": ("a", "b")}
    found = module("arena").scores(given, np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert found["log_loss"] == pytest.approx(-math.log(1e-7) / 2, rel=1e-6)


def test_scores_of_numbers():
    given = {"truth": np.array([1.0, 3.0]), "classes": (), "deviation": 4.0}
    found = module("arena").scores(given, np.array([1.0, 5.0]))
    assert found["nrmse"] == pytest.approx(math.sqrt(2) / 4)
    with pytest.raises(ValueError, match="not finite"):
        module("arena").scores(given, np.array([1.0, np.nan]))


def test_fits_go_on_where_they_stopped(folder, monkeypatch, capsys):
    """Competitors that need no library beside scikit-learn, schuss among them."""
    competitors, out = module("competitors"), folder / "out.jsonl"
    monkeypatch.setattr(
        competitors.Fast, "settings", {"preset": "fast", "folds": 2, "epochs": 1, "hidden_layer_sizes": 4}
    )
    names = ["trivial", "linear", "histgb", "sklearn-mlp-es", "schuss-fast"]
    words = [str(folder), str(out), "--seeds", "0", "--competitors"]
    module("arena").main([*words, "trivial", "linear"])
    assert len(lines_of(out)) == 4
    module("arena").main([*words, *names, "--sets", "kinds"])
    lines = lines_of(out)
    assert [line["status"] for line in lines] == ["ok"] * 7
    assert [line["competitor"] for line in lines if line["set"] == "kinds"] == names
    score = {(line["set"], line["competitor"]): line.get("nrmse", line.get("log_loss")) for line in lines}
    assert score["prices", "linear"] < score["prices", "trivial"]
    assert score["kinds", "linear"] < score["kinds", "trivial"]
    assert all(line["fit_cpu_s"] >= 0 and "scikit-learn " in line["versions"] for line in lines[:4])
    capsys.readouterr()
    module("report").main([str(out)])
    assert "### schuss-fast: 1 fits on 1 sets, seeds 0" in capsys.readouterr().out


def test_what_fails_is_written_and_tried_again(folder, monkeypatch, capsys):
    out = folder / "out.jsonl"

    def broken(self, frame, y):
        raise ValueError("no such thing")

    words = [str(folder), str(out), "--sets", "kinds", "--seeds", "1", "--competitors", "trivial"]
    with monkeypatch.context() as patched:
        patched.setattr(module("competitors").Trivial, "fit", broken)
        module("arena").main(words)
    module("arena").main(words)
    assert [line["status"] for line in lines_of(out)] == ["ValueError: no such thing", "ok"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sets", "price"], "'price' is none of prices, kinds"),
        (["--competitors", "catbost"], "invalid choice: 'catbost'"),
        (["--seeds", "7"], "invalid choice: 7"),
        (["--threads", "0"], "--threads: at least 1"),
    ],
)
def test_words_that_are_not(folder, capsys, words, message):
    with pytest.raises(SystemExit):
        module("arena").main([str(folder), str(folder / "out.jsonl"), *words])
    assert message in capsys.readouterr().err


def test_a_folder_without_tables(tmp_path, capsys):
    with pytest.raises(SystemExit):
        module("arena").main([str(tmp_path), "out.jsonl"])
    assert "sets.py" in capsys.readouterr().err


# -- preparation --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.arange(60) + 7, ""),
        (np.arange(60) * 2, "number"),
        (np.arange(60) / 2, "number"),
        (["a"] * 60, ""),
        (["a"] * 59 + [None], "text"),
        ([None] * 60, ""),
        ([True, False] * 30, "text"),
        ([f"name {i}" for i in range(60)], ""),
        ([f"name {i % 30}" for i in range(60)], "text"),
        (["2024-03-01 12:00:00"] * 30 + ["2024-03-02"] * 30, "date"),
    ],
)
def test_kinds_of_columns(values, kind):
    assert module("prepared").kind_of(pd.Series(values)) == kind


def test_prepared_columns(folder):
    prepared = module("prepared")
    frame = pd.read_csv(folder / "kinds.csv").drop(columns="kind")
    rows = prepared.Columns(frame[:50])(frame)
    parts = ("year", "month", "day", "day_of_week", "hour", "days")
    assert list(rows) == ["column1", "column2", "column3", *(f"column4_{part}" for part in parts)]
    assert list(rows.iloc[31, 3:]) == [2024, 2, 1, 3, 0, 19754]
    dense = prepared.dense().fit(rows[:40])
    assert np.isfinite(dense.transform(rows)).all()
    new = rows[:1].assign(column3="purple")
    assert prepared.Levels().fit(rows).transform(new)["column3"].isna().all()


def test_trees_take_a_category_of_any_number_of_levels():
    competitors = module("competitors")
    rng = np.random.default_rng(0)
    names = [f"town {i}" for i in rng.integers(0, 300, 900)]
    frame = pd.DataFrame({"town": names, "x": rng.normal(size=900)})
    y = np.array([int(name.split()[1]) for name in names], float)
    trees = competitors.Histogram(competitors.Problem("y", (), 0, 1))
    trees.fit(frame, y)
    rows = trees.model[0].transform(trees.columns(frame))
    assert rows.dtypes.tolist() == [np.float64, np.float64]
    assert np.corrcoef(trees.predict(frame), y)[0, 1] > 0.8


# -- report -------------------------------------------------------------------------------------------------


def made_up(tmp_path, rows):
    """Lines of (competitor, set, seed, value, processor seconds)."""
    path = tmp_path / "results.jsonl"
    lines = [
        {"competitor": c, "set": s, "seed": k, "status": "ok", "nrmse": v, "fit_cpu_s": t} for c, s, k, v, t in rows
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


ROWS = [
    ("schuss-fast", "a", 0, 0.2, 1.0), ("catboost", "a", 0, 0.3, 2.0), ("linear", "a", 0, 0.3, 0.1),
    ("schuss-fast", "b", 0, 0.5, 4.0), ("catboost", "b", 0, 0.6, 2.0), ("linear", "b", 0, 0.4, 0.1),
    ("schuss-fast", "b", 1, 0.7, 4.0), ("linear", "b", 1, 0.5, 0.1),
]  # fmt: skip


def test_ranks_are_scipys(tmp_path):
    from scipy.stats import rankdata

    report = module("report")
    found = report.values(report.read([made_up(tmp_path, ROWS)], None), "nrmse")
    keys = report.covered(found, "schuss-fast")
    assert keys == [("a", 0), ("b", 0)]
    names = ["schuss-fast", "catboost", "linear"]
    expected = np.mean([rankdata([found[n][k] for n in names]) for k in keys], 0)
    assert report.ranks(found, "schuss-fast", keys) == dict(zip(names, expected, strict=True))


def test_report(tmp_path, capsys):
    path = made_up(tmp_path, ROWS)
    module("report").main([str(path)])
    out = capsys.readouterr().out
    assert "| a | 0 | **0.2000** | 0.3000 | 0.3000 |" in out
    assert "| b | 0 | 0.5000 | 0.6000 | **0.4000** |" in out
    assert "schuss-fast: 2 fits on 2 sets, seeds 0" in out
    # all pairs with catboost won, changes -1/3 and -1/6; processor time the mean of the shared fits, and of ratios
    assert "| catboost | 2.75 | 2 | 0 | -25.0 % | 2 | 1.00 |" in out
    assert "| schuss-fast | 1.50 |  |  |  | 2.52 | 1.00 |" in out
    # by 0.1 and 0.2: the mean of both seeds, and their deviation
    assert "| b | linear | 0.6000 | 0.4500 | +0.1500 | 0.0707 |" in out
    module("report").main([str(path), "--no-times", "--seeds", "1"])
    out = capsys.readouterr().out
    assert "CPU" not in out
    assert "| b | 1 | 0.7000 | **0.5000** |" in out


def test_the_last_of_several_lines_counts(tmp_path):
    report = module("report")
    path = made_up(tmp_path, [*ROWS, ("linear", "a", 0, 0.1, 0.1)])
    assert report.values(report.read([path], [0]), "nrmse")["linear"] == {("a", 0): 0.1, ("b", 0): 0.4}


def test_no_lines(tmp_path, capsys):
    with pytest.raises(SystemExit):
        module("report").main([str(tmp_path / "none.jsonl")])
    assert "there is no file" in capsys.readouterr().err


# -- sets ---------------------------------------------------------------------------------------------------


def test_sets_that_scikit_learn_carries(tmp_path, monkeypatch):
    sets = module("sets")
    monkeypatch.setattr(sys, "argv", ["sets.py", str(tmp_path), "breast_cancer", "diabetes"])
    sets.main()
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert [(task["name"], task["target"], task["rows"], task["columns"]) for task in tasks] == [
        ("breast_cancer", "diagnosis", 569, 30), ("diabetes", "target", 442, 10),
    ]  # fmt: skip
    assert set(pd.read_csv(tmp_path / "breast_cancer.csv")["diagnosis"]) == {"malignant", "benign"}


def test_a_package_that_is_not_there():
    with pytest.raises(SystemExit, match="no package nowhere_at_all: pip install"):
        module("sets").file("nowhere_at_all", "x.csv")()

"""schuss train: every option, every form of data, results on stdout and as JSON."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import schuss as library
from schuss.analysis.saliency import saliency_data
from schuss.analysis.weights import weights_data
from schuss.cli.choices import SCHEDULES
from schuss.tables import LAYERS, LOSSES, OPTIMIZERS

from .conftest import QUICK

FIELDS = {
    "model",
    "parameters",
    "epochs",
    "seconds",
    "examples_per_second",
    "train_loss",
    "test_loss",
    "test_accuracy",
    "seed",
    "threads",
}


def test_json_is_one_object_with_the_fields(schuss: Any, npz: Path):
    done = schuss("train", npz, *QUICK, "--json", "--seed", 7)
    assert done.code == 0
    assert done.err == ""
    result = done.json
    assert set(result) >= FIELDS
    assert result["model"] == "784-16-10"
    assert result["parameters"] == 784 * 16 + 16 + 16 * 10 + 10
    assert (result["epochs"], result["seed"], result["threads"]) == (2, 7, 1)
    assert result["test_loss"] < 2.3
    assert 0.2 < result["test_accuracy"] <= 1
    assert result["examples_per_second"] == pytest.approx(1024 / result["seconds"], rel=0.6)


def test_results_go_to_stdout(schuss: Any, npz: Path):
    done = schuss("train", npz, *QUICK)
    assert "test accuracy" in done.out
    assert "784-16-10, 12,730 parameters" in done.out
    assert done.err == ""


@pytest.mark.parametrize("backend", ["native", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_backends_and_dtypes_agree(schuss: Any, npz: Path, backend: str, dtype: str):
    both = [schuss("train", npz, *QUICK, "--json", "--dtype", dtype, "--backend", b).json for b in (backend, "native")]
    assert both[0]["test_loss"] == pytest.approx(both[1]["test_loss"], rel=1e-4 if dtype == "float32" else 1e-10)


@pytest.mark.parametrize("activation", LAYERS.presets)
def test_activations(schuss: Any, npz: Path, activation: str):
    done = schuss("train", npz, *QUICK, "--json", "--activation", activation, "--backend", "reference")
    assert done.json["test_loss"] < 2.5


@pytest.mark.parametrize("loss", LOSSES.presets)
def test_losses_on_classes(schuss: Any, npz: Path, loss: str):
    done = schuss("train", npz, *QUICK, "--json", "--loss", loss, "--epochs", 8, "--backend", "reference")
    losses = done.json["history"]["loss"]
    assert losses[-1] < losses[0]
    # A median of one-hot targets is 0: absolute error and the median learn that first, and accuracy later.
    assert done.json["test_accuracy"] > (0 if loss in ("mae", "quantile") else 0.2)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.presets)
@pytest.mark.parametrize("weight_decay", ["0", "0.001"])
def test_optimizers(schuss: Any, npz: Path, optimizer: str, weight_decay: str):
    options = ["--optimizer", optimizer, "--weight-decay", weight_decay, "--backend", "reference"]
    assert schuss("train", npz, *QUICK, "--json", *options).json["test_loss"] < 2.5


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("warmup", [0, 5])
def test_schedules(schuss: Any, npz: Path, schedule: str, warmup: int):
    options = ["--schedule", schedule, "--warmup", warmup, "--lr", "0.002", "--backend", "reference"]
    rates = schuss("train", npz, *QUICK, "--json", *options).json["history"]["lr"]
    assert len(rates) == 2
    assert all(0 < r <= 0.002 for r in rates)
    assert schedule == "constant" or rates[1] < 0.002


def test_every_other_option(schuss: Any, npz: Path, tmp_path: Path):
    options = ["--hidden", "24,12", "--dropout", "0.1", "--clip-norm", "1.0", "--validation", "0.25", "--init"]
    options += ["kaiming_normal", "--early-stop", "3", "--out", tmp_path / "m.safetensors", "--epochs", "3"]
    result = schuss("train", npz, *QUICK, *options, "--json").json
    assert result["model"] == "784-24-12-10"
    assert result["best_epoch"] is not None
    assert len(result["history"]["val_accuracy"]) == 3


def test_no_hidden_layer(schuss: Any, npz: Path):
    assert schuss("train", npz, *QUICK, "--hidden", "none", "--json").json["model"] == "784-10"


def test_a_folder_trains_like_the_npz(schuss: Any, npz: Path, folder: Path):
    a, b = (schuss("train", data, *QUICK, "--json").json for data in (npz, folder))
    assert a["test_loss"] == b["test_loss"]


def test_floating_targets_are_a_regression(schuss: Any, regression: Path, tmp_path: Path):
    out = tmp_path / "r.safetensors"
    options = ["--hidden", "32", "--epochs", "60", "--batch-size", "32", "--dropout", "0", "--quiet", "--out", out]
    result = schuss("train", regression, *options, "--json").json
    assert result["test_accuracy"] is None
    assert result["test_loss"] < 0.05
    measured = schuss("evaluate", out, regression, "--json").json
    assert measured["accuracy"] is None
    assert measured["loss"] == pytest.approx(result["test_loss"], rel=1e-4)
    assert measured["r2"] > 0.95


def test_early_stop_saves_the_best_weights(schuss: Any, npz: Path, tmp_path: Path):
    out = tmp_path / "m.safetensors"
    options = ["--lr", "0.05", "--schedule", "constant", "--validation", "0.25", "--early-stop", "2", "--epochs", "60"]
    result = schuss("train", npz, *QUICK, *options, "--out", out, "--json").json
    assert result["epochs"] < 60
    assert result["stopped"] == "no better for 2 epochs"
    assert result["epochs"] == result["best_epoch"] + 2
    best = schuss("train", npz, *QUICK, *options, "--epochs", result["best_epoch"], "--out", tmp_path / "b", "--json")
    assert best.code == 0
    a, b = load_file(out), load_file(tmp_path / "b")
    assert all((a[name] == b[name]).all() for name in a)


def test_images_come_to_the_network_as_pictures(schuss: Any, npz: Path, digits: Any, tmp_path: Path):
    """With their shape in the signature; flat rows and images without channels go as well."""
    out = tmp_path / "m.safetensors"
    assert schuss("train", npz, "--hidden", "8", "--epochs", "1", "--quiet", "--out", out).code == 0
    model, x = library.load(out), digits["x_test"]
    assert model.signature.inputs[0].shape[1:] == (1, 28, 28)
    assert list(model.state_dict()) == ["1.weight", "1.bias", "4.weight", "4.bias"]
    wanted = model(x[:, None])
    for rows in (x, x.reshape(len(x), 784)):
        assert np.array_equal(model(rows), wanted)
        assert np.array_equal(library.predict(model, rows), wanted.argmax(axis=1))
    assert saliency_data(model, x[:2, None]).shape == (2, 1, 28, 28)
    assert weights_data(model).shape == (8, 28, 28)


def test_same_seed_same_bits_for_any_thread_count(schuss: Any, npz: Path, tmp_path: Path):
    options = ["--hidden", "200,100", "--batch-size", "128", "--epochs", "2", "--quiet", "--seed", "5"]
    for threads in (1, 2, 3):
        schuss("train", npz, *options, "--threads", threads, "--out", tmp_path / str(threads))
    files = [load_file(tmp_path / str(t)) for t in (1, 2, 3)]
    for other in files[1:]:
        assert all((files[0][name] == other[name]).all() for name in files[0])
    schuss("train", npz, *options[:-1], "6", "--out", tmp_path / "other")
    assert (load_file(tmp_path / "other")["1.weight"] != files[0]["1.weight"]).any()


def test_more_threads_than_cores_are_told_of(schuss: Any, npz: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("schuss.exec.native.threads.available_cores", lambda: 1)
    monkeypatch.setenv("SCHUSS_MACHINE", "cores=1,cache=1048576")  # where a network of 4 units is not shared
    run = ["train", npz, "--epochs", "1", "--batch-size", "128"]
    assert "3 threads on 1 core(s) wait for each other" in schuss(*run, "--hidden", "128,64", "--threads", 3).err
    assert "1 epoch in" in schuss(*run, "--threads", 1).out
    for others in (["--threads", 1], ["--threads", 3, "--backend", "reference"], ["--threads", 3, "--hidden", "4"]):
        assert "wait for each other" not in schuss(*run, *others).err


def test_help_is_quick_and_names_everything():
    command = [sys.executable, "-X", "importtime", "-c", "from schuss.cli import main; main(['--help'])"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for name in ("train", "evaluate", "predict", "info", "graph"):
        assert name in done.stdout
    for heavy in ("llvmlite", "numpy", "rich.progress", "PIL"):
        assert f" {heavy}\n" not in done.stderr


def test_help_of_train_names_every_option(schuss: Any):
    text = schuss("train", "--help").out
    wanted = "hidden activation loss optimizer lr schedule warmup weight-decay dropout clip-norm epochs batch-size"
    wanted += " validation early-stop init seed threads dtype backend out resume quiet json"
    for option in wanted.split():
        assert f"--{option}" in text


def test_version(schuss: Any):
    from schuss import __version__

    assert schuss("--version").out == f"schuss, version {__version__}\n"


def test_the_installed_command_is_this_one():
    script = shutil.which("schuss", path=str(Path(sys.executable).parent))
    assert script, "install the project: pip install -e ."
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("schuss, version")


def test_uint8_targets_beyond_the_default_labels(schuss: Any, tmp_path: Path):
    """Two classes and bytes as labels: nothing is specific to ten digits."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 3)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.uint8)
    np.savez(tmp_path / "two.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    options = ["--hidden", "8", "--epochs", "60", "--batch-size", "20", "--dropout", "0", "--quiet", "--json"]
    for loss in ("cross_entropy", "bce"):
        result = schuss("train", tmp_path / "two.npz", *options, "--loss", loss).json
        assert result["model"] == "3-8-2"
        assert result["test_accuracy"] > 0.9


def test_rows_of_bytes_are_numbers_unless_a_scale_is_given(schuss: Any, tmp_path: Path):
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (60, 5)).astype(np.uint8)
    y = np.array(["dark", "light"])[(x[:, 0] > 127).astype(int)]
    np.savez(tmp_path / "rows.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    options = ["--hidden", "4", "--epochs", "2", "--backend", "reference", "--quiet", "--out", tmp_path / "m"]
    done = schuss("train", tmp_path / "rows.npz", *options, "--scale", "1/255", "--json")
    assert "multiplied by 1/255" in done.json["prepared"]["x"]
    assert "dark, light" in done.json["prepared"]["target"]
    assert "Warning" not in done.err
    assert "dark, light" in schuss("info", tmp_path / "m").out
    assert re.search(r"^ *light +\d+ ", schuss("evaluate", tmp_path / "m", tmp_path / "rows.npz").out, re.MULTILINE)
    np.save(tmp_path / "x.npy", x[:1])
    found = schuss("predict", tmp_path / "m", tmp_path / "x.npy", "--json").json
    assert found["classes"] == ["dark", "light"]
    assert found["predictions"][0]["name"] in ("dark", "light")
    assert re.search(r"^class (dark|light)$", schuss("predict", tmp_path / "m", tmp_path / "x.npy").out, re.MULTILINE)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        done = schuss("train", tmp_path / "rows.npz", *options)
    assert re.search(
        r"^Warning: fit: x holds bytes up to 2\d\d in rows of 5, taken as the numbers", done.err, re.MULTILINE
    )
    assert "give --scale 1/255 (images" in done.err
    assert done.err.count("\n") == 1


def test_a_folder_of_pictures(schuss: Any, tmp_path: Path):
    from PIL import Image

    for part, name, gray in (
        ("train", "dark", 20),
        ("train", "light", 220),
        ("test", "dark", 30),
        ("test", "light", 240),
    ):
        (tmp_path / "p" / part / name).mkdir(parents=True)
        for i in range(8):
            Image.new("RGB", (4, 3), (gray, gray, i)).save(tmp_path / "p" / part / name / f"{i}.png")
    out = tmp_path / "m.safetensors"
    options = ["--epochs", "60", "--hidden", "none", "--dropout", "0", "--lr", "0.1", "--quiet", "--out", out]
    done = schuss("train", tmp_path / "p", *options)
    assert done.code == 0, done.err
    found = schuss("evaluate", out, tmp_path / "p", "--json").json
    assert [row["name"] for row in found["classes"]] == ["dark", "light"]
    assert (found["accuracy"], found["examples"]) == (1.0, 16)

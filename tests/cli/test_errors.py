"""Bad input: one line that says what is wrong and where, the right exit code, nothing half-written."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .conftest import IDX, QUICK, idx

LABELS, IMAGES = IDX["y_train"], IDX["x_test"]


def damaged(content: bytes, how: str) -> bytes:
    """An idx file with one thing wrong."""
    return {
        "truncated": content[:-7],
        "over-long": content + b"\0" * 3,
        "wrong magic": b"\x12" + content[1:],
        "wrong type": content[:2] + b"\x77" + content[3:],
        "empty": b"",
        "huge": content[:4] + b"\x7f\xff\xff\xff" + content[8:],
    }[how]


@pytest.mark.parametrize("how", ["truncated", "over-long", "wrong magic", "wrong type", "empty", "huge"])
@pytest.mark.parametrize("file", [LABELS, IMAGES])
def test_damaged_idx(schuss: Any, folder: Path, file: str, how: str):
    (folder / file).write_bytes(damaged((folder / file).read_bytes(), how))
    done = schuss("train", folder, *QUICK)
    assert done.code == 1
    assert file in done.error
    assert done.out == ""


def test_truncated_gzip(schuss: Any, folder: Path):
    file = folder / f"{IDX['x_train']}.gz"
    file.write_bytes(file.read_bytes()[:-100])
    done = schuss("train", folder, *QUICK)
    assert done.code == 1
    assert file.name in done.error


def test_missing_idx(schuss: Any, folder: Path):
    (folder / LABELS).unlink()
    done = schuss("train", folder, *QUICK)
    assert done.code == 1
    assert LABELS in done.error
    assert "no such file" in done.error


def test_labels_that_do_not_match(schuss: Any, folder: Path, digits: Any):
    (folder / LABELS).write_bytes(idx(digits["y_train"][:-1]))
    done = schuss("train", folder, *QUICK)
    assert done.code == 1
    assert "511" in done.error
    assert "512" in done.error


def saved(tmp_path: Path, digits: Any, **changed: Any) -> Path:
    path = tmp_path / "bad.npz"
    np.savez(path, **{k: v for k, v in {**digits, **changed}.items() if v is not None})
    return path


def nan_pixels(digits: Any) -> Any:
    x = digits["x_train"].astype(np.float32)
    x[3, 4, 5] = np.nan
    return x


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda d: {"y_train": None}, "lacks y_train"),
        (lambda d: {"y_train": d["y_train"][:-1]}, "511 rows for the 512"),
        (lambda d: {"y_test": np.where(np.arange(128) == 9, 12, d["y_test"])}, "label 12 at row 9"),
        (lambda d: {"y_train": np.where(np.arange(512) == 2, -1, d["y_train"].astype(int))}, "label -1 at row 2"),
        (lambda d: {"x_train": nan_pixels(d), "x_test": d["x_test"].astype("f4")}, "nan at row 3, column 117"),
        (lambda d: {"x_train": np.array([{}], object)}, "Python objects"),
        (lambda d: {"x_train": d["x_train"][:0], "y_train": d["y_train"][:0]}, "no rows"),
        (lambda d: {"x_test": d["x_test"][:, :10]}, "feature shape"),
    ],
)
def test_bad_npz(schuss: Any, tmp_path: Path, digits: Any, change: Any, says: str):
    path = saved(tmp_path, digits, **change(digits))
    done = schuss("train", path, *QUICK)
    assert done.code == 1
    assert says in done.error
    assert str(path) in done.error


@pytest.mark.parametrize("keep", [0, 10, 1000, -1])
def test_cut_npz(schuss: Any, tmp_path: Path, npz: Path, keep: int):
    path = tmp_path / "cut.npz"
    path.write_bytes(npz.read_bytes()[:keep])
    done = schuss("train", path, *QUICK)
    assert done.code == 1
    assert str(path) in done.error


@pytest.mark.parametrize("data", ["nothing-here", "README.md"])
def test_data_that_is_none(schuss: Any, data: str):
    done = schuss("train", data, *QUICK)
    assert done.code == 1
    assert "mnist, a folder of idx files" in done.error
    assert "an .npz file" in done.error


@pytest.mark.parametrize(
    "option, value",
    [
        ("--hidden", "0"),
        ("--hidden", "16,-1"),
        ("--hidden", "many"),
        ("--lr", "0"),
        ("--lr", "-1"),
        ("--lr", "nan"),
        ("--epochs", "0"),
        ("--epochs", "-3"),
        ("--batch-size", "0"),
        ("--validation", "1"),
        ("--validation", "-0.1"),
        ("--early-stop", "0"),
        ("--dropout", "1"),
        ("--weight-decay", "-1"),
        ("--clip-norm", "0"),
        ("--threads", "0"),
        ("--seed", "-1"),
        ("--warmup", "-1"),
        ("--activation", "step"),
        ("--optimizer", "sgdd"),
        ("--loss", "hinge"),
        ("--schedule", "weekly"),
        ("--init", "glorious"),
        ("--dtype", "float16"),
        ("--backend", "quantum"),
    ],
)
def test_options_out_of_range(schuss: Any, npz: Path, option: str, value: str):
    done = schuss("train", npz, option, value)
    assert done.code == 2
    assert done.out == ""
    assert value in done.err


def test_an_option_that_does_not_exist(schuss: Any):
    assert schuss("train", "mnist", "--hiden", "5").code == 2
    assert schuss("trian").code == 2


def test_resume_needs_out(schuss: Any, npz: Path):
    done = schuss("train", npz, *QUICK, "--resume")
    assert done.code == 2
    assert "--out" in done.error


def test_cross_entropy_needs_classes(schuss: Any, regression: Path):
    done = schuss("train", regression, *QUICK, "--loss", "cross_entropy")
    assert done.code == 2
    assert "floating" in done.error


def test_out_in_a_folder_that_is_missing(schuss: Any, npz: Path, tmp_path: Path):
    done = schuss("train", npz, *QUICK, "--out", tmp_path / "none" / "m.safetensors")
    assert done.code == 1
    assert "does not exist" in done.error


@pytest.mark.parametrize("data", ["npz", "csv"])
def test_out_of_another_format_is_refused(schuss: Any, npz: Path, tmp_path: Path, data: str):
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{i},{i / 7}\n" for i in range(9)))
    what = [npz] if data == "npz" else [tmp_path / "t.csv", "--target", "y"]
    for name in ("m.pt", "m.ONNX", "m.csv"):
        done = schuss("train", *what, "--out", tmp_path / name)
        told = f"a model's file is .safetensors, not {name[1:]}; give {tmp_path / 'm.safetensors'}"
        assert (done.code, done.error) == (2, f"Error: --out {tmp_path / name}: {told}\n")
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_out_that_cannot_be_written(schuss: Any, npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Before training begins. The refusal is simulated: tests may run as root, whom no permission stops."""
    real = open

    def refused(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if "x" in mode and str(tmp_path) in str(file):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
        return real(file, mode, *rest, **named)

    monkeypatch.setattr("builtins.open", refused)
    done = schuss("train", npz, *QUICK, "--out", tmp_path / "m.safetensors")
    assert done.code == 1
    assert "Permission denied" in done.error
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_the_old_model(schuss: Any, npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "m.safetensors"
    out.write_bytes(b"an older model")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("schuss.paths.os.fsync", full)
    done = schuss("train", npz, *QUICK, "--out", out)
    assert done.code == 1
    assert "No space left on device" in done.error
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]
    assert out.read_bytes() == b"an older model"


def test_a_loss_that_blows_up(schuss: Any, npz: Path, tmp_path: Path):
    out = tmp_path / "m.safetensors"
    options = ["--optimizer", "sgd", "--loss", "mse", "--activation", "identity", "--lr", "1e8", "--dropout", "0"]
    done = schuss("train", npz, *QUICK, *options, "--schedule", "constant", "--epochs", "5", "--out", out)
    assert done.code == 1
    assert "NaN or infin" in done.error
    assert "epoch 1, step " in done.error
    assert str(out) in done.error
    kept = schuss("evaluate", out, npz, "--json")
    assert kept.code == 0, kept.err


def test_after_a_loss_that_blew_up_the_same_out_is_trained_again(schuss: Any, npz: Path, tmp_path: Path):
    """Nothing is lost: going on would blow up again."""
    out = tmp_path / "m.safetensors"
    options = ["--optimizer", "sgd", "--loss", "mse", "--activation", "identity", "--dropout", "0", "--epochs", "99"]
    run = ["train", npz, *QUICK, *options, "--batch-size", "2048", "--schedule", "constant", "--out", out]
    done = schuss(*run, "--lr", "3")
    assert "NaN or infin" in done.error
    assert "epoch 1," not in done.error
    assert Path(f"{out}.ckpt").exists()
    again = schuss(*run, "--lr", "3", "--resume")
    assert "NaN or infin" in again.error
    assert schuss(*run, "--lr", "1e-3", "--epochs", "1").code == 0
    assert not Path(f"{out}.ckpt").exists()


def test_a_warmup_longer_than_the_run(schuss: Any, npz: Path):
    done = schuss("train", npz, "--epochs", 1, "--schedule", "cosine", "--warmup", 999)
    assert done.code == 2
    assert re.search(r"--warmup 999: the run has \d+ steps, and none would be left at the full rate", done.err)


@pytest.mark.parametrize("command", ["evaluate", "predict", "info", "graph"])
@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 not a model", b"\xff" * 100])
def test_files_that_are_no_models(schuss: Any, npz: Path, tmp_path: Path, command: str, content: bytes | None):
    path = tmp_path / "no.safetensors"
    if content is not None:
        path.write_bytes(content)
    rest = [npz] if command in ("evaluate", "predict") else []
    done = schuss(command, path, *rest)
    assert done.code == 1
    assert str(path) in done.error


def test_files_that_are_not_there_are_named_in_one_way(schuss: Any, npz: Path, model: Path, tmp_path: Path):
    for name in ("none.safetensors", "none.png", "none.npz", "none.npy"):
        none = tmp_path / name
        calls: list[list[Any]] = [["predict", model, none]]
        if name == "none.safetensors":
            calls = [["info", none], ["graph", none], ["evaluate", none, npz], ["predict", none, npz], ["report", none]]
            calls += [["view", none]]
        if name == "none.npz":
            calls += [["train", none], ["evaluate", model, none], ["view", model, "--data", none]]
        for call in calls:
            done = schuss(*call)
            assert done.code == 1
            assert done.error == f"Error: {none}: no such file\n", call


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_a_cut_model(schuss: Any, model: Path, tmp_path: Path, share: float):
    path = tmp_path / "cut.safetensors"
    content = model.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    done = schuss("info", path)
    assert done.code == 1
    assert str(path) in done.error

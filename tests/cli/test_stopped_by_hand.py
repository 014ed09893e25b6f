"""A run that is stopped from its page: a result, and one that can go on. The page itself is left out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

pytest.importorskip("uvicorn", reason="the page needs the extra: pip install '.[web]'")

RUN = ["--hidden", "16", "--batch-size", "8", "--epochs", "6", "--dropout", "0.1", "--threads", "1"]


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a hand in the page's place, which stops the run at the first look after so many steps."""

    def at(steps: int) -> None:
        class Hand:
            def __init__(self, trainer: Any, *options: Any) -> None:
                self.control = trainer.control
                if steps == 0:
                    self.control.stop()

            def beside(self, bar: Any) -> Any:
                return lambda at: self.control.stop() if at.epoch * at.steps + at.step >= steps else None

            def stay(self, leave: bool) -> int:
                return 0

            def finish(self) -> None:
                pass

        monkeypatch.setattr("schuss.cli.watch.Watched", Hand)

    return at


@pytest.mark.parametrize("extra", [[], ["--validation", "0.25", "--early-stop", "5"]])
def test_it_can_go_on(schuss: Any, stopping: Any, npz: Path, tmp_path: Path, extra: list[str]):
    """The checkpoint is kept, the terminal says where, and --resume gives the bits of a run never stopped."""
    whole, out = tmp_path / "whole", tmp_path / "m"
    assert schuss("train", npz, *RUN, *extra, "--out", whole).code == 0
    stopping(90)
    done = schuss("train", npz, *RUN, *extra, "--out", out, "--watch")
    assert done.code == 0
    assert "stopped        stopped by hand" in done.out
    checkpoint = Path(f"{out}.ckpt")
    assert f"the last weights are in {checkpoint} (--resume goes on), " in done.err
    assert ("the best (epoch " if extra else "these in ") in done.err
    assert f"in {out}\n" in done.err
    assert done.err.startswith(("stopped at epoch ", "stopped after epoch "))
    going_on = schuss("train", npz, *RUN, *extra, "--out", out, "--resume")
    assert going_on.code == 0
    assert "resuming at epoch " in going_on.err
    assert not checkpoint.exists()
    one, other = load_file(whole), load_file(out)
    assert one.keys() == other.keys()
    assert all((one[name] == other[name]).all() for name in one)


def test_another_run_does_not_overwrite_it(schuss: Any, stopping: Any, npz: Path, tmp_path: Path):
    """Neither its checkpoint nor its model file, before any data are read; what was finished may be trained again."""
    out, checkpoint = tmp_path / "m", tmp_path / "m.ckpt"
    stopping(90)
    assert schuss("train", npz, *RUN, "--out", out, "--watch").code == 0
    before = out.read_bytes(), checkpoint.read_bytes()
    done = schuss("train", tmp_path / "no.npz", *RUN, "--out", out)
    assert done.code == 2
    assert re.fullmatch(
        rf"Error: {checkpoint} holds a run that has not ended \(\d of 6 epochs done\): --resume goes on with it; "
        r"remove the file, or give --out another name, to begin another run\n",
        done.error,
    )
    other = schuss("train", npz, *RUN, "--lr", "0.5", "--out", out, "--resume")
    assert other.error.endswith(f"use the same settings, or remove {checkpoint} to start afresh\n")
    assert (out.read_bytes(), checkpoint.read_bytes()) == before
    assert schuss("train", npz, *RUN, "--out", out, "--resume").code == 0
    other = schuss("train", npz, *RUN, "--lr", "0.5", "--out", out, "--resume")
    assert other.error.endswith("use the same settings, or start without --resume\n")
    assert schuss("train", npz, *RUN, "--lr", "0.5", "--out", out).code == 0
    checkpoint.write_bytes(b"something else")
    assert (
        "m.ckpt is there and is no checkpoint, or a damaged one; remove the file, or give --out another name"
        in schuss("train", npz, "--out", out).error
    )


def test_in_the_first_epoch_there_is_no_training_loss(schuss: Any, stopping: Any, npz: Path):
    stopping(0)
    done = schuss("train", npz, *RUN, "--watch")
    assert done.code == 0
    assert "train loss" not in done.out
    assert "None" not in done.out
    assert "test loss" in done.out
    assert "stopped at epoch 1, step 0 of 64; nothing is kept without --out" in done.err
    result = schuss("train", npz, *RUN, "--watch", "--json").json
    assert (result["train_loss"], result["epochs"], result["stopped"]) == (None, 0, "stopped by hand")


def test_a_signal_s_file_without_its_checkpoint_is_not_finished(schuss: Any, stopping: Any, npz: Path, tmp_path: Path):
    """What a signal leaves in --out has no result to print again."""
    import schuss as library
    from schuss.io.model import read_model

    out = tmp_path / "m"
    stopping(0)
    schuss("train", npz, *RUN, "--out", out, "--watch")
    record = read_model(out)[1]["record"]
    kept = {name: record[name] for name in ("epochs", "stopped", "history", "settings")}
    library.save(library.load(out), out, record=kept)
    Path(f"{out}.ckpt").unlink()
    done = schuss("train", npz, *RUN, "--out", out, "--resume")
    assert done.code == 0, done.err
    assert "no checkpoint: starting afresh" in done.err
    library.save(library.load(out), out, record={**kept, "epochs": "many"})
    assert schuss("train", npz, *RUN, "--out", out, "--resume").code == 0

"""--resume of a table's training: what goes on, what is done, and what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schuss as library

pl = pytest.importorskip("polars")
TINY = ["--preset", "fast", "--folds", "2", "--epochs", "2", "--hidden", "8"]


def table(rows: int = 60) -> Any:
    rng = np.random.default_rng(0)
    a = rng.normal(size=rows).round(3)
    price = (3 * a + rng.normal(size=rows)).round(3)
    return pl.DataFrame({"a": a, "b": rng.normal(size=rows).round(3), "price": price, "wet": price > 0})


@pytest.fixture
def stopped(schuss: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Any], Path]:
    """A training that was stopped when its members were kept: its command, and the folder of these."""
    from schuss.tabular import training

    table().write_csv(tmp_path / "t.csv")
    learn = training.learn

    def end(*given: Any, **more: Any) -> Any:
        learn(*given, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "learn", end)
    asked = ["train", tmp_path / "t.csv", "--target", "price", *TINY, "--out", tmp_path / "m.safetensors"]
    assert schuss(*asked, "--quiet").code == 130
    monkeypatch.undo()
    return asked, tmp_path / "m.safetensors.ckpt"


def test_settings_that_differ_are_told_as_options(schuss: Any, stopped: tuple[list[Any], Path]):
    asked, kept = stopped
    mend = f"; use the same settings, or remove {kept} to start afresh\n"
    for more, told in {
        ("--hidden", "16,4", "--seed", "3"): "--seed was 0 and is now 3, --hidden was 8 and is now 16,4",
        ("--lr", "0.01"): "--lr was not given and is now 0.01",
        ("--drop", "b", "--drop", "wet"): "--drop was not given and is now b,wet",
        ("--no-header",): "--no-header was not given and is now given",
        ("--target", "wet"): "--target was price and is now price,wet",
    }.items():
        done = schuss(*asked, "--resume", *more)
        assert (done.code, done.error) == (2, f"Error: cannot resume {kept}: {told}{mend}")


def test_other_rows_are_told(schuss: Any, stopped: tuple[list[Any], Path]):
    asked, kept = stopped
    place = asked[1]
    place.write_text(place.read_text().replace("\n", "\n1,2,3,true\n", 1))
    assert schuss(*asked, "--resume", "--json").error == (
        f"Error: cannot resume {kept}: {place} has other rows, or columns of other kinds, than when it was begun; give "
        f"it as it was, or remove {kept} to start afresh\n"
    )


def test_a_training_that_is_done_is_told_and_left(schuss: Any, stopped: tuple[list[Any], Path]):
    asked, kept = stopped
    out = asked[-1]
    first = schuss(*asked, "--resume", "--quiet", "--json")
    assert first.code == 0
    assert not kept.exists()
    written = out.read_bytes()
    again = schuss(*asked, "--resume", "--json")
    assert again.json == first.json
    assert again.err == f"{out} is finished: trained in {first.json['seconds']:.1f} s\n"
    shown = schuss(*asked, "--resume", "--quiet")
    assert (shown.code, shown.err) == (0, "")
    assert "on 60 rows out of 2 folds:\n" in shown.out
    assert shown.out.endswith(f"saved in {out}\n")
    other = schuss(*asked, "--resume", "--seed", "1")
    told = "--seed was 0 and is now 1; use the same settings, or start without --resume\n"
    assert other.error == f"Error: cannot resume {out}: {told}"
    assert out.read_bytes() == written


def test_what_tells_nothing_of_its_training_is_begun_anew(schuss: Any, tmp_path: Path):
    table().write_csv(tmp_path / "t.csv")
    asked = ["train", tmp_path / "t.csv", "--target", "price", *TINY, "--json", "--out", tmp_path / "m.safetensors"]
    (tmp_path / "m.safetensors").write_bytes(b"no model")
    assert "no checkpoint: starting afresh\n" in schuss(*asked, "--resume").err
    model = library.load(tmp_path / "m.safetensors")
    record = {name: value for name, value in model.signature.record.items() if name not in ("asked", "result")}
    library.save(model, tmp_path / "m.safetensors", record=record)  # as an older version has it
    assert schuss(*asked, "--resume", "--quiet").err == ""
    assert "result" in library.load(tmp_path / "m.safetensors").signature.record

"""schuss train --keep-path: view and report draw the descent itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from schuss.data import load_dataset

RUN = ["--hidden", "6", "--epochs", "100", "--batch-size", "8", "--threads", "1", "--quiet"]


@pytest.fixture(scope="module")
def kept(regression: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from schuss.cli import main

    out = tmp_path_factory.mktemp("kept") / "m.safetensors"
    with pytest.raises(SystemExit) as ended:
        main(["train", str(regression), *RUN, "--keep-path", "--out", str(out)])
    assert not ended.value.code
    return out


def test_the_weights_are_those_of_a_run_without_it(schuss: Any, regression: Path, kept: Path, tmp_path: Path):
    assert schuss("train", regression, *RUN, "--out", tmp_path / "m").code == 0
    one, other = load_file(tmp_path / "m"), load_file(kept)
    assert all((one[name] == other[name]).all() for name in one)
    assert len(other) == 3 * len(one) + 2
    measured = [schuss("evaluate", path, regression).out.split("\n")[1:] for path in (tmp_path / "m", kept)]
    assert measured[0] == measured[1]
    again = schuss("train", regression, *RUN, "--out", kept, "--resume")
    assert again.code == 0, "it is no setting of the run"


def test_the_report_draws_it(regression: Path, kept: Path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib: pip install '.[viz]'")
    import schuss
    from schuss.web.report import Report

    sections = Report(schuss.load(kept), "m", load_dataset(regression)).sections()
    found = next(section for section in sections if section.title == "Landscape")
    assert "The loss on a plane of the run's path through the weights" in found.text
    assert found.body.count("<picture>") == 2


def test_the_page_draws_it(regression: Path, kept: Path):
    pytest.importorskip("uvicorn", reason="the page needs the extra: pip install '.[web]'")
    import schuss
    from schuss.web.session import view

    session = view(schuss.load(kept), "m", load_dataset(regression))
    path = np.array(session.hello()["path"])
    assert path.shape[0] > 2
    assert path.shape[1] == 3
    assert path[-1, 2] < path[0, 2]
    np.testing.assert_allclose(path[-1, :2], 0, atol=1e-5)
    run, around = session.run_for_landscape()
    assert around == "path"
    assert run.track is not None


def test_it_needs_a_file(schuss: Any, regression: Path):
    done = schuss("train", regression, *RUN, "--keep-path")
    assert done.code == 2
    assert "--keep-path needs --out FILE" in done.error

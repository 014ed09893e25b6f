from __future__ import annotations

import hashlib
import mmap
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest

from schuss.data import Dataset, bundled, load_dataset, load_mnist
from schuss.errors import DataError


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return bundled.decode(bundled.BUNDLE)


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch, values: np.ndarray) -> list[Path]:
    """What was decoded; the decoding itself is skipped."""
    calls: list[Path] = []

    def decode(bundle: Path) -> np.ndarray:
        calls.append(bundle)
        return values

    monkeypatch.setattr(bundled, "decode", decode)
    return calls


def check(data: Dataset) -> None:
    assert (data.name, data.classes, data.feature_shape) == ("mnist", 10, (28, 28))
    assert data.x_train.shape == (60_000, 28, 28)
    assert data.x_test.shape == (10_000, 28, 28)
    assert data.x_train.dtype == data.x_test.dtype == np.uint8
    assert not data.x_train.flags.writeable
    assert data.x_train_flat.shape == (60_000, 784)
    assert data.y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert data.y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(data.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_the_bundle_is_mnist(values: np.ndarray) -> None:
    """The digest of the four idx files' contents without their headers, taken from the files themselves."""
    assert hashlib.sha256(values.data).hexdigest() == "c2069063c1105f2bf96266aef1ff68c6e13bdda7a54e37bf19c16f1db24efc83"
    assert round(float(values[: 60_000 * 784].mean()) / 255, 4) == 0.1307  # the mean everybody knows
    encoded = bundled.encode(values)
    assert encoded["labels"].tobytes() == values[bundled.PIXELS :].tobytes()


def test_the_bundle_is_small() -> None:
    assert bundled.BUNDLE.stat().st_size < 12_000_000


def test_licence_names_the_creators() -> None:
    text = (bundled.BUNDLE.parent / "LICENSE.md").read_text(encoding="utf-8")
    for word in ("LeCun", "Cortes", "Burges", "CC BY-SA 3.0", "re-encoded"):
        assert word in text


def test_decoded_once_then_mapped(tmp_path: Path, decodes: list[Path]) -> None:
    check(load_mnist(tmp_path / "new" / "folder"))
    check(load_mnist(tmp_path / "new" / "folder"))
    assert len(decodes) == 1
    assert os.listdir(tmp_path / "new" / "folder") == [bundled.CACHE_NAME]
    mapped = load_mnist(tmp_path / "new" / "folder").x_train
    while isinstance(mapped, np.ndarray):
        mapped = mapped.base
    assert isinstance(getattr(mapped, "obj", mapped), mmap.mmap)


def test_mnist_by_name_uses_the_users_cache(
    tmp_path: Path, decodes: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHUSS_CACHE_DIR", str(tmp_path))
    check(load_dataset("mnist"))
    assert (tmp_path / bundled.CACHE_NAME).stat().st_size == bundled.LENGTH


@pytest.mark.parametrize("damage", ["empty", "short", "long", "flipped", "folder"])
def test_damaged_copy_is_made_again(tmp_path: Path, decodes: list[Path], values: np.ndarray, damage: str) -> None:
    content = values.tobytes()
    flipped = bytearray(content)
    flipped[12_345_678] ^= 1
    damaged = {"empty": b"", "short": content[:-1], "long": content + b"\0", "flipped": bytes(flipped)}
    path = tmp_path / bundled.CACHE_NAME
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes(damaged[damage])
    check(load_mnist(tmp_path))
    assert len(decodes) == 1
    if damage != "folder":
        assert path.read_bytes() == content


def test_cache_folder_that_cannot_be(tmp_path: Path, decodes: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    check(load_mnist(tmp_path / "file"))
    check(load_mnist(tmp_path / "file" / "below"))

    def refuse(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundled, "atomic_write", refuse)
    check(load_mnist(tmp_path))
    monkeypatch.setattr(bundled, "cache_dir", refuse)
    check(load_mnist())
    assert len(decodes) == 4


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind this user")
def test_read_only_cache_folder(tmp_path: Path, decodes: list[Path]) -> None:
    tmp_path.chmod(0o500)
    check(load_mnist(tmp_path))
    assert os.listdir(tmp_path) == []
    tmp_path.chmod(0o700)


def load_and_sum(folder: Path) -> int:
    return int(load_mnist(folder).x_train.sum(dtype=np.int64))


def test_processes_at_once(tmp_path: Path, values: np.ndarray) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        sums = pool.map(load_and_sum, [tmp_path] * 6, chunksize=1)
    assert sums == [int(values[: 60_000 * 784].sum(dtype=np.int64))] * 6
    assert os.listdir(tmp_path) == [bundled.CACHE_NAME]


def test_damaged_bundle(tmp_path: Path, values: np.ndarray) -> None:
    path = tmp_path / "mnist.npz"
    arrays = bundled.encode(values)
    wrong = arrays["labels"].copy()
    wrong[0] = 6
    for changed in ({"labels": wrong}, {"pairs": arrays["pairs"][1:]}, {"occupied": arrays["occupied"][1:]}):
        np.savez(path, **(arrays | changed))
        with pytest.raises(DataError, match=r"mnist\.npz: damaged.*install schuss again"):
            bundled.decode(path)
    path.write_bytes(bundled.BUNDLE.read_bytes()[:-100])
    with pytest.raises(DataError, match="damaged"):
        bundled.decode(path)

"""Folders of pictures: what becomes data, and what is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

import schuss
from schuss import nn, optim
from schuss.data import load_dataset
from schuss.errors import DataError

from .test_pictures import png

RNG = np.random.default_rng(0)
PIXELS = {
    (part, name): RNG.integers(0, 256, (count, 5, 7), dtype=np.uint8)
    for part, count in (("train", 3), ("test", 2))
    for name in ("cat", "ant")
}


def written(folder, pixels=PIXELS, ending="png"):
    """train/ant/0.png and so on; the pictures' names sort as their rows."""
    for (part, name), rows in pixels.items():
        (folder / part / name).mkdir(parents=True, exist_ok=True)
        for i, row in enumerate(rows):
            Image.fromarray(row).save(folder / part / name / f"{i}.{ending}")
    return folder


def test_gray_pictures(tmp_path):
    data = load_dataset(written(tmp_path / "zoo"))
    assert (data.name, data.classes, data.class_names, data.scale) == ("zoo", 2, ("ant", "cat"), 1 / 255)
    assert data.feature_shape == (5, 7)
    assert data.y_train.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.y_test.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(data.x_train, np.concatenate([PIXELS["train", "ant"], PIXELS["train", "cat"]]))
    np.testing.assert_array_equal(data.x_test, np.concatenate([PIXELS["test", "ant"], PIXELS["test", "cat"]]))
    assert data.x_train.dtype == np.uint8


def test_coloured_pictures_have_their_channels_first_and_gray_ones_among_them_three(tmp_path):
    folder = written(tmp_path)
    colours = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(colours).save(folder / "train" / "cat" / "1.png")
    data = load_dataset(folder)
    assert data.x_train.shape == (6, 3, 5, 7)
    np.testing.assert_array_equal(data.x_train[4], colours.transpose(2, 0, 1))
    np.testing.assert_array_equal(data.x_train[3], np.stack([PIXELS["train", "cat"][0]] * 3))
    assert data.x_test.shape == (4, 3, 5, 7)


def test_jpegs_transparency_palettes_and_bits(tmp_path):
    folder = written(tmp_path, {k: np.full_like(v, 90) for k, v in PIXELS.items()}, "JPG")
    clear = np.zeros((5, 7, 2), np.uint8)
    clear[0] = (40, 255)
    Image.fromarray(clear, "LA").save(folder / "train" / "ant" / "3.png")
    Image.fromarray(np.eye(5, 7, dtype=bool)).save(folder / "train" / "ant" / "4.png")
    data = load_dataset(folder)
    assert data.x_train.shape == (8, 5, 7)
    assert np.abs(data.x_train[0].astype(int) - 90).max() <= 2
    assert data.x_train[3].tolist() == [[40] * 7] + [[255] * 7] * 4
    np.testing.assert_array_equal(data.x_train[4], np.eye(5, 7) * 255)
    Image.fromarray(PIXELS["train", "ant"][0]).convert("P").save(folder / "train" / "ant" / "5.png")
    np.testing.assert_array_equal(load_dataset(folder).x_train[5], np.stack([PIXELS["train", "ant"][0]] * 3))


def test_what_is_no_picture_is_told_of_and_hidden_files_are_nothing(tmp_path):
    folder = written(tmp_path)
    for hidden in (".DS_Store", "train/.ipynb_checkpoints/0.png", "train/cat/.ipynb_checkpoints/0.png"):
        (folder / hidden).parent.mkdir(exist_ok=True)
        (folder / hidden).write_bytes(b"")
    assert len(load_dataset(folder).x_train) == 6
    (folder / "train" / "cat" / "notes.txt").write_text("all cats")
    with pytest.warns(UserWarning, match="left out, as they are no pictures: notes.txt"):
        assert len(load_dataset(folder).x_train) == 6


def refusals():
    def size(folder):
        Image.fromarray(np.zeros((9, 7), np.uint8)).save(folder / "test" / "ant" / "1.png")

    def unknown(folder):
        written(folder, {("test", "bee"): PIXELS["test", "ant"]})

    def empty(folder):
        (folder / "train" / "dog").mkdir()

    def alone(folder):
        for part in ("train", "test"):
            (folder / part).rename(folder / f"{part}ed")
        (folder / "trained" / "cat").rename(folder / "cat")

    def no_test(folder):
        (folder / "test").rename(folder / "val")

    def flat(folder):
        for place in (folder / "train").iterdir():
            place.rename(folder / place.name)

    def deep(folder):
        Image.fromarray(np.zeros((5, 7), np.uint16)).save(folder / "train" / "cat" / "0.png")

    def bomb(folder):
        (folder / "train" / "cat" / "2.png").write_bytes(png(100_000, 100_000))

    def damaged(folder):
        (folder / "train" / "cat" / "2.png").write_bytes(b"\x89PNG, once")

    return [
        (size, r"test/ant/1\.png: is 7 x 9, and \S+train/ant/0\.png is 7 x 5 .*make all pictures one size"),
        (unknown, "test/bee: there is no class 'bee'"),
        (empty, "train/dog: holds no pictures"),
        (alone, "has no folder train; pictures lie in train/CLASS/ and test/CLASS/"),
        (no_test, "has no folder test; pictures lie in"),
        (flat, "train: holds no folders of classes; pictures lie in"),
        (deep, r"train/cat/0\.png: has more than 8 bits"),
        (bomb, r"train/cat/2\.png: .*million pixels"),
        (damaged, r"train/cat/2\.png: is not a picture"),
    ]


@pytest.mark.parametrize(("change", "said"), refusals(), ids=lambda v: getattr(v, "__name__", ""))
def test_refused_by_name(tmp_path, change, said):
    folder = written(tmp_path)
    change(folder)
    with pytest.raises(DataError) as told:
        load_dataset(folder)
    assert re.search(said, str(told.value)), told.value


def test_a_model_trains_on_it_as_it_is_and_knows_names_and_scale(tmp_path):
    bright = {key: v // 4 + (180 if key[1] == "cat" else 0) for key, v in PIXELS.items()}
    data = load_dataset(written(tmp_path, bright))
    model = nn.Sequential(nn.Flatten(), nn.Linear(35, 2))
    options = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.Adam(0.05), "epochs": 20, "backend": "reference"}
    schuss.fit(model, data, **options)
    assert model.signature.classes == ("ant", "cat")
    assert model.signature.inputs[0].scale == 1 / 255
    assert schuss.evaluate(model, data, backend="reference")["accuracy"] == 1
    assert schuss.predict(model, data.x_test).tolist() == data.y_test.tolist()


def test_classes_are_measured_by_their_names(tmp_path):
    """Other folders have other classes: label 0 of cat and dog is label 1 of ant, cat and dog."""
    few = load_dataset(written(tmp_path / "few"))
    more = few.labelled_as(("aardvark", "ant", "bee", "cat"))
    assert more.y_train.tolist() == [1, 1, 1, 3, 3, 3]
    assert more.y_test.tolist() == [1, 1, 3, 3]
    assert more.classes == 4
    assert few.labelled_as(None) is few
    with pytest.raises(DataError, match="'cat' at row 3 is none of the classes ant, bee"):
        few.labelled_as(("ant", "bee"))

    class Says(nn.Module):
        def __init__(self) -> None:
            self.one = nn.Linear(35, 4)

        def forward(self, x):
            return self.one(x.reshape(-1, 35))

    model, y = Says(), ["aardvark", "ant", "bee", "cat"]
    options = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.SGD(1e-9), "epochs": 1, "backend": "reference"}
    schuss.fit(model, (np.zeros((4, 5, 7), np.uint8), y), **options)
    model.one.weight.data[:], model.one.bias.data[:] = 0, [0, 9, 0, 0]
    assert schuss.evaluate(model, few, backend="reference")["accuracy"] == 0.5  # ant is 1 to the model, 0 to the data

"""Pictures: no more is decoded than is needed, and the header decides."""

from __future__ import annotations

import io
import os
import random
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from schuss.data.pictures import FORMATS, NEEDED, read_gray
from schuss.errors import DataError


def png(width, height, bits=8, kind=2):
    """A PNG whose header promises that size; its pixels are a few zeros."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    rest = chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + rest


def drawn(size=(80, 60)):
    """A dark disc on a light ground."""
    y, x = np.mgrid[: size[1], : size[0]]
    inside = (x / size[0] - 0.5) ** 2 + (y / size[1] - 0.5) ** 2 < 0.1
    return Image.fromarray(np.where(inside, 20, 230).astype(np.uint8))


def saved(tmp_path, picture, form, **options):
    path = tmp_path / f"p.{form.lower()}"
    picture.save(path, form, **options)
    return path


@pytest.mark.parametrize("size", [(100_000, 100_000), (2**31 - 1, 1), (40_000_001, 1), (7000, 6000), (12_000, 12_000)])
def test_too_many_pixels_are_refused_by_the_header(tmp_path, size):
    (tmp_path / "p.png").write_bytes(png(*size))
    with pytest.raises(DataError, match="million pixels; make the picture smaller") as told:
        read_gray(tmp_path / "p.png")
    if size[0] < 10_000:
        assert "7000 x 6000 are more than 40 million pixels" in str(told.value)


def test_a_large_jpeg_is_decoded_small(tmp_path, monkeypatch):
    sizes = []
    load = JpegImageFile.load

    def noted(self):
        sizes.append(self.size)
        return load(self)

    path = saved(tmp_path, drawn((8000, 6000)), "JPEG")  # 48 million pixels
    monkeypatch.setattr(JpegImageFile, "load", noted)
    gray = read_gray(path)
    assert sizes[0] == (2000, 1500)
    assert gray.size <= NEEDED
    assert gray[0, 0] == pytest.approx(230, abs=3)
    assert gray[gray.shape[0] // 2, gray.shape[1] // 2] == pytest.approx(20, abs=3)


def test_a_large_progressive_jpeg_is_refused(tmp_path):
    path = saved(tmp_path, drawn((8000, 6000)), "JPEG", progressive=True)
    with pytest.raises(DataError, match="more than 40 million pixels"):
        read_gray(path)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "I;16", "F"])
def test_larger_than_needed_is_averaged(tmp_path, mode):
    picture = drawn((2400, 1800))
    if mode in ("I;16", "F"):
        numbers = np.asarray(picture)
        picture = Image.fromarray(numbers.astype(np.uint16 if mode == "I;16" else np.float32))
    else:
        picture = picture.convert(mode)
    gray = read_gray(saved(tmp_path, picture, "TIFF"))
    assert gray.shape == (900, 1200)
    low, high = (0, 255) if mode in ("I;16", "F") else (20, 230)
    assert gray[0, 0] == pytest.approx(high, abs=1)
    assert gray[450, 600] == pytest.approx(low, abs=1)


def test_pictures_of_usual_size_keep_every_pixel(tmp_path):
    picture = drawn((1600, 1200))
    np.testing.assert_array_equal(read_gray(saved(tmp_path, picture, "PNG")), np.asarray(picture, np.float64))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(tmp_path, bad):
    numbers = np.ones((30, 30), np.float32)
    numbers[3, 4] = bad
    with pytest.raises(DataError, match="holds NaN or infinite values"):
        read_gray(saved(tmp_path, Image.fromarray(numbers), "TIFF"))


def test_programs_are_not_run_for_a_picture(tmp_path):
    (tmp_path / "p.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 30 30\n%%EndComments\n")
    with pytest.raises(DataError, match="not a picture that Pillow can read"):
        read_gray(tmp_path / "p.png")


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "p.png")
    with pytest.raises(OSError, match="not a regular file"):
        read_gray(tmp_path / "p.png")


def attacked(path, count, seed):
    """Mutants of small pictures in every format: read, or refused with one line."""
    rng = random.Random(seed)
    wholes = []
    for form in FORMATS:
        with io.BytesIO() as file:
            exif = Image.Exif()
            exif[0x0112] = 6
            drawn((32, 32)).save(file, form, **({"exif": exif} if form in ("JPEG", "PNG", "WEBP", "TIFF") else {}))
            wholes.append(file.getvalue())
    said = []
    for _ in range(count):
        content = bytearray(rng.choice(wholes))
        for _ in range(rng.choice((1, 1, 2, 8))):
            at = rng.randrange(min(len(content), rng.choice((64, 400, 10**6))))
            content[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        if rng.random() < 0.2:
            del content[rng.randrange(len(content)) :]
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own, of odd metadata
            try:
                gray = read_gray(path)
            except DataError as error:
                said.append(str(error))
            else:
                assert gray.ndim == 2
                assert np.isfinite(gray).all()
    assert not any("\n" in text for text in said)
    return len(said)


def test_mutants(tmp_path):
    assert attacked(tmp_path / "p.img", 300, 0) > 50


@pytest.mark.slow
def test_many_mutants(tmp_path):
    assert attacked(tmp_path / "p.img", 20_000, 1) > 2000

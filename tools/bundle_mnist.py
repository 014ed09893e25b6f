"""Make src/schuss/data/mnist/mnist.npz from the four idx files of MNIST: bundle_mnist.py FOLDER

Prints the checksum that schuss/data/bundled.py holds, and the bundle's size.
"""

from __future__ import annotations

import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np

from schuss.data.bundled import BUNDLE, CHECKSUM, LENGTH, decode, encode
from schuss.data.load import load_dataset
from schuss.paths import atomic_write


def main(folder: str) -> int:
    data = load_dataset(Path(folder))
    parts = (data.x_train, data.x_test, data.y_train.astype(np.uint8), data.y_test.astype(np.uint8))
    content = np.concatenate([part.reshape(-1) for part in parts])
    assert len(content) == LENGTH, f"not MNIST: {len(content)} bytes instead of {LENGTH}"
    atomic_write(BUNDLE, lambda file: write_npz(file, encode(content)))
    print(f"checksum 0x{zlib.crc32(content):08X}, {BUNDLE.stat().st_size:,} bytes")
    if zlib.crc32(content) != CHECKSUM:
        print("bundled.py holds another checksum", file=sys.stderr)
        return 1
    assert np.array_equal(decode(BUNDLE), content)
    return 0


def write_npz(file, arrays: dict[str, np.ndarray]) -> None:
    """As np.savez_compressed does, but packed as tightly as zlib can."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

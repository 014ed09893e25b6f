from __future__ import annotations

import numpy as np
import pytest

from schuss.errors import UsageError
from schuss.ops.philox import FOLD_STREAM, fold_in, key_from_seed, philox4x32, random_bits

ONES = 0xFFFFFFFF


@pytest.mark.parametrize(
    "key, counter, expected",
    [
        ((0, 0), (0, 0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ONES, ONES), (ONES,) * 4, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0xA4093822, 0x299F31D0),
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_known_answers(key: tuple[int, int], counter: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert tuple(philox4x32(key, np.array(counter, np.uint32))) == expected
    as_array = philox4x32(np.array(key, np.uint32), np.array([counter] * 3, np.uint32))
    assert as_array.shape == (3, 4)
    assert as_array.dtype == np.uint32
    assert all(tuple(row) == expected for row in as_array)


def test_random_bits_are_the_blocks_words() -> None:
    key = key_from_seed(0x0123456789ABCDEF)
    bits = random_bits(key, 7, 3, 40003)  # more than one chunk, and a part of a block
    for i in (0, 1, 5, 32767, 32768, 40002):
        block = philox4x32(key, np.array([i // 4, 0, 3, 7], np.uint32))
        assert bits[i] == block[i % 4]


def test_more_words_begin_with_the_fewer() -> None:
    key = key_from_seed(1)
    assert np.array_equal(random_bits(key, 0, 0, 100)[:33], random_bits(key, 0, 0, 33))
    assert random_bits(key, 0, 0, 0).shape == (0,)


def test_stream_step_and_key_all_count() -> None:
    key = key_from_seed(1)
    base = random_bits(key, 0, 0, 64)
    others = [random_bits(key, 1, 0, 64), random_bits(key, 0, 1, 64), random_bits(fold_in(key, 0), 0, 0, 64)]
    assert all(not np.array_equal(base, other) for other in others)


def test_step_wraps() -> None:
    key = key_from_seed(1)
    assert np.array_equal(random_bits(key, 0, 2**32 + 5, 8), random_bits(key, 0, 5, 8))


@pytest.mark.parametrize("stream", [-1, FOLD_STREAM, 2**32])
def test_stream_out_of_range(stream: int) -> None:
    with pytest.raises(UsageError, match="stream"):
        random_bits(key_from_seed(0), stream, 0, 4)


def test_key_from_seed() -> None:
    assert list(key_from_seed(0xAAAAAAAA_BBBBBBBB)) == [0xBBBBBBBB, 0xAAAAAAAA]
    assert list(key_from_seed(np.int64(5))) == [5, 0]
    for seed in (-1, 2**64, 1.5, "1"):
        with pytest.raises(UsageError, match="seed"):
            key_from_seed(seed)  # type: ignore[arg-type]


def test_fold_in_gives_distinct_keys() -> None:
    key = key_from_seed(0)
    keys = {tuple(fold_in(key, data)) for data in [*range(1000), 2**32, 2**63, -1]}
    assert len(keys) == 1003
    assert fold_in(key, 3).dtype == np.uint32
    assert tuple(fold_in(key, 1)) == tuple(philox4x32(key, np.array([1, 0, 0, ONES], np.uint32))[:2])


def test_bits_are_balanced() -> None:
    bits = random_bits(key_from_seed(2), 0, 0, 100_000)
    ones = np.unpackbits(bits.view(np.uint8)).reshape(-1, 32).mean(axis=0)
    assert np.abs(ones - 0.5).max() < 0.01  # six standard deviations

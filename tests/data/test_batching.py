from __future__ import annotations

import hashlib
import threading

import numpy as np
import pytest

from schuss.data import batching, epoch_order, split_validation
from schuss.errors import UsageError
from schuss.ops.philox import key_from_seed, random_bits

KEY = key_from_seed(42)


@pytest.mark.parametrize("n", [0, 1, 2, 1000, 60_000])
def test_each_row_once(n: int) -> None:
    order = epoch_order(n, KEY, 0)
    assert order.dtype == np.int64
    assert np.array_equal(np.sort(order), np.arange(n))


def test_is_the_stable_sort_of_the_documented_bits() -> None:
    bits = [int(word) for word in random_bits(KEY, batching.SHUFFLE_STREAM, 3, 100)]
    assert epoch_order(100, KEY, 3).tolist() == sorted(range(100), key=bits.__getitem__)


def test_epochs_and_keys_differ() -> None:
    base = epoch_order(1000, KEY, 0)
    assert np.array_equal(base, epoch_order(1000, KEY, 0))
    assert not np.array_equal(base, epoch_order(1000, KEY, 1))
    assert not np.array_equal(base, epoch_order(1000, key_from_seed(43), 0))


def test_the_same_on_every_machine() -> None:
    digest = hashlib.sha256(epoch_order(60_000, KEY, 5).astype("<i8").tobytes()).hexdigest()
    assert digest == "c93b0f999091703cc5eef6ea2e4dfcfe022d69df40c226725ac67c1883b95597"


def test_equal_bits_keep_the_rows_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def few_bits(key: object, stream: int, step: int, count: int) -> np.ndarray:
        return random_bits(KEY, 0, 0, count) % 3

    monkeypatch.setattr(batching, "random_bits", few_bits)
    bits = few_bits(KEY, 0, 0, 1000)
    assert epoch_order(1000, KEY, 0).tolist() == sorted(range(1000), key=bits.__getitem__)


def test_split() -> None:
    train, held = split_validation(1000, 0.1, KEY)
    assert (len(train), len(held)) == (900, 100)
    assert np.array_equal(np.sort(np.concatenate([train, held])), np.arange(1000))
    assert (np.diff(train) > 0).all()
    assert (np.diff(held) > 0).all()
    again = split_validation(1000, 0.1, KEY)
    assert np.array_equal(held, again[1])
    assert not np.array_equal(held, split_validation(1000, 0.1, key_from_seed(1))[1])


def test_split_limits() -> None:
    assert [len(part) for part in split_validation(10, 0, KEY)] == [10, 0]
    assert [len(part) for part in split_validation(10, 0.001, KEY)] == [9, 1]
    for fraction in (-0.1, 1.0, float("nan")):
        with pytest.raises(UsageError, match="fraction must be in"):
            split_validation(10, fraction, KEY)
    with pytest.raises(UsageError, match="leaves none to train on"):
        split_validation(1, 0.5, KEY)


@pytest.mark.parametrize("n", [10, batching.WORTH_A_THREAD, batching.ROWS_AHEAD])
def test_orders_made_ahead_are_the_epochs_own(n: int) -> None:
    orders = batching.Orders(n, KEY, 7)
    for epoch in (0, 1, 2, 5, 6):  # a jump, as on resuming
        assert np.array_equal(orders(epoch), epoch_order(n, KEY, epoch))


@pytest.mark.parametrize("n", [1, 3, 4, 500])
def test_orders_of_small_tables_are_made_together(n: int) -> None:
    """The epochs' own, also beyond 2**32 of them, and from where a run goes on; few at once if few are to come."""
    for first in (0, 7, 2**32 - 2):
        orders = batching.epoch_orders(n, KEY, first, 5)
        for epoch, order in enumerate(orders, first):
            assert np.array_equal(order, epoch_order(n, KEY, epoch))
    made = batching.Orders(n, KEY, 5)
    made(2)
    assert list(made._made) == [3, 4]
    assert np.array_equal(made(4), epoch_order(n, KEY, 4))


@pytest.mark.parametrize(("n", "ahead"), [(batching.ROWS_AHEAD, 1), (batching.ROWS_AHEAD // 4, 4)])
def test_the_next_orders_are_made_meanwhile(monkeypatch: pytest.MonkeyPatch, n: int, ahead: int) -> None:
    made: list[tuple[int, str]] = []

    def note(n: int, key: object, epoch: int) -> np.ndarray:
        made.append((epoch, threading.current_thread().name))
        return np.arange(n)

    monkeypatch.setattr(batching, "epoch_order", note)
    orders = batching.Orders(n, KEY, 9)
    for epoch in range(9):
        orders(epoch)
        if orders._thread is not None:
            orders._thread.join()
        assert max(e for e, _ in made) <= min(epoch + ahead, 8)
    assert made == [(0, "MainThread"), *((epoch, "schuss-order") for epoch in range(1, 9))]
    assert not orders._made  # nothing is kept that has been used


def test_orders_of_a_small_table_need_no_thread_and_none_where_all_cores_are_busy() -> None:
    busy = batching.Orders(batching.WORTH_A_THREAD, KEY, 3, beside=False)
    for orders in (batching.Orders(batching.WORTH_A_THREAD - 1, KEY, 3), busy):
        orders(0)
        assert orders._thread is None
    assert np.array_equal(busy(1), epoch_order(batching.WORTH_A_THREAD, KEY, 1))

"""Several runs at once: each on one thread of a pool, in native code side by side."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager

from schuss.errors import NonFiniteError, SchussError
from schuss.exec.native.threads import available_cores
from schuss.train.conduct import DEFAULTS, to_end
from schuss.train.interrupts import Interrupts
from schuss.train.position import Progress
from schuss.train.progress import Bar
from schuss.train.run import Run
from schuss.train.trainer import Trainer

LOOK = 0.1  # seconds between two looks of who shows how far they are
AWAKE = 0.5  # likewise where nobody watches: a signal that another thread sent again wakes no lock
Told = Callable[[Sequence[Run | None], Progress], object]
"""What is called with the runs, None for one that has not begun, and where all of them are."""
AHEAD = 2  # trainers that are made while all threads are busy, for each thread


@contextmanager
def naming(number: int) -> Iterator[None]:
    """Errors of schuss's out of this name the member."""
    try:
        yield
    except SchussError as error:
        error.args = (f"member {number}: {error}", *error.args[1:])
        raise


class _Pool:
    """The threads, the runs so far, and why they are to stop, if they are."""

    def __init__(self, count: int, threads: int, interrupts: Interrupts, bar: Bar, told: Told | None) -> None:
        self.runs: list[Run | None] = [None] * count
        self.blown_up: dict[int, NonFiniteError] = {}
        self._threads, self._interrupts, self._bar, self._told = threads, interrupts, bar, told
        self._failed: str | None = None
        self._waiting: dict[Future[None], int] = {}
        self._trainers: dict[int, Trainer] = {}
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="schuss-member")

    def stop(self) -> str | None:
        """Why all are to stop, if they are."""
        return self._failed or self._interrupts.reason()

    def known(self) -> list[Run | None]:
        """The runs that have begun."""
        return [run if run is not None and run.state is not None else None for run in self.runs]

    def conduct(self, trainers: Iterable[Trainer]) -> None:
        """All runs to their ends. The first error, but for numbers that blow up, stops the others and is raised."""
        try:
            for number, trainer in enumerate(trainers):
                self._begin(number, trainer)
                while len(self._waiting) >= (1 + AHEAD) * self._threads:
                    self._wait()
                if self.stop():
                    break
            while self._waiting:
                self._wait()
            self._tell()
        except BaseException as error:
            self._failed = self._failed or f"{type(error).__name__} elsewhere"
            raise
        finally:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def _begin(self, number: int, trainer: Trainer) -> None:
        self.runs[number], self._trainers[number] = trainer.run, trainer
        self._waiting[self._executor.submit(self._one, number)] = number

    def _one(self, number: int) -> None:
        trainer = self._trainers[number]
        try:
            if not self.stop():
                to_end(trainer, None, self.stop)
        except NonFiniteError as error:
            self.blown_up[number], trainer.run.stopped = error, str(error)
        except BaseException:
            self._failed = self._failed or f"member {number} failed"
            raise

    def _wait(self) -> None:
        """Until one of them has ended; or a moment, where somebody watches."""
        watched = self._bar.shown or self._told is not None
        done, _ = wait(self._waiting, LOOK if watched else AWAKE, FIRST_COMPLETED)
        for future in done:
            number = self._waiting.pop(future)
            del self._trainers[number]
            with naming(number):
                future.result()
        self._tell()

    def _tell(self) -> None:
        """Those who watch, where they are."""
        if self._bar.shown:
            self._bar(self._progress())
        if self._told is not None:
            self._told(self.runs, self._progress())

    def _progress(self) -> Progress:
        """Where they are: in place of steps the examples seen. The loss is the mean of their last epochs'."""
        running = list(self._trainers.values())
        done = sum((t.position.epoch * t.rows + min(t.position.step * t.batch, t.rows)) for t in running)
        each = max((t.rows * t.options.epochs for t in running), default=1)
        losses = [run.last("loss") for run in self.runs if run is not None and run.last("loss") is not None]
        means = {"loss": sum(losses) / len(losses)} if losses else {}
        begun = sum(run is not None for run in self.runs)
        return Progress(begun - len(running), len(self.runs), done, each, max(done, 1), means)


def conduct_all(
    trainers: Iterable[Trainer],
    count: int,
    threads: int | None = None,
    shown: bool = False,
    kept: bool = False,
    told: Told | None = None,
) -> list[Run]:
    """So many runs, ready, to their ends; in order.

    threads  how many go on at once; None: as many as the cores this process may use
    shown    a line of how far they are
    kept     they have checkpoints: SIGTERM is waited for
    told     called ten times a second and at the end; what it raises stops all

    Ctrl-C stops all of them: the KeyboardInterrupt has `runs`. NonFiniteError, which has them, too, where one blew up.
    """
    signals = (signal.SIGINT, signal.SIGTERM) if kept else (signal.SIGINT,)
    with ExitStack() as stack:
        interrupts = stack.enter_context(Interrupts(signals, DEFAULTS))
        bar = stack.enter_context(Bar(shown, "member"))
        pool = _Pool(count, max(1, min(threads or available_cores(), count)), interrupts, bar, told)
        try:
            pool.conduct(trainers)
        except BaseException as error:
            error.runs = pool.known()  # type: ignore[attr-defined]  # what there is of them can be had
            raise
    if interrupts.caught == signal.SIGTERM:
        signal.raise_signal(signal.SIGTERM)
    if interrupts.caught is not None:
        raise _interrupted(pool.known())
    if pool.blown_up:
        raise _blown_up(pool.blown_up, pool.known())
    return [run for run in pool.runs if run is not None]


def _interrupted(runs: list[Run | None]) -> KeyboardInterrupt:
    begun = [run for run in runs if run is not None]
    ended = sum(run.stopped is None for run in begun)
    error = KeyboardInterrupt(
        f"fit_many was stopped: {ended} of {len(runs)} members are done, {len(begun) - ended} under way; their models "
        "have the weights, and this exception's `runs` the histories (run.resume() goes on)"
    )
    error.runs = runs  # type: ignore[attr-defined]
    return error


def _blown_up(errors: dict[int, NonFiniteError], runs: list[Run | None]) -> NonFiniteError:
    first = min(errors)
    more = f" ({len(errors) - 1} more blew up: {', '.join(map(str, sorted(errors)[1:]))})" if len(errors) > 1 else ""
    rest = "the others were trained to their ends: this exception's `runs` has all"
    error = NonFiniteError(f"member {first}: {errors[first]}{more}; {rest}")
    error.runs = runs  # type: ignore[attr-defined]
    return error


__all__ = ["conduct_all"]

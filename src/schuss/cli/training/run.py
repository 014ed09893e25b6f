"""One call of `schuss train`, from its options to its exit status."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schuss.cli.results import show
from schuss.cli.say import say
from schuss.cli.training.files import finished, result, save_finished, save_stopped
from schuss.cli.training.parts import columns_of_test, prepared
from schuss.cli.training.settings import Settings
from schuss.train.interrupts import Interrupts

if TYPE_CHECKING:
    from schuss.cli.watch import Watched
    from schuss.data import Dataset
    from schuss.train.checkpoint import Checkpoint
    from schuss.train.run import Run
    from schuss.train.trainer import Trainer


class TrainCommand:
    """One call. UsageError for options that do not go together."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.settings, self.options = Settings(options), options
        self.out: Path | None = options["out"]
        self.interrupts = Interrupts((signal.SIGINT, signal.SIGTERM))
        self.watched: Watched | None = None

    def run(self) -> int:
        """Train, save and show; the exit status."""
        from schuss.data import load_dataset
        from schuss.train.checkpoint import Checkpoint, beside, check_place

        if self.options["watch"]:
            from schuss.web import check_installed

            check_installed()
        if self.out is not None:
            check_place(self.out, "--out")
            if not self.options["resume"]:
                Checkpoint(beside(self.out), {}).check_replaceable("--resume", "--out")
        with self.interrupts:
            dataset = load_dataset(self.options["data"])
            self.settings.resolve(dataset)
            result = finished(self.settings)
            if result is not None:
                self._note(f"{self.out} is finished: {result.get('epochs')} epochs")
                show(result, self.options["as_json"])
                return 0
            trainer = prepared(self.settings, dataset)
            self._note_threads(trainer.loop)
            checkpoint = self._checkpoint(trainer)
            try:
                result = self._train(trainer, dataset, checkpoint)
            except KeyboardInterrupt:  # a second signal: what is being written is left as it was
                result = None
                self._stopped_at_once(checkpoint)
        if result is None:
            assert self.interrupts.caught is not None
            return 128 + self.interrupts.caught
        show(result, self.options["as_json"])
        return self.watched.stay(self.interrupts.caught is not None) if self.watched else 0

    def _checkpoint(self, trainer: Trainer) -> Checkpoint | None:
        """The checkpoint beside --out, from which the trainer goes on where that is asked for."""
        from schuss.train.checkpoint import Checkpoint, beside

        if self.out is None:
            return None
        checkpoint = Checkpoint(beside(self.out), self.settings.kept, self.settings.mend)
        if self.options["resume"]:
            resumed = checkpoint.resume(trainer, self.settings.comparable, self.settings.check_epochs)
            epoch = trainer.position.epoch + 1
            self._note(f"resuming at epoch {epoch}" if resumed else "no checkpoint: starting afresh")
        return checkpoint

    def _train(self, trainer: Trainer, dataset: Dataset, checkpoint: Checkpoint | None) -> dict[str, Any] | None:
        """The run and its files; its result, None where a signal ended it."""
        from schuss.train.control import BY_HAND
        from schuss.train.progress import Bar

        if self.options["watch"]:
            from schuss.cli.watch import Watched

            test = columns_of_test(self.settings, trainer, dataset)
            self.watched = Watched(trainer, dataset.name, test, self.options["port"], self.options["opened"])
        start, first = trainer.seconds, trainer.position.counter  # pauses do not count
        with Bar(not self.options["quiet"]) as bar:
            run = self._trained(trainer, bar, checkpoint)
        seconds = trainer.seconds - start
        if self.interrupts.caught is not None:
            self._stopped(trainer, checkpoint)
            return None
        by_hand = run.stopped == BY_HAND  # it may go on another time
        if by_hand and checkpoint is not None:
            checkpoint.save(trainer)
        found = result(self.settings, dataset, trainer, run, seconds, first)
        if checkpoint is not None:
            save_finished(self.settings, trainer, found)
        if by_hand:
            self._say_stopped(trainer, checkpoint, bool(self.options["early_stop"] and trainer.best.weights))
        elif checkpoint is not None:
            checkpoint.remove()
        return found

    def _trained(self, trainer: Trainer, bar: Any, checkpoint: Checkpoint | None) -> Run:
        """The run; where its numbers blow up, the last good weights are saved."""
        from schuss.errors import NonFiniteError

        saved, begun = checkpoint.hook(trainer) if checkpoint else lambda ended: None, trainer.position.counter > 0
        try:
            return trainer.train(self.watched.beside(bar) if self.watched else bar, self.interrupts.reason, saved)
        except NonFiniteError as error:
            if checkpoint is None:
                raise
            checkpoint.save_blown_up(trainer, begun)
            save_stopped(self.settings, trainer, trainer.weights())
            raise NonFiniteError(f"{error}; the last good weights are in {self.out}") from None
        finally:
            if self.watched:
                self.watched.finish()

    def _stopped(self, trainer: Trainer, checkpoint: Checkpoint | None) -> None:
        """After Ctrl-C or SIGTERM: keep the last and the best weights and say where they are."""
        if checkpoint is not None:
            checkpoint.save(trainer)
            save_stopped(self.settings, trainer, trainer.best.weights or trainer.weights())
        self._say_stopped(trainer, checkpoint, bool(trainer.best.weights))
        if self.watched:
            self.watched.stop()

    def _stopped_at_once(self, checkpoint: Checkpoint | None) -> None:
        """After a second signal: say what was kept before."""
        if checkpoint is None or not checkpoint.path.exists():
            self._note("stopped at once; nothing is kept")
        else:
            self._note(f"stopped at once; {checkpoint.path} has the run as it was kept last (--resume goes on)")
        if self.watched:
            self.watched.stop()

    def _say_stopped(self, trainer: Trainer, checkpoint: Checkpoint | None, best: bool) -> None:
        """Where a run was stopped and what is kept of it. best: whether --out has the best weights, not the last."""
        at, kept = trainer.position, "nothing is kept without --out"
        if checkpoint is not None:
            which = f"the best (epoch {at.best_epoch})" if best else "these"
            kept = f"the last weights are in {checkpoint.path} (--resume goes on), {which} in {self.out}"
        ended = at.epoch and not at.step  # and no other has begun
        where = f"after epoch {at.epoch}" if ended else f"at epoch {at.epoch + 1}, step {at.step} of {trainer.steps}"
        self._note(f"stopped {where}; {kept}")

    # -- output ------------------------------------------------------------------------------------

    def _note_threads(self, loop: Any) -> None:
        """Tell of more threads than cores, where a step is shared among them."""
        from schuss.exec.native.threads import available_cores

        cores, threads = available_cores(), getattr(loop, "threads", 1)  # the reference has none
        if threads > cores:
            self._note(f"{threads} threads on {cores} core(s) wait for each other: --threads {cores} is faster")

    def _note(self, text: str) -> None:
        if not self.options["quiet"]:
            with suppress(OSError):  # nobody reads it: no reason to lose the run
                say(text, err=True)

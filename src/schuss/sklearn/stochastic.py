"""Training by batches: the epochs of sgd, adam and optimizers of the user's, with scikit-learn's rules between them.

An epoch is one native call; in between the loss is looked at, the validation rows are scored, and the rate changes.
"""

from __future__ import annotations

import signal
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from schuss import nn
from schuss.ir.executor import Array
from schuss.ops.philox import key_from_seed
from schuss.sklearn.network import as_state, forward, from_state
from schuss.sklearn.programs import Form, program
from schuss.sklearn.solvers import SGD, Adam
from schuss.sklearn.threads import threads_of
from schuss.train.callbacks import as_callbacks, call
from schuss.train.conduct import DEFAULTS
from schuss.train.edits import edited
from schuss.train.interrupts import Interrupts
from schuss.train.position import Progress
from schuss.train.progress import Bar
from schuss.train.rate import Rates
from schuss.train.run import Run

LOOK = 0.05  # seconds of native work between two looks at Ctrl-C
LEAST = 1e-6  # the rate at which learning_rate="adaptive" ends
PARAM, OPT = "param/net.", "opt/"


@dataclass(frozen=True)
class Rows:
    """x [N, features], targets as the objective has them, weights [N] or None."""

    x: Array
    y: Array
    weight: Array | None = None

    def columns(self) -> dict[str, Array]:
        """As a step names them."""
        return {"x0": self.x, "y": self.y} | ({} if self.weight is None else {"y1": self.weight})


@dataclass
class Optimizer:
    """The state of an optimizer between two calls of partial_fit.

    learning_rate  the rate of the next step; Adam's without its correction of the start
    steps          done so far
    arrays         moments and velocities, by the step's names
    """

    learning_rate: float
    steps: int = 0
    arrays: dict[str, Array] = field(default_factory=dict)


class Epochs:
    """One call of fit or partial_fit of an estimator.

    incremental  one epoch, as partial_fit: it goes on with the optimizer's state
    held         rows to score after each epoch; None for none
    """

    def __init__(self, estimator: Any, form: Form, rows: Rows, held: Rows | None, incremental: bool) -> None:
        self.est, self.form, self.rows, self.held, self.incremental = estimator, form, rows, held, incremental
        self.count, self.threads = len(rows.x), threads_of(estimator.threads)
        self.batch = _batch_size(estimator.batch_size, self.count)
        self.steps = -(-self.count // self.batch)  # of an epoch
        self.solver = form.solver.given
        self.own_rule = not isinstance(self.solver, (SGD, Adam))  # an optimizer of the user's
        if not incremental or not isinstance(getattr(estimator, "_optimizer", None), Optimizer):
            estimator._optimizer = Optimizer(float(estimator.learning_rate_init))
        self.state: Optimizer = estimator._optimizer
        self.callbacks = as_callbacks(estimator.callbacks or ())
        self.kept: tuple[list[Array], list[Array]] | None = None

    def run(self) -> None:
        """To the last epoch. The estimator gets its fitted attributes, whatever ended the run."""
        with (
            program(self.form, self.batch, self.threads) as made,
            Interrupts((signal.SIGINT,), DEFAULTS) as interrupts,
            Bar(bool(self.est.progress)) as bar,
        ):
            self.made, self.interrupts, self.bar = made, interrupts, bar
            self._begin()
            try:
                self._epochs()
            except KeyboardInterrupt:
                warnings.warn("Training interrupted by user.", stacklevel=5)
            self._end()

    # -- begin and end ---------------------------------------------------------------------------------------

    def _begin(self) -> None:
        est, made = self.est, self.made
        network = made.task.model.net
        first = {f"{OPT}{n}": np.asarray(v) for n, v in made.first.items()} | self._numbers() | self.state.arrays
        first |= {f"param/net.{n}": v for n, v in as_state(network, est.coefs_, est.intercepts_).items()}
        if self.form.penalised:
            first["param/alpha"] = np.asarray(est.alpha, self.form.net.dtype)
        made.loop.load({**first, "key": key_from_seed(self._seed())})
        made.loop.bind(self.rows.columns())
        est.n_iter_ = 0
        self.order = np.arange(self.count)
        self.slice = 1  # steps of a native call; more while it takes less than LOOK
        self.history = Run(self.form.net.build() if self.callbacks else network)  # theirs, which no other fit has
        self.parameters = nn.named_parameters(self.history.model)
        self.steered: dict[str, Array] = {n: v for n, v in first.items() if n.startswith(f"{OPT}lr_")}
        if self.own_rule:
            self.rates = Rates(self.solver, made.learned, made.first)
            columns = ["loss", *(["val_score"] if self.held is not None else [])]
            self.rates.check(columns, est.max_iter, est.max_iter * self.steps)

    def _seed(self) -> int:
        """Of dropout. scikit-learn has none: where there is none here, no number is drawn."""
        return int(self.est._random_state.randint(2**31)) if any(self.form.net.dropout) else 0

    def _numbers(self) -> dict[str, Array]:
        """scikit-learn's optimizer's, by the step's names."""
        est = self.est
        known = {"lr": self.state.learning_rate, "momentum": est.momentum}
        known |= {"beta_1": est.beta_1, "beta_2": est.beta_2, "epsilon": est.epsilon}
        names = () if self.own_rule else self.solver.numbers
        return {f"{OPT}{n}": np.asarray(known[n], np.float64) for n in names}

    def _end(self) -> None:
        arrays = self.made.loop.state()
        self.state.arrays = {n: np.array(v) for n, v in arrays.items() if n.startswith(OPT)}
        if self.kept is not None:
            self.est.coefs_, self.est.intercepts_ = self.kept
        else:
            self.est.coefs_, self.est.intercepts_ = self._weights(arrays)
        self.publish()
        call(self.callbacks, "end", self.history)

    def _weights(self, arrays: Mapping[str, Array] | None = None) -> tuple[list[Array], list[Array]]:
        """As coefs_ and intercepts_; those of now."""
        loop = self.made.loop
        names = self.parameters
        return from_state(
            self.made.task.model.net, {n: loop.peek(PARAM + n) if arrays is None else arrays[PARAM + n] for n in names}
        )

    def publish(self) -> None:
        """Show callbacks the weights the estimator has."""
        if self.callbacks:
            for name, value in as_state(self.history.model, self.est.coefs_, self.est.intercepts_).items():
                self.parameters[name].data = value

    # -- the epochs ------------------------------------------------------------------------------------------

    def _epochs(self) -> None:
        est = self.est
        halted = bool(self.callbacks) and self._call("begin")
        while not halted:
            start = time.perf_counter()
            if not self._epoch():
                raise KeyboardInterrupt
            self._count_epoch(time.perf_counter() - start)
            halted = self._call("epoch") if self.callbacks else False
            if self._waited() or halted or self.incremental:
                return
            if est.n_iter_ == est.max_iter:
                self._warn_of_the_end()
                return

    def _epoch(self) -> bool:
        """All rows once. False: Ctrl-C came."""
        loop, steps = self.made.loop, self.steps
        if self.est.shuffle:  # scikit-learn's order for this random_state
            places = np.arange(self.count)
            self.est._random_state.shuffle(places)
            self.order = self.order[places]
        loop.load({"sum/shown": np.zeros(()), "sum/loss": np.zeros(()), "sum/count": np.zeros(())})
        done = 0
        while done < steps:
            start = time.perf_counter()
            some = min(self.slice, steps - done)
            loop.run(self.order, self.batch, done, some, self.state.steps)
            done, self.state.steps = done + some, self.state.steps + some
            if self.interrupts.caught is not None:
                return False
            if time.perf_counter() - start < LOOK:
                self.slice *= 4
            self._show(done, steps)
        return True

    def _show(self, done: int, steps: int) -> None:
        if self.bar.shown:
            rows = min(done * self.batch, self.count)
            loss = float(self.made.loop.peek("sum/shown")) / max(rows, 1)
            self.bar(Progress(self.est.n_iter_, self.est.max_iter, done, steps, rows, {"loss": loss}))

    def _count_epoch(self, seconds: float) -> None:
        est, row = self.est, {}
        est.n_iter_ += 1
        est.loss_ = float(self.made.loop.peek("sum/shown")) / self.count
        est.t_ += self.count
        est.loss_curve_.append(est.loss_)
        if est.verbose:
            print(f"Iteration {est.n_iter_}, loss = {est.loss_:.8f}")
        if self.held is not None:
            row["val_score"] = self._score()
        self._note_best()
        if self.callbacks or self.own_rule:
            self._note(row, seconds)

    def _score(self) -> float:
        """Of the validation rows, by the weights of now."""
        est, held = self.est, self.held
        assert held is not None
        coefs, intercepts = self._weights()
        run = forward(self.form.net, est._link, self.threads)
        outputs = run([held.x, *(a for pair in zip(coefs, intercepts, strict=True) for a in pair)])[0]
        score = float(est._score_outputs(outputs, held.y, held.weight))
        est.validation_scores_.append(score)
        if est.verbose:
            print(f"Validation score: {score:f}")
        return score

    def _note_best(self) -> None:
        """scikit-learn's count of epochs without getting better, and the best weights."""
        est = self.est
        if self.held is not None:
            score = est.validation_scores_[-1]
            better, worse = score > est.best_validation_score_, score < est.best_validation_score_ + est.tol
            if better:
                est.best_validation_score_ = score
        if self.held is None or not est.early_stopping:
            loss = est.loss_curve_[-1]
            best = np.inf if est.best_loss_ is None else est.best_loss_
            worse = loss > best - est.tol
            better = loss < best if self.held is None else better
            est.best_loss_ = loss if loss < best else best
        est._no_improvement_count = est._no_improvement_count + 1 if worse else 0
        if better and (est.early_stopping or est.restore_best):
            est._best_weights = self._weights()
        if est.early_stopping or est.restore_best:
            self.kept = est._best_weights

    def _waited(self) -> bool:
        """Whether nothing better came for too long, or the rate is so small that nothing will."""
        est = self.est
        rule = est.learning_rate if isinstance(self.solver, SGD) else "constant"
        if rule == "invscaling":
            self._set_rate(float(est.learning_rate_init) / (est.t_ + 1) ** est.power_t)
        if est._no_improvement_count <= est.n_iter_no_change:
            return False
        what = "Validation score" if est.early_stopping else "Training loss"
        said = f"{what} did not improve more than tol={est.tol:f} for {est.n_iter_no_change} consecutive epochs."
        if rule == "adaptive":
            if self.state.learning_rate > LEAST:
                self._set_rate(self.state.learning_rate / 5.0)
                self._say(f"{said} Setting learning rate to {self.state.learning_rate:f}")
                est._no_improvement_count = 0
                return False
            self._say(f"{said} Learning rate too small. Stopping.")
            return True
        self._say(f"{said} Stopping.")
        return True

    def _say(self, text: str) -> None:
        if self.est.verbose:
            print(text)

    def _set_rate(self, rate: float) -> None:
        self.state.learning_rate = rate
        self.made.loop.load({f"{OPT}lr": np.asarray(rate, np.float64)})

    def _warn_of_the_end(self) -> None:
        from sklearn.exceptions import ConvergenceWarning

        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({self.est.max_iter}) reached and the optimization hasn't "
            "converged yet.",
            ConvergenceWarning,
            stacklevel=7,
        )

    # -- callbacks and schedules of the user's ---------------------------------------------------------------

    def _note(self, row: dict[str, float], seconds: float) -> None:
        """A row of the history; schedules that go by it change the rate."""
        est, run = self.est, self.history
        rates: Mapping[str, float | None] = {"lr": self.state.learning_rate}
        if self.own_rule:
            rates = self.rates.at(self.state.steps - 1, self.steered)
        row = {"epoch": est.n_iter_, "loss": est.loss_, **row, **rates, "seconds": seconds}  # type: ignore[dict-item]
        for name, value in row.items():
            run.history.setdefault(name, []).append(value)
        run.epochs, run.steps = est.n_iter_, self.state.steps
        if self.own_rule:
            changed = self.rates.after_epoch(run.history, self.state.steps - 1, self.steered)
            self.steered.update(changed)
            self.made.loop.load(changed)

    def _call(self, hook: str) -> bool:
        """Show callbacks the weights, and go on from those that they leave in the model. True: to stop."""
        est = self.est
        est.coefs_, est.intercepts_ = self._weights()
        self.publish()
        before = {name: parameter.data.copy() for name, parameter in self.parameters.items()}
        halted = call(self.callbacks, hook, self.history)
        set_by_them = edited(self.parameters, before, "fit: a callback")
        self.made.loop.load({PARAM + name.removeprefix("param/"): value for name, value in set_by_them.items()})
        return halted


def _batch_size(asked: Any, rows: int) -> int:
    if isinstance(asked, str):
        return min(200, rows)
    if asked > rows:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=7
        )
    return int(np.clip(asked, 1, rows))


__all__ = ["PARAM", "Epochs", "Optimizer", "Rows"]

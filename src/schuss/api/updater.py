"""An optimizer at work on a model outside fit: in loops of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from schuss import nn
from schuss.api.jitted import jit
from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.nn.walk import frozen_names
from schuss.optim import Optimizer, clip_grad_norm
from schuss.optim.base import Rate, rate_at
from schuss.train.rate import Rates


class Updater:
    """An optimizer with its state, for a model that a loop of your own trains: `updater.step(gradients)`.

    model      its parameters are changed in place; those that are frozen (requires_grad False) are left as they are
    optimizer  schuss.optim's, or any object with init and update
    clip_norm  limit on the norm of all gradients together, those of frozen parameters left out: a number or a schedule

    steps      steps done
    state      the optimizer's arrays by name
    history    the values given to `epoch`, by name

        updater = schuss.Updater(model, optim.Adam(1e-3))
        value_and_grad = schuss.jit(schuss.value_and_grad(lambda model, x, y: nn.MSELoss()(model(x), y)))
        for x, y in batches:
            loss, gradients = value_and_grad(model, x, y)
            updater.step(gradients)

    UsageError for a model without parameters, or where groups of the optimizer select none of them.
    """

    def __init__(self, model: Any, optimizer: Any, *, clip_norm: Rate | None = None, backend: str = "native") -> None:
        self.model, self.clip_norm = model, clip_norm
        self._parameters = nn.named_parameters(model)
        if not self._parameters:
            raise UsageError("Updater: the model has no parameters to learn")
        nn.initialize(model)
        self.optimizer = optimizer.resolved(model) if isinstance(optimizer, Optimizer) else optimizer
        self.steps = 0
        self.history: dict[str, list[float]] = {}
        self._frozen = set(frozen_names(model))
        first = {name: p.data for name, p in self._parameters.items() if name not in self._frozen}
        self.state: dict[str, Array] = {name: np.asarray(v) for name, v in self.optimizer.init(first).items()}
        self._backend = backend
        self._compile()

    def _compile(self) -> None:
        """What follows from the rest."""
        learned = [name for name in self._parameters if name not in self._frozen]
        self._rates = Rates(self.optimizer, learned, self.state)
        self._update = jit(self._traced, backend=self._backend)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_rates", "_update")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._compile()

    def step(self, gradients: Mapping[str, Any]) -> None:
        """One update, from gradients by parameter name as schuss.grad gives them for a model; None leaves one as it is.

        UsageError for gradients that are not those of the model, in names or shapes, for a parameter unfrozen since the
        Updater was made, and for a step beyond the end of a schedule, whose rate would stay 0.
        """
        self._check(gradients)
        frozen = set(frozen_names(self.model))
        if self._frozen - frozen:
            names = ", ".join(sorted(self._frozen - frozen))
            raise UsageError(f"step: {names} was unfrozen since; make a new Updater, whose moments start afresh")
        learned = [n for n in self._parameters if n not in frozen and gradients[n] is not None]
        if not learned:
            return
        params = {name: self._parameters[name].data for name in learned}
        grads = {name: gradients[name] for name in learned}
        missed = self._missed(learned)
        new, state = self._update(params, grads, self.state, np.int64(self.steps))
        for name, value in new.items():
            self._parameters[name].data = value
        self.state = self.state | state | missed
        self.steps += 1

    def _check(self, gradients: Mapping[str, Any]) -> None:
        """UsageError where the next step cannot be what is meant."""
        hint = "give those of schuss.grad for this model, by name"
        if not isinstance(gradients, Mapping):
            raise UsageError(f"step: takes a dict of gradients, got {type(gradients).__name__}; {hint}")
        if missing := [name for name in self._parameters if name not in gradients]:
            raise UsageError(f"step: there is no gradient of {missing[0]}; {hint}")
        for name, parameter in self._parameters.items():
            given = gradients[name]
            if given is not None and np.shape(given) != parameter.data.shape:
                raise UsageError(
                    f"step: the gradient of {name} is {list(np.shape(given))} and the parameter "
                    f"{list(parameter.data.shape)}; {hint}"
                )
        if unknown := [name for name in gradients if name not in self._parameters]:
            raise UsageError(f"step: the model has no parameter {unknown[0]}; {hint}")
        if self._rates.end is not None and self.steps >= self._rates.end[1]:
            schedule, steps = self._rates.end
            raise UsageError(
                f"step: the schedule {schedule} has {steps} steps, which are done, and its rate stays 0 from here; "
                "give the optimizer a longer one"
            )

    def _missed(self, learned: list[str]) -> dict[str, Array]:
        """The optimizer's counts for parameters that have no part in the next step."""
        if not isinstance(self.optimizer, Optimizer):
            return {}
        others = {n: p for n, p in self._parameters.items() if n not in self._frozen}
        found = self.optimizer.skipped(others, others.keys() - set(learned), self.state)
        return {name: np.asarray(value) for name, value in found.items()}

    def epoch(self, **metrics: float) -> None:
        """After an epoch: tell schedules that look at metrics, as optim.ReduceLROnPlateau: updater.epoch(loss=0.3)."""
        for name, value in metrics.items():
            self.history.setdefault(name, []).append(float(value))
        last = max(self.steps - 1, 0)
        arrays = self._rates.after_epoch(self.history, last, self._arrays())
        self.state |= {name.removeprefix("opt/"): value for name, value in arrays.items()}

    @property
    def rates(self) -> dict[str, float | None]:
        """The learning rates of the next step: lr, and lr/NAME of each group."""
        return self._rates.at(self.steps, self._arrays())

    def _arrays(self) -> dict[str, Array]:
        return {f"opt/{name}": value for name, value in self.state.items()}

    def _traced(self, params: Any, grads: Any, state: Any, step: Any) -> Any:
        if self.clip_norm is not None:
            grads = clip_grad_norm(grads, rate_at(self.clip_norm, step))
        return self.optimizer.update(params, grads, state, step)

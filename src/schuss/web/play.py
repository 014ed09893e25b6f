"""The playground: a small network on a toy problem, trained in a thread of the server, slowly enough to be seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np

from schuss import nn, optim
from schuss.errors import UsageError
from schuss.optim.base import LR_FACTOR
from schuss.train.control import Control
from schuss.train.fit import prepare
from schuss.train.position import Progress
from schuss.web.live import Live
from schuss.web.session import Event
from schuss.web.toys import Toy, toy

OFFERED: dict[str, Callable[[], tuple[str, ...]]] = {
    "activation": lambda: nn.LAYERS.presets,
    "optimizer": lambda: optim.OPTIMIZERS.presets,
}
"""The names that some settings may have, as they are when they are asked for."""
DEEPEST, WIDEST = 6, 64
PACE = 50.0  # epochs a second
TICK = 0.1  # seconds between two pictures
AXES = (-1.3, 1.3, -1.3, 1.3)  # of every picture: nothing moves under the hand that adds points
SHARE = 0.4  # of the time that pictures of the function may take


@dataclass(frozen=True)
class Settings:
    """What a playground is asked for. UsageError, naming the setting, for anything out of range."""

    data: str = "circle"
    points: Any = None
    layers: tuple[int, ...] = (8, 8)
    activation: str = "tanh"
    optimizer: str = "adam"
    lr: float = 0.03
    batch_size: int = 16
    epochs: int = 1500
    seed: int = 0
    noise: float = 0.1
    regularisation: float = 0.0

    @staticmethod
    def of(message: dict[str, Any]) -> Settings:
        """The settings in a message; what it does not say has its default."""
        known = {f.name for f in fields(Settings)}
        unknown = sorted(set(message) - known)
        if unknown:
            raise UsageError(f"play has no setting {unknown[0][:40]!r}; there are {', '.join(sorted(known))}")
        layers = message.get("layers", list(Settings.layers))
        if not isinstance(layers, list) or len(layers) > DEEPEST or not all(_whole(n, 1, WIDEST) for n in layers):
            raise UsageError(f"layers must be a list of at most {DEEPEST} whole numbers from 1 to {WIDEST}")
        for name, names in OFFERED.items():
            if name in message and message[name] not in names():
                raise UsageError(f"{name} must be one of {', '.join(names())}")
        for name, low, high in (("batch_size", 1, 256), ("epochs", 1, 5000), ("seed", 0, 2**32 - 1)):
            if name in message and not _whole(message[name], low, high):
                raise UsageError(f"{name} must be a whole number from {low} to {high}")
        for name, least, most in (("lr", 1e-6, 10.0), ("noise", 0.0, 2.0), ("regularisation", 0.0, 1.0)):
            if name in message and not _real(message[name], least, most):
                raise UsageError(f"{name} must be a number from {least:g} to {most:g}")
        if not isinstance(message.get("data"), str):
            raise UsageError("data must be the name of a data set, or null to leave the playground")
        return Settings(**{**message, "layers": tuple(layers)})


def _whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _real(value: Any, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


class Play(Live):
    """A playground's run: a live run that trains itself."""

    mode = "play"

    def __init__(self, settings: Settings, made: Toy, test: Toy | None) -> None:
        control = Control()
        self.settings = settings
        classes = made.classes
        trainer = prepare(
            network(settings, made), (made.x, made.y), loss=nn.MSELoss() if classes is None else nn.CrossEntropyLoss(),
            optimizer=optim.named(settings.optimizer, 1.0, settings.regularisation), epochs=settings.epochs,
            batch_size=settings.batch_size, validation=None if test is None else (test.x, test.y), seed=settings.seed,
            threads=1, record=TICK, control=control,
        )  # fmt: skip
        # As a factor, which is a run-time input: another rate is not another program, and starts without compiling.
        trainer.arrays[f"opt/{LR_FACTOR}"] = np.asarray(settings.lr, np.float64)
        columns = None if test is None else {"x0": test.x, "y": test.y}
        super().__init__(trainer, control, settings.data, columns, made.target, SHARE, TICK, AXES)
        self._slept = self._epoch = 0.0
        self._thread = threading.Thread(target=self._train, name="schuss-page-play", daemon=True)

    def hello(self) -> Event:
        return {**super().hello(), "play": asdict(self.settings)}

    def begin(self) -> None:
        """Train from now on."""
        self.start()
        self._thread.start()

    def close(self) -> None:
        """Stop, and wait until nothing trains any more."""
        super().close()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def progress(self, at: Progress) -> None:
        super().progress(at)
        if at.epoch != self._epoch or at.step == at.steps:
            self._epoch = at.epoch
            time.sleep(max(0.0, min(self._slept + 1 / PACE - time.perf_counter(), 1 / PACE)))
            self._slept = time.perf_counter()

    def _train(self) -> None:
        try:
            self.trainer.train(self.progress)
        except Exception as error:  # whoever plays should see it
            self.send({"type": "note", "text": " ".join(str(error).split())})
        finally:
            self.finish()


def network(settings: Settings, made: Toy) -> Any:
    """Linear and activation for each hidden layer, a Linear at the end."""
    sizes = (made.x.shape[1], *settings.layers)
    layers: list[Any] = []
    activation, given = nn.LAYERS.preset(settings.activation)
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), activation(**given)]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], made.classes or 1))


def playground(message: dict[str, Any]) -> Play:
    """A playground as a message asks for it, not begun yet. UsageError for what is out of range."""
    settings = Settings.of(message)
    made = toy(settings.data, settings.noise, settings.seed, settings.points)
    test = None if settings.data == "points" else toy(settings.data, settings.noise, settings.seed + 1)
    return Play(settings, made, test)

"""What sharing a step among threads gains."""

from __future__ import annotations

from dataclasses import dataclass

from schuss.compiler.schedule.buffers import Plan
from schuss.compiler.schedule.cost import bytes_of
from schuss.compiler.schedule.order import crossing
from schuss.compiler.schedule.partition import ONE
from schuss.compiler.tuning import DEFAULT, Tuning


@dataclass(frozen=True)
class Sharing:
    """An estimate of a step shared among threads, against one thread that does it all.

    saved       seconds of computing
    barriers    how often the threads wait for each other
    cross_core  bytes a thread reads that another one has written, where one core's cache would have held everything
    """

    saved: float
    barriers: int
    cross_core: float
    tuning: Tuning = DEFAULT

    @property
    def spent(self) -> float:
        """Seconds lost by it."""
        return self.barriers * self.tuning.barrier + self.cross_core / self.tuning.cross_core_bytes

    @property
    def worth(self) -> bool:
        return self.saved > self.spent


def sharing(plan: Plan, threads: int, held: int, cache: int) -> Sharing:
    """For steps of as many examples as there may be. held: bytes of the state; cache: bytes of a core's own cache.

    A matrix that one core's cache cannot hold comes from further away in any case: then there is no such traffic.
    """
    others, tuning, n = 1 - 1 / threads, plan.tuning, plan.storage.capacity
    shared = [(stage, c) for stage, c in zip(plan.stages, plan.costs, strict=True) if stage.partition != ONE]
    saved = others * sum(max(c.flops / tuning.flops, c.bytes / tuning.bytes) for _, c in shared)
    crossed = sum(bytes_of(node, n) for stage, _ in shared for node in crossing(stage))
    fits = held + plan.arena <= cache
    return Sharing(saved, 1 + sum(s.barrier for s in plan.stages), others * crossed if fits else 0.0, tuning)

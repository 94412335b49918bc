"""A step as a sequence of parts, each safe to repeat: a task does what it has time for, and the next task goes on."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from connectors.extraction import Time
from workbench.pipeline import leases
from workbench.pipeline.models import Step

LEAST_S = 5.0  # so long a task may wait for a source even where it has no time left
SHARE = 0.75  # of a task's time limit, after which what was begun is given up


@dataclass(frozen=True, slots=True)
class Work:
    """What a part gets: the step, what earlier parts kept, and how much time there is."""

    step: Step
    time: Time

    @property
    def actor(self) -> str:
        """Who asked for the step."""
        return self.step.requested_by

    @property
    def kept(self) -> dict[str, Any]:
        """What the earlier parts of the step kept, as JSON."""
        return self.step.kept

    def keep(self, **values: Any) -> None:
        """Keep results for the parts that follow. Raises LeaseLost."""
        self.step.kept |= values
        leases.keep(self.step, kept=self.step.kept)

    def progress(self, text: str) -> None:
        """Say what is being done, which is a sign of life too. Raises LeaseLost."""
        leases.keep(self.step, progress=text[:300])


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a step, safe to repeat; `do` returns False where there is more of it and the time is up."""

    name: str
    do: Callable[[Work], bool | None]


def started(step: Step) -> Work:
    """A task's work on a step it holds, with the time that a task has."""
    now, limit = time.monotonic(), settings.Q_CLUSTER["timeout"] * SHARE
    return Work(step, Time(until=now + min(max(settings.WORK_SECONDS, LEAST_S), limit), at_most=now + limit))


def go_on(work: Work, parts: Sequence[Part]) -> bool:
    """Do the parts that aren't done, as far as the time goes; True where there is more to do. Raises what a part raises, LeaseLost."""
    until, step = time.monotonic() + settings.WORK_SECONDS, work.step
    for part in parts:
        if part.name in step.done:
            continue
        if part.do(work) is False:
            return True
        step.done = [*step.done, part.name]
        leases.keep(step, done=step.done, attempts=0)
        if time.monotonic() >= until:
            return part is not parts[-1]
    return False

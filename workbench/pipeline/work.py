"""A step as a sequence of parts, each safe to repeat: a task does what it has time for, and the next task goes on."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Any

from django.conf import settings

from connectors.base import Source
from connectors.extraction import Time
from workbench.pipeline import leases
from workbench.pipeline.models import Step
from workbench.pipeline.sources import source_of

LEAST_S = 5.0  # so long a task may wait for a source even where it has no time left
PASSING_S = 0.3  # between two words that are said in passing
SHARE = 0.75  # of a task's time limit, after which what was begun is given up


@dataclass(frozen=True)
class Work:
    """What the parts of a task get: the step, what earlier parts kept, how much time there is, and the source."""

    step: Step
    time: Time

    @property
    def actor(self) -> str:
        """Who asked for the step."""
        return self.step.requested_by

    @cached_property
    def source(self) -> Source:
        """The engagement's source: one for all parts, so that its pace is kept from one to the next. Raises BadInput."""
        return source_of(self.step.engagement)

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

    def in_passing(self) -> Callable[[str], None]:
        """Says what follows one another faster than anybody reads: a word now and then, the first after a while."""
        said_at = time.monotonic()

        def say(text: str) -> None:
            nonlocal said_at
            if time.monotonic() - said_at >= PASSING_S:
                self.progress(text)
                said_at = time.monotonic()

        return say


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a step, safe to repeat; `do` returns False where there is more of it and the time is up.

    says: what is being done, told as it begins; '' where `do` says it.
    """

    name: str
    do: Callable[[Work], bool | None]
    says: str = ""


def started(step: Step) -> Work:
    """A task's work on a step it holds, with the time that a task has."""
    now, limit = time.monotonic(), settings.Q_CLUSTER["timeout"] * SHARE
    return Work(step, Time(until=now + min(max(settings.WORK_SECONDS, LEAST_S), limit), at_most=now + limit))


def go_on(work: Work, parts: Sequence[Part]) -> bool:
    """Do the parts that aren't done, as far as the time goes; True where there is more to do. Raises what a part raises, LeaseLost."""
    until, step = time.monotonic() + settings.WORK_SECONDS, work.step
    left = [part for part in parts if part.name not in step.done]
    if left and left[0].says:
        work.progress(left[0].says)
    for part, following in zip_longest(left, left[1:]):
        if part.do(work) is False:
            return True
        step.done = [*step.done, part.name]
        told = {"progress": following.says} if following and following.says else {}
        leases.keep(step, done=step.done, attempts=0, **told)
        if time.monotonic() >= until:
            return following is not None
    return False

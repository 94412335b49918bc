"""The requests of 24 hours that a load may use: a run that has used them up pauses, and goes on by itself when there is room again.

Each row that is sent counts as one request, in a bulk call or a batch too (facts, section 4), each time that it is sent. The pool is the
tenant's, so that what the engagement's runs sent to the other environment counts as well. What others send isn't known: the customer allows
less where they do.

A worker reserves a request for each row of a chunk that it takes, and puts what was really sent in its place. What one that was killed had
reserved counts as sent.
"""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet, Sum
from django.db.models.functions import Now
from django_q.models import Schedule
from django_q.tasks import schedule

from loads import forecast
from loads.flight import Underway
from loads.models import Chunk, Phase, Run
from loads.staging.phases import CHUNK_ROWS
from workbench.engagements import clock
from workbench.engagements.models import Engagement

DAY = timedelta(hours=24)
LOOK_S = 1.0
ENOUGH = 10  # it goes on when a tenth of what is allowed is free: not for each chunk that falls out of the 24 hours
NEAR = 20  # chunks from the end on, the workers count one after the other
COUNTS = F("operations") + F("reserved")
GO_ON = "loads.tasks.go_on"
SAID = (
    "The load may use {allowed:,} requests in 24 hours and has used {used:,}. It goes on by itself on {at:%d %B at %H:%M} UTC. "
    "To go on before, allow more on the engagement's page, then resume the run."
)


def reserved(chunk: Chunk) -> dict[str, int]:
    """What is written down of a chunk that is taken to be sent: what an attempt that was cut off reserved counts as sent."""
    return {"operations": chunk.operations + chunk.reserved, "reserved": chunk.stop - chunk.start}


class Budget:
    """What is left for one run, of what is sent and reserved."""

    def __init__(self, run: Run) -> None:
        """Nothing is counted before it is first asked."""
        self._run = run
        self.allowed = forecast.pool(run.environment)
        self._used, self._counted = 0, float("-inf")

    def has_room(self, phase: Phase) -> bool:
        """Whether a further chunk of the phase may be sent; one may always where nothing was, however little is allowed."""
        rows = min(CHUNK_ROWS, phase.planned)
        if time.monotonic() - self._counted > LOOK_S or self._used + rows > self.allowed:
            self._used, self._counted = used(self._run), time.monotonic()
        return not self._used or self._used + rows <= self.allowed

    def taken(self, phase: Phase, take: Callable[[], Chunk | None]) -> Chunk | None:
        """The chunk that `take` reserved, where there is room for one; of the last room no two workers take the same."""
        if not self.has_room(phase):
            return None
        if self._used + NEAR * min(CHUNK_ROWS, phase.planned) <= self.allowed:
            chunk = take()
        else:
            with transaction.atomic():
                Engagement.objects.select_for_update(no_key=True).get(pk=self._run.engagement_id)
                self._counted = float("-inf")
                chunk = take() if self.has_room(phase) else None
        self._used += chunk.reserved if chunk else 0
        return chunk

    def give_back(self, worker: str, unsettled: Iterable[Underway]) -> None:
        """Put what was really sent of chunks in the place of what was reserved for them; others will send them again."""
        for one in unsettled:
            held = Chunk.objects.filter(pk=one.chunk.pk, worker=worker, state=Chunk.State.LEASED)
            held.update(operations=F("operations") + one.operations, reserved=0)

    @transaction.atomic
    def pause(self) -> None:
        """Let the run stand still until there is room, saying when."""
        spent, at = used(self._run), room_at(self._run, self.allowed)
        message = SAID.format(allowed=self.allowed, used=spent, at=at)
        going = Run.objects.filter(pk=self._run.pk, state=Run.State.LOADING)
        if going.update(state=Run.State.PAUSED, message=message, resume_at=at):
            goes_on_at(self._run.pk, at)


def goes_on_at(run_id: int, at: datetime) -> None:
    """Have a run that paused go on by itself then, by the clock of a task cluster; what was planned before doesn't count any more."""
    name = f"run {run_id} goes on"
    Schedule.objects.filter(name=name).delete()
    schedule(GO_ON, run_id, schedule_type=Schedule.ONCE, next_run=at, name=name)


def _counting(run: Run) -> QuerySet[Chunk]:
    """Chunks of the engagement that count now: those that were sent, and those that somebody is at, or was."""
    recent = Q(settled_at__gt=Now() - DAY) | Q(settled_at=None, lease_until__gt=Now() - DAY)
    return Chunk.objects.filter(recent, phase__run__engagement=run.engagement_id).order_by()


def used(run: Run) -> int:
    """Requests of the last 24 hours, those under way included."""
    return int(_counting(run).aggregate(sum=Sum(COUNTS, default=0))["sum"])


def room_at(run: Run, allowed: int) -> datetime:
    """When enough of what was used is more than 24 hours old."""
    enough = allowed - max(allowed // ENOUGH, min(CHUNK_ROWS, allowed))
    left, now = used(run), clock.now()
    settled = _counting(run).exclude(settled_at=None).order_by("settled_at")
    for sent, settled_at in settled.values_list(COUNTS, "settled_at").iterator():
        left -= sent
        if left <= enough:
            return max(now, settled_at + DAY) + timedelta(seconds=1)
    return now + timedelta(minutes=1)  # only chunks under way are in the way

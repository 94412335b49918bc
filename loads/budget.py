"""The requests of 24 hours that a load may use: a run that has used them up pauses, and goes on by itself when there is room again.

Each row that is sent counts as one request, in a bulk call or a batch too (facts, section 4). The pool is the tenant's, so that what
the engagement's runs sent to the other environment counts as well. What others send isn't known: the customer allows less where they do.
"""

import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Now
from django_q.models import Schedule
from django_q.tasks import schedule

from loads import forecast
from loads.models import Chunk, Phase, Run
from loads.staging.phases import CHUNK_ROWS
from workbench.engagements import clock

DAY = timedelta(hours=24)
LOOK_S = 1.0
ENOUGH = 10  # it goes on when a tenth of what is allowed is free: not for each chunk that falls out of the 24 hours
SENT = F("created") + F("updated") + F("refused") + F("removed") + F("restored")
GO_ON = "loads.tasks.go_on"
SAID = (
    "The load may use {allowed:,} requests in 24 hours and has used {used:,}. It goes on by itself on {at:%d %B at %H:%M} UTC. "
    "To go on before, allow more on the engagement's page, then resume the run."
)


class Budget:
    """What is left for one run. Rows that are under way count as if all of them were sent."""

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

    def take(self, chunk: Chunk) -> None:
        """Count a chunk that was taken since."""
        self._used += chunk.stop - chunk.start

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


def _sent(run: Run) -> QuerySet[Chunk]:
    """Chunks of the engagement that count now."""
    return Chunk.objects.filter(phase__run__engagement=run.engagement_id, settled_at__gt=Now() - DAY).order_by()


def used(run: Run) -> int:
    """Requests of the last 24 hours, those under way included."""
    under_way = Chunk.objects.filter(phase__run__engagement=run.engagement_id, state=Chunk.State.LEASED).order_by()
    sent = _sent(run).aggregate(sum=Sum(SENT, default=0))["sum"]
    return sent + under_way.aggregate(sum=Sum(F("stop") - F("start"), default=0))["sum"]


def room_at(run: Run, allowed: int) -> datetime:
    """When enough of what was used is more than 24 hours old."""
    enough = allowed - max(allowed // ENOUGH, min(CHUNK_ROWS, allowed))
    left, now = used(run), clock.now()
    for sent, settled_at in _sent(run).order_by("settled_at").values_list(SENT, "settled_at").iterator():
        left -= sent
        if left <= enough:
            return max(now, settled_at + DAY) + timedelta(seconds=1)
    return now + timedelta(minutes=1)  # only chunks under way are in the way

"""One decision about many rows that people edited, as a step: so many at a time, but for those decided about meanwhile."""

import time
from collections.abc import Iterator

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from connectors.store import batched
from loads.delta import conflicts
from loads.delta.models import Conflict
from workbench.pipeline.models import Step
from workbench.pipeline.work import Part, Work


def parts(step: Step) -> list[Part]:
    """The rows."""
    return [Part("rows", _decide)]


def _decide(work: Work) -> bool:
    asked = work.kept["asked"]
    user, decided = User.objects.get(pk=asked["user"]), work.kept.get("decided", 0)
    for ids in batched(_ids(asked["ranges"], work.kept.get("after", 0)), conflicts.AT_ONCE):
        since = Q(decided_at__gt=work.step.queued_at)
        chosen = Conflict.objects.filter(pk__in=ids).exclude(since)
        with transaction.atomic():  # the decisions and how far it is: both stand, or neither
            decided += conflicts.decide_many(work.step.engagement, chosen, asked["how"], user=user, comment=asked["comment"])
            work.keep(after=ids[-1], decided=decided)
        work.progress(f"{decided:,} of {asked['rows']:,} rows")
        if time.monotonic() >= work.time.until and ids[-1] < asked["ranges"][-1][1]:
            return False
    return True


def _ids(ranges: list[list[int]], after: int) -> Iterator[int]:
    for first, last in ranges:
        yield from range(max(first, after + 1), last + 1)

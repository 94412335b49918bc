"""Leases of steps: a step belongs to one worker while that worker gives signs of life, and to the next one when it falls silent.

They are told by the database's clock, see `workbench.engagements.clock`.
"""

import logging
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection
from django.db.models import F, Q
from django.db.models.functions import Now

from workbench.engagements.errors import Retryable
from workbench.pipeline.models import LEASE, Step

logger = logging.getLogger(__name__)
BEAT_S = 15.0


class LeaseLost(Retryable):
    """Another worker took the step over, since this one gave no sign of life."""


def worker_name() -> str:
    """A name for this worker that no other has, now or later."""
    return f"{os.uname().nodename}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def take(step_id: int, worker: str) -> Step | None:
    """Make the step this worker's; None where another one holds it, or it is over."""
    free = Q(state=Step.State.QUEUED) | Q(state=Step.State.RUNNING, heartbeat_at__lt=Now() - LEASE)
    lease = {"state": Step.State.RUNNING, "worker": worker, "heartbeat_at": Now(), "attempts": F("attempts") + 1, "message": ""}
    if not Step.objects.filter(free, pk=step_id).update(**lease):
        return None
    Step.objects.filter(pk=step_id, started_at=None).update(started_at=Now())
    return Step.objects.select_related("engagement", "environment__engagement", "environment__connection").get(pk=step_id)


def silent() -> Q:
    """Steps of which nothing was heard for as long as a lease lasts."""
    return Q(heartbeat_at__lt=Now() - LEASE) | Q(heartbeat_at=None, queued_at__lt=Now() - LEASE)


def take_back(step: Step) -> bool:
    """Make a silent step one that waits for a worker; False where somebody was heard of meanwhile, or took it back already."""
    still = Step.objects.filter(silent(), pk=step.pk, state=step.state, worker=step.worker)
    return bool(still.update(state=Step.State.QUEUED, worker="", heartbeat_at=Now()))


def keep(step: Step, **changes: object) -> None:
    """Say that the worker is alive, and write the changes. Raises LeaseLost."""
    held = Step.objects.filter(pk=step.pk, worker=step.worker, state=Step.State.RUNNING)
    if not held.update(heartbeat_at=Now(), **changes):
        raise LeaseLost(f"{step} belongs to another worker now.")


@contextmanager
def beating(step: Step) -> Iterator[None]:
    """Keep the lease in the background, for work that says nothing for long; a process that dies stops beating."""
    done = threading.Event()
    thread = threading.Thread(target=_beat, args=(step, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _beat(step: Step, done: threading.Event) -> None:
    while not done.wait(BEAT_S):
        try:
            keep(step)
        except LeaseLost:
            return
        except DatabaseError as error:
            logger.warning("step %s: no sign of life written, %s", step.pk, type(error).__name__)
        finally:
            connection.close()

"""Task of the load: takes part in a run for a while, then queues itself. Takes ids only."""

import logging
import os
import uuid

from django.conf import settings
from django.db import DatabaseError
from django_q.tasks import async_task

from loads import engine
from loads.ledger import LeaseLost
from loads.models import Run
from workbench.engagements.errors import WorkbenchError

logger = logging.getLogger(__name__)


def work(run_id: int) -> None:
    """Work on a run; a failure pauses it with a message that says what to do, and nothing is lost."""
    worker = f"{os.uname().nodename}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    try:
        more = engine.work(run_id, worker, settings.WORK_SECONDS)
    except LeaseLost:
        more = True
    except WorkbenchError as error:
        more = False
        stand_still(run_id, f"{error} {error.remedy}")
        logger.warning("run %s stands still: %s", run_id, type(error).__name__)
    except DatabaseError:
        engine_release_quietly(worker)
        raise
    except Exception:
        stand_still(run_id, "An unexpected error; the task's log has it. Resume the run: it goes on with the chunks that are open.")
        logger.exception("run %s failed", run_id)
        engine.release(worker)
        raise
    engine.release(worker)
    if more:
        async_task("loads.tasks.work", run_id, task_name=f"run {run_id}")


def engine_release_quietly(worker: str) -> None:
    """Give the leases back where the database lets us; else they run out by themselves."""
    try:
        engine.release(worker)
    except DatabaseError:
        logger.warning("leases of a worker are left to run out")


def stand_still(run_id: int, message: str) -> None:
    """Pause a run that can't go on by itself, saying why."""
    Run.objects.filter(pk=run_id, state__in=engine.GOING).update(state=Run.State.PAUSED, message=message)

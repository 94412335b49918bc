"""Task of the load: takes part in a run for a while, then queues itself. Takes ids only."""

import logging
import os
import time
import uuid
from contextlib import suppress

from django.conf import settings
from django.db import DatabaseError, OperationalError
from django.utils import timezone
from django_q.exceptions import TimeoutException
from django_q.tasks import async_task

from connectors.http_errors import Throttled
from loads import engine, runs
from loads.ledger import LeaseLost
from loads.models import Run
from workbench.engagements.errors import Retryable, WorkbenchError, place_of

logger = logging.getLogger(__name__)
FAILURES = 5  # in a row, before the run stands still
LONGEST_WAIT_S = 20


def work(run_id: int, failures: int = 0) -> None:
    """Work on a run; what may pass is tried again a few times, anything else pauses the run with a message that says what to do."""
    worker = f"{os.uname().nodename}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    wait_s = 0.0
    try:
        more = engine.work(run_id, worker, settings.WORK_SECONDS)
        if failures:
            _say(run_id, "")
        failures = 0
    except LeaseLost:
        more = True
    except Throttled as error:  # no failure: it goes on as soon as the service lets it
        more, wait_s = True, error.retry_after_s or 0.0
    except TimeoutException as error:  # what it sent may still arrive: others wait until its leases run out by themselves
        failures += 1
        if _goes_on(run_id, failures, error):
            _queue(run_id, failures)
        return
    except (OperationalError, Retryable) as error:
        failures += 1
        more = _goes_on(run_id, failures, error)
        wait_s = 2**failures / 2
    except WorkbenchError as error:
        more = False
        stand_still(run_id, _told(error))
        logger.warning("run %s stands still: %s", run_id, type(error).__name__)
    except Exception as error:  # noqa: BLE001 - the edge of a task: whatever it was, the run says that it stands still
        more = False
        stand_still(run_id, f"An unexpected error ({type(error).__name__}). Send the run's number to the engineer, or resume the run.")
        # The error's own words may name a person; where it came from doesn't.
        logger.error("run %s failed: %s at %s", run_id, type(error).__name__, place_of(error))
    _release(worker)
    time.sleep(min(wait_s, LONGEST_WAIT_S))
    if more:
        _queue(run_id, failures)


def _goes_on(run_id: int, failures: int, error: BaseException) -> bool:
    """Whether a failure may pass by itself, which the run says meanwhile; one too many lets it stand still."""
    logger.warning("run %s: %s, failure %s of %s", run_id, type(error).__name__, failures, FAILURES)
    happened, _ = _said(error)
    if failures == FAILURES:
        stand_still(run_id, _told(error))
    else:
        with suppress(DatabaseError):
            _say(run_id, f"{happened} It is tried again by itself, {failures} of {FAILURES} times so far.")
    return failures < FAILURES


def _say(run_id: int, message: str) -> None:
    Run.objects.filter(pk=run_id, state__in=runs.GOING).update(message=message)


def _queue(run_id: int, failures: int) -> None:
    async_task("loads.tasks.work", run_id, failures, task_name=f"run {run_id}")


def go_on(run_id: int) -> None:
    """Resume a run that paused until now; one that somebody resumed, paused or stopped meanwhile is left as it is."""
    run = Run.objects.filter(pk=run_id, state=Run.State.PAUSED, resume_at__lte=timezone.now()).first()
    if run is None:
        return
    try:
        runs.resume(run, "schedule")
    except WorkbenchError as error:
        message = f"It should have gone on by itself: {_told(error)}"
        Run.objects.filter(pk=run_id, state=Run.State.PAUSED).update(message=message, resume_at=None)


def _told(error: BaseException) -> str:
    return " ".join(_said(error))


def _said(error: BaseException) -> tuple[str, str]:
    """What happened, and what to do where it doesn't pass."""
    if isinstance(error, WorkbenchError):
        return str(error), error.remedy
    if isinstance(error, TimeoutException):
        return "A task of the run reached its time limit.", "Raise TASK_TIMEOUT_S and TASK_RETRY_S, then resume the run."
    return "The database didn't answer.", "Look at the database, then resume the run: nothing was lost."


def _release(worker: str) -> None:
    """Give the leases back where the database lets us; else they run out by themselves."""
    try:
        engine.release(worker)
    except DatabaseError:
        logger.warning("leases of a worker are left to run out")


def stand_still(run_id: int, message: str) -> None:
    """Pause a run that can't go on by itself, saying why."""
    Run.objects.filter(pk=run_id, state__in=runs.GOING).update(state=Run.State.PAUSED, message=message)

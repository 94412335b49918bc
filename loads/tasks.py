"""Task of the load: takes part in a run for a while, then queues itself. Takes ids only."""

import logging
import os
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from django.conf import settings
from django.db import Error as DatabaseLost
from django.db import connection
from django_q.exceptions import TimeoutException
from django_q.tasks import async_task

from connectors.http_errors import Throttled
from loads import budget, engine, presence, runs
from loads.causes import DATABASE, PASSING, said, told
from loads.ledger import LeaseLost
from loads.models import Run
from loads.signals import run_stands
from workbench.engagements import clock
from workbench.engagements.errors import WorkbenchError, place_of

logger = logging.getLogger(__name__)
FAILURES = 5  # in a row, before the run stands still
LONGEST_WAIT_S = 20
KILLED = (
    f"Its workers ended without a word, {FAILURES} times in a row. Look at this machine's memory and at TASK_TIMEOUT_S, then resume "
    "the run: nothing was lost."
)
PAUSES_S = (0.5, 1, 2, 4)  # between tries of what must be said to a database that doesn't answer


def work(run_id: int, failures: int = 0) -> None:
    """Work on a run, known to the other processes of this machine; then queue the next task, where there is more to do."""
    worker = f"{os.uname().nodename}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    with presence.present(presence.Worker(run_id, failures, worker)):
        try:
            more, failures, wait_s = _take_part(run_id, worker, failures)
        except TimeoutException as error:  # what it sent may still arrive: others wait until its leases run out by themselves
            failures += 1
            more = _goes_on(run_id, failures, error)
        else:
            _patiently(partial(engine.release, worker))
            time.sleep(min(wait_s, LONGEST_WAIT_S))
        if more:
            _patiently(partial(async_task, runs.WORK, run_id, failures, task_name=f"run {run_id}"))
        else:
            _patiently(partial(_tell, run_id))


def _take_part(run_id: int, worker: str, failures: int) -> tuple[bool, int, float]:
    """Whether there is more to do, failures in a row, and seconds to wait before.

    What may pass is tried again a few times, anything else pauses the run with a message that says what to do. Raises TimeoutException.
    """
    try:
        more = engine.work(run_id, worker, settings.WORK_SECONDS, last_try=failures + 1 >= FAILURES)
        if failures:
            _say(run_id, "")
        return more, 0, 0.0
    except LeaseLost:
        return True, failures, 0.0
    except Throttled as error:  # no failure: it goes on as soon as the service lets it
        return True, failures, error.retry_after_s or 0.0
    except PASSING as error:
        failures += 1
        return _goes_on(run_id, failures, error), failures, 2**failures / 2
    except WorkbenchError as error:
        stand_still(run_id, told(error))
        logger.warning("run %s stands still: %s", run_id, type(error).__name__)
    except Exception as error:  # noqa: BLE001 - the edge of a task: whatever it was, the run says that it stands still
        stand_still(run_id, told(error))
        # The error's own words may name a person; where it came from doesn't.
        logger.error("run %s failed: %s at %s", run_id, type(error).__name__, place_of(error))
    return False, failures, 0.0


def _goes_on(run_id: int, failures: int, error: BaseException) -> bool:
    """Whether a failure may pass by itself, which the run says meanwhile; one too many lets it stand still."""
    logger.warning("run %s: %s, failure %s of %s", run_id, type(error).__name__, failures, FAILURES)
    happened, _ = said(error)
    if failures >= FAILURES:
        stand_still(run_id, told(error))
    else:
        with suppress(DatabaseLost):
            _say(run_id, f"{happened} It is tried again by itself, {failures} of {FAILURES} times so far.")
    return failures < FAILURES


def _tell(run_id: int) -> None:
    """Say of a load that isn't done, and has closed a phase, that nobody works on it any more."""
    loads = Run.objects.exclude(state=Run.State.DONE).exclude(kind=Run.Kind.ROLLBACK).select_related("engagement")
    run = loads.filter(pk=run_id, phases__finished_at__isnull=False).first()
    if run is not None:
        run_stands.send(sender=Run, run=run)


def _say(run_id: int, message: str) -> None:
    Run.objects.filter(pk=run_id, state__in=runs.GOING).update(message=message)


def take_up() -> None:
    """Go on at once with what workers of this machine were at that were killed: free what they held, queue a task in each one's place."""
    try:
        for worker in presence.ended():
            _take_over(worker)
    except DatabaseLost as error:  # whoever calls next finds them still
        logger.warning("what ended workers were at isn't taken up yet: %s", type(error).__name__)


def _take_over(dead: presence.Worker) -> None:
    engine.release(dead.name)
    failures = dead.failures + 1
    logger.warning("run %s: a worker ended without a word, failure %s of %s", dead.run_id, failures, FAILURES)
    if failures >= FAILURES:
        stand_still(dead.run_id, KILLED)
    elif Run.objects.filter(pk=dead.run_id, state__in=runs.GOING).exists():
        async_task(runs.WORK, dead.run_id, failures, task_name=f"run {dead.run_id}")


def go_on(run_id: int) -> None:
    """Resume a run that paused until now; one that somebody resumed, paused or stopped meanwhile is left as it is.

    Where the clock that called is before the database's, it is to call again.
    """
    run = Run.objects.filter(pk=run_id, state=Run.State.PAUSED).exclude(resume_at=None).first()
    if run is None or run.resume_at is None:
        return
    if run.resume_at > clock.now():
        budget.goes_on_at(run_id, run.resume_at)
        return
    try:
        runs.resume(run, "schedule")
    except WorkbenchError as error:
        message = f"It should have gone on by itself: {told(error)}"
        Run.objects.filter(pk=run_id, state=Run.State.PAUSED).update(message=message, resume_at=None)


def _patiently(act: Callable[[], object]) -> None:
    """Tell the database something, on a new connection where the old one is lost. Raises what it raised last."""
    for pause_s in (*PAUSES_S, None):
        try:
            act()
            return
        except DATABASE:
            connection.close_if_unusable_or_obsolete()
            if pause_s is None:
                raise
            time.sleep(pause_s)


def stand_still(run_id: int, message: str) -> None:
    """Pause a run that can't go on by itself, saying why."""
    going = Run.objects.filter(pk=run_id, state__in=runs.GOING)
    _patiently(partial(going.update, state=Run.State.PAUSED, message=message))

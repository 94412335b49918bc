"""The engine: workers take chunks of a run under leases until the phase is done, then one of them closes it.

Any number of workers may share a run. A worker works for at most WORK_SECONDS, then the task queues itself anew, so that
no task lasts long; what a dead worker held is taken over when its machine notices, or when its lease runs out.
"""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial

from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.utils import timezone

from loads import (
    callers,
    causes,
    leases,
    parking,
    quality,
    reconciliation,
    rollback,
    runs,
    sampling,
    tuning,
)
from loads.chunks import READING, SENDING, Claim, Standing, claim_next, renew, standing
from loads.delta import changes
from loads.desk.reruns import look_first
from loads.destination import Destination
from loads.flight import Underway
from loads.leases import LEASE
from loads.models import Chunk, Phase, Run
from loads.rehearsal import predicting, scoring
from loads.scans import reading
from loads.signals import run_finished
from loads.staging import Left, NotStaged, ranges, stage_next, stage_range, take_sums
from loads.sums import are_whole, differences
from loads.work import Doing, Work
from mapping import plan
from workbench.engagements.errors import place_of

logger = logging.getLogger(__name__)
ANSWER_S = 60.0  # a call that is sent in a task's last second is over before the task's time limit
WAITS = (
    "Staged; nothing is loaded yet. {count} groups of the data-quality report wait for the customer's decision. "
    "With the last one the run goes on by itself."
)
UNSTAGED = "Nothing was sent: what was staged doesn't add up. {said} Look at the data-quality report, then resume the run to count again."


def work(run_id: int, worker: str, seconds: float, *, last_try: bool = False) -> bool:
    """Take part in a run for at most about `seconds`; True where there is more to do. last_try: what may pass has failed often enough.

    Raises NotCovered where a signature no longer covers what the run uses, and what the service or the store raises.
    """
    deadline = time.monotonic() + seconds
    run = Run.objects.select_related("environment__connection", "environment__engagement", "engagement").get(pk=run_id)
    if run.state not in runs.GOING:
        return False
    if not run.is_rollback:
        runs.require_covered(run)
    quiet = plan.content_of(run.engagement, run.parts)["maps"]["quiet_load"]
    destination = Destination(run.environment, quiet=quiet == "bypass", answer_s=ANSWER_S)
    Run.objects.filter(pk=run.pk).update(heartbeat_at=Now())
    with Work(run, destination, worker, deadline, last_try=last_try) as work:
        while time.monotonic() < deadline:
            run.refresh_from_db(fields=["state", "staged", "datasets", "given", "started_at", "users", "stop_asked"])
            if run.state not in runs.GOING:
                return False
            if not _step(work):
                time.sleep(0.2)
            work.beat()
    return True


def step(run: Run, destination: Destination, worker: str, deadline: float = 0.0, *, last_try: bool = False) -> bool:
    """Do the next thing that the run needs; False where others are at it and there is nothing to do but wait.

    deadline: of time.monotonic; until then further chunks of a phase are taken, and at least one. last_try: see `work`.
    """
    with Work(run, destination, worker, deadline, last_try=last_try) as work:
        return _step(work)


def _step(work: Work) -> bool:
    run = work.run
    work.destination.left_out = callers.left_out(run)
    if run.state in (Run.State.QUEUED, Run.State.STAGING):
        return _alone(work, lambda: runs.stop_here(run)) if run.stop_asked else _stage(work)
    if phases := parking.going(run):
        return _took_part_in(work, phases) or _pauses(work, phases)
    if run.stop_asked and run.phases.filter(state__in=(*Phase.OPEN, *Phase.PARKED)).exists():
        return _alone(work, lambda: runs.stop_here(run))
    return _alone(work, lambda: (parking.stand_still if parking.parked(run) else finish)(run))


def _took_part_in(work: Work, phases: Sequence[Phase]) -> bool:
    """Take part in phases that need nothing of each other, one after the other until the deadline, and in one at least; False in none.

    None that sends anything is begun after another without a look at the run: it may have been asked to stop, and what comes earlier may
    go on by now.
    """
    chunks, unread = standing(phases), reading.unread(work.run)
    took_part = False
    for phase in phases:
        is_new = phase.planned > 0 and phase.state == Phase.State.WAITING
        if took_part and (is_new or time.monotonic() >= work.deadline):
            break
        took_part = _took_part(work, phase, chunks[phase.pk], unread.get(phase.pk)) or took_part
    return took_part


def _took_part(work: Work, phase: Phase, chunks: Standing, unread: int | None) -> bool:
    """Take part in a phase; False where there is nothing to do in it but wait. One that can't go on is parked."""
    try:
        return _load(work, phase, chunks, unread)
    except Exception as error:  # the edge of a phase: whatever it was, others may go on
        if not causes.concerns_phase(error, last_try=work.last_try):
            raise
        logger.error("run %s: phase %s can't go on: %s at %s", phase.run_id, phase.number, type(error).__name__, place_of(error))
        parking.park(phase, causes.told(error))
        return True


def _stage(work: Work) -> bool:
    """Read on or stage a range beside other workers, or do what one does alone; False where others are at all that can be done now.

    An object that can't be staged is parked.
    """
    run, destination = work.run, work.destination
    unread = reading.unread(run).get(None) if run.state == Run.State.STAGING else None
    if unread is not None:
        return _read_on(work, None, unread)
    try:
        if run.state == Run.State.STAGING and stage_range(run, destination, work.worker):
            return True
        return _alone(work, lambda: _prepare(work))
    except NotStaged as stopped:
        error = stopped.__cause__
        if not isinstance(error, Exception) or not causes.concerns_phase(error, last_try=work.last_try):
            raise error or stopped from None
        logger.error("run %s: %s can't be staged: %s at %s", run.pk, stopped, type(error).__name__, place_of(error))
        parking.park_object(run, stopped.places, causes.told(error))
        return True


def _load(work: Work, phase: Phase, chunks: Standing, unread: int | None) -> bool:
    """Take part in sending a phase and in reading it back, and close it, until the deadline; False where there is nothing to do but wait.

    unread: of what is to be read whole for the phase's end, how many scans nobody reads; None where all is read.
    """
    if unread is not None:
        return _read_on(work, phase, unread)
    full, took_some = not work.budget.has_room(phase), False
    # What a rollback does with rows by their versions it reads back at once.
    claims = (SENDING,) if work.run.is_rollback and phase.kind == Phase.Kind.ROWS else (SENDING, READING)
    for claim in claims:
        waits = full and claim is SENDING
        if not waits and _take_chunks(work, phase, claim, chunks.waiting(claim)):
            if time.monotonic() >= work.deadline:
                return True
            took_some, chunks = True, standing([phase])[phase.pk]
        if not full and not chunks.are_past(claim):
            return took_some
    if full and not chunks.are_past(claims[-1]):
        return took_some
    return _alone(work, lambda: _close(work, phase, claims[-1].after)) or took_some


def _pauses(work: Work, phases: Sequence[Phase]) -> bool:
    """Let the run stand still where a phase waits for room alone; False where none does, or others are at something.

    Nobody found anything to do in any phase: what was sent is read back first, since people may change it before there is room again.
    """
    run, budget = work.run, work.budget
    if not any(phase.chunks.exclude(state__in=Chunk.SENT).exists() and not budget.has_room(phase) for phase in phases):
        return False
    at_it = Chunk.objects.filter(phase__run=run, state__in=(Chunk.State.LEASED, Chunk.State.CHECKING))
    return not at_it.exists() and _alone(work, budget.pause)


def _alone(work: Work, act: Callable[[], bool | None]) -> bool:
    """Do what only one worker may do, under the run's own lease; False where another one is at it, or `act` found nothing to do."""
    if not leases.take(work.run, work.worker):
        return False
    try:
        return act() is not False
    finally:
        leases.give_back(work.run, work.worker)


def _prepare(work: Work) -> bool:
    """Stage the next parts of a load, until the deadline, or plan that of a rollback; then the run goes on, or waits for somebody's word.

    False where all that is left waits for others.
    """
    run, destination, worker = work.run, work.destination, work.worker
    if run.state == Run.State.QUEUED:
        Run.objects.filter(pk=run.pk, started_at=None).update(started_at=Now())
        callers.check(run)
        destination.left_out = callers.left_out(run)
        Run.objects.filter(pk=run.pk, state=Run.State.QUEUED).update(state=Run.State.STAGING, taken_up_at=Now())
        run.state = Run.State.STAGING
    if run.is_rollback:
        if not rollback.plan_next(run, destination, worker):
            _begin(run, rollback.waits(run))
        return True
    left = _stage_objects(work)
    if left is Left.NOTHING and parking.parked(run):
        parking.stand_still(run)
    elif left is Left.NOTHING and _foreseen(run, destination, worker):  # else that goes on in the next step
        _begin(run, _waits(run))
    return left is not Left.TO_OTHERS


def _stage_objects(work: Work) -> Left:
    """Stage one object after the other until the deadline, or until one wants what all workers take part in; what is left then.

    What an object wants read of the destination is read here too, as far as nobody else does. Before each the run is looked at: others may
    have staged an object before this worker had the lease, and somebody may want it to stop.
    """
    run, left, took_part = work.run, Left.MORE, False
    while left is Left.MORE:
        run.refresh_from_db(fields=["state", "staged", "datasets", "given", "stop_asked"])
        if run.state != Run.State.STAGING or run.stop_asked:
            break
        staged = len(run.staged)
        left = stage_next(run, work.destination, work.worker)
        took_part = took_part or left is Left.MORE
        if time.monotonic() >= work.deadline or (len(run.staged) == staged and not _read_offered(work)):
            break
    return Left.MORE if took_part and left is Left.TO_OTHERS else left


def _read_offered(work: Work, phase: Phase | None = None) -> bool:
    """Take part in reading what was just offered; False where there is nothing that nobody reads. phase: see `_read_on`."""
    count = reading.unread(work.run).get(phase.pk if phase else None)
    return count is not None and _read_on(work, phase, count)


def _begin(run: Run, waits: str) -> None:
    """Let what is prepared begin, or wait. waits: for what, '' where for nothing."""
    goes_on = {"state": Run.State.PAUSED, "message": waits} if waits else {"state": Run.State.LOADING}
    Run.objects.filter(pk=run.pk, state=Run.State.STAGING).update(**goes_on)


def _foreseen(run: Run, destination: Destination, worker: str) -> bool:
    """Whether all of a staged load is measured and predicted; False where the next step goes on with it.

    What was staged must add up; else the run stops here.
    """
    run.refresh_from_db(fields=["sums", "measured_at"])
    if differences(run.sums) or (run.measured_at is None and not are_whole(run.sums)):
        run.sums, run.measured_at = take_sums(run, destination, worker), None
        Run.objects.filter(pk=run.pk).update(sums=run.sums, measured_at=None)
        if not are_whole(run.sums):
            return False
    if run.measured_at is None:
        Run.objects.filter(pk=run.pk).update(changes=changes.counted(run))
        quality.measure(run, leases.keeping(run, worker))
    if said := differences(run.sums):
        reconciliation.stop(run, UNSTAGED.format(said=" ".join(said)))
        return False
    if run.is_sample and not sampling.is_narrow(run):
        sampling.narrow(run, destination, worker)
    return predicting.predict(run, destination, leases.keeping(run, worker))


def _waits(run: Run) -> str:
    """What a staged load waits for, in words; empty where nothing is open."""
    waiting = 0 if run.is_sample else len(quality.open_lines(run))
    return WAITS.format(count=waiting) if waiting else look_first(run)


def _take_chunks(work: Work, phase: Phase, claim: Claim, count: int) -> bool:
    """Take the phase's chunks one after the other, as fast as the service takes them; False where there was none to take.

    count: of those that waited when they were looked at.
    """
    if not count:
        return False
    destination, worker, budget = work.destination, work.worker, work.budget

    def begin_next() -> Underway | None:
        take = partial(claim_next, phase, worker, claim)
        chunk = take() if claim is READING else budget.taken(phase, take)
        return claim.begin(chunk, phase, destination, worker) if chunk else None

    if claim is SENDING and phase.table:
        for client in destination.clients:
            client.governor.begin_with(_at_once(phase, destination))

    return work.fly(Doing(count, begin_next, partial(renew, worker=worker, claim=claim), partial(budget.give_back, worker)))


def _at_once(phase: Phase, destination: Destination) -> int:
    """How many calls at once to begin with; links have no table whose rows are written."""
    return tuning.MOST_AT_ONCE if phase.kind in Phase.LINKING else tuning.class_of(destination.table(phase.table)).at_once


def _read_on(work: Work, phase: Phase | None, count: int) -> bool:
    """Take part in reading what is to be read whole of the destination; False where others are at all that is left.

    phase: whose end waits for it. count: of scans that nobody read when they were looked at.
    """

    def begin_next() -> Underway | None:
        scan = reading.claim_next(work.run, work.worker, phase)
        return reading.begin(scan, work.destination, work.worker) if scan else None

    return work.fly(Doing(count, begin_next, lambda ids: reading.renew(ids, work.worker), lambda unsettled: None))


def release(worker: str) -> None:
    """Give back what this worker holds, so that others need not wait for its leases."""
    held = (Chunk.State.LEASED, Chunk.State.CHECKING)
    Chunk.objects.filter(state__in=held, worker=worker).update(lease_until=Now() - LEASE)
    Run.objects.filter(worker=worker).update(lease_until=None)
    ranges.give_back(worker)
    reading.give_back(worker)


def _close(work: Work, phase: Phase, after: Collection[str]) -> None:
    """Close a phase, unless another worker did before the lease was had, or sent chunks back. after: states of chunks that are done.

    Of the count that it waits for this worker takes a part.
    """
    others = Chunk.objects.filter(phase=OuterRef("pk")).exclude(state__in=after)
    if not Phase.objects.filter(~Exists(others), pk=phase.pk, state__in=Phase.OPEN).exists():
        return
    run = phase.run = work.run
    close, beat = rollback.close if run.is_rollback else reconciliation.close, leases.keeping(run, work.worker)
    if not close(phase, work.destination, beat=beat) and _read_offered(work, phase):
        beat()
        close(phase, work.destination, beat=beat)


def finish(run: Run) -> None:
    """Every phase balances: the run is done."""
    done = {"state": Run.State.DONE, "finished_at": timezone.now(), "message": ""}
    if Run.objects.filter(pk=run.pk, state=Run.State.LOADING).update(**done) and not run.is_rollback:
        scoring.keep(run)
        run_finished.send(sender=Run, run=run)

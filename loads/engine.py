"""The engine: workers take chunks of a run under leases until the phase is done, then one of them closes it.

Any number of workers may share a run. A worker works for at most WORK_SECONDS, then the task queues itself anew, so that
no task lasts long; what a dead worker held is taken over when its machine notices, or when its lease runs out.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from django.db import Error as DatabaseLost
from django.db.models.functions import Now
from django.utils import timezone

from loads import (
    callers,
    causes,
    leases,
    ledger,
    parking,
    quality,
    reconciliation,
    rollback,
    runs,
    sampling,
    tuning,
)
from loads.budget import Budget
from loads.chunks import READING, SENDING, Claim, claim_next, renew
from loads.delta import changes
from loads.desk.reruns import look_first
from loads.destination import Destination
from loads.flight import Flight, Underway
from loads.learned import Learned
from loads.leases import LEASE
from loads.models import Chunk, Phase, Run
from loads.rehearsal import predicting, scoring
from loads.scans import reading
from loads.signals import run_finished
from loads.staging import Left, NotStaged, ranges, stage_next, stage_range, take_sums
from loads.sums import are_whole, differences
from mapping import plan
from workbench.engagements.errors import place_of

logger = logging.getLogger(__name__)
RENEW_AFTER_S = 20
BEAT_S = 1.0
LOOK_S = 1.0  # for an answer, before the worker says again that it is alive
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
    beaten = float("-inf")
    while time.monotonic() < deadline:
        run.refresh_from_db(fields=["state", "staged", "datasets", "given", "started_at", "users", "stop_asked"])
        if run.state not in runs.GOING:
            return False
        if time.monotonic() - beaten >= BEAT_S:
            Run.objects.filter(pk=run.pk).update(heartbeat_at=Now())
            beaten = time.monotonic()
        if not step(run, destination, worker, deadline, last_try=last_try):
            time.sleep(0.2)
    return True


def step(run: Run, destination: Destination, worker: str, deadline: float = 0.0, *, last_try: bool = False) -> bool:
    """Do the next thing that the run needs; False where others are at it and there is nothing to do but wait.

    deadline: of time.monotonic; until then further chunks of a phase are taken, and at least one. last_try: see `work`.
    """
    destination.left_out = callers.left_out(run)
    if run.state in (Run.State.QUEUED, Run.State.STAGING):
        if run.stop_asked:
            return _alone(run, worker, lambda: runs.stop_here(run))
        return _stage(run, destination, worker, deadline, last_try=last_try)
    if phases := parking.going(run):
        took_part = any(_took_part(phase, destination, worker, deadline, last_try=last_try) for phase in phases)
        return took_part or _pauses(run, phases, worker)
    if run.stop_asked and run.phases.filter(state__in=(*Phase.OPEN, *Phase.PARKED)).exists():
        return _alone(run, worker, lambda: runs.stop_here(run))
    return _alone(run, worker, lambda: (parking.stand_still if parking.parked(run) else finish)(run))


def _took_part(phase: Phase, destination: Destination, worker: str, deadline: float, *, last_try: bool) -> bool:
    """Take part in a phase; False where there is nothing to do in it but wait. One that can't go on is parked."""
    try:
        return _load(phase, destination, worker, deadline)
    except Exception as error:  # the edge of a phase: whatever it was, others may go on
        if not causes.concerns_phase(error, last_try=last_try):
            raise
        logger.error("run %s: phase %s can't go on: %s at %s", phase.run_id, phase.number, type(error).__name__, place_of(error))
        parking.park(phase, causes.told(error))
        return True


def _stage(run: Run, destination: Destination, worker: str, deadline: float, *, last_try: bool) -> bool:
    """Read on or stage a range beside other workers, or do what one does alone; False where others are at all that can be done now.

    An object that can't be staged is parked.
    """
    if run.state == Run.State.STAGING and reading.are_open(run):
        return _read_on(run, None, destination, worker, deadline)
    try:
        if run.state == Run.State.STAGING and stage_range(run, destination, worker):
            return True
        return _alone(run, worker, lambda: _prepare(run, destination, worker))
    except NotStaged as stopped:
        error = stopped.__cause__
        if not isinstance(error, Exception) or not causes.concerns_phase(error, last_try=last_try):
            raise error or stopped from None
        logger.error("run %s: %s can't be staged: %s at %s", run.pk, stopped, type(error).__name__, place_of(error))
        parking.park_object(run, stopped.places, causes.told(error))
        return True


def _load(phase: Phase, destination: Destination, worker: str, deadline: float) -> bool:
    """Take part in sending a phase and in reading it back, or close it; False where there is nothing to do but wait."""
    run, budget = phase.run, Budget(phase.run)
    if reading.are_open(run, phase):
        return _read_on(run, phase, destination, worker, deadline)
    full = not budget.has_room(phase)
    # What a rollback does with rows by their versions it reads back at once.
    claims = (SENDING,) if run.is_rollback and phase.kind == Phase.Kind.ROWS else (SENDING, READING)
    for claim in claims:
        waits = full and claim is SENDING
        if not waits and _take_chunks(phase, destination, worker, claim, deadline, budget):
            return True
        if not full and phase.chunks.exclude(state__in=claim.after).exists():
            return False
    if full and phase.chunks.exclude(state__in=claims[-1].after).exists():
        return False
    return _alone(run, worker, lambda: _close(phase, run, destination, worker, claims[-1].after))


def _pauses(run: Run, phases: Sequence[Phase], worker: str) -> bool:
    """Let the run stand still where a phase waits for room alone; False where none does, or others are at something.

    Nobody found anything to do in any phase: what was sent is read back first, since people may change it before there is room again.
    """
    budget = Budget(run)
    if not any(phase.chunks.exclude(state__in=Chunk.SENT).exists() and not budget.has_room(phase) for phase in phases):
        return False
    at_it = Chunk.objects.filter(phase__run=run, state__in=(Chunk.State.LEASED, Chunk.State.CHECKING))
    return not at_it.exists() and _alone(run, worker, budget.pause)


def _alone(run: Run, worker: str, act: Callable[[], bool | None]) -> bool:
    """Do what only one worker may do, under the run's own lease; False where another one is at it, or `act` found nothing to do."""
    if not leases.take(run, worker):
        return False
    try:
        return act() is not False
    finally:
        leases.give_back(run, worker)


def _prepare(run: Run, destination: Destination, worker: str) -> bool:
    """Stage the next part of a load, or plan that of a rollback; then the run goes on, or waits for somebody's word.

    False where all that is left waits for others.
    """
    Run.objects.filter(pk=run.pk, started_at=None).update(started_at=Now())
    if run.state == Run.State.QUEUED:
        callers.check(run)
        destination.left_out = callers.left_out(run)
    Run.objects.filter(pk=run.pk, state=Run.State.QUEUED).update(state=Run.State.STAGING, taken_up_at=Now())
    run.state = Run.State.STAGING
    if run.is_rollback:
        if not rollback.plan_next(run, destination, worker):
            _begin(run, rollback.waits(run))
        return True
    left = stage_next(run, destination, worker)
    if left is Left.NOTHING and parking.parked(run):
        parking.stand_still(run)
    elif left is Left.NOTHING and _foreseen(run, destination, worker):  # else that goes on in the next step
        _begin(run, _waits(run))
    return left is not Left.TO_OTHERS


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
        quality.measure(run, lambda: leases.keep(run, worker))
    if said := differences(run.sums):
        reconciliation.stop(run, UNSTAGED.format(said=" ".join(said)))
        return False
    if run.is_sample and not sampling.is_narrow(run):
        sampling.narrow(run, destination, worker)
    return predicting.predict(run, destination, lambda: leases.keep(run, worker))


def _waits(run: Run) -> str:
    """What a staged load waits for, in words; empty where nothing is open."""
    waiting = 0 if run.is_sample else len(quality.open_lines(run))
    return WAITS.format(count=waiting) if waiting else look_first(run)


def _take_chunks(phase: Phase, destination: Destination, worker: str, claim: Claim, deadline: float, budget: Budget) -> bool:
    """Take the phase's chunks one after the other, as fast as the service takes them; False where there is none to take.

    Raises LeaseLost where one went to another worker, and what the service or the store raises: then what isn't settled is taken up again.
    """

    if not phase.chunks.filter(claim.free).exists():
        return False

    def begin_next() -> Underway | None:
        take = partial(claim_next, phase, worker, claim)
        chunk = take() if claim is READING else budget.taken(phase, take)
        return claim.begin(chunk, phase, destination, worker) if chunk else None

    if claim is SENDING and phase.table:
        for client in destination.clients:
            client.governor.begin_with(_at_once(phase, destination))

    work = _Work(begin_next, partial(renew, worker=worker, claim=claim), partial(budget.give_back, worker))
    return _fly(phase.run, destination, worker, work, deadline)


def _at_once(phase: Phase, destination: Destination) -> int:
    """How many calls at once to begin with; links have no table whose rows are written."""
    return tuning.MOST_AT_ONCE if phase.kind in Phase.LINKING else tuning.class_of(destination.table(phase.table)).at_once


def _read_on(run: Run, phase: Phase | None, destination: Destination, worker: str, deadline: float) -> bool:
    """Take part in reading what is to be read whole of the destination; False where others are at all that is left. Raises as above.

    phase: whose end waits for it.
    """

    def begin_next() -> Underway | None:
        scan = reading.claim_next(run, worker, phase)
        return reading.begin(scan, destination, worker) if scan else None

    return _fly(run, destination, worker, _Work(begin_next, lambda ids: reading.renew(ids, worker), lambda unsettled: None), deadline)


@dataclass(frozen=True, slots=True)
class _Work:
    """What a worker does of one kind. begin_next: begins the next of it, None where there is none.

    renew: keeps the worker's chunks or scans of these ids, and says how many are still its own. give_back: takes what won't be settled.
    """

    begin_next: Callable[[], Underway | None]
    renew: Callable[[Sequence[int]], int]
    give_back: Callable[[Iterable[Underway]], None]


def _fly(run: Run, destination: Destination, worker: str, work: _Work, deadline: float) -> bool:
    """Begin what there is to do, as fast as the service takes it, until the deadline, and at least one; False where there was nothing."""
    taken = 0
    flight = Flight(destination.clients)
    watch = _Watch(run, work, callers.Callers(run, destination, worker), Learned(run.environment, destination.client.base_url))
    try:
        with watch, flight:
            while True:
                while flight.has_room and (not taken or (time.monotonic() < deadline and watch.is_going)):
                    underway = work.begin_next()
                    if underway is None:
                        break
                    taken += 1
                    flight.start(underway)
                if not flight.underway:
                    return taken > 0
                flight.land(LOOK_S)
                watch.beat(flight.underway)
    except Exception:
        with suppress(DatabaseLost):
            work.give_back(flight.unsettled)
        raise


class _Watch:
    """Says now and then that a worker is alive, keeps what it has under way, and sees whether the run still goes on."""

    def __init__(self, run: Run, work: _Work, told: callers.Callers, learned: Learned) -> None:
        """work: what is kept."""
        self._run, self._work, self._callers, self._learned = run, work, told, learned
        self._beaten = self._renewed = time.monotonic()
        self.is_going = True

    def __enter__(self) -> None:
        self._callers.hear()

    def __exit__(self, *raised: object) -> None:
        """The last word on how fast it went, also of what took less than a beat; where the database is gone there is none."""
        with suppress(DatabaseLost):
            self._callers.tell()
            self._learned.keep()

    def beat(self, underway: Sequence[Underway]) -> None:
        """Raises LeaseLost where something went to another worker."""
        now = time.monotonic()
        if now - self._beaten < BEAT_S:
            return
        self._beaten = now
        self._callers.tell()
        self._callers.hear()
        self._learned.keep()
        going = Run.objects.filter(pk=self._run.pk, state__in=runs.GOING)
        self.is_going = bool(going.update(heartbeat_at=Now()))
        if now - self._renewed > RENEW_AFTER_S:
            self._renewed = now
            if self._work.renew([one.chunk.pk for one in underway]) < len(underway):
                raise ledger.LeaseLost(f"A part of {self._run} belongs to another worker now.")


def release(worker: str) -> None:
    """Give back what this worker holds, so that others need not wait for its leases."""
    held = (Chunk.State.LEASED, Chunk.State.CHECKING)
    Chunk.objects.filter(state__in=held, worker=worker).update(lease_until=Now() - LEASE)
    Run.objects.filter(worker=worker).update(lease_until=None)
    ranges.give_back(worker)
    reading.give_back(worker)


def _close(phase: Phase, run: Run, destination: Destination, worker: str, after: Collection[str]) -> None:
    """Close a phase, unless another worker did before the lease was had, or sent chunks back. after: states of chunks that are done."""
    if not Phase.objects.filter(pk=phase.pk, state__in=Phase.OPEN).exists() or phase.chunks.exclude(state__in=after).exists():
        return
    phase.run = run
    close = rollback.close if run.is_rollback else reconciliation.close
    close(phase, destination, beat=lambda: leases.keep(run, worker))


def finish(run: Run) -> None:
    """Every phase balances: the run is done."""
    done = {"state": Run.State.DONE, "finished_at": timezone.now(), "message": ""}
    if Run.objects.filter(pk=run.pk, state=Run.State.LOADING).update(**done) and not run.is_rollback:
        scoring.keep(run)
        run_finished.send(sender=Run, run=run)

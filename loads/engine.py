"""The engine: workers take chunks of a run under leases until the phase is done, then one of them closes it.

Any number of workers may share a run. A worker works for at most WORK_SECONDS, then the task queues itself anew, so that
no task lasts long; what a dead worker held is taken over when its lease runs out.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from django.db.models import F, Q
from django.utils import timezone

from loads import bindings, leases, ledger, messages, quality, reconciliation, runs, staged, verification
from loads.destination import Destination
from loads.leases import LEASE
from loads.models import Chunk, Phase, Run
from loads.reasons import reason
from loads.staging import stage_next
from loads.writer import Writer, Written
from mapping import plan

logger = logging.getLogger(__name__)
RENEW_AFTER_S = 20
WAITS = "Staged; nothing is loaded yet. {count} groups of the data-quality report wait for the customer's decision. Then resume the run."


def work(run_id: int, worker: str, seconds: float) -> bool:
    """Take part in a run for at most about `seconds`; True where there is more to do.

    Raises NotCovered where a signature no longer covers what the run uses, and what the service or the store raises.
    """
    deadline = time.monotonic() + seconds
    run = Run.objects.select_related("environment__connection", "environment__engagement", "engagement").get(pk=run_id)
    if run.state not in runs.GOING:
        return False
    runs.require_covered(run)
    quiet = plan.content_of(run.engagement, run.parts)["maps"]["quiet_load"]
    destination = Destination(run.environment, quiet=quiet == "bypass")
    while time.monotonic() < deadline:
        run.refresh_from_db(fields=["state", "staged", "datasets", "started_at"])
        if run.state not in runs.GOING:
            return False
        Run.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now())
        if not step(run, destination, worker):
            time.sleep(0.2)
    return True


def step(run: Run, destination: Destination, worker: str) -> bool:
    """Do the next thing that the run needs; False where others are at it and there is nothing to do but wait."""
    if run.state in (Run.State.QUEUED, Run.State.STAGING):
        return _alone(run, worker, lambda: _stage(run, destination, worker))
    phase = run.phases.filter(state__in=(Phase.State.WAITING, Phase.State.LOADING)).order_by("number").first()
    if phase is None:
        return _alone(run, worker, lambda: finish(run))
    phase.run = run
    for claim in (SENDING, READING) if phase.kind == Phase.Kind.ROWS else (SENDING,):
        if chunk := claim_next(phase, worker, claim):
            claim.act(chunk, phase, destination, worker)
            return True
        if phase.chunks.exclude(state__in=claim.after).exists():
            return False
    return _alone(run, worker, lambda: _close(phase, run, destination, worker))


def _alone(run: Run, worker: str, act: Callable[[], None]) -> bool:
    """Do what only one worker may do, under the run's own lease; False where another one is at it."""
    if not leases.take(run, worker):
        return False
    try:
        act()
    finally:
        leases.give_back(run, worker)
    return True


def _stage(run: Run, destination: Destination, worker: str) -> None:
    Run.objects.filter(pk=run.pk, started_at=None).update(started_at=timezone.now())
    Run.objects.filter(pk=run.pk, state=Run.State.QUEUED).update(state=Run.State.STAGING)
    run.state = Run.State.STAGING
    if not stage_next(run, destination, worker):
        if run.measured_at is None:
            quality.measure(run)
        waiting = len(quality.open_lines(run))
        goes_on = {"state": Run.State.PAUSED, "message": WAITS.format(count=waiting)} if waiting else {"state": Run.State.LOADING}
        Run.objects.filter(pk=run.pk, state=Run.State.STAGING).update(**goes_on)


@dataclass(frozen=True, slots=True)
class Claim:
    """Something to do with each chunk: the state in which it waits for it, the one under lease, and those in which it is done."""

    before: str
    during: str
    after: Collection[str]
    act: Callable[[Chunk, Phase, Destination, str], None]


def claim_next(phase: Phase, worker: str, claim: Claim) -> Chunk | None:
    """Lease the next chunk that waits for it, or whose lease ran out; None where there is none."""
    while True:
        now = timezone.now()
        free = Q(state=claim.before) | Q(state=claim.during, lease_until__lt=now)
        chunk = phase.chunks.filter(free).order_by("number").first()
        if chunk is None:
            return None
        lease = {"state": claim.during, "worker": worker, "lease_until": now + LEASE, "attempts": F("attempts") + 1}
        if Chunk.objects.filter(free, pk=chunk.pk).update(**lease):
            chunk.refresh_from_db()
            return chunk


def load_chunk(chunk: Chunk, phase: Phase, destination: Destination, worker: str) -> None:
    """Send a chunk's rows and settle it. Rows whose parent was refused wait; equal ones are counted, not sent."""
    started, chunk.phase = time.monotonic(), phase
    Phase.objects.filter(pk=phase.pk, state=Phase.State.WAITING).update(state=Phase.State.LOADING, started_at=timezone.now())
    before = destination.client.stats.snapshot()
    settlement = ledger.Settlement()
    bound = bindings.late(destination.environment)
    rows = list(staged.read_phase(phase, chunk.start, chunk.stop, late=bound))
    ready = _ready(chunk, rows, settlement)
    for written in _sent(chunk, phase, destination, ready, lambda: _renew(chunk, worker, started)):
        settlement.add(chunk, written.row, written.outcome, written.reason)
    after = destination.client.stats.snapshot()
    ledger.settle(
        chunk,
        worker,
        settlement,
        requests=after["requests"] - before["requests"],
        retries=after["retries"] - before["retries"],
        seconds=time.monotonic() - started,
    )
    log = logging.LoggerAdapter(logger, {"run": phase.run_id, "table": phase.table, "chunk": chunk.number})
    log.info("chunk settled: %s", settlement.counts)


def _sent(
    chunk: Chunk, phase: Phase, destination: Destination, rows: list[staged.StagedRow], beat: Callable[[], None]
) -> Iterator[Written]:
    """What came of each row, sent as the phase's kind says."""
    if phase.kind != Phase.Kind.ROWS:
        return messages.carry_out(messages.message_of(phase, destination), rows, destination.client, beat)
    table, stamp = destination.table(phase.table), destination.stamp(phase.table, phase.run.key)
    return Writer(destination.client, table, stamp).write(rows, again=chunk.attempts > 1, beat=beat)


def _ready(chunk: Chunk, rows: list[staged.StagedRow], settlement: ledger.Settlement) -> list[staged.StagedRow]:
    needed = [_needed(chunk.phase, row) for row in rows]
    blocked = ledger.blocked_parents(chunk.phase.run_id, {parent for parents in needed for parent in parents})
    ready = []
    for row, parents in zip(rows, needed, strict=True):
        parent = next((parent for parent in parents if parent in blocked), None)
        if parent:
            settlement.add(chunk, row, "waiting", reason("parent.not_loaded", detail=parent))
        elif row.action == "equal":
            settlement.add(chunk, row, "equal")
        elif row.action == "conflict":
            settlement.add(chunk, row, "refused", reason("conflict.edited"))
        else:
            ready.append(row)
    return ready


def _needed(phase: Phase, row: staged.StagedRow) -> tuple[str, ...]:
    """The rows that must be there before this one is sent; what is done with a row needs the row itself."""
    return row.parents if phase.kind == Phase.Kind.ROWS else (*row.parents, f"{phase.table}:{row.row_id}")


def _renew(chunk: Chunk, worker: str, started: float) -> None:
    """Keep the lease while calls are answered. Raises LeaseLost where it went to another worker."""
    if time.monotonic() - started < RENEW_AFTER_S:
        return
    until = timezone.now() + LEASE
    if not Chunk.objects.filter(pk=chunk.pk, worker=worker, state=Chunk.State.LEASED).update(lease_until=until):
        raise ledger.LeaseLost(f"{chunk} belongs to another worker now.")


def release(worker: str) -> None:
    """Give back what this worker holds, so that others need not wait for its leases."""
    held = (Chunk.State.LEASED, Chunk.State.CHECKING)
    Chunk.objects.filter(state__in=held, worker=worker).update(lease_until=timezone.now())
    Run.objects.filter(worker=worker).update(lease_until=None)


SENDING = Claim(Chunk.State.WAITING, Chunk.State.LEASED, Chunk.SENT, load_chunk)
READING = Claim(Chunk.State.DONE, Chunk.State.CHECKING, (Chunk.State.CHECKED,), verification.read_chunk)


def _close(phase: Phase, run: Run, destination: Destination, worker: str) -> None:
    phase.run = run
    reconciliation.close(phase, destination, beat=lambda: leases.keep(run, worker))


def finish(run: Run) -> None:
    """Every phase balances: the run is done."""
    if Run.objects.filter(pk=run.pk, state=Run.State.LOADING).update(state=Run.State.DONE, finished_at=timezone.now(), message=""):
        reconciliation.run_finished.send(sender=Run, run=run)

"""Chunks of a phase: workers take them under leases, send what they hold or take it back, and read back what they did."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count, Q
from django.db.models.functions import Now

from loads import answered, bindings, carrying_out, contents, ledger, opting_out, reading_back, rollback, staged, weights, writer
from loads.budget import reserved
from loads.desk.reruns import Scope
from loads.destination import Destination
from loads.flight import COUNTED, Underway
from loads.leases import LEASE
from loads.messages import message_of
from loads.models import Chunk, Phase
from loads.reasons import PARENT_REMOVED, REMOVED, reason

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    """Something to do with each chunk: the state in which it waits for it, the one under lease, and those in which it is done."""

    before: str
    during: str
    after: Collection[str]
    begin: Callable[[Chunk, Phase, Destination, str], Underway]
    reserved: Callable[[Chunk], Mapping[str, int]] = lambda chunk: {}  # what is written down of a chunk that is taken

    @property
    def free(self) -> Q:
        """Chunks that wait for it, and those whose lease ran out."""
        return Q(state=self.before) | Q(state=self.during, lease_until__lt=Now())


@dataclass(frozen=True, slots=True)
class Standing:
    """How the chunks of a phase stand: state -> how many are in it, and of how many in it the lease ran out."""

    states: dict[str, int]
    run_out: dict[str, int]

    def waiting(self, claim: Claim) -> int:
        """How many a worker may take; see `Claim.free`."""
        return self.states.get(claim.before, 0) + self.run_out.get(claim.during, 0)

    def are_past(self, claim: Claim) -> bool:
        """Whether it is done with all of them."""
        return self.states.keys() <= set(claim.after)


def standing(phases: Sequence[Phase]) -> dict[int, Standing]:
    """How the chunks of each phase stand, by the phase's key."""
    found: dict[int, Standing] = {phase.pk: Standing({}, {}) for phase in phases}
    counted = Chunk.objects.filter(phase__in=phases).order_by().values_list("phase_id", "state")
    for pk, state, count, run_out in counted.annotate(count=Count("pk"), run_out=Count("pk", filter=Q(lease_until__lt=Now()))):
        found[pk].states[state] = count
        found[pk].run_out[state] = run_out
    return found


def claim_next(phase: Phase, worker: str, claim: Claim) -> Chunk | None:
    """Lease the next chunk that waits for it, or whose lease ran out; None where there is none, or another worker parked the phase."""
    while True:
        chunk = phase.chunks.filter(claim.free, phase__state__in=Phase.OPEN).order_by("number").first()
        if chunk is None:
            return None
        counts = {"attempts": chunk.attempts + 1, **claim.reserved(chunk)}
        as_seen = Chunk.objects.filter(claim.free, pk=chunk.pk, **{name: getattr(chunk, name) for name in counts})
        if as_seen.update(state=claim.during, worker=worker, lease_until=Now() + LEASE, **counts):
            for name, value in {"state": claim.during, "worker": worker, **counts}.items():
                setattr(chunk, name, value)
            return chunk


def renew(ids: Sequence[int], worker: str, claim: Claim) -> int:
    """Keep a worker's chunks; how many of them are still its own."""
    return Chunk.objects.filter(pk__in=ids, worker=worker, state=claim.during).update(lease_until=Now() + LEASE)


def send(chunk: Chunk, phase: Phase, destination: Destination, worker: str) -> Underway:
    """Send a chunk's rows, or take them back. Rows whose parent was refused wait; equal ones, and those to be kept, aren't sent.

    Settling raises LeaseLost where another worker took the chunk over.
    """
    chunk.phase = phase
    Phase.objects.filter(pk=phase.pk, state=Phase.State.WAITING).update(state=Phase.State.LOADING, started_at=Now())
    settlement = ledger.Settlement()
    bound, only = bindings.late(destination.environment), () if phase.run.is_rollback else staged.TO_SEND
    rows = list(staged.read_phase(phase, chunk.start, chunk.stop, late=bound, only=only))
    ready, again = staged.apart((rollback.ready if phase.run.is_rollback else _ready)(chunk, rows, settlement))
    if phase.run.is_rollback:
        jobs = list(rollback.jobs(destination, phase, ready))
    elif phase.kind == Phase.Kind.ROWS:
        taken_over = chunk.attempts > 1
        filed, plain = weights.apart(phase, ready)
        jobs = [*writer.jobs(destination, phase, plain, again=taken_over), *contents.jobs(destination, phase, filed, again=taken_over)]
        jobs += opting_out.jobs(destination, phase, rows)
    else:
        jobs = list(carrying_out.jobs(destination, phase, ready, chunk.number))

    def settle(underway: Underway) -> None:
        for written in underway.results:
            _take_in(settlement, chunk, written, again.get(written.row.row_id, ()))
        spent = {name: getattr(underway, name) for name in (*COUNTED, "seconds")}
        ledger.settle(chunk, worker, settlement, **spent)
        _keep_tuning(phase, destination, settlement.counts)
        log = logging.LoggerAdapter(logger, {"run": phase.run_id, "table": phase.table, "chunk": chunk.number})
        log.info("chunk settled: %s", settlement.counts)

    return Underway(chunk, jobs, settle)


def _take_in(settlement: ledger.Settlement, chunk: Chunk, written: writer.Written, again: Sequence[staged.StagedRow]) -> None:
    """Count what came of a row. again: the same row, staged more than once, of which one was sent: the others are as it is."""
    if written.outcome == writer.BESIDE and written.reason:
        settlement.beside(written.row, written.reason)
        return
    settlement.add(chunk, written.row, written.outcome, written.reason)
    outcome = written.outcome if written.reason or chunk.phase.run.is_rollback else "equal"
    for row in again:
        settlement.add(chunk, row, outcome, written.reason)


def _keep_tuning(phase: Phase, destination: Destination, counts: Mapping[str, int]) -> None:
    """Rows per call as they stand now, and why, of the kinds of calls that were made."""
    if phase.kind == Phase.Kind.ROWS:
        used = (rollback.used if phase.run.is_rollback else writer.used)(destination, phase.table, counts)
    else:
        message = rollback.back_of(phase, destination) if phase.run.is_rollback else message_of(phase, destination, decided={})
        used = {phase.kind: message.size} if counts[message.outcome] else {}
    told = phase.tuning | {kind: size.content() for kind, size in used.items()}
    if told != phase.tuning:
        phase.tuning = told
        Phase.objects.filter(pk=phase.pk).update(tuning=told)


def _ready(chunk: Chunk, rows: list[staged.StagedRow], settlement: ledger.Settlement) -> list[staged.StagedRow]:
    left = Scope(chunk.phase.run).left(chunk.phase, ((row.row_id, row.source_id, row.action) for row in rows))
    needed = [_needed(chunk.phase, row) for row in rows]
    # What an attempt that was cut off may have sent is sent whole.
    given_up = answered.changed(chunk.phase, [row.row_id for row in rows]) if chunk.attempts <= 1 else set()
    blocked = ledger.blocked_parents(chunk.phase.run_id, {parent for parents in needed for parent in parents})
    ready = []
    for row, parents in zip(rows, needed, strict=True):
        parent = next((parent for parent in parents if parent in blocked), None)
        if parent:
            settlement.add(chunk, row, "waiting", reason(_waits_for(chunk.phase, blocked[parent]), detail=parent))
        elif row.row_id in left:
            settlement.add(chunk, row, *left[row.row_id])
        elif row.row_id in given_up:
            settlement.add(chunk, row, "refused", reason(answered.CHANGED))
        elif row.action == "equal":
            settlement.add(chunk, row, "equal")
        elif row.action == "conflict":
            settlement.add(chunk, row, "refused", reason("conflict.edited"))
        else:
            ready.append(row)
    return ready


def _waits_for(phase: Phase, code: str) -> str:
    """Why a row waits for its parent, by the code of that: what to do about a row whose parent was removed is asked of each."""
    return PARENT_REMOVED if phase.kind == Phase.Kind.ROWS and code == REMOVED else "parent.not_loaded"


def _needed(phase: Phase, row: staged.StagedRow) -> tuple[str, ...]:
    """The rows that must be there before this one is sent; what is done with a row needs the row itself."""
    return row.parents if phase.kind == Phase.Kind.ROWS else (*row.parents, f"{phase.table}:{row.row_id}")


def read_back(chunk: Chunk, phase: Phase, destination: Destination, worker: str) -> Underway:
    """Read back what a chunk did, or took back."""
    return (rollback.read if phase.run.is_rollback else reading_back.read)(chunk, phase, destination, worker)


SENDING = Claim(Chunk.State.WAITING, Chunk.State.LEASED, Chunk.SENT, send, reserved)
READING = Claim(Chunk.State.DONE, Chunk.State.CHECKING, (Chunk.State.CHECKED,), read_back)

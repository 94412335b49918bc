"""The end of a rollback's phase: the sums are taken, the destination is counted, and the crosswalk learns what is there now.

planned = removed + restored + kept + refused; by the load's run id there are left: those found when it was planned - removed - restored.
A phase with an unexplained difference of one is parked.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from connectors import store
from connectors.dataverse.client import Client
from loads import crosswalk, ledger, staged
from loads.counting import written_rows
from loads.destination import RUN_ID, Destination
from loads.flight import Underway
from loads.models import Binding, Chunk, LedgerEntry, Phase, Run
from loads.reconciliation import TELLING_S, record
from loads.rollback.late import back_of
from loads.rollback.verdicts import KEEP, REMOVE, RESTORE
from loads.staged import StagedRow
from loads.verification import READ_ROWS

OUTCOMES = ("removed", "restored", "kept", "refused")
SOMEBODYS = ("rollback.edited", "rollback.built_upon", "rollback.before_unknown")  # reasons that make a row a person's


def close(phase: Phase, destination: Destination, *, beat: Callable[[], None] = lambda: None) -> bool:
    """Take a phase's sums, count the destination, tell the crosswalk, and record whether it balances; False where it isn't closed yet.

    Safe to repeat: the destination's count is offered to the run's workers first, and what takes long goes on at the next call.
    """
    Phase.objects.filter(pk=phase.pk).update(**ledger.totals(phase))
    phase.look_again()
    left: int | None
    if phase.kind == Phase.Kind.ROWS:
        left = _left_by_run_id(phase, destination)
        if left is None or not _tell_crosswalk(phase, destination, beat):
            return False
        _unbind(phase)
    else:
        left = sum(chunk["left"] for chunk in phase.chunks.values_list("verified", flat=True))
    Phase.objects.filter(pk=phase.pk).update(at_destination=left)
    phase.look_again()
    record(phase, differences(phase))
    return True


def differences(phase: Phase) -> list[str]:
    """What doesn't add up, in words; empty where everything does."""
    said = []
    rows = sum(getattr(phase, name) for name in OUTCOMES)
    if phase.planned != rows:
        said.append(f"{phase.planned} rows were planned and {rows} have an outcome.")
    if phase.at_destination != phase.expected:
        said.append(f"{phase.expected} rows must be left at the destination and it counts {phase.at_destination}.")
    return said


def _left_by_run_id(phase: Phase, destination: Destination) -> int | None:
    left = written_rows(phase.run, phase.undone, destination, closing=phase)
    if left is None:
        return None
    return left if destination.own(RUN_ID) in destination.table(phase.table).columns else left - phase.restored


def read(chunk: Chunk, phase: Phase, destination: Destination, worker: str) -> Underway:
    """Read back a chunk of what was done with rows, and count those that don't hold what they held before.

    Settling raises LeaseLost where another worker took the chunk over.
    """
    rows = list(staged.read_phase(phase, chunk.start, chunk.stop))
    if phase.kind not in Phase.LINKING:
        destination.table(phase.table)
    back_of(phase, destination)  # reads which load it is; that, like the table, is read here, since the calls ask the database nothing

    def job(part: list[StagedRow], client: Client) -> list[str]:
        return list(back_of(phase, destination, client).present(part))

    def settle(underway: Underway) -> None:
        ledger.checked(chunk, worker, {"left": len(rows) - len(underway.results)})

    back = [row for row in rows if row.action == RESTORE]
    return Underway(chunk, [partial(job, part) for part in store.batched(back, READ_ROWS)], settle)


def _tell_crosswalk(phase: Phase, destination: Destination, beat: Callable[[], None]) -> bool:
    """What was removed is removed, what was restored is as the run before left it, and what a person has a hand in is kept.

    False where there may be more of it than a task has time for.
    """
    if not crosswalk.keeps(phase.run.load, phase.object_name):
        return True
    place, mark = (phase.run.environment, phase.object_name, phase.table), destination.own(RUN_ID)
    said, until = _said(phase), time.monotonic() + TELLING_S
    for staged_rows in store.batched(staged.read_phase(phase, phase.told), crosswalk.BATCH):
        rows = list(_done(staged_rows, said))
        crosswalk.mark_removed(*place, [row.row_id for row, outcome in rows if outcome == REMOVE])
        crosswalk.mark_kept(*place, [row.row_id for row, outcome in rows if outcome == KEEP])
        restored: dict[str, list[str]] = {}
        for row, outcome in rows:
            if outcome == RESTORE:
                restored.setdefault(str((row.before or {}).get(mark) or ""), []).append(row.row_id)
        for key, ids in restored.items():
            _as_before(phase, key, ids)
        phase.told += len(staged_rows)
        Phase.objects.filter(pk=phase.pk).update(told=phase.told)
        beat()
        if time.monotonic() > until:
            return False
    return True


def _said(phase: Phase) -> dict[str, tuple[str, str]]:
    """Row id -> outcome and code of the rows of which the ledger speaks."""
    entries = LedgerEntry.objects.filter(phase=phase, row_id__isnull=False).values_list("row_id", "outcome", "code")
    return {str(row_id): (outcome, code) for row_id, outcome, code in entries.iterator(chunk_size=2_000)}


def _done(rows: Sequence[StagedRow], said: Mapping[str, tuple[str, str]]) -> Iterator[tuple[StagedRow, str]]:
    """Each row with what became of it: remove, restore or keep; refused ones, and those that a later run wrote, are left out."""
    for row in rows:
        outcome, code = said.get(row.row_id, ("", ""))
        if not outcome:
            yield row, row.action
        elif outcome == LedgerEntry.Outcome.KEPT and code in SOMEBODYS:
            yield row, KEEP


def _as_before(phase: Phase, key: str, ids: list[str]) -> None:
    """Rows that hold again what an earlier run wrote are that run's; others were found there, and are sought anew."""
    place = (phase.run.environment, phase.object_name, phase.table)
    former = Run.objects.filter(key=key, environment=phase.run.environment).select_related("engagement").first() if key else None
    written = former and former.phases.filter(object_name=phase.object_name, table=phase.table, kind=Phase.Kind.ROWS).first()
    if not (former and written):
        crosswalk.mark_removed(*place, ids)
        return
    written.run = former
    hashes = {row_id: row.applied_hash for row_id, row in staged.among(written, ids).items()}
    crosswalk.mark_applied(*place, former, [(row_id, hashes.get(row_id, "")) for row_id in ids])


def _unbind(phase: Phase) -> None:
    """The unit that the service made with a unit group went with it."""
    if phase.table == "uomschedule" and ledger.totals(phase)["removed"]:
        Binding.objects.filter(environment=phase.run.environment, kind=Binding.Kind.UNIT).delete()

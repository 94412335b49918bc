"""The end of a rollback's phase: the sums are taken, the destination is counted, and the crosswalk learns what is there now.

planned = removed + restored + kept + refused; by the load's run id there are left: those found when it was planned - removed - restored.
An unexplained difference of one stops the run.
"""

from collections.abc import Callable, Iterator

from connectors import store
from loads import crosswalk, ledger, staged
from loads.destination import RUN_ID, Destination
from loads.models import Binding, LedgerEntry, Phase, Run
from loads.reconciliation import record, written_rows
from loads.rollback.late import back_of
from loads.rollback.verdicts import KEEP, REMOVE, RESTORE
from loads.staged import StagedRow

COUNTED_AT_ONCE = 1_000
OUTCOMES = ("removed", "restored", "kept", "refused")
SOMEBODYS = ("rollback.edited", "rollback.built_upon", "rollback.before_unknown")  # reasons that make a row a person's


def close(phase: Phase, destination: Destination, *, beat: Callable[[], None] = lambda: None) -> None:
    """Take a phase's sums, count the destination, tell the crosswalk, and record whether it balances. Safe to repeat."""
    Phase.objects.filter(pk=phase.pk).update(**ledger.totals(phase))
    if phase.kind == Phase.Kind.ROWS:
        left = _left_by_run_id(phase, destination)
        beat()
        _tell_crosswalk(phase, destination, beat)
        _unbind(phase)
    else:
        left = _left_undone(phase, destination, beat)
    Phase.objects.filter(pk=phase.pk).update(at_destination=left)
    phase.refresh_from_db()
    record(phase, differences(phase))


def differences(phase: Phase) -> list[str]:
    """What doesn't add up, in words; empty where everything does."""
    said = []
    rows = sum(getattr(phase, name) for name in OUTCOMES)
    if phase.planned != rows:
        said.append(f"{phase.planned} rows were planned and {rows} have an outcome.")
    if phase.at_destination != phase.expected:
        said.append(f"{phase.expected} rows must be left at the destination and it counts {phase.at_destination}.")
    return said


def _left_by_run_id(phase: Phase, destination: Destination) -> int:
    left = written_rows(phase.undone, destination)
    return left if destination.own(RUN_ID) in destination.table(phase.table).columns else left - phase.restored


def _left_undone(phase: Phase, destination: Destination, beat: Callable[[], None]) -> int:
    """Rows that don't hold what they held before."""
    left = 0
    for rows in store.batched(staged.read_phase(phase), COUNTED_AT_ONCE):
        back = back_of(phase, destination).present([row for row in rows if row.action == RESTORE])
        left += len(rows) - len(back)
        beat()
    return left


def _tell_crosswalk(phase: Phase, destination: Destination, beat: Callable[[], None]) -> None:
    """What was removed is removed, what was restored is as the run before left it, and what a person has a hand in is kept."""
    if not crosswalk.keeps(phase.run.load, phase.object_name):
        return
    place, mark = (phase.run.environment, phase.object_name, phase.table), destination.own(RUN_ID)
    for rows in store.batched(_done(phase), crosswalk.BATCH):
        crosswalk.mark_removed(*place, [row.row_id for row, outcome in rows if outcome == REMOVE])
        crosswalk.mark_kept(*place, [row.row_id for row, outcome in rows if outcome == KEEP])
        restored: dict[str, list[str]] = {}
        for row, outcome in rows:
            if outcome == RESTORE:
                restored.setdefault(str((row.before or {}).get(mark) or ""), []).append(row.row_id)
        for key, ids in restored.items():
            _as_before(phase, key, ids)
        beat()


def _done(phase: Phase) -> Iterator[tuple[StagedRow, str]]:
    """Each row with what became of it: remove, restore or keep; refused ones, and those that a later run wrote, are left out."""
    entries = LedgerEntry.objects.filter(phase=phase, row_id__isnull=False).values_list("row_id", "outcome", "code")
    said = {str(row_id): (outcome, code) for row_id, outcome, code in entries.iterator(chunk_size=2_000)}
    for row in staged.read_phase(phase):
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

"""Reconciliation: at the end of each phase the sums are taken, over what was read back too, and the destination is counted.

Records: extracted = loaded + merged + documented + skipped + rejected + held.
Rows: planned = created + updated + equal + refused + waiting; at the destination by run id: created + updated.
A phase with an unexplained difference of one is parked, see `loads.parking`; no run is done with it.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Now

from connectors import store
from loads import bindings, counting, crosswalk, ledger, parking, staged
from loads.delta import conflicts, late, unlinked
from loads.destination import Destination
from loads.losses import measuring
from loads.models import Chunk, LedgerEntry, Phase, Run
from loads.reading_back import CLAIMS
from loads.signals import phase_closed
from loads.staging.phases import RECORD_KINDS
from loads.verification import Tally, total

RECORDS = ("loaded", "merged", "documented", "skipped", "rejected", "held")
ROWS = ("created", "updated", "equal", "refused", "waiting")
WRONG = "{count} rows were read back with other values than were sent, and nobody else changed them."
TELLING_S = 30.0  # of one task


def close(phase: Phase, destination: Destination, *, beat: Callable[[], None] = lambda: None) -> bool:
    """Take a phase's sums, count and read back the destination, and record whether it balances; False where it isn't closed yet.

    Only what balances is recorded as present: else a further run would take for granted what isn't there. Where fewer rows are counted than
    were read back, somebody may have removed some since: they are read once more first.

    Safe to repeat, as long as the phase isn't closed: the destination's count is offered to all workers first, and what takes long goes
    on at the next call.
    """
    wrong = 0
    if phase.table:
        tally = total([phase])
        at_destination = _at_destination(phase, destination, tally)
        if at_destination is None:
            return False
        wrong = tally.wrong_rows
        verified = tally.content(destination.decimals if tally.has_money else None)
        _take_sums(phase, at_destination=at_destination, verified=verified)
        beat()
    phase.look_again()
    if phase.table and phase.kind == Phase.Kind.ROWS and (phase.at_destination or 0) < phase.expected and _is_read_once(phase):
        counting.forget(phase.run, phase)
        phase.chunks.update(state=Chunk.State.DONE)
        return False
    said = differences(phase) + ([WRONG.format(count=wrong)] if wrong else [])
    if phase.table and not said and phase.kind == Phase.Kind.ROWS:
        if crosswalk.keeps(phase.run, phase.object_name) and not _mark_present(phase, beat):
            return False
        _bind_late(phase, destination)
        conflicts.close(phase)
        measuring.measure(phase, destination)
    if phase.table and not said and phase.kind in late.KINDS:
        late.ask(phase, destination)
        conflicts.close(phase)
    if not said and phase.kind in unlinked.KINDS:
        unlinked.close(phase)
    record(phase, said)
    phase_closed.send(sender=Phase, phase=phase)
    return True


def _at_destination(phase: Phase, destination: Destination, tally: Tally) -> int | None:
    """Rows of this phase found at the destination: by run id, or those for which is done what the phase does, as they were read back.

    Those from which somebody took the run's mark were found one by one. None where they aren't counted yet.
    """
    if phase.kind != Phase.Kind.ROWS:
        return tally.rows - tally.wrong_rows
    if not phase.planned:  # nothing was ever sent
        return 0
    counted = counting.written_rows(phase.run, phase, destination, closing=phase)
    return None if counted is None else counted + tally.unmarked


def _is_read_once(phase: Phase) -> bool:
    """Whether each chunk was sent and read back, and nothing taken up again."""
    return not phase.chunks.filter(attempts__gt=CLAIMS).exists()


def _bind_late(phase: Phase, destination: Destination) -> None:
    """What the service made itself because of our rows, and later rows point to."""
    if phase.table == "uomschedule":
        for row in staged.identities(staged.rows_of(phase)):
            bindings.bind_base_unit(phase.run.environment, destination, row["row_id"])


def _take_sums(phase: Phase, **counted: Any) -> None:
    """Sums of the chunks into the phase; a record of an earlier phase whose further row is in this one may change with it.

    counted: what else is known of the phase now.
    """
    Phase.objects.filter(pk=phase.pk).update(**ledger.totals(phase), **counted)
    of_records = phase.run.phases.filter(object_name=phase.object_name, number__lte=phase.number, kind__in=RECORD_KINDS).exclude(table="")
    entries = LedgerEntry.objects.filter(run=phase.run, object_name=phase.object_name).order_by()
    found = entries.annotate(of_row=Q(row_id__isnull=False)).values_list("of_row", "main_table", "phase_id", "outcome")
    decided, failed = Counter[tuple[int, str]](), set[str]()
    for of_row, table, pk, outcome, count in found.annotate(count=Count("pk")):
        if of_row:
            failed.add(table)
        else:
            decided[pk, outcome] += count
    if not decided and not failed:
        of_records.update(loaded=F("staged"), rejected=0, held=0)
        return
    of_rows = entries.filter(row_id__isnull=False)
    for affected in of_records:
        affected.run = phase.run
        rejected, held = _failed_records(affected, of_rows.filter(main_table=affected.table)) if affected.table in failed else (0, 0)
        Phase.objects.filter(pk=affected.pk).update(
            loaded=affected.staged - rejected - held,
            rejected=decided[affected.pk, LedgerEntry.Outcome.REJECTED] + rejected,
            held=decided[affected.pk, LedgerEntry.Outcome.HELD] + held,
        )


def _failed_records(phase: Phase, entries: QuerySet[LedgerEntry]) -> tuple[int, int]:
    """(rejected, held) of the records counted in a phase of whose rows some were refused, or wait; safe to repeat. entries: of those rows.

    A record all of whose main rows were refused for what it is itself is rejected; one that only partly loaded, or waits, is held.
    """
    with store.database() as con:
        failed = entries.values_list("position", "phase_id", "held").iterator(chunk_size=2_000)
        store.fill(con, "failed", FAILED, ((position, phase_id == phase.pk, held) for position, phase_id, held in failed))
        paths = [str(path) for path in staged.rows_of(phase)]
        [(rejected, held)] = con.execute(_FAILED_RECORDS, {"paths": paths, "table": phase.table}).fetchall()
    return rejected, held


FAILED = pa.schema([("position", pa.int64()), ("own", pa.bool_()), ("held", pa.bool_())])
_FAILED_RECORDS = """
    WITH planned AS (SELECT position, count(*) AS main FROM read_parquet($paths) WHERE main_table = $table GROUP BY position),
    of_record AS (
        SELECT f.position, count(*) FILTER (own AND NOT held) = any_value(p.main) AS rejected
        FROM failed f JOIN planned p USING (position) GROUP BY f.position)
    SELECT count(*) FILTER (rejected), count(*) FILTER (NOT rejected) FROM of_record
"""


def _mark_present(phase: Phase, beat: Callable[[], None]) -> bool:
    """Tell the crosswalk for a while which rows are there; False where there may be more."""
    absent = {str(row_id) for row_id in ledger.never_there(phase).values_list("row_id", flat=True)}
    until = time.monotonic() + TELLING_S
    for rows in store.batched(staged.identities(staged.rows_of(phase), phase.told), crosswalk.BATCH):
        there = [row for row in rows if row["action"] != "equal" and row["row_id"] not in absent]
        present = ((row["source_id"], phase.table, row["role"], row["row_id"], row["origin"], row["applied_hash"]) for row in there)
        crosswalk.mark_present(phase.run, phase.object_name, present)
        phase.told += len(rows)
        Phase.objects.filter(pk=phase.pk).update(told=phase.told)
        beat()
        if time.monotonic() > until:
            return False
    return True


def differences(phase: Phase) -> list[str]:
    """What doesn't add up, in words; empty where everything does."""
    said = []
    records = sum(getattr(phase, name) for name in RECORDS)
    if phase.extracted != records:
        said.append(f"{phase.extracted} records were extracted and {records} have a disposition.")
    rows = sum(getattr(phase, name) for name in ROWS)
    if phase.planned != rows:
        said.append(f"{phase.planned} rows were planned and {rows} have an outcome.")
    read = phase.verified.get("rows", 0)
    if phase.table and read != phase.expected:
        said.append(f"{phase.expected} rows were written and {read} were read back.")
    if phase.table and phase.at_destination != phase.expected:
        said.append(f"{phase.expected} rows must be at the destination and it counts {phase.at_destination}.")
    return said


def record(phase: Phase, said: list[str]) -> None:
    """Close a phase; one with a difference is parked, and what needs its rows waits."""
    times: dict[str, Any] = {"finished_at": Now(), "started_at": phase.started_at or Now()}
    if phase.kind == Phase.Kind.ROWS and phase.planned:
        counting.forget(phase.run, phase.undone if phase.undoes_id else phase)
    if said:
        message = f"It doesn't balance: {' '.join(said)} Look at its exceptions and at what was read back."
        parking.park(phase, message, state=Phase.State.UNBALANCED)
        times["told"] = 0
    else:
        times["state"] = Phase.State.BALANCED
    Phase.objects.filter(pk=phase.pk).update(**times)


def stop(run: Run, message: str) -> None:
    """End a run that has something unexplained, before anything more is sent."""
    Run.objects.filter(pk=run.pk).update(state=Run.State.STOPPED, message=message, finished_at=Now())

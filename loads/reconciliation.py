"""Reconciliation: at the end of each phase the sums are taken, the destination is counted and a sample is read back.

Records: extracted = loaded + merged + documented + skipped + rejected + held.
Rows: planned = created + updated + equal + refused + waiting; at the destination by run id: created + updated.
An unexplained difference of one stops the run.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator

from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone

from loads import crosswalk, ledger, staged
from loads.destination import RUN_ID, Destination
from loads.models import LedgerEntry, Phase, Run
from loads.verification import verify_sample

logger = logging.getLogger(__name__)
phase_closed = Signal()  # phase
run_finished = Signal()  # run

RECORDS = ("loaded", "merged", "documented", "skipped", "rejected", "held")
ROWS = ("created", "updated", "equal", "refused", "waiting")


def close(phase: Phase, destination: Destination, *, beat: Callable[[], None] = lambda: None) -> None:
    """Take a phase's sums, count and read back the destination, and record whether it balances.

    Only what balances is recorded as present: else a further run would take for granted what isn't there.
    """
    if phase.table:
        _take_sums(phase)
        table = destination.table(phase.table)
        found = destination.client.count(table.entity_set, destination.loaded_filter(phase.run.key, phase.object_name), table.primary_id)
        Phase.objects.filter(pk=phase.pk).update(at_destination=found)
        beat()
        wrong = verify_sample(phase, destination, {destination.own(RUN_ID): phase.run.key})
    else:
        wrong = 0
    phase.refresh_from_db()
    said = differences(phase) + ([f"{wrong} rows of the sample were read back with other values than were sent."] if wrong else [])
    if phase.table and not said:
        crosswalk.mark_present(phase.run, phase.object_name, _present(phase), beat=beat)
    _record(phase, said)
    phase_closed.send(sender=Phase, phase=phase)


def _take_sums(phase: Phase) -> None:
    """Sums of the chunks into the phase; a record of an earlier phase whose further row is in this one may change with it."""
    Phase.objects.filter(pk=phase.pk).update(**ledger.totals(phase))
    for affected in phase.run.phases.filter(object_name=phase.object_name, number__lte=phase.number).exclude(table=""):
        affected.run = phase.run
        _count_records(affected)


def _count_records(phase: Phase) -> None:
    """What refused and waiting rows make of their records; safe to repeat.

    A record whose main row landed and a further row didn't is held: only part of its rows loaded.
    """
    own = LedgerEntry.objects.filter(phase=phase)
    rows = Counter(own.filter(row_id__isnull=False, main_table=phase.table).values_list("held", flat=True))
    decided = Counter(own.filter(row_id=None).values_list("outcome", flat=True))
    further = LedgerEntry.objects.filter(run=phase.run, object_name=phase.object_name, main_table=phase.table, row_id__isnull=False)
    partly = further.exclude(phase=phase).exclude(position__in=own.values("position")).values("position").distinct().count()
    Phase.objects.filter(pk=phase.pk).update(
        loaded=staged.main_count(staged.rows_of(phase), phase.table) - rows[False] - rows[True] - partly,
        rejected=decided[LedgerEntry.Outcome.REJECTED] + rows[False],
        held=decided[LedgerEntry.Outcome.HELD] + rows[True] + partly,
    )


def _present(phase: Phase) -> Iterator[tuple[str, str, str, str, str, str]]:
    absent = {str(row_id) for row_id in LedgerEntry.objects.filter(phase=phase, row_id__isnull=False).values_list("row_id", flat=True)}
    for row in staged.identities(staged.rows_of(phase)):
        if row["action"] != "equal" and row["row_id"] not in absent:
            yield row["source_id"], phase.table, row["role"], row["row_id"], row["origin"], row["applied_hash"]


def differences(phase: Phase) -> list[str]:
    """What doesn't add up, in words; empty where everything does."""
    said = []
    records = sum(getattr(phase, name) for name in RECORDS)
    if phase.extracted != records:
        said.append(f"{phase.extracted} records were extracted and {records} have a disposition.")
    rows = sum(getattr(phase, name) for name in ROWS)
    if phase.planned != rows:
        said.append(f"{phase.planned} rows were planned and {rows} have an outcome.")
    if phase.table and phase.at_destination != phase.created + phase.updated:
        said.append(f"{phase.created + phase.updated} rows were written and the destination counts {phase.at_destination}.")
    return said


@transaction.atomic
def _record(phase: Phase, said: list[str]) -> None:
    state = Phase.State.UNBALANCED if said else Phase.State.BALANCED
    now = timezone.now()
    Phase.objects.filter(pk=phase.pk).update(state=state, finished_at=now, started_at=phase.started_at or now)
    if said:
        message = f"{phase} doesn't balance: {' '.join(said)} Look at the phase's exceptions, then resume the run to count again."
        Run.objects.filter(pk=phase.run_id).update(state=Run.State.STOPPED, message=message, finished_at=now)
        logger.error("run %s stopped: phase %s doesn't balance", phase.run_id, phase.number)

"""The ledger: one entry for each record or row whose outcome isn't as planned, with all its reasons."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Now

from loads.models import Chunk, LedgerEntry, Phase
from loads.reasons import REMOVED, reason
from loads.staged import StagedRow
from workbench.engagements.errors import WorkbenchError

OPTED_OUT = ("consent.written", "consent.not_written")  # what came of a refusal, beside its row's own outcome
COUNTED = ("created", "updated", "equal", "refused", "waiting", "removed", "restored", "kept")


class LeaseLost(WorkbenchError):
    """Another worker took the chunk over; what this one did stands at the destination and will be found there."""

    remedy = "Nothing to do: the other worker settles the chunk."


@dataclass(slots=True)
class Settlement:
    """What came of a chunk: a count per outcome, and an entry for each row that isn't as planned."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    entries: list[LedgerEntry] = field(default_factory=list)
    _of_rows: dict[str, LedgerEntry] = field(default_factory=dict)

    def add(self, chunk: Chunk, row: StagedRow, outcome: str, reason: Mapping[str, Any] | None = None) -> None:
        """Count one row; one that isn't as planned is kept with its reason."""
        self.counts[outcome] += 1
        if reason is not None:
            phase = chunk.phase
            entry = LedgerEntry(
                run_id=phase.run_id,
                phase=phase,
                object_name=phase.object_name,
                source_id=row.source_id,
                role=row.role,
                position=row.position,
                row_id=UUID(row.row_id),
                main_table=row.main_table,
                outcome=outcome,
                held=reason["severity"] == "hold",
            )
            entry.give([reason])
            self.entries.append(entry)
            self._of_rows[row.row_id] = entry

    def beside(self, row: StagedRow, reason: Mapping[str, Any]) -> None:
        """Tell what was done with a row that has an entry already, in front of its other reasons where it is more than a note."""
        entry = self._of_rows[row.row_id]
        others = [one for one in entry.reasons if one["code"] not in OPTED_OUT]
        entry.give([*others, reason] if reason["severity"] == "note" else [reason, *others])


@transaction.atomic
def settle(chunk: Chunk, worker: str, settlement: Settlement, *, requests: int, retries: int, operations: int, seconds: float) -> None:
    """Close a chunk with its counts and entries, all or nothing. Raises LeaseLost."""
    done = Chunk.objects.filter(pk=chunk.pk, state=Chunk.State.LEASED, worker=worker).update(
        state=Chunk.State.DONE,
        lease_until=None,
        requests=requests,
        retries=retries,
        operations=F("operations") + operations,
        reserved=0,
        seconds=seconds,
        settled_at=Now(),
        **settlement.counts,
    )
    if not done:
        raise LeaseLost(f"{chunk} belongs to another worker now.")
    LedgerEntry.objects.bulk_create(settlement.entries, ignore_conflicts=True, batch_size=500)


@transaction.atomic(savepoint=False)
def checked(chunk: Chunk, worker: str, verified: Mapping[str, Any], gone: Sequence[StagedRow] = ()) -> None:
    """Close the reading back of a chunk with what it counted. Raises LeaseLost.

    gone: rows that were written and that somebody removed since; they are held, as what is refused is, for a person to say what holds.
    """
    settlement = Settlement()
    for row in gone:
        settlement.add(chunk, row, LedgerEntry.Outcome.REFUSED, reason(REMOVED))
    counts = {name: F(name) - count for name, count in _outcomes_of(chunk, gone).items() if count} if gone else {}
    if gone:
        counts["refused"] = F("refused") + len(gone)
    done = Chunk.objects.filter(pk=chunk.pk, state=Chunk.State.CHECKING, worker=worker)
    if not done.update(state=Chunk.State.CHECKED, lease_until=None, checked_at=Now(), verified=verified, **counts):
        raise LeaseLost(f"{chunk} belongs to another worker now.")
    LedgerEntry.objects.bulk_create(settlement.entries, ignore_conflicts=True, batch_size=500)


def _outcomes_of(chunk: Chunk, rows: Sequence[StagedRow]) -> dict[str, int]:
    """Outcome -> how many of these rows the chunk counts there.

    Of what was done with rows it isn't kept one by one whether the run did it or found it done: what it did goes first.
    """
    if chunk.phase.kind == Phase.Kind.ROWS:
        return dict(Counter("created" if row.action == "create" else "updated" for row in rows))
    found, left = {}, len(rows)
    for name in ("created", "updated", "equal"):
        found[name] = min(left, getattr(chunk, name))
        left -= found[name]
    return found


def blocked_parents(run_id: int, parents: Iterable[str]) -> dict[str, str]:
    """Of "table:row id" parents, those whose row was refused or waits itself, with the code that says why.

    Of a row that was removed it is that, whatever else was to be done with it and waits.
    """
    blocked = (LedgerEntry.Outcome.REFUSED, LedgerEntry.Outcome.WAITING)
    if not LedgerEntry.objects.filter(run_id=run_id, outcome__in=blocked, row_id__isnull=False).exists():
        return {}
    wanted = {UUID(parent.partition(":")[2]): parent for parent in parents}
    found = LedgerEntry.objects.filter(run_id=run_id, outcome__in=blocked, row_id__in=list(wanted)).values_list("row_id", "code")
    return {wanted[row_id]: code for row_id, code in sorted(found, key=lambda entry: entry[1] == REMOVED) if row_id}


def absent(phase: Phase, row_ids: Iterable[UUID]) -> set[UUID]:
    """Of a phase's rows, those that aren't at the destination as planned."""
    found = LedgerEntry.objects.filter(phase=phase, row_id__in=list(row_ids)).values_list("row_id", flat=True)
    return {row_id for row_id in found if row_id}


def never_there(phase: Phase) -> QuerySet[LedgerEntry]:
    """The entries of rows that the phase didn't write. Those that it wrote and somebody removed aren't among them: a further run asks."""
    return LedgerEntry.objects.filter(phase=phase, row_id__isnull=False).exclude(code=REMOVED)


def totals(phase: Phase) -> dict[str, int]:
    """The sums over a phase's chunks."""
    names = (*COUNTED, "requests", "retries")
    sums = phase.chunks.aggregate(**{name: Sum(name) for name in names})
    return {name: sums[name] or 0 for name in names}

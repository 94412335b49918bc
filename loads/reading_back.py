"""Reading back: everything that a phase wrote or did is read again, chunk by chunk, compared with what was meant, and counted.

Rows by their values; what is done with rows once they are there by what its message sets: states, closings, members of lists, ties.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import Any
from uuid import UUID

from django.db import transaction

from connectors.dataverse.client import Client
from connectors.dataverse.metadata import Column
from loads import bindings, ledger, staged
from loads.destination import Destination
from loads.flight import Job, Underway
from loads.messages import message_of
from loads.messaging import Message
from loads.models import Chunk, Phase, VerifiedRow
from loads.staged import StagedRow
from loads.verification import EQUAL, LOSSY, MEASURED, TRANSFORMED, WRONG, Compared, Comparison, ReadBack, Tally, column_name

CLAIMS = 2  # of a chunk that nothing disturbs: to send it and to read it
KEPT = 50  # wrong rows of a chunk that are kept value by value; all are counted


class DoneBack(Comparison):
    """What a message does with rows, and what there is of it."""

    def __init__(self, phase: Phase, destination: Destination, message: Message) -> None:
        """message: the one of the phase."""
        super().__init__(message.types)
        self._phase, self._destination, self._message = phase, destination, message

    def by(self, client: Client) -> "DoneBack":
        """The same, read by another application user."""
        return DoneBack(self._phase, self._destination, message_of(self._phase, self._destination, client))

    def compared(self, rows: Sequence[StagedRow]) -> Iterator[Compared]:
        """Each row with what its message makes of it and what there is."""
        there = self._message.there(rows) if rows else {}
        for row in rows:
            found = there.get(row.row_id)
            yield row, self._message.wanted(row, found or {}), found

    def column(self, key: str) -> Column | None:
        """The column of that name."""
        return self.columns.get(key)


def comparison(phase: Phase, destination: Destination) -> Comparison:
    """How what a phase did is compared."""
    if phase.kind == Phase.Kind.ROWS:
        return ReadBack(destination.client, destination.table(phase.table), destination.stamp(phase.table, phase.run.key))
    return DoneBack(phase, destination, message_of(phase, destination))


def read(chunk: Chunk, phase: Phase, destination: Destination, worker: str) -> Underway:
    """Read back all that a chunk did, compare each value, and keep the counts; rows of the sample and wrong ones value by value.

    Settling raises LeaseLost where another worker took the chunk over.
    """
    back = comparison(phase, destination)

    def settle(underway: Underway) -> None:
        _keep(chunk, phase, back, underway.results, worker)

    return Underway(chunk, jobs(back, written(chunk, phase)), settle)


def jobs(back: Comparison, rows: list[StagedRow]) -> list[Job]:
    """The calls that read rows back, each as the application user that has room for it."""

    def job(part: list[StagedRow], client: Client) -> list[Compared]:
        return list(back.by(client).compared(part))

    return [partial(job, part) for part in back.parts(rows)]


def _keep(chunk: Chunk, phase: Phase, back: Comparison, read: Sequence[Compared], worker: str) -> None:
    tally, kept, shapes, wrong_rows = Tally(), list[VerifiedRow](), Counter[Shape](), 0
    numbers = [name for name, column in back.columns.items() if column.kind in MEASURED]
    for row, meant, found in read:
        wrong = back.wrong(meant, found)
        shape = (tuple(meant), row.literal, row.lossy, tuple(wrong))
        shapes[shape] += 1
        wrong_rows += bool(wrong)
        for name in numbers:
            if name in meant and found is not None and (number := found.get(name)) is not None:
                tally.measure(name, Decimal(str(number)))
        if row.sample is not None or (wrong and wrong_rows <= KEPT):
            kept.append(_verified(phase, row, meant, found or {}, verdicts_of(shape)))
    for shape, count in shapes.items():
        tally.take_rows(count, verdicts_of(shape))
    tally.fill(chain.from_iterable(filled(found) for _, meant, found in read if found), {key for keys, *_ in shapes for key in keys})
    with transaction.atomic():
        ledger.checked(chunk, worker, tally.content())
        if chunk.attempts > CLAIMS:  # it was read before, by a worker that died or until a difference was put right
            VerifiedRow.objects.filter(phase=phase, row_id__in=[UUID(row.row_id) for row, *_ in read]).delete()
        VerifiedRow.objects.bulk_create(kept, batch_size=200)


def written(chunk: Chunk, phase: Phase) -> list[StagedRow]:
    """The rows of a chunk that were sent and taken; of what is done with rows also those for which it was done before."""
    bound = bindings.late(phase.run.environment)
    read = staged.read_phase(phase, chunk.start, chunk.stop, late=bound, only=staged.TO_READ_BACK)
    rows = [row for row in read if row.action in ("create", "update")]
    if phase.kind == Phase.Kind.ROWS:
        rows = _once(rows)
    if not (chunk.refused or chunk.waiting):
        return rows
    absent = ledger.absent(phase, (UUID(row.row_id) for row in rows))
    return [row for row in rows if UUID(row.row_id) not in absent]


def _once(rows: list[StagedRow]) -> list[StagedRow]:
    """Without rows that are staged twice alike, of which one was sent; one with other values is read, and found wrong."""
    first, again = staged.apart(rows)
    return [*first, *(row for one in first for row in again.get(one.row_id, ()) if row.values != one.values)]


# What decides the verdicts of a row: its keys, the literal and the lossy columns, the keys of wrong values. Most rows are alike in it.
Shape = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def verdicts_of(shape: Shape) -> dict[str, str]:
    """Read form of each column -> what became of the value."""
    keys, literal, lossy, wrong = shape
    found = {}
    for key in keys:
        name = column_name(key)
        found[key] = WRONG if key in wrong else LOSSY if name in lossy else EQUAL if name in literal else TRANSFORMED
    return found


def filled(found: Mapping[str, Any]) -> Iterator[str]:
    """The read forms of the columns of a row that hold something."""
    return (key for key, value in found.items() if value is not None)


def _verified(phase: Phase, row: StagedRow, meant: Mapping[str, Any], found: Mapping[str, Any], verdicts: Mapping[str, str]) -> VerifiedRow:
    source = row.sample or {}
    fields = [
        {"column": name, "source": source.get(name), "meant": value, "found": found.get(key), "verdict": verdicts[key]}
        for key, value in meant.items()
        for name in [column_name(key)]
    ]
    verdict = next((word for word in (WRONG, LOSSY) if word in verdicts.values()), EQUAL)
    return VerifiedRow(run_id=phase.run_id, phase=phase, source_id=row.source_id, row_id=UUID(row.row_id), verdict=verdict, fields=fields)

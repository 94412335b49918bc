"""Reading back: everything that a phase wrote or did is read again, chunk by chunk, compared with what was meant, and counted.

Rows by their values; what is done with rows once they are there by what its message sets: states, closings, members of lists, ties.

People go on working while a run loads. What somebody else changed after us is counted as edited and stands: of a row that we made it is a
conflict, with a choice per field. What isn't there any more is held, with those that belong to it. Neither stops the run: what does is a
difference that nobody else made.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from connectors.dataverse.client import Client
from connectors.dataverse.metadata import Column
from loads import bindings, ledger, staged
from loads.delta import meanwhile
from loads.delta.meanwhile import Edited
from loads.destination import Destination
from loads.flight import Job, Underway
from loads.messages import message_of
from loads.messaging import Message
from loads.models import Chunk, Phase, VerifiedRow
from loads.staged import StagedRow
from loads.verification import (
    CURRENCY,
    EDITED,
    EQUAL,
    LOSSY,
    MEASURED,
    MONEY,
    TRANSFORMED,
    WRONG,
    Compared,
    Comparison,
    ReadBack,
    Tally,
    changed_by_others,
    column_name,
)

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
        message = message_of(self._phase, self._destination, client, self._message.decided)
        return DoneBack(self._phase, self._destination, message)

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
    """Read back all that a chunk did, compare each value, and keep the counts; rows of the sample, wrong and edited ones value by value.

    Settling raises LeaseLost where another worker took the chunk over.
    """
    back = comparison(phase, destination)

    def settle(underway: Underway) -> None:
        _keep(chunk, phase, destination, back, seen(back, underway.results, destination), worker)

    return Underway(chunk, jobs(back, written(chunk, phase)), settle)


def jobs(back: Comparison, rows: list[StagedRow]) -> list[Job]:
    """The calls that read rows back, each as the application user that has room for it."""

    def job(part: list[StagedRow], client: Client) -> list[Compared]:
        return list(back.by(client).compared(part))

    return [partial(job, part) for part in back.parts(rows)]


@dataclass(frozen=True, slots=True)
class Seen:
    """A row that was read back. found: None where there is nothing. differing: keys of what isn't as it was meant.

    edited: somebody else changed it after us, which is why.
    """

    row: StagedRow
    meant: Mapping[str, Any]
    found: Mapping[str, Any] | None
    differing: tuple[str, ...]
    edited: bool

    @property
    def is_wrong(self) -> bool:
        """Whether it differs by nobody else's hand."""
        return bool(self.differing) and not self.edited

    @property
    def shape(self) -> "Shape":
        """What its verdicts follow from."""
        return tuple(self.meant), self.row.literal, self.row.lossy, self.differing, self.edited


def seen(back: Comparison, read: Sequence[Compared], destination: Destination) -> list[Seen]:
    """What was read, compared with what was meant."""
    rows = []
    for row, meant, found in read:
        differing = tuple(back.wrong(meant, found))
        edited = bool(differing) and found is not None and changed_by_others(found, destination.user_ids)
        rows.append(Seen(row, meant, found, differing, edited))
    return rows


def _keep(chunk: Chunk, phase: Phase, destination: Destination, back: Comparison, rows: Sequence[Seen], worker: str) -> None:
    there, gone = [one for one in rows if one.found is not None], [one.row for one in rows if one.found is None]
    wrong = [one for one in there if one.is_wrong]
    shown = [one for one in there if one.row.sample is not None or one.edited] + [one for one in wrong[:KEPT] if one.row.sample is None]
    chunk.phase = phase
    with transaction.atomic():
        ledger.checked(chunk, worker, _tally(there, back).content(), gone)
        if chunk.attempts > CLAIMS:  # it was read before, by a worker that died or until a difference was looked into
            VerifiedRow.objects.filter(phase=phase, row_id__in=[UUID(one.row.row_id) for one in rows]).delete()
        VerifiedRow.objects.bulk_create([_verified(phase, one) for one in shown], batch_size=200)
        if phase.kind == Phase.Kind.ROWS:
            edited = [Edited(one.row, one.meant, one.found or {}, one.differing) for one in there if one.edited]
            meanwhile.open_conflicts(phase, destination, edited)


def _tally(rows: Sequence[Seen], back: Comparison) -> Tally:
    """What was read, counted."""
    tally, shapes = Tally(), Counter(one.shape for one in rows)
    tally.unmarked = sum(one.edited and any(name in one.differing for name in back.stamp) for one in rows)
    there = [(one.meant, one.found) for one in rows if one.found]
    for name, column in back.columns.items():
        if column.kind not in MEASURED:
            continue
        numbers: dict[str, list[Any]] = {}
        for meant, found in there:
            if name in meant and (number := found.get(name)) is not None:
                numbers.setdefault(found.get(CURRENCY) or "" if column.kind == MONEY else "", []).append(number)
        for currency, of_currency in numbers.items():
            tally.measure(name, of_currency, currency)
    for shape, count in shapes.items():
        tally.take_rows(count, verdicts_of(shape))
    for key in {key for keys, *_ in shapes for key in keys}:
        tally.fill(key, len(there) - [found.get(key) for _, found in there].count(None))
    return tally


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


# What decides the verdicts of a row: its keys, the literal and the lossy columns, the keys of values that differ, and whether somebody else
# changed it. Most rows are alike in it.
Shape = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...], bool]


def verdicts_of(shape: Shape) -> dict[str, str]:
    """Read form of each column -> what became of the value."""
    keys, literal, lossy, differing, edited = shape
    found = {}
    for key in keys:
        name = column_name(key)
        found[key] = (
            (EDITED if edited else WRONG) if key in differing else LOSSY if name in lossy else EQUAL if name in literal else TRANSFORMED
        )
    return found


def _verified(phase: Phase, one: Seen) -> VerifiedRow:
    verdicts, source, found = verdicts_of(one.shape), one.row.sample or {}, one.found or {}
    fields = [
        {"column": name, "source": source.get(name), "meant": value, "found": found.get(key), "verdict": verdicts[key]}
        for key, value in one.meant.items()
        for name in [column_name(key)]
    ]
    verdict = next((word for word in (WRONG, EDITED, LOSSY) if word in verdicts.values()), EQUAL)
    place = {"run_id": phase.run_id, "phase": phase, "source_id": one.row.source_id, "row_id": UUID(one.row.row_id)}
    return VerifiedRow(**place, verdict=verdict, fields=fields)

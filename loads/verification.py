"""Reading back: every row that a phase wrote against what was meant, value by value, by the column's type."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache, partial
from itertools import chain
from typing import Any
from uuid import UUID

from django.db import transaction

from connectors.dataverse.client import Client
from connectors.dataverse.files import BLOCK, SIZE, TABLES, name_of
from connectors.dataverse.metadata import Column, Table
from connectors.files import size_of
from loads import bindings, ledger, staged
from loads.destination import Destination
from loads.flight import Job, Underway
from loads.models import Chunk, Phase, VerifiedRow
from loads.staged import StagedRow
from loads.weights import size, weighed

BIND = "@odata.bind"
# A create-only column that the service moves: the moment given ends up in createdon.
MOVED = {"overriddencreatedon": "createdon"}
# Of each value, in this order: as the source holds it, as the plan makes it, shortened or left out with a remark, or not what was sent.
EQUAL, TRANSFORMED, LOSSY, WRONG = VERDICTS = ("equal", "transformed", "lossy", "wrong")
PLACES = {verdict: place for place, verdict in enumerate(VERDICTS)}
MEASURED = ("Integer", "BigInt", "Decimal", "Double", "Money")
READ_ROWS = 500  # at once; their ids make an address of some 21,000 characters
READ_BYTES = 4 * BLOCK  # of files, at once
CLAIMS = 2  # of a chunk that nothing disturbs: to send it and to read it
KEPT = 50  # wrong rows of a chunk that are kept value by value; all are counted


Compared = tuple[StagedRow, dict[str, Any], Mapping[str, Any] | None]


class ReadBack:
    """What rows of one table must hold and what they do hold. stamp: the run's own values, sent with every row."""

    def __init__(self, client: Client, table: Table, stamp: Mapping[str, Any]) -> None:
        """Know the table's lookups and types."""
        self.client, self.table, self.stamp = client, table, stamp
        self._content = TABLES[table.name].content if table.name in TABLES else ""
        self._names: dict[str, str] = {}
        self._lookups = {navigation: column.name for column in table.columns.values() for navigation in column.navigation.values()}

    def meant(self, row: StagedRow) -> dict[str, Any]:
        """Read form of a row's body: column (or `_column_value`) -> what should be found there; of a file its size."""
        found: dict[str, Any] = {}
        for key, value in chain(row.values.items(), self.stamp.items()):
            name = self._names.get(key)
            if name is None:
                name = self._names[key] = self._read_form(key)
            found[name] = value if name[0] != "_" else value.rpartition("(")[2].rstrip(")").lower()
        if name := found.pop(self._content, None):
            found[SIZE] = size_of(name)
        return found

    def _read_form(self, key: str) -> str:
        return f"_{self._lookups[key.removesuffix(BIND)]}_value" if key.endswith(BIND) else MOVED.get(key, key)

    def column(self, key: str) -> Column | None:
        """The column that a read form names."""
        return self.table.columns.get(column_name(key))

    def wrong(self, meant: Mapping[str, Any], found: Mapping[str, Any] | None) -> list[str]:
        """The keys whose values aren't what was meant; all of them where there is no such row."""
        if found is None:
            return list(meant)
        odd = [key for key, wanted in meant.items() if (read := found.get(key)) != wanted or type(read) is not type(wanted)]
        return [key for key in odd if not same(self.column(key), meant[key], found.get(key))]

    def compared(self, rows: Sequence[StagedRow]) -> Iterator[Compared]:
        """Each row with what it must hold and what was read; None where there is no such row."""
        wanted = {row.row_id: self.meant(row) for row in rows}
        select = sorted({key for values in wanted.values() for key in values})
        read = self.client.retrieve(self.table.entity_set, self.table.primary_id, list(wanted), select) if rows else ()
        found = {row[self.table.primary_id].lower(): row for row in read}
        return (self._with_content((row, wanted[row.row_id], found.get(row.row_id))) for row in rows)

    def _with_content(self, compared: Compared) -> Compared:
        """The same with the name of the file that was meant and of the one that is there, which says its SHA-256."""
        row, meant, found = compared
        if SIZE not in meant or found is None:
            return compared
        there = name_of(self.client, self.table, row.row_id)
        return row, {**meant, self._content: row.values[self._content]}, {**found, self._content: there}

    def differing(self, rows: Sequence[StagedRow]) -> Iterator[tuple[StagedRow, set[str]]]:
        """Each row with the columns that hold something else than was meant; all of them where the row is missing."""
        for row, meant, found in self.compared(rows):
            yield row, set(self.wrong(meant, found))


@lru_cache(maxsize=10_000)
def column_name(key: str) -> str:
    """The column of a read form: `_ownerid_value` is `ownerid`."""
    return key.removeprefix("_").removesuffix("_value") if key.startswith("_") and key.endswith("_value") else key


def same(column: Column | None, wanted: Any, found: Any) -> bool:
    """Whether a value read back is the value that was sent, by the column's type."""
    if wanted == found and type(wanted) is type(found):
        return True
    if wanted is None or found is None:
        return wanted in (None, "") and found in (None, "")
    compare = COMPARE.get(column.kind if column else "", _plain)
    return compare(column, wanted, found)


def _plain(column: Column | None, wanted: Any, found: Any) -> bool:
    return type(wanted) is type(found) and wanted == found


def _number(column: Column | None, wanted: Any, found: Any) -> bool:
    digits = column.precision if column and column.precision is not None else 10
    return abs(Decimal(str(wanted)) - Decimal(str(found))) <= Decimal(10) ** -digits / 2


def _text(column: Column | None, wanted: Any, found: Any) -> bool:
    return str(wanted).replace("\r\n", "\n") == str(found).replace("\r\n", "\n")


def _moment(column: Column | None, wanted: Any, found: Any) -> bool:
    if str(wanted) == str(found):
        return True
    try:
        return _utc(str(wanted)) == _utc(str(found))
    except ValueError:
        return False


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _id(column: Column | None, wanted: Any, found: Any) -> bool:
    return str(wanted).lower() == str(found).lower()


COMPARE: Mapping[str, Callable[[Column | None, Any, Any], bool]] = {
    "Decimal": _number,
    "Double": _number,
    "Money": _number,
    "String": _text,
    "Memo": _text,
    "DateTime": _moment,
    "Lookup": _id,
    "Customer": _id,
    "Owner": _id,
    "Uniqueidentifier": _id,
}


@dataclass(slots=True)
class Tally:
    """What was read back of some rows. columns: column -> values by verdict, in the order of VERDICTS; ranges: number -> min, max, sum."""

    rows: int = 0
    wrong_rows: int = 0
    columns: dict[str, list[int]] = field(default_factory=dict)
    ranges: dict[str, list[Decimal]] = field(default_factory=dict)

    def take_rows(self, count: int, verdicts: Mapping[str, str]) -> None:
        """Count so many rows that are alike. verdicts: read form of each column -> what became of the value."""
        self.rows += count
        self.wrong_rows += count if WRONG in verdicts.values() else 0
        for key, verdict in verdicts.items():
            self.columns.setdefault(column_name(key), [0] * len(VERDICTS))[PLACES[verdict]] += count

    def measure(self, name: str, number: Decimal) -> None:
        """Take a number that was read into the column's range and sum."""
        least, most, total = self.ranges.get(name, [number, number, Decimal(0)])
        self.ranges[name] = [min(least, number), max(most, number), total + number]

    def content(self) -> dict[str, Any]:
        """As a chunk and a phase keep it; numbers as text, so that none loses digits."""
        ranges = {name: [str(number) for number in numbers] for name, numbers in self.ranges.items()}
        return {"rows": self.rows, "wrong_rows": self.wrong_rows, "columns": self.columns, "ranges": ranges}

    def take(self, content: Mapping[str, Any]) -> None:
        """Add what another tally kept."""
        self.rows += content["rows"]
        self.wrong_rows += content["wrong_rows"]
        for name, counts in content["columns"].items():
            self.columns[name] = [a + b for a, b in zip(self.columns.get(name, [0] * len(VERDICTS)), counts, strict=True)]
        for name, (least, most, total) in content["ranges"].items():
            for number in (Decimal(least), Decimal(most)):
                self.measure(name, number)
            self.ranges[name][2] += Decimal(total) - Decimal(least) - Decimal(most)

    def values(self) -> dict[str, int]:
        """Values by verdict, over all columns."""
        return {verdict: sum(counts[place] for counts in self.columns.values()) for place, verdict in enumerate(VERDICTS)}


def read(chunk: Chunk, phase: Phase, destination: Destination, worker: str) -> Underway:
    """Read every row that a chunk wrote back, compare each value, and keep the counts; rows of the sample and wrong ones value by value.

    Settling raises LeaseLost where another worker took the chunk over.
    """
    back = ReadBack(destination.client, destination.table(phase.table), destination.stamp(phase.table, phase.run.key))

    def settle(underway: Underway) -> None:
        _keep(chunk, phase, back, underway.results, worker)

    return Underway(chunk, jobs(back, written(chunk, phase)), settle)


def jobs(back: ReadBack, rows: list[StagedRow]) -> list[Job]:
    """The calls that read rows back, each as the application user that has room for it."""

    def job(part: list[StagedRow], client: Client) -> list[Compared]:
        return list(ReadBack(client, back.table, back.stamp).compared(part))

    parts = weighed(rows, partial(size, back.table.name), READ_ROWS, READ_BYTES)
    return [partial(job, part) for part in parts]


def _keep(chunk: Chunk, phase: Phase, back: ReadBack, read: Sequence[Compared], worker: str) -> None:
    tally, kept, shapes, wrong_rows = Tally(), list[VerifiedRow](), Counter[Shape](), 0
    numbers = [name for name, column in back.table.columns.items() if column.kind in MEASURED]
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
    with transaction.atomic():
        ledger.checked(chunk, worker, tally.content())
        if chunk.attempts > CLAIMS:  # it was read before, by a worker that died or until a difference was put right
            VerifiedRow.objects.filter(phase=phase, row_id__in=[UUID(row.row_id) for row, *_ in read]).delete()
        VerifiedRow.objects.bulk_create(kept, batch_size=200)


def written(chunk: Chunk, phase: Phase) -> list[StagedRow]:
    """The rows of a chunk that were sent and taken."""
    bound = bindings.late(phase.run.environment)
    read = staged.read_phase(phase, chunk.start, chunk.stop, late=bound, only=staged.TO_READ_BACK)
    rows = [row for row in read if row.action in ("create", "update")]
    if not (chunk.refused or chunk.waiting):
        return rows
    absent = ledger.absent(phase, (UUID(row.row_id) for row in rows))
    return [row for row in rows if UUID(row.row_id) not in absent]


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


def _verified(phase: Phase, row: StagedRow, meant: Mapping[str, Any], found: Mapping[str, Any], verdicts: Mapping[str, str]) -> VerifiedRow:
    source = row.sample or {}
    fields = [
        {"column": name, "source": source.get(name), "meant": value, "found": found.get(key), "verdict": verdicts[key]}
        for key, value in meant.items()
        for name in [column_name(key)]
    ]
    verdict = next((word for word in (WRONG, LOSSY) if word in verdicts.values()), EQUAL)
    return VerifiedRow(run_id=phase.run_id, phase=phase, source_id=row.source_id, row_id=UUID(row.row_id), verdict=verdict, fields=fields)


def total(phases: Collection[Phase]) -> Tally:
    """What was read back of phases whose chunks are all checked."""
    tally = Tally()
    for content in Chunk.objects.filter(phase__in=phases).exclude(verified={}).values_list("verified", flat=True).iterator(chunk_size=500):
        tally.take(content)
    return tally

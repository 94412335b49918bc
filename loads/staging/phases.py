"""Phases, chunks and the exceptions that staging decided, recorded in one transaction when an object is staged."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
from django.db import transaction
from django.db.models import Max

from connectors import store
from connectors.dataverse.files import TABLES as FILE_TABLES
from loads import staged, weights
from loads.ledger import LeaseLost
from loads.models import Chunk, LedgerEntry, Phase, Run

CHUNK_ROWS = 1_000
ENTRIES = 2_000
# Phases that count records; what is done with rows that are there counts none.
# In which turn they come: what is closed or no longer in use takes no further lookup.
LATE_KINDS: Mapping[str, int] = {Phase.Kind.LOOKUPS: 1, Phase.Kind.CLOSE: 2, Phase.Kind.STATES: 2, Phase.Kind.GONE: 2}
RECORD_KINDS = (Phase.Kind.ROWS, Phase.Kind.MEMBERS, Phase.Kind.DOCUMENT)
KEPT = {"rejected": LedgerEntry.Outcome.REJECTED, "held": LedgerEntry.Outcome.HELD}


class Dispositions:
    """Writes the dispositions of a range of records; a context manager. Its file is what says that the range is staged.

    add: reasons are [{"code", "field", "detail", "severity"}], the deciding one first.
    """

    def __init__(self, run: Run, object_name: str, number: int = 0) -> None:
        """Open the file of this range."""
        self._file = store.ParquetFile(staged.part(run, object_name, staged.DISPOSITIONS_KIND, number), staged.DISPOSITIONS)

    def __enter__(self) -> "Dispositions":
        self._file.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.__exit__(kind, error, trace)

    def add(
        self, position: int, source_id: str, disposition: str, table: str, into: str = "", reasons: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        """One record's disposition."""
        self._file.add(position, source_id, disposition, table, into, orjson.dumps(list(reasons)))

    def add_again(self, row: Mapping[str, Any]) -> None:
        """A disposition as it was read, see `staged.DISPOSITIONS`."""
        self._file.add(*(row[name] for name in staged.DISPOSITIONS.names))


def index_file(run: Run, object_name: str) -> Path:
    """Where what other records call those of an object is kept, see `loads.staging.index`; gone where the object is staged anew."""
    return staged.folder(run) / f"{object_name}-index.parquet"


def forget_indexes(run: Run) -> None:
    """Who needs what others call records works it out again."""
    for path in staged.folder(run).glob(index_file(run, "*").name):
        path.unlink(missing_ok=True)


def rewrite(run: Run, object_name: str, number: int, changed: Mapping[int, Sequence[Any]]) -> None:
    """Write a range's dispositions again. changed: position -> disposition and reasons of the records that have others now."""
    path = staged.part(run, object_name, staged.DISPOSITIONS_KIND, number)
    with Dispositions(run, object_name, number) as dispositions:
        for row in store.read_rows(path):
            disposition, reasons = changed.get(row["position"], (row["disposition"], row["reasons"]))
            dispositions.add_again({**row, "disposition": disposition, "reasons": reasons})
    index_file(run, object_name).unlink(missing_ok=True)


@transaction.atomic
def record(run: Run, object_name: str, wanted: Iterable[tuple[str, str]], worker: str) -> None:
    """Replace the object's phases in this run, and say that the object is staged.

    wanted: (table, kind of phase) in load order; table '' last where records may have none.

    Raises LeaseLost where the staging belongs to another worker by now.
    """
    locked = _held(run, worker)
    Phase.objects.filter(run=run, object_name=object_name).delete()
    counts = _counts(run, object_name)
    phases: dict[str, Phase] = {}
    for number, (table, kind) in enumerate(wanted, start=_next_number(run)):
        counted = counts.get(table, {}) if kind in RECORD_KINDS else {}
        phase = _phase(run, object_name, table, kind, number, counted)
        if kind in RECORD_KINDS:
            phases[table] = phase
    _keep_exceptions(run, object_name, phases)
    index_file(run, object_name).unlink(missing_ok=True)
    locked.staged = [*(name for name in locked.staged if name != object_name), object_name]
    locked.save(update_fields=["staged"])
    run.staged = locked.staged


@transaction.atomic
def add(run: Run, object_name: str, kind: str, tables: Iterable[str], worker: str) -> None:
    """Record further phases of an object that is staged, which count no records. Raises LeaseLost as `record` does."""
    _held(run, worker)
    for number, table in enumerate(tables, start=_next_number(run)):
        _phase(run, object_name, table, kind, number, {})


def unstaged(run: Run) -> set[str]:
    """The objects that have phases and aren't staged: those that can't be, and those that need them."""
    return set(run.phases.values_list("object_name", flat=True)) - set(run.staged)


@transaction.atomic
def block(run: Run, places: Sequence[tuple[str, str]], message: str) -> bool:
    """Park an object that can't be staged: a phase of it says why, and one of each object that needs it waits behind.

    places: object and main table, of itself first. False where it is known. Its ranges are nobody's any more.
    """
    locked = Run.objects.select_for_update().get(pk=run.pk)
    known, [(object_name, table), *others] = unstaged(locked), places
    if locked.state != Run.State.STAGING or object_name in {*locked.staged, *known}:
        return False
    number = _next_number(run)
    phase = Phase.objects.create(run=run, number=number, object_name=object_name, table=table, state=Phase.State.BLOCKED, message=message)
    behind = [place for place in others if place[0] not in known]
    waiting = (Phase(run=run, number=number + n, object_name=name, table=of, behind=phase) for n, (name, of) in enumerate(behind, start=1))
    Phase.objects.bulk_create(waiting)
    run.staging_ranges.filter(object_name=object_name).delete()
    return True


def _held(run: Run, worker: str) -> Run:
    locked = Run.objects.select_for_update().get(pk=run.pk)
    if locked.worker != worker or locked.state != Run.State.STAGING:
        raise LeaseLost(f"{run} is staged by another worker now.")
    return locked


def _next_number(run: Run) -> int:
    return (Phase.objects.filter(run=run).aggregate(most=Max("number"))["most"] or 0) + 1


@transaction.atomic
def put_in_order(run: Run, objects: Sequence[str]) -> None:
    """Number the phases as they are loaded: the objects' rows in the order given, then what is done once all rows are there."""
    place = {name: number for number, name in enumerate(objects)}
    phases = sorted(
        run.phases.all(), key=lambda phase: (LATE_KINDS.get(phase.kind, 0), place.get(phase.object_name, len(place)), phase.number)
    )
    numbers = [phase.number for phase in phases]
    if numbers == list(range(1, len(phases) + 1)):
        return
    most = max(numbers)
    for offset in (most, 0):  # by way of numbers that none has, since two phases never have one
        for number, phase in enumerate(phases, start=1):
            phase.number = offset + number
        Phase.objects.bulk_update(phases, ["number"], batch_size=200)


def _counts(run: Run, object_name: str) -> dict[str, dict[str, int]]:
    """Main table -> disposition -> records."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for path in staged.parts(run, object_name, staged.DISPOSITIONS_KIND):
        for read in store.read_tables(path, columns=["main_table", "disposition"]):
            for found in read.group_by(["main_table", "disposition"]).aggregate([([], "count_all")]).to_pylist():
                counts[found["main_table"]][found["disposition"]] += found["count_all"]
    return counts


def _phase(run: Run, object_name: str, table: str, kind: str, number: int, counts: Mapping[str, int]) -> Phase:
    files = staged.parts(run, object_name, staged.kind_of(table, kind)) if table else []
    rows = staged.row_count(files)
    phase = Phase.objects.create(
        run=run,
        number=number,
        object_name=object_name,
        table=table,
        kind=kind,
        extracted=sum(counts.values()),
        merged=counts.get("merged", 0),
        documented=counts.get("documented", 0),
        skipped=counts.get("skipped", 0),
        rejected=counts.get("rejected", 0),
        held=counts.get("held", 0),
        staged=counts.get("planned", 0),
        planned=staged.states(files) if kind == Phase.Kind.STATES else rows,
    )
    whole = ((start, min(start + CHUNK_ROWS, rows)) for start in range(0, rows, CHUNK_ROWS))
    ranges = weights.ranges(phase, CHUNK_ROWS) if table in FILE_TABLES and kind == Phase.Kind.ROWS else whole
    chunks = [Chunk(phase=phase, number=n, start=start, stop=stop) for n, (start, stop) in enumerate(ranges, start=1)]
    Chunk.objects.bulk_create(chunks, batch_size=500)
    return phase


def _keep_exceptions(run: Run, object_name: str, phases: Mapping[str, Phase]) -> None:
    for batch in store.batched(_exceptions(run, object_name, phases), ENTRIES):
        LedgerEntry.objects.bulk_create(batch)


def _exceptions(run: Run, object_name: str, phases: Mapping[str, Phase]) -> Iterator[LedgerEntry]:
    for row in staged.read_dispositions(run, object_name):
        outcome = KEPT.get(row["disposition"])
        if outcome:
            entry = LedgerEntry(
                run=run,
                phase=phases[row["main_table"]],
                object_name=object_name,
                source_id=row["source_id"],
                position=row["position"],
                main_table=row["main_table"],
                outcome=outcome,
                held=outcome == LedgerEntry.Outcome.HELD,
            )
            entry.give(orjson.loads(row["reasons"]))
            yield entry

"""Phases, chunks and the exceptions that staging decided, recorded in one transaction when an object is staged."""

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

import orjson
from django.db import transaction

from connectors import store
from loads import staged
from loads.ledger import LeaseLost
from loads.models import Chunk, LedgerEntry, Phase, Run

CHUNK_ROWS = 1_000
ENTRIES = 2_000
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


@transaction.atomic
def record(run: Run, object_name: str, tables: Iterable[str], worker: str) -> None:
    """Replace the object's phases in this run, and say that the object is staged. tables: in load order, '' last where it is needed.

    Raises LeaseLost where the staging belongs to another worker by now.
    """
    locked = Run.objects.select_for_update().get(pk=run.pk)
    if locked.worker != worker or locked.state != Run.State.STAGING:
        raise LeaseLost(f"{run} is staged by another worker now.")
    Phase.objects.filter(run=run, object_name=object_name).delete()
    first = Phase.objects.filter(run=run).count() + 1
    counts = _counts(run, object_name)
    phases = {}
    for number, table in enumerate(tables, start=first):
        phases[table] = _phase(run, object_name, table, number, counts.get(table, {}))
    _keep_exceptions(run, object_name, phases)
    locked.staged = [*(name for name in locked.staged if name != object_name), object_name]
    locked.save(update_fields=["staged"])
    run.staged = locked.staged


def _counts(run: Run, object_name: str) -> dict[str, dict[str, int]]:
    """Main table -> disposition -> records."""
    paths = [str(path) for path in staged.parts(run, object_name, staged.DISPOSITIONS_KIND)]
    counts: dict[str, dict[str, int]] = {}
    with store.database() as con:
        for table, disposition, count in con.execute(
            "SELECT main_table, disposition, count(*) FROM read_parquet(?) GROUP BY ALL", [paths]
        ).fetchall():
            counts.setdefault(table, {})[disposition] = count
    return counts


def _phase(run: Run, object_name: str, table: str, number: int, counts: Mapping[str, int]) -> Phase:
    rows = staged.row_count(staged.parts(run, object_name, table)) if table else 0
    phase = Phase.objects.create(
        run=run,
        number=number,
        object_name=object_name,
        table=table,
        extracted=sum(counts.values()),
        merged=counts.get("merged", 0),
        documented=counts.get("documented", 0),
        skipped=counts.get("skipped", 0),
        rejected=counts.get("rejected", 0),
        held=counts.get("held", 0),
        planned=rows,
    )
    starts = range(0, rows, CHUNK_ROWS)
    chunks = [Chunk(phase=phase, number=n, start=start, stop=min(start + CHUNK_ROWS, rows)) for n, start in enumerate(starts, start=1)]
    Chunk.objects.bulk_create(chunks, batch_size=500)
    return phase


def _keep_exceptions(run: Run, object_name: str, phases: Mapping[str, Phase]) -> None:
    for batch in store.batched(_exceptions(run, object_name, phases), ENTRIES):
        LedgerEntry.objects.bulk_create(batch)


def _exceptions(run: Run, object_name: str, phases: Mapping[str, Phase]) -> Iterator[LedgerEntry]:
    for row in staged.read_dispositions(run, object_name):
        outcome = KEPT.get(row["disposition"])
        if outcome:
            reasons = orjson.loads(row["reasons"])
            yield LedgerEntry(
                run=run,
                phase=phases[row["main_table"]],
                object_name=object_name,
                source_id=row["source_id"],
                position=row["position"],
                main_table=row["main_table"],
                outcome=outcome,
                held=outcome == LedgerEntry.Outcome.HELD,
                code=reasons[0]["code"] if reasons else outcome,
                reasons=reasons,
            )

"""The plan of a rollback: what will be removed, restored and kept, decided by reads alone and written down before anything is sent.

Phases are planned in the order in which they will be carried out, the load's last one first, a range of chunks at a time; what is complete
stands as a file, so that a worker goes on after it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction
from django.utils import timezone

from connectors import store
from loads import bindings, counting, leases, ledger, opting_out, staged
from loads.counting import written_rows
from loads.destination import Destination
from loads.ledger import LeaseLost
from loads.models import Chunk, Phase, Run
from loads.rollback import late
from loads.rollback.rows import RowJudge, runs_of
from loads.rollback.scope import Scope
from loads.rollback.standing import Planned
from loads.rollback.verdicts import KEEP, REMOVE, RESTORE, Verdict
from loads.staged import StagedRow
from loads.staging.phases import CHUNK_ROWS

Judge = Callable[[Chunk, Sequence[StagedRow]], Iterator[Verdict]]
CHUNKS = 5  # of the load, that one part of a task plans
SAMPLES = 5  # kept rows of a phase that the plan names
WAITS = "Planned; nothing was sent yet. Look at what will be removed, restored and kept, then let it begin."


def plan_next(run: Run, destination: Destination, worker: str) -> bool:
    """Plan the next range of rows; False where all is planned."""
    todo = Scope.of(run.scope).to_undo(run.load)
    planned = set(run.phases.values_list("undoes_id", flat=True))
    number, phase = next(((n, one) for n, one in enumerate(todo, start=1) if one.pk not in planned), (0, None))
    if phase is None:
        Run.objects.filter(pk=run.pk, measured_at=None).update(measured_at=timezone.now())
        return False
    parts = staged.parts(run, phase.object_name, staged.undoing(phase.table, phase.kind))
    some = list(phase.chunks.order_by("number")[len(parts) * CHUNKS : (len(parts) + 1) * CHUNKS])
    if some:
        _write(run, phase, len(parts), _verdicts(run, phase, todo, some, destination, worker))
    else:
        _record(run, phase, number, destination, worker)
    return True


def waits(run: Run) -> str:
    """What a planned rollback waits for; empty once somebody let it begin."""
    return "" if run.agreed_at else WAITS


def _verdicts(
    run: Run, phase: Phase, todo: Sequence[Phase], chunks: Sequence[Chunk], destination: Destination, worker: str
) -> Iterator[Verdict]:
    """Of the rows that were sent: those of chunks that nobody took up, and those that were refused or waited, weren't."""
    scope, bound = Scope.of(run.scope), bindings.late(run.environment)
    judge = _judge(run, phase, todo, destination)
    for chunk in chunks:
        if not chunk.attempts:
            continue
        rows = list(scope.chosen(phase, staged.read_phase(phase, chunk.start, chunk.stop, late=bound)))
        absent = ledger.absent(phase, [UUID(row.row_id) for row in rows]) if chunk.refused or chunk.waiting else set()
        sent = [row for row in rows if row.action in ("create", "update") and UUID(row.row_id) not in absent]
        if sent:
            yield from judge(chunk, sent)
        for row in opting_out.written(phase, rows):  # the one thing that a load writes into an edited row
            yield Verdict.keep(row, "rollback.refusal_stays", ", ".join(row.values))
        leases.keep(run, worker)


def _judge(run: Run, phase: Phase, todo: Sequence[Phase], destination: Destination) -> Judge:
    if phase.kind != Phase.Kind.ROWS:
        return late.LateJudge(run, phase, todo, destination).judge
    judge = RowJudge(phase, destination, destination.client, runs_of(phase.run))
    standing = Planned(run, phase, todo)
    return lambda chunk, rows: judge.judge(rows, standing)


def _write(run: Run, phase: Phase, number: int, verdicts: Iterator[Verdict]) -> None:
    path = staged.part(run, phase.object_name, staged.undoing(phase.table, phase.kind), number)
    with store.ParquetFile(path, staged.STAGED) as file:
        for one in verdicts:
            row = one.row
            before = None if one.before is None else orjson.dumps(one.before)
            file.add(
                row.row_id, row.source_id, row.position, row.role, row.main_table, one.action, row.origin, orjson.dumps(one.values),
                [], one.etag, before, row.applied_hash, [], [], None, None, None,
            )  # fmt: skip


def _record(run: Run, undone: Phase, number: int, destination: Destination, worker: str) -> None:
    """The phase that takes back one of the load's, with its chunks and what its plan says."""
    paths = staged.parts(run, undone.object_name, staged.undoing(undone.table, undone.kind))
    found = written_rows(run, undone, destination) if undone.kind == Phase.Kind.ROWS else 0
    if found is None:
        return  # it is counted first
    rows = staged.row_count(paths)
    with transaction.atomic():
        mine = Run.objects.select_for_update().filter(pk=run.pk, worker=worker, state=Run.State.STAGING)
        if not mine.exists():
            raise LeaseLost(f"{run} is planned by another worker now.")
        phase = Phase.objects.create(
            run=run, undoes=undone, number=number, object_name=undone.object_name, table=undone.table, kind=undone.kind,
            planned=rows, found=found, outlook=_outlook([str(path) for path in paths]),
        )  # fmt: skip
        starts = enumerate(range(0, rows, CHUNK_ROWS), start=1)
        chunks = [Chunk(phase=phase, number=n, start=start, stop=min(start + CHUNK_ROWS, rows)) for n, start in starts]
        Chunk.objects.bulk_create(chunks, batch_size=500)
        counting.forget(run, undone)


def _outlook(paths: Sequence[str]) -> dict[str, Any]:
    """remove, restore, keep: rows. followers: table -> rows that go along. reasons: code -> rows. samples: [[source id, code, why]]."""
    followers, reasons, samples = Counter[str](), Counter[str](), list[list[str]]()
    with store.database() as con:
        counts = dict(con.execute("SELECT action, count(*) FROM read_parquet(?) GROUP BY ALL", [paths]).fetchall()) if paths else {}
        for values, times in _groups(con, paths, REMOVE):
            for table, rows in orjson.loads(values).items():
                followers[table] += rows * times
        cursor = con.execute("SELECT source_id, values FROM read_parquet(?) WHERE action = ?", [paths, KEEP]) if counts.get(KEEP) else None
        while cursor and (batch := cursor.fetchmany(2_000)):
            for source_id, values in batch:
                why = orjson.loads(values)
                reasons[why["code"]] += 1
                if len(samples) < SAMPLES:
                    samples.append([source_id, why["code"], why["detail"]])
    return {name: counts.get(name, 0) for name in (REMOVE, RESTORE, KEEP)} | {
        "followers": dict(followers), "reasons": dict(reasons), "samples": samples,
    }  # fmt: skip


def _groups(con: Any, paths: Sequence[str], action: str) -> list[tuple[bytes, int]]:
    """The distinct values of the rows of an action, which are few, with how many rows have each."""
    if not paths:
        return []
    return con.execute("SELECT values, count(*) FROM read_parquet(?) WHERE action = ? GROUP BY values", [paths, action]).fetchall()

"""The prediction: every staged row in load order against the snapshot, a staged file at a time, before anything is sent."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
from django.utils import timezone

from connectors import store
from loads import bindings, staged
from loads.destination import Destination
from loads.models import Phase, Rehearsal, Run
from loads.rehearsal.judging import Judge, Judged
from loads.rehearsal.snapshot import Snapshot
from loads.rehearsal.taken import begin as begin_looking
from loads.rehearsal.taken import look_up
from loads.scans.reading import read_here
from workbench.engagements.errors import Retryable, WorkbenchError

logger = logging.getLogger(__name__)
# One row for each staged row that won't be written. faults: JSON [[code, column, detail]], the first one deciding.
PREDICTED = pa.schema(
    [
        ("phase_id", pa.int64()),
        ("object", pa.string()),
        ("table", pa.string()),
        ("position", pa.int64()),
        ("source_id", pa.string()),
        ("role", pa.string()),
        ("row_id", pa.string()),
        ("outcome", pa.string()),
        ("code", pa.string()),
        ("column", pa.string()),
        ("faults", pa.binary()),
    ]
)
COLUMNS = ["row_id", "source_id", "position", "role", "action", "values", "parents", "etag", "state"]
TOGETHER = 2_000
EXAMPLES = 5
FRESH = timedelta(minutes=10)
SECONDS = 30.0


def predict(run: Run, destination: Destination, beat: Callable[[], None], *, seconds: float = SECONDS) -> bool:
    """Go on with the prediction of a run that is staged for about `seconds`; True once it is made. What it offers to read must be read.

    One that is fresh stands. A destination that refuses to be read leaves the run without a prediction, and says so. Raises Retryable.
    """
    rehearsal, new = Rehearsal.objects.get_or_create(run=run)
    if rehearsal.made_at and timezone.now() - rehearsal.made_at < FRESH:
        return True
    if new or rehearsal.made_at:
        rehearsal = begin(run)
    started = time.monotonic()
    try:
        done = _go_on(run, destination, beat, started + seconds)
    except Retryable:
        raise
    except WorkbenchError as error:
        logger.warning("run %s isn't rehearsed: %s", run.pk, type(error).__name__)
        rehearsal.problem, done = f"{error} {error.remedy}", True
    rehearsal.seconds += time.monotonic() - started
    if done:
        rehearsal.made_at = timezone.now()
        _count(run, rehearsal)
    rehearsal.save()
    return done


def predict_here(run: Run, destination: Destination, said: Callable[[], None] = lambda: None) -> None:
    """Make the prediction from beginning to end, with what is to be read for it. said: is called now and then. Raises Retryable."""
    while not predict(run, destination, lambda: None):
        said()
        read_here(run, destination, f"rehearsal of run {run.pk}")


def begin(run: Run, *, asked: bool = False) -> Rehearsal:
    """Forget what was predicted for a run that has sent nothing yet. asked: a person has seen what there is to see."""
    for path in _files(run):
        path.unlink(missing_ok=True)
    begin_looking(run)
    Rehearsal.objects.filter(run=run).delete()
    return Rehearsal.objects.create(run=run, asked=asked)


def _files(run: Run) -> list[Path]:
    return sorted(staged.folder(run).glob("predicted.*"))


def files(run: Run) -> list[str]:
    """The Parquet files of a run's prediction; see PREDICTED."""
    return [str(path) for path in _files(run) if path.suffix == ".parquet"]


def _go_on(run: Run, destination: Destination, beat: Callable[[], None], deadline: float) -> bool:
    """Predict the staged files that aren't yet; what is complete stands as a file, so that a worker goes on after it."""
    judge, late = Judge(run, Snapshot(destination), _absent(run)), bindings.late(run.environment)
    for phase in run.phases.filter(planned__gt=0).exclude(table="").order_by("number"):
        phase.run = run
        for number, path in enumerate(staged.rows_of(phase)):
            file = staged.folder(run) / f"predicted.{phase.number:05d}.{number:05d}.parquet"
            if file.exists():
                continue
            if time.monotonic() > deadline:
                return False
            if phase.kind == Phase.Kind.ROWS and not look_up(phase, judge.snapshot, late):
                return False
            _predict_file(judge, phase, path, file, late, beat)
    return True


def _absent(run: Run) -> set[str]:
    """Ids of rows that are predicted not to be written, by the files so far."""
    if not (paths := files(run)):
        return set()
    with store.reader() as con:
        return {row_id for (row_id,) in con.execute("SELECT row_id FROM read_parquet(?)", [paths]).fetchall()}


def _predict_file(judge: Judge, phase: Phase, path: Path, file: Path, late: Mapping[str, str], beat: Callable[[], None]) -> None:
    looked, remarks = 0, Counter[tuple[str, str]]()
    examples: dict[tuple[str, str], list[str]] = {}
    with store.ParquetFile(file, PREDICTED) as out:
        for batch in store.batched(_rows(phase, path, late), TOGETHER):
            looked += len(batch)
            for row, judged in judge.judge(phase, batch):
                for remark in judged.remarks:
                    key = (remark.code, remark.column)
                    remarks[key] += 1
                    if len(of := examples.setdefault(key, [])) < EXAMPLES:
                        of.append(row["source_id"])
                if judged.outcome:
                    out.add(*_line(phase, row, judged))
            beat()
        # Before the file that says that all is done.
        told = [[*key, count, examples[key]] for key, count in remarks.items()]
        store.write(file.with_suffix(".json"), orjson.dumps({"phase": phase.pk, "rows": looked, "remarks": told}))


def _rows(phase: Phase, path: Path, late: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """What a phase sends of one staged file, parsed; of states those rows alone that get one. late: see `bindings.late`."""
    for row in store.read_rows(path, columns=COLUMNS):
        if phase.kind == Phase.Kind.STATES:
            if row["state"] is not None:
                yield row | {"action": "update", "values": dict(zip(("statecode", "statuscode"), row["state"], strict=True)), "parents": ()}
        elif row["action"] in ("create", "update"):
            yield row | {"values": orjson.loads(staged.bound(row["values"], late))}
        elif row["action"] == "conflict":
            yield row | {"values": {}}
        else:
            yield row | {"values": None}


def _line(phase: Phase, row: Mapping[str, Any], judged: Judged) -> Iterable[Any]:
    first = judged.faults[0]
    place = (phase.pk, phase.object_name, phase.table, row["position"], row["source_id"], row["role"], row["row_id"])
    return *place, judged.outcome, first.code, first.column, orjson.dumps([list(fault) for fault in judged.faults])


def _count(run: Run, rehearsal: Rehearsal) -> None:
    """Take the counts of the files into the database, before the first request of the load."""
    phases = {phase.pk: phase for phase in run.phases.all()}
    parts = [orjson.loads(path.read_bytes()) for path in _files(run) if path.suffix == ".json"]
    rehearsal.rows = sum(part["rows"] for part in parts)
    rehearsal.reasons = list(_reasons(run, phases))
    rehearsal.refused = sum(one["rows"] for one in rehearsal.reasons if one["outcome"] == "refused")
    rehearsal.waiting = sum(one["rows"] for one in rehearsal.reasons if one["outcome"] == "waiting")
    counted: dict[tuple[int, str, str], dict[str, Any]] = {}
    for part in parts:
        for code, column, count, examples in part["remarks"]:
            blank = _named(phases[part["phase"]], "remark", code, column, 0, [])
            one = counted.setdefault((part["phase"], code, column), blank)
            one["rows"] += count
            one["examples"] = [*one["examples"], *examples][:EXAMPLES]
    rehearsal.remarks = sorted(counted.values(), key=lambda one: (-one["rows"], one["table"], one["column"]))


def _reasons(run: Run, phases: Mapping[int, Phase]) -> Iterator[dict[str, Any]]:
    if not (paths := files(run)):
        return
    with store.reader() as con:
        found = con.execute(
            """SELECT phase_id, outcome, code, "column", count(*) AS rows, list(source_id ORDER BY position)[1:5]
               FROM read_parquet(?) WHERE outcome <> 'kept' GROUP BY ALL ORDER BY rows DESC, phase_id, code""",
            [paths],
        ).fetchall()
    for phase_id, outcome, code, column, count, examples in found:
        yield _named(phases[phase_id], outcome, code, column, count, examples)


def _named(phase: Phase, outcome: str, code: str, column: str, rows: int, examples: list[str]) -> dict[str, Any]:
    names = {"object": phase.object_name, "table": phase.table, "kind": phase.kind}
    return {**names, "outcome": outcome, "code": code, "column": column, "rows": rows, "examples": examples}

"""The load engine disturbed in mid-load in every way that a machine, a network and a service have; what stands at the destination then.

Each time the destination is put back to what it was, the same rows are loaded into it, and something happens while chunks are in flight.
Every table's canonical dump must be afterwards that of a load that nothing disturbed.
"""

import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet, Sum

from loads import runs
from loads.models import Chunk, Run
from loads.staging.phases import CHUNK_ROWS
from workbench.management.cluster import TaskCluster
from workbench.management.load_bench import TABLE, Bench, children, stage
from workbench.management.proof import canonical_dumps

SERVER = "dataverse_sandbox"
CAPACITY = {"hint": 4, "slots": None, "latency_ms": 150, "row_ms": 0}  # so slow that a load can be met in its middle
SERIES = "disturbed"
LOST_ANSWERS = 2
OUTAGE_S = 0.5
LOOK_S = 0.05
LONGEST_S = 300
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Scene:
    """A load in its middle: chunks are settled, others are in flight."""

    bench: Bench
    cluster: TaskCluster
    run: Run

    def chunks(self, state: str = Chunk.State.LEASED) -> QuerySet[Chunk]:
        """The chunks that are being sent, or those in another state."""
        return Chunk.objects.filter(phase__run=self.run, state=state)

    @property
    def in_flight(self) -> int:
        """Rows of the chunks that are being sent."""
        return _rows(self.chunks())

    @property
    def pids(self) -> list[int]:
        """Processes that are sending chunks."""
        return sorted({pid_of(worker) for worker in self.chunks().values_list("worker", flat=True)})


def pid_of(worker: str) -> int:
    """The process of a worker of this machine. worker: node:pid:..."""
    return int(worker.split(":")[1])


def _rows(chunks: Any) -> int:
    return chunks.aggregate(rows=Sum(F("stop") - F("start")))["rows"] or 0


def worker(scene: Scene) -> int:
    """kill -9 of a worker."""
    [pid, *_] = scene.pids
    os.kill(pid, signal.SIGKILL)
    return scene.in_flight


def reader(scene: Scene) -> int:
    """kill -9 of a worker that reads back what was sent."""
    in_flight = _until(lambda: list(scene.chunks(Chunk.State.CHECKING)))
    os.kill(pid_of(in_flight[0].worker), signal.SIGKILL)
    return sum(chunk.stop - chunk.start for chunk in in_flight)


def processes(scene: Scene) -> int:
    """kill -9 of all that the cluster's guard has started: workers in the middle of a task, others that wait for one, the queues' ends."""
    [guard] = children(scene.cluster.pid)
    for pid in children(guard):
        os.kill(pid, signal.SIGKILL)
    return scene.in_flight


def cluster(scene: Scene) -> int:
    """kill -9 of the whole task cluster; it is started again as a service manager would."""
    os.killpg(scene.cluster.pid, signal.SIGKILL)
    return scene.in_flight


def destination(scene: Scene) -> int:
    """kill -9 of the destination, which comes back after a while with all that it had answered."""
    scene.bench.servers.kill(SERVER)
    in_flight = scene.in_flight
    time.sleep(OUTAGE_S)
    scene.bench.servers.start_again(SERVER)
    return in_flight


def database(scene: Scene) -> int:
    """Connections to the database that are dropped; an embedded one that is locked for longer than anybody waits for it."""
    if connection.vendor == "sqlite":
        with transaction.atomic():  # takes the write lock
            in_flight = scene.in_flight
            time.sleep(settings.DATABASES["default"]["OPTIONS"]["timeout"] + OUTAGE_S)
        return in_flight
    _until(_workers_dropped)
    return scene.in_flight


def _workers_dropped() -> bool:
    """Whether PostgreSQL found connections to drop: those whose last word was about a run."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%\"loads_%'"
        )
        return bool(cursor.fetchall())


def answer(scene: Scene) -> int:
    """Answers that get lost after the work was done."""
    lost = {"method": "POST", "path": "CreateMultiple", "do": "lose", "times": LOST_ANSWERS}
    scene.bench.control("faults", {"faults": [lost]})
    largest = max(chunk.stop - chunk.start for chunk in Chunk.objects.filter(phase__run=scene.run))
    return LOST_ANSWERS * largest


def disk(scene: Scene) -> int:
    """A full disk: the workers' processes may write nothing more to any file, and after a while they may again."""
    pids = scene.pids
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_, most) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))
    in_flight = scene.in_flight
    time.sleep(2 * OUTAGE_S)
    for pid, limits in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
    return in_flight


KINDS: Mapping[str, Callable[[Scene], int]] = {
    "worker": worker,
    "reader": reader,
    "processes": processes,
    "cluster": cluster,
    "destination": destination,
    "database": database,
    "answer": answer,
    "disk": disk,
}


class Stage:
    """A bench, with destinations that keep what they answered, whose sandbox takes the same rows again and again."""

    def __init__(self, bench: Bench, cluster: TaskCluster, rows: int, chunk_rows: int = CHUNK_ROWS) -> None:
        """Keep what the destination holds, and load the rows undisturbed. rows: of each load, in chunks of `chunk_rows`."""
        self.bench, self.cluster, self.rows, self.chunk_rows = bench, cluster, rows, chunk_rows
        self._journal = cast(Path, bench.state) / f"{SERVER}.jsonl"
        self._before = self._journal.with_suffix(".before")
        shutil.copyfile(self._journal, self._before)
        self.calm = self._load(lambda scene: 0)
        self._undisturbed = canonical_dumps(bench.sandbox)

    def disturbed(self, kind: str) -> dict[str, Any]:
        """What came of a load that was disturbed: whether the destination is as it must be, and what was done twice."""
        self._put_back()
        figures = self._load(KINDS[kind])
        twice = figures["rows_written"] - self.calm["rows_written"]
        return {**figures, "same": canonical_dumps(self.bench.sandbox) == self._undisturbed, "rows_written_twice": twice}

    def _put_back(self) -> None:
        """The destination as it was before the first load; it starts from its journal."""
        self.bench.servers.kill(SERVER)
        shutil.copyfile(self._before, self._journal)
        self.bench.servers.start_again(SERVER)

    def _load(self, disturb: Callable[[Scene], int]) -> dict[str, Any]:
        self.bench.control("capacity", CAPACITY)
        run = stage(self.bench, self.rows, SERIES, self.chunk_rows)
        began = time.monotonic()
        runs.queue_work(run)
        chunks = Chunk.objects.filter(phase__run=run)
        _until(lambda: chunks.filter(state=Chunk.State.LEASED).exists() and chunks.filter(state__in=Chunk.SENT).exists())
        in_flight = disturb(Scene(self.bench, self.cluster, run))
        resumed = _ended(run).state == Run.State.PAUSED
        if resumed:  # it says what to do, and somebody did it
            runs.resume(run, run.requested_by)
            _ended(run)
        return {
            "rows": self.rows,
            "resumed": resumed,
            "seconds": round(time.monotonic() - began, 2),
            "state": run.state,
            "message": run.message,
            "rows_in_flight": in_flight,
            "rows_written": self._written(),
        }

    def _written(self) -> int:
        """How often the destination wrote a row since it was put back, by its own journal."""
        with self._journal.open("rb") as lines:
            lines.seek(self._before.stat().st_size)
            return sum(len(orjson.loads(line).get("rows", {}).get(TABLE, ())) for line in lines)


def _ended(run: Run) -> Run:
    """The run, once it goes on no more."""
    _until(lambda: not Run.objects.filter(pk=run.pk, state__in=runs.GOING).exists())
    run.refresh_from_db()
    return run


def _until(look: Callable[[], Found]) -> Found:
    """Wait for something. Raises TimeoutError where it doesn't come."""
    deadline = time.monotonic() + LONGEST_S
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"It didn't happen within {LONGEST_S} s.")
        time.sleep(LOOK_S)
    return found

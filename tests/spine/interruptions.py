"""A worker or the destination is killed, or the database is gone, while a request waits for its answer; and what the destination wrote."""

import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
from django.db import connection, transaction
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ

from loads import tasks
from loads.models import Chunk
from tests.simulated import Simulated
from tests.spine.workers import Nursery, Worker, wait_until
from workbench.pipeline import tasks as pipeline_tasks
from workbench.pipeline.models import Step

HELD = (Chunk.State.LEASED, Chunk.State.CHECKING)
REFUSED_S = 0.05  # for which a worker asks in vain
ANSWER_MS = 500  # until a request that isn't left hanging is answered: longer than it takes to see that it came
LOOK_S = 0.1  # between looks at what the destination met, each of which is a request
LOCKED_S = 0.2  # how long the workers wait for a locked database
GONE_S = ANSWER_MS / 1000 + 4 * LOCKED_S + 0.1
READING = "reading back"
WORKER, DESTINATION, UNDONE, DATABASE, DISK = "worker", "destination", "destination, before the work", "database", "disk"
SEEN_BY: Mapping[str, dict[str, Any]] = {
    WORKER: {"do": "hang"}, DESTINATION: {"do": "hang"}, UNDONE: {"do": "delay", "ms": 10_000},
    DATABASE: {"do": "delay", "ms": ANSWER_MS}, DISK: {"do": "delay", "ms": ANSWER_MS},
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Blows:
    """What is struck, one after the other, when a request of one kind is met."""

    request: Mapping[str, Any]
    left: deque[str]

    @property
    def fault(self) -> dict[str, Any]:
        """By which the simulator shows that the next one is met."""
        return {"times": 1, **SEEN_BY[self.left[0]], **self.request}


def post(path: str, *what: str, **request: Any) -> Blows:
    """Blows at a POST; where nothing is said, a worker is killed."""
    return Blows({"method": "POST", "path": path, **request}, deque(what or (WORKER,)))


def batched(within: str, *what: str, **request: Any) -> Blows:
    """Blows at a batch with such an operation."""
    return post("[$]batch", *what, within=within, **request)


def database_gone() -> None:
    """All other connections to the database are dropped; an embedded one is locked until a worker can't give back a chunk either."""
    if connection.vendor == "sqlite":
        with transaction.atomic():  # takes the write lock
            time.sleep(GONE_S)
        return
    with connection.cursor() as cursor:
        others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        cursor.execute(f"SELECT pg_terminate_backend(pid) FROM ({others}) AS others")
        assert cursor.fetchall(), "nobody was connected"


def disk_full(worker: Worker) -> None:
    """No file of a worker may grow until it can't give back a chunk either, where the database is one."""
    worker.may_write(0)
    time.sleep(GONE_S)
    worker.may_write(-1)


def _seen(what: str, chunk: Chunk) -> str:
    """What was struck, and whether its rows were being read back then."""
    return f"{what}, {READING}" if chunk.state == Chunk.State.CHECKING else what


class Journal:
    """What a destination that keeps its answers has written from now on."""

    def __init__(self, path: Path) -> None:
        """path: the file that it keeps them in."""
        self._path, self._start = path, path.stat().st_size

    def written(self) -> Counter[str]:
        """Table -> how often one of its rows was written, or removed."""
        counts = Counter[str]()
        with self._path.open("rb") as lines:
            lines.seek(self._start)
            for line in map(orjson.loads, lines):
                for rows in (line.get("rows", {}), line.get("gone", {})):
                    counts.update({table: len(ids) for table, ids in rows.items()})
        return counts


@dataclass
class Stage:
    """What came of one stage: at what something was struck, and what isn't in production as it is in the sandbox."""

    struck: set[tuple[str, str, str]] = field(default_factory=set)  # what, and at what a worker was: table and kind of phase
    kills: int = 0
    unmet: list[Blows] = field(default_factory=list)  # those that no request met
    differences: list[tuple[str, str]] = field(default_factory=list)  # table and row id
    settled: list[tuple[Any, Any]] = field(default_factory=list)  # phases of which something else became, undisturbed and here
    in_flight: Counter[Chunk] = field(default_factory=Counter)  # at how many blows a worker was at the chunk
    again: dict[Chunk, int] = field(default_factory=dict)  # how much more often than undisturbed each was taken
    twice: Counter[str] = field(default_factory=Counter)  # table -> how many more rows than undisturbed were written

    @property
    def rows_in_flight(self) -> Counter[str]:
        """Table -> rows of the chunks that a worker was at."""
        rows = Counter[str]()
        for chunk, blows in self.in_flight.items():
            rows[chunk.phase.table] += blows * (chunk.stop - chunk.start)
        return rows


class Queue:
    """The task queue: each task goes to a process of its own, and whatever is to be struck is while that waits for an answer."""

    def __init__(self, servers: Simulated, server: str, workers: Nursery) -> None:
        """server: the destination that may be killed."""
        self.servers, self.server, self.workers = servers, server, workers
        self.stage = Stage()

    @contextmanager
    def struck(self, blows: Sequence[Blows]) -> Iterator[Stage]:
        """What is queued meanwhile waits for `work`, and meets these blows."""
        self.stage, self._blows, Conf.SYNC = Stage(), deepcopy(blows), False
        self._arm()
        try:
            yield self.stage
        finally:
            Conf.SYNC = True
        self.stage.unmet = [blows for blows in self._blows if blows.left]
        self.servers.fault(self.server)

    def _struck(self) -> list[Blows]:
        """The blows whose request was met and waits for its answer."""
        hits = self.servers.stats(self.server)["each_fault"]
        return [blows for blows, hit in zip(self._armed, hits, strict=True) if hit and blows]

    def _arm(self) -> None:
        """Watch for the next request of each kind."""
        self._armed: list[Blows | None] = [blows for blows in self._blows if blows.left]
        self.servers.fault(self.server, *(blows.fault for blows in self._armed if blows))

    def begun(self, stops_at: str = "") -> Worker | None:
        """The next queued task, begun; None where none is queued. stops_at: see `Nursery.begin`."""
        queued = OrmQ.objects.order_by("pk").first()
        if queued is None:
            return None
        task, args = queued.func(), queued.args()
        queued.delete()
        return self.workers.begin(task, *args, stops_at=stops_at)

    def work(self) -> None:
        """Carry out what is queued, and whatever that queues; what is to be struck is."""
        while worker := self.begun():
            self.follow(worker)

    def follow(self, worker: Worker) -> None:
        """See a worker to its end."""
        while worker.lives:
            wait_until(lambda: not worker.lives or self._struck(), 60, LOOK_S)
            while worker.lives and (struck := self._struck()):
                self.strike(min(struck, key=lambda blows: blows.left[0]), worker)

    def strike(self, blows: Blows, worker: Worker) -> None:
        """Strike the next of these while a worker waits for its answer; keep at which chunks it was."""
        what, at = blows.left.popleft(), self._held_by(worker)
        if what in (DATABASE, DISK):
            database_gone() if what == DATABASE else disk_full(worker)
            self._armed[self._armed.index(blows)] = None
            with worker.stopped():  # so that none comes between looking and arming
                if not self._struck():  # else another request hangs, which the worker waits for
                    self._arm()
        elif what == WORKER:
            self.kill(worker)
        else:
            self.kill_destination(worker)
        at |= self._held_by(worker)
        self.stage.struck.update((_seen(what, chunk), chunk.phase.table, chunk.phase.kind) for chunk in at)
        self.stage.in_flight.update(at)

    def kill_destination(self, worker: Worker) -> None:
        """Kill it, and start it again with all that it had answered. The worker asks in vain, and again once the next blows are armed."""
        self.servers.kill(self.server)
        time.sleep(REFUSED_S)
        with worker.stopped():
            self.servers.start_again(self.server)
            self._arm()

    def _held_by(self, worker: Worker) -> set[Chunk]:
        return set(Chunk.objects.filter(state__in=HELD, worker__contains=f":{worker.pid}:").select_related("phase"))

    def kill(self, worker: Worker) -> None:
        """Kill it, and do what the next process of the machine does, and the look after silent steps."""
        worker.kill()
        self._arm()
        self.stage.kills += 1
        tasks.take_up()
        Step.objects.filter(state=Step.State.RUNNING).update(heartbeat_at=timezone.now() - timedelta(minutes=2))
        pipeline_tasks.take_up_silent()

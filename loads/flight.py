"""Chunks under way: their requests go out as fast as the application users may ask, and each chunk is settled with its last answer.

A worker takes the next chunk while the last requests of the one before are still out, so that the service is never left waiting for us.
"""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from django.db import connections

from connectors.dataverse.client import Client
from connectors.http import Throttled
from loads.destination import PATIENCE_S
from loads.models import Chunk, Scan

THREADS = 128  # at most; the users decide how many of them call
AHEAD = 2  # requests that are ready when one is answered
COUNTED = ("requests", "retries", "operations")
LOOK_S = 1.0  # for a user that may call more at once than before

Job = Callable[[Client], list[Any]]
_asked = threading.Lock()


@contextmanager
def asking() -> Iterator[None]:
    """What a job asks the database or the staged files: one job of a process at a time, on a connection that ends with the question.

    Many jobs are out at once, and each of their threads would hold a connection until its last request is answered.
    """
    with _asked:
        try:
            yield
        finally:
            if threading.current_thread() is not threading.main_thread():
                connections.close_all()


@dataclass(eq=False)
class Underway:
    """A chunk, or a scan, that this worker holds: what its requests bring, and what is done when all are answered.

    settle: called with the results of all jobs once the last one is answered. requests, retries, operations: of this chunk's jobs alone.
    """

    chunk: Chunk | Scan
    jobs: Sequence[Job]
    settle: Callable[["Underway"], None]
    results: list[Any] = field(default_factory=list)
    requests: int = 0
    retries: int = 0
    operations: int = 0
    left: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since it was taken."""
        return time.monotonic() - self.began

    def count(self, spent: Mapping[str, int]) -> None:
        """Add what a job counted."""
        for name, count in spent.items():
            setattr(self, name, getattr(self, name) + count)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A job that is out, for the `go`-th time."""

    underway: Underway
    job: Job
    go: int = 1


@dataclass(frozen=True, slots=True)
class _Came:
    """What a job brought, or why it failed, and what it counted."""

    results: list[Any]
    error: Exception | None
    spent: dict[str, int]


class _Stopped(Exception):
    """The flight ends before it was a job's turn."""


class _Users:
    """The application users of a flight. A job goes to one that has room for it now: one that the service holds gets none meanwhile."""

    def __init__(self, clients: Sequence[Client], patience_s: float) -> None:
        """patience_s: pauses up to here are waited for."""
        self._clients, self._patience_s = clients, patience_s
        self._changed = threading.Condition()
        self._out: Counter[int] = Counter()  # jobs by the user's place
        self._away_until = [-math.inf for _ in clients]
        self._stopped = False

    @contextmanager
    def one(self) -> Iterator[Client]:
        """Wait for the user that has the most room. Raises Throttled where all are held for longer than our patience, and _Stopped."""
        place = self._take()
        try:
            yield self._clients[place]
        except Throttled as error:
            self._away_until[place] = time.monotonic() + (error.retry_after_s or 0.0)
            raise
        finally:
            with self._changed:
                self._out[place] -= 1
                self._changed.notify()

    def stop(self) -> None:
        """Nobody gets a user any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _take(self) -> int:
        with self._changed:
            while not self._stopped:
                held = [self._held_s(place) for place in range(len(self._clients))]
                with_room = [place for place, pause in enumerate(held) if pause <= 0 and self._load(place) < 1]
                if with_room:
                    place = min(with_room, key=self._load)
                    self._out[place] += 1
                    self._changed.notify()  # there may be room for another one
                    return place
                if min(held) > self._patience_s:
                    raise Throttled(f"The service allows the next call in {min(held):.0f} s.", retry_after_s=min(held))
                self._changed.wait(max(0.0, min(held)) or LOOK_S)
        raise _Stopped

    def _held_s(self, place: int) -> float:
        return max(self._clients[place].governor.held_s(), self._away_until[place] - time.monotonic())

    def _load(self, place: int) -> float:
        """Jobs that are out, as a share of those that keep the user busy: some are ready before it is their turn to call."""
        at_once = self._clients[place].governor.at_once
        return self._out[place] / (at_once + max(AHEAD, at_once // 2))


class Flight:
    """The chunks that a worker has under way; a context manager that ends with none. clients: one per application user.

    A job that a user can't carry out within our patience goes to another one. Where a job fails for good no further one goes out, those
    that are out are waited for, chunks that are complete then are settled, and the error is raised.
    """

    def __init__(self, clients: Sequence[Client], *, patience_s: float = PATIENCE_S) -> None:
        """Nothing is under way."""
        self._clients, self._users = clients, _Users(clients, patience_s)
        self._pool = ThreadPoolExecutor(THREADS)
        self._out: dict[Future[_Came], _Sent] = {}
        self.unsettled: dict[Underway, None] = {}  # chunks that were started; once the flight ended, with all that was counted for them
        self._error: Exception | None = None

    @property
    def has_room(self) -> bool:
        """Whether the users may ask for more at once than what is out."""
        return self._error is None and len(self._out) < sum(client.governor.at_once for client in self._clients) + AHEAD

    @property
    def underway(self) -> list[Underway]:
        """The chunks with requests that aren't answered."""
        return list(dict.fromkeys(sent.underway for sent in self._out.values()))

    def start(self, underway: Underway) -> None:
        """Send a chunk's requests; one without any is settled at once."""
        underway.left = len(underway.jobs)
        for job in underway.jobs:
            self._send(_Sent(underway, job))
        self.unsettled[underway] = None
        if not underway.jobs:
            self._settle(underway)

    def land(self, seconds: float) -> None:
        """Wait for an answer, at most so long; chunks whose last one it is are settled. Raises what a request or `settle` raised."""
        done, _ = wait(self._out, seconds, FIRST_COMPLETED)
        for future in done:
            sent = self._out.pop(future, None)
            if sent is not None:
                self._take_in(sent, future.result())
        if self._error is not None and not self._out:
            raise self._error

    def _send(self, sent: _Sent) -> None:
        self._out[self._pool.submit(self._carried_out, sent.job)] = sent

    def _take_in(self, sent: _Sent, came: _Came) -> None:
        underway = sent.underway
        underway.count(came.spent)
        if came.error is None:
            underway.results += came.results
            underway.left -= 1
            if not underway.left:
                self._settle(underway)
        elif isinstance(came.error, Throttled) and sent.go < len(self._clients) and self._error is None:
            self._send(_Sent(underway, sent.job, sent.go + 1))
        else:
            self._stop(came.error)

    def _settle(self, underway: Underway) -> None:
        underway.settle(underway)
        del self.unsettled[underway]

    def _stop(self, error: Exception) -> None:
        """Let nothing more go out; of several errors that one is raised which says more than that the service wants a pause."""
        if self._error is None or (isinstance(self._error, Throttled) and not isinstance(error, _Stopped)):
            self._error = error
        self._users.stop()
        for future in [future for future in self._out if future.cancel()]:
            del self._out[future]

    def _carried_out(self, job: Job) -> _Came:
        results, spent = list[Any](), dict.fromkeys(COUNTED, 0)
        failure: Exception | None = None
        try:
            with self._users.one() as client:
                counts = client.stats.of_thread()
                before = {name: counts[name] for name in COUNTED}
                try:
                    results = job(client)
                finally:
                    spent = {name: counts[name] - before[name] for name in COUNTED}
        except Exception as error:  # noqa: BLE001 - `land` raises it, once what is out is answered
            failure = error
        finally:
            connections.close_all()  # this thread's alone, where it asked the database something outside of `asking`
        return _Came(results, failure, spent)

    def __enter__(self) -> "Flight":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """What was sent is waited for: its chunks are taken up again later, and what it did is found there.

        Where the task is out of time, or the process is to end, nobody waits.
        """
        self._users.stop()
        for future in self._out:
            future.cancel()
        waits = error is None or isinstance(error, Exception)
        self._pool.shutdown(wait=waits)
        for future, sent in self._out.items() if waits else ():
            if not future.cancelled():
                sent.underway.count(future.result().spent)

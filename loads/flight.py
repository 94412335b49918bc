"""Chunks under way: their requests go out as fast as the application users may ask, and each chunk is settled with its last answer.

A worker takes the next chunk while the last requests of the one before are still out, so that the service is never left waiting for us.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from django.db import connections

from connectors.dataverse.client import Client
from loads.models import Chunk, Scan

THREADS = 128  # at most; the governors decide how many of them call
AHEAD = 2  # requests that are ready when one is answered
COUNTED = ("requests", "retries")

Job = Callable[[Client], list[Any]]


@dataclass(eq=False)
class Underway:
    """A chunk, or a scan, that this worker holds: what its requests bring, and what is done when all are answered.

    settle: called with the results of all jobs once the last one is answered. requests, retries: of this chunk's jobs alone.
    """

    chunk: Chunk | Scan
    jobs: Sequence[Job]
    settle: Callable[["Underway"], None]
    results: list[Any] = field(default_factory=list)
    requests: int = 0
    retries: int = 0
    left: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since it was taken."""
        return time.monotonic() - self.began


class Flight:
    """The chunks that a worker has under way; a context manager that ends with none. clients: one per application user."""

    def __init__(self, clients: Sequence[Client]) -> None:
        """Nothing is under way."""
        self._clients = clients
        self._pool = ThreadPoolExecutor(THREADS)
        self._owners: dict[Future[tuple[list[Any], dict[str, int]]], Underway] = {}

    @property
    def has_room(self) -> bool:
        """Whether the users may ask for more at once than what is out."""
        return len(self._owners) < sum(client.governor.at_once for client in self._clients) + AHEAD

    @property
    def underway(self) -> list[Underway]:
        """The chunks with requests that aren't answered."""
        return list(dict.fromkeys(self._owners.values()))

    def start(self, underway: Underway) -> None:
        """Send a chunk's requests; one without any is settled at once."""
        underway.left = len(underway.jobs)
        for job in underway.jobs:
            self._owners[self._pool.submit(self._carried_out, job)] = underway
        if not underway.jobs:
            underway.settle(underway)

    def land(self, seconds: float) -> None:
        """Wait for an answer, at most so long; chunks whose last one it is are settled. Raises what a request or `settle` raised."""
        done, _ = wait(self._owners, seconds, FIRST_COMPLETED)
        for future in done:
            underway = self._owners.pop(future)
            results, spent = future.result()
            underway.results += results
            underway.requests += spent["requests"]
            underway.retries += spent["retries"]
            underway.left -= 1
            if not underway.left:
                underway.settle(underway)

    def _carried_out(self, job: Job) -> tuple[list[Any], dict[str, int]]:
        client = min(self._clients, key=lambda one: one.governor.load)
        spent = client.stats.of_thread()
        before = {name: spent[name] for name in COUNTED}
        try:
            results = job(client)
        finally:
            connections.close_all()  # this thread's alone, where it asked the database something: nobody else closes them
        return results, {name: spent[name] - before[name] for name in COUNTED}

    def __enter__(self) -> "Flight":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """What was sent is waited for: its chunks are taken up again later, and what it did is found there.

        Where the task is out of time, or the process is to end, nobody waits.
        """
        for future in self._owners:
            future.cancel()
        self._pool.shutdown(wait=error is None or isinstance(error, Exception))

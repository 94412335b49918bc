"""Export jobs: enqueued, running, completed; four run at a time, files appear while a job runs, links expire."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connectors.simulators.iterable.rows import Choice, Rows

SLOTS = 4
PENDING = ("enqueued", "running")


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked of an export."""

    data_type: str
    output_format: str
    delimiter: str
    choice: Choice


@dataclass(slots=True)
class Job:
    """One export; its rows were chosen when it was started."""

    id: int
    order: Order
    rows: Rows | None
    files: Sequence[Sequence[int]]  # row numbers, file by file
    created: float  # seconds of the wall clock, as the two below
    starts: float
    ends: float
    cancelled: bool = False

    def state(self, now: float) -> str:
        """Lower case, as the wire has it."""
        if self.cancelled:
            return "cancelled"
        return "enqueued" if now < self.starts else "running" if now < self.ends else "completed"

    def ready_files(self, now: float) -> list[str]:
        """Names of the files that can be fetched, in their order; they sort as text."""
        share = 0.0 if self.cancelled else min(1.0, max(0.0, (now - self.starts) / (self.ends - self.starts)))
        return [self.file_name(index) for index in range(int(share * len(self.files)))]

    def file_name(self, index: int) -> str:
        """Name of the file at an index."""
        suffix = "csv" if self.order.output_format == "text/csv" else "json"
        return f"file-{self.id * 10**7 + index:013}.{suffix}"

    def as_json(self, now: float) -> dict[str, Any]:
        """The job in the list of jobs; bytesExported counts whole rows (*assumed*)."""
        known = self.files[: len(self.ready_files(now))] if self.rows else ()
        answer = {
            "id": self.id,
            "dataTypeName": self.order.data_type,
            "jobState": self.state(now),
            "scheduledStartTime": _iso(self.created),
            "bytesExported": sum(self.rows.size(number) for numbers in known for number in numbers) if self.rows else 0,
        }
        return answer | ({"endTime": _iso(self.ends)} if now >= self.ends else {})


class Jobs:
    """The jobs of a project."""

    def __init__(
        self,
        *,
        seconds: float = 0.3,
        file_bytes: int = 10_000_000,
        page: int = 100,
        link_seconds: float = 1800,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """seconds: how long a job runs; page: files in one answer (*assumed*: the description says pages, not how long)."""
        self.clock = clock
        self.page = page
        self._seconds, self._file_bytes, self._link_seconds = seconds, file_bytes, link_seconds
        self._free = [0.0] * SLOTS  # when each slot is free again
        self._ids = itertools.count(3001)
        self._secret = secrets.token_bytes(16)
        self.all: dict[int, Job] = {}

    def start(self, order: Order, rows: Rows | None, numbers: Sequence[int]) -> Job:
        """Queue an export of those rows."""
        now = self.clock()
        slot = min(range(SLOTS), key=self._free.__getitem__)
        starts = max(now + self._seconds / 3, self._free[slot])
        self._free[slot] = starts + self._seconds
        files = _cut(rows, numbers, self._file_bytes) if rows else []
        job = Job(next(self._ids), order, rows, files, now, starts, starts + self._seconds)
        self.all[job.id] = job
        return job

    def sign(self, job: Job, name: str) -> str:
        """Path and query of a link to a file that needs no key and expires."""
        expires = int((self.clock() + self._link_seconds) * 1000)
        return f"/export-files/{job.id}/{name}?expires={expires}&signature={self._signature(job.id, name, expires)}"

    def is_signed(self, job_id: int, name: str, expires: str, signature: str) -> bool:
        """Whether a link is ours and still good."""
        if not expires.isascii() or not expires.isdigit() or int(expires) < self.clock() * 1000:
            return False
        return hmac.compare_digest(self._signature(job_id, name, int(expires)), signature)

    def _signature(self, job_id: int, name: str, expires: int) -> str:
        return hmac.new(self._secret, f"{job_id}/{name}/{expires}".encode(), hashlib.sha256).hexdigest()


def _cut(rows: Rows, numbers: Sequence[int], limit: int) -> list[Sequence[int]]:
    """The rows in files of at most `limit` bytes; a single larger row is a file of its own."""
    files, first, size = [], 0, 0
    for place, number in enumerate(numbers):
        length = rows.size(number)
        if size and size + length > limit:
            files.append(numbers[first:place])
            first, size = place, 0
        size += length
    return [*files, numbers[first:]] if size else files


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")

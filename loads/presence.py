"""Which workers of this machine live: each has a file with a lock on it, which the kernel frees with the process, however that ends.

A worker that comes to its end takes its file away. One that is killed, or fails where even the database is gone, leaves it behind.
The files lie in VAR_DIR, which is on a local disk.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

logger = logging.getLogger(__name__)
BETWEEN = "@"


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker at a run, and how many tasks of the run failed in a row before its own. Its file is named so."""

    run_id: int
    failures: int
    name: str  # node:pid:...

    @property
    def path(self) -> Path:
        """Its file."""
        return _folder() / f"{self.run_id}{BETWEEN}{self.failures}{BETWEEN}{self.name}"


def _named(path: Path) -> Worker:
    run_id, failures, name = path.name.split(BETWEEN, 2)
    return Worker(int(run_id), int(failures), name)


def _folder() -> Path:
    return Path(settings.VAR_DIR) / "workers"


@contextmanager
def present(worker: Worker) -> Iterator[None]:
    """Be known to work on a run; where the file can't be made, a kill is noticed when the worker's leases run out."""
    try:
        lock = _locked(worker)
    except OSError as error:
        logger.warning("run %s: a worker can't say that it lives: %s", worker.run_id, error.strerror)
        yield
        return
    try:
        yield
        worker.path.unlink(missing_ok=True)
    finally:
        os.close(lock)


def _locked(worker: Worker) -> int:
    """The lock on its file, which has it when it gets its name: nobody finds it free before."""
    _folder().mkdir(parents=True, exist_ok=True)
    unnamed = _folder() / f".{worker.name}"
    lock = os.open(unnamed, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    unnamed.rename(worker.path)
    return lock


def ended() -> Iterator[Worker]:
    """Those that ended and left their file, each to one caller alone; gone when the caller asks for the next."""
    for path in sorted(_folder().glob(f"[0-9]*{BETWEEN}*")):
        try:
            lock = os.open(path, os.O_RDWR)
        except FileNotFoundError:  # it came to its end meanwhile
            continue
        try:
            if _is_left(lock):
                yield _named(path)
                path.unlink(missing_ok=True)
        finally:
            os.close(lock)


def _is_left(lock: int) -> bool:
    """Whether nobody holds the file, and it hasn't been taken away since it was opened."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(lock).st_nlink > 0

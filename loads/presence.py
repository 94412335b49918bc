"""Which workers of this machine live: each has a file with a lock on it, which the kernel frees with the process, however that ends.

A worker that comes to its end takes its file away. One that is killed, or fails where even the database is gone, leaves it behind.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

logger = logging.getLogger(__name__)
BETWEEN = "@"  # a file's name: run@worker


def _folder() -> Path:
    return Path(settings.VAR_DIR) / "workers"


@contextmanager
def present(run_id: int, worker: str) -> Iterator[None]:
    """Be known to work on a run; where the file can't be made, a kill is noticed when the worker's leases run out."""
    try:
        path, lock = _locked(run_id, worker)
    except OSError as error:
        logger.warning("run %s: a worker can't say that it lives: %s", run_id, error.strerror)
        yield
        return
    try:
        yield
        path.unlink(missing_ok=True)
    finally:
        os.close(lock)


def _locked(run_id: int, worker: str) -> tuple[Path, int]:
    """A file that has its lock when it gets its name: nobody finds it free before."""
    _folder().mkdir(parents=True, exist_ok=True)
    path, unnamed = _folder() / f"{run_id}{BETWEEN}{worker}", _folder() / f".{worker}"
    lock = os.open(unnamed, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    unnamed.rename(path)
    return path, lock


def ended() -> Iterator[tuple[int, str]]:
    """(run id, worker) of those that ended and left their file, each to one caller alone; gone when the caller asks for the next."""
    for path in sorted(_folder().glob(f"[0-9]*{BETWEEN}*")):
        try:
            lock = os.open(path, os.O_RDWR)
        except FileNotFoundError:  # it came to its end meanwhile
            continue
        try:
            if _is_left(lock):
                run_id, _, worker = path.name.partition(BETWEEN)
                yield int(run_id), worker
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

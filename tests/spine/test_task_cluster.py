"""The workers beside a command end with it, also those whose own parent was killed."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.management.cluster import task_cluster

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked after doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def in_time(true: Callable[[], object], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_no_worker_outlives_the_command_where_their_parent_was_killed(tmp_path, monkeypatch):
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'own.sqlite3'}")
    monkeypatch.setenv("REDIS_URL", "")
    with task_cluster() as cluster:
        in_time(lambda: children(cluster.pid) and len(children(children(cluster.pid)[0])) >= 3)
        [guard] = children(cluster.pid)
        workers = children(guard)
        os.kill(guard, signal.SIGKILL)
        in_time(lambda: not alive(guard))
        assert any(map(alive, workers))
    in_time(lambda: not any(map(alive, workers)))

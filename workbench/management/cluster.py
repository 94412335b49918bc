"""The task queue's workers beside a command: started with it, started again when they are killed, ended with it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings

RESTARTS = 5
LOOK_EVERY_S = 0.5


class TaskCluster:
    """django-q2's cluster as a process of its own; `pid` is that of the one that runs now."""

    def __init__(self) -> None:
        """Start it."""
        self._groups: list[int] = []
        self._process = self._started()
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    def pid(self) -> int:
        """The cluster's main process."""
        return self._process.pid

    def _started(self) -> subprocess.Popen:
        command = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "qcluster"]
        process = subprocess.Popen(command, env={**os.environ, "LOG_LEVEL": "ERROR"}, start_new_session=True)  # noqa: S603 - our own command
        self._groups.append(process.pid)
        return process

    def _watch(self) -> None:
        """Start it again where it ended without being asked; what its workers held is taken up when their leases run out."""
        for _ in range(RESTARTS):
            while self._process.poll() is None:
                if self._stopping.wait(LOOK_EVERY_S):
                    return
            if self._stopping.is_set():
                return
            sys.stderr.write("The task cluster ended by itself; it is started again.\n")
            self._process = self._started()

    def stop(self) -> None:
        """End it by SIGTERM to the main process alone, as its group would hang."""
        self._stopping.set()
        self._watcher.join()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for group in self._groups:
            with suppress(OSError):  # workers whose own parent was killed would go on for ever; mostly there are none
                os.killpg(group, signal.SIGKILL)


@contextmanager
def task_cluster() -> Iterator[TaskCluster]:
    """The cluster for as long as the block runs."""
    cluster = TaskCluster()
    try:
        yield cluster
    finally:
        cluster.stop()

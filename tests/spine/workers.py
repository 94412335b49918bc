"""Worker processes that a test can kill at any moment: forked from one that has the product loaded, so each begins at once.

For instance:

    with nursery() as workers:
        worker = workers.begin("loads.tasks.work", run.pk)
        worker.kill()
"""

import importlib
import os
import pickle
import pkgutil
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import django
from django.conf import settings
from django.db import connection

LOADED = ("loads.tasks", "workbench.pipeline.tasks", "pandas")  # what each worker would load: pyarrow does pandas, where it is there
SETTINGS = ("VAR_DIR", "STORE_URL", "DOCUMENTS_AT_ONCE")


def database_url() -> str:
    """The test's own database, for other processes."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    password = f":{database['PASSWORD']}" if database["PASSWORD"] else ""
    return f"postgres://{database['USER']}{password}@{database['HOST']}:{database['PORT']}/{database['NAME']}"


def wait_until(true: Callable[[], object], seconds: float = 30, look_s: float = 0.01) -> None:
    """Wait for something that is bound to come. look_s: how long between looks; where a look costs, more than it does."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it didn't happen in time"
        time.sleep(look_s)


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that carries out one task, as a task cluster's does."""

    pid: int

    @property
    def lives(self) -> bool:
        """Whether it hasn't ended."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self, seconds: float = 30) -> None:
        """Wait until it has ended."""
        wait_until(lambda: not self.lives, seconds)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Nothing of it moves meanwhile; it may be killed."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            wait_until(lambda: self.stands_still or not self.lives)  # a thread may get something done before it hears of the signal
            yield
        finally:
            self.go_on()

    def go_on(self) -> None:
        """Let it move again, where it lives."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)

    @property
    def stands_still(self) -> bool:
        """Whether all of its threads are stopped."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/stat")
        with suppress(FileNotFoundError, ProcessLookupError):
            return all(stat.read_text().rpartition(")")[2].split()[0] == "T" for stat in threads)
        return False

    def may_write(self, size: int) -> None:
        """Let it make files of no more than so many bytes, as on a disk that is full; -1 for any size."""
        _, most = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, most))


class Nursery:
    """The process that workers are forked from. constants: "module.NAME" -> a value that each worker has in its place.

    locked_s: how long each waits for an embedded database that another one writes to; None for as long as in use.
    log: what they log, which comes through a pipe, so that a full disk doesn't silence them.
    """

    def __init__(self, constants: Mapping[str, Any], locked_s: float | None = None) -> None:
        """Start it."""
        self.constants, self.locked_s, self.log = constants, locked_s, list[str]()
        environment = {**os.environ, "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "workbench.settings", "REDIS_URL": ""}
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            env=environment, cwd=settings.BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        for line in self._process.stderr:
            self.log.append(line.decode())

    def begin(self, task: str, *args: Any, node: str = "", stops_at: str = "", **own: Any) -> Worker:
        """Begin a task by its dotted name. node: the name of another machine. own: settings of that one, in place of the test's.

        stops_at: a function, by its dotted name, which the worker stands still before when it first comes to it, until it may go on.
        """
        order = {
            "task": task,
            "args": args,
            "node": node,
            "stops_at": stops_at,
            "settings": {name: getattr(settings, name) for name in SETTINGS} | own,
            "constants": self.constants,
            "locked_s": self.locked_s,
        }
        pickle.dump(order, self._process.stdin)
        self._process.stdin.flush()
        return Worker(int(self._process.stdout.readline()))

    def end(self) -> None:
        """End it, and wait for its workers."""
        self._process.stdin.close()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdout, self._process.stderr):
            pipe.close()


@contextmanager
def nursery(constants: Mapping[str, Any] | None = None, locked_s: float | None = None) -> Iterator[Nursery]:
    """A nursery for as long as the block runs."""
    workers = Nursery(constants or {}, locked_s)
    try:
        yield workers
    finally:
        workers.end()


def _main() -> None:
    """Fork a worker for each order on standard input, and say its number; whoever ends is gone at once."""
    django.setup()
    for name in LOADED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while order := _next_order():
        pid = os.fork()
        if not pid:
            _carry_out(order)
            return
        print(pid, flush=True)


def _next_order() -> dict[str, Any] | None:
    try:
        return pickle.load(sys.stdin.buffer)
    except EOFError:
        return None


def _carry_out(order: Mapping[str, Any]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for name, value in order["settings"].items():
        setattr(settings, name, value)
    for name, value in order["constants"].items():
        module, _, constant = name.rpartition(".")
        setattr(importlib.import_module(module), constant, value)
    if order["locked_s"] and connection.vendor == "sqlite":
        connection.settings_dict["OPTIONS"]["timeout"] = order["locked_s"]
    if order["node"]:
        os.uname = partial(SimpleNamespace, nodename=order["node"])
    if order["stops_at"]:
        _stop_at(order["stops_at"])
    pkgutil.resolve_name(order["task"])(*order["args"])


def _stop_at(name: str) -> None:
    place, _, function = name.rpartition(".")
    owner = pkgutil.resolve_name(place)
    reached = getattr(owner, function)

    def stopped(*args: Any, **kwargs: Any) -> Any:
        setattr(owner, function, reached)
        os.kill(os.getpid(), signal.SIGSTOP)
        return reached(*args, **kwargs)

    setattr(owner, function, stopped)


if __name__ == "__main__":
    _main()

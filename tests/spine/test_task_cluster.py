"""The workers beside a command end with it, also those whose own parent was killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from django.conf import settings as configured
from django.core.management import call_command
from django.core.management.base import SystemCheckError

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


def test_a_wrong_setting_stops_the_workers_before_they_begin(settings):
    settings.WORK_SECONDS = 1_000
    with pytest.raises(SystemCheckError, match="WORK_SECONDS is not below TASK_TIMEOUT_S"):
        call_command("qcluster", run_once=True, skip_checks=False)


def test_pages_are_served_without_tls_on_this_machine_whatever_the_environment_says(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name not in ("HTTPS", "DATABASE_URL")}
    environment |= {"VAR_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "workbench.settings"}
    code = f"import django; django.setup(); from workbench.management.pages import serve_pages; serve_pages({port})"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, env=environment, cwd=configured.BASE_DIR) as served, requests.Session() as session:
        session.trust_env = False
        try:
            answer = _answer(session, f"http://127.0.0.1:{port}/static/workbench/portal.css")
            assert (answer.status_code, answer.url.split(":")[0]) == (200, "http")
        finally:
            served.terminate()


def _answer(session: requests.Session, address: str) -> requests.Response:
    """The first answer of a server that is starting."""
    for _ in range(100):
        with suppress(requests.ConnectionError):
            return session.get(address, timeout=5)
        time.sleep(0.1)
    raise AssertionError("nobody answers")

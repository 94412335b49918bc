"""Whatever is killed in mid-load, the load goes on by itself and the destination ends as if nothing had been.

The workers are a task cluster of processes, and so are the simulators, which keep what they answered.
"""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as configured
from django.db import connection
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.tasks import async_task, result

from loads.models import Run
from tests import snapshots
from tests.spine.test_load_engine import Gated, northpine, with_a_run_staged
from tests.spine.test_task_cluster import in_time
from tests.spine.workers import database_url
from workbench.management import kill_bench, load_bench
from workbench.management.cluster import TaskCluster, task_cluster
from workbench.management.load_bench import children

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]
ROWS, CHUNK_ROWS = 240, 20
KINDS = ("processes", "cluster")  # of a real cluster; test_killed_steps strikes the others in each kind of step


def kill_while_they_wait(cluster: TaskCluster) -> None:
    """kill -9 of all that the guard has started, when there is nothing to do: whoever waits for a queue holds its lock."""
    in_time(lambda: not OrmQ.objects.exists())
    [guard] = children(cluster.pid)
    for process in children(guard):
        os.kill(process, signal.SIGKILL)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch) -> Iterator[kill_bench.Stage]:
    """A small load on the test's database and store, shared with a task cluster that doesn't wait long for a locked database."""
    url = database_url()
    if connection.vendor == "sqlite":
        monkeypatch.setitem(configured.DATABASES["default"]["OPTIONS"], "timeout", 1)
        url += "?timeout=1"
    for name, value in {"DATABASE_URL": url, "REDIS_URL": "", "DOCUMENTS_AT_ONCE": "false"}.items():
        monkeypatch.setenv(name, value)
    with (
        snapshots.put_back(
            with_a_run_staged, northpine, tmp_path, after=Gated, application_users=3, killable=[kill_bench.SERVER]
        ) as staged,
        monkeypatch.context() as patch,
    ):
        assert staged.finish(staged.run).state == Run.State.DONE
        for name in ("VAR_DIR", "STORE_URL"):
            patch.setenv(name, str(getattr(configured, name)))
        patch.setattr(Conf, "SYNC", False)
        with task_cluster() as cluster:
            bench = load_bench.Bench(staged.engagement, staged.servers, load_bench._pattern(staged.engagement), tmp_path / "state")
            yield kill_bench.Stage(bench, cluster, ROWS, CHUNK_ROWS)


def test_a_load_that_is_disturbed_ends_as_one_that_is_not_and_repeats_at_most_what_was_in_flight(stage):
    kill_while_they_wait(stage.cluster)
    assert result(async_task("math.copysign", 2, -2), 20_000) == -2, "nobody carries out tasks"
    for kind in KINDS:
        came = stage.disturbed(kind)
        assert (came["state"], came["resumed"], came["same"]) == (Run.State.DONE, False, True), (kind, came)
        assert 0 <= came["rows_written_twice"] <= came["rows_in_flight"], (kind, came)
        assert came["rows_in_flight"] > 0, kind

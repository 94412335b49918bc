"""Whatever is killed in mid-load, the load goes on by itself and the destination ends as if nothing had been.

The workers are a task cluster of their own processes, and so are the simulators, which keep what they answered.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as configured
from django.core.management import call_command
from django.db import connection
from django.test import override_settings
from django_q.conf import Conf
from django_q.tasks import async_task, result

from loads.models import Run
from tests.spine.test_load_engine import database_url
from tests.spine.test_task_cluster import children
from workbench.management import kill_bench, load_bench
from workbench.management.cluster import task_cluster

pytestmark = pytest.mark.database
ROWS, CHUNK_ROWS = 300, 20


@pytest.fixture(scope="module")
def stage(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[kill_bench.Stage]:
    folder: Path = tmp_path_factory.mktemp("kills")
    own = {"VAR_DIR": folder / "var", "STORE_URL": str(folder / "store"), "DOCUMENTS_AT_ONCE": False}
    patience = "?timeout=1" if connection.vendor == "sqlite" else ""
    environment = {"DATABASE_URL": database_url() + patience, **{name: str(value) for name, value in own.items()}, "REDIS_URL": ""}
    with django_db_blocker.unblock(), override_settings(**own), pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setitem(configured.DATABASES["default"]["OPTIONS"], "timeout", 1)
        patch.setattr(Conf, "SYNC", False)
        try:
            with load_bench.prepared(folder, folder / "state") as bench, task_cluster() as cluster:
                yield kill_bench.Stage(bench, cluster, ROWS, CHUNK_ROWS)
        finally:
            call_command("flush", verbosity=0, interactive=False)


@pytest.fixture
def at_once() -> None:
    """Tasks are left to the workers here."""


@pytest.fixture
def own_folders() -> None:
    """The module has its own."""


@pytest.mark.parametrize("kind", kill_bench.KINDS)
def test_a_load_that_is_disturbed_ends_as_one_that_is_not_and_repeats_at_most_what_was_in_flight(stage, kind):
    came = stage.disturbed(kind)
    assert (came["state"], came["message"]) == (Run.State.DONE, "")
    assert came["same"]
    assert 0 <= came["rows_written_twice"] <= came["rows_in_flight"]
    assert came["rows_in_flight"] > 0


def test_a_cluster_whose_workers_are_killed_while_they_wait_for_tasks_carries_out_the_next_ones(stage):
    [guard] = children(stage.cluster.pid)
    for process in children(guard):
        os.kill(process, signal.SIGKILL)
    assert result(async_task("math.copysign", 2, -2), 20_000) == -2

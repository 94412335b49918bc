"""Workers on two machines share a run; one machine is lost with its worker. And a task queue on Redis, which delivers nothing twice."""

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from django.conf import settings as configured
from django.db.models.functions import Now
from django_q.conf import Conf

from loads import leases, runs, tasks
from loads.acceptance import sandbox_content
from loads.models import Chunk, Run
from tests import database, snapshots
from tests.spine.interruptions import LOOK_S
from tests.spine.test_killed_steps import changed
from tests.spine.test_load_engine import Gated, Prepared, northpine
from tests.spine.workers import Worker, database_url, nursery, wait_until
from workbench.engagements.models import Environment, SignOff
from workbench.management.cluster import task_cluster
from workbench.management.crash import HELD
from workbench.management.kill_bench import pid_of
from workbench.management.proof import Dumps, canonical_dumps
from workbench.pipeline import demonstration
from workbench.pipeline.models import Step

pytestmark = [
    pytest.mark.database,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]
NODES = ("north", "south")
UNANSWERED = {"method": "POST", "path": "contacts/.*CreateMultiple", "do": "hang", "times": 1}


@dataclass
class Shared:
    """An engagement whose sandbox was loaded by two machines, of which one was lost; what stood in the database in between."""

    prepared: Prepared
    work: Path
    run: Run
    before: Dumps  # what the sandbox held
    left: dict[int, str]  # the lost worker's chunks, and their states once the other machine looked after its own dead
    state: str  # of the run then
    other: str  # the machine that stayed


def node_of(chunk: Chunk) -> str:
    return chunk.worker.split(":")[0]


@pytest.fixture(scope="module")
def shared(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Shared]:
    work = tmp_path_factory.mktemp("work")
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("loads.staging.phases.CHUNK_ROWS", 4)
        try:
            with snapshots.put_back(Gated, northpine, work, application_users=3) as prepared:
                yield share(prepared, work)
        finally:
            database.empty()


def share(prepared: Prepared, work: Path) -> Shared:
    before = canonical_dumps(prepared.sandbox)
    run = prepared.finish_staging()
    prepared.servers.control("dataverse_sandbox", "capacity", {"hint": 2})
    slow = {"method": "POST", "path": "Multiple|batch", "do": "delay", "ms": 20}
    prepared.servers.fault("dataverse_sandbox", slow, {**UNANSWERED, "after": 3})
    with nursery() as workers:
        at = {node: workers.begin("loads.tasks.work", run.pk, node=node, VAR_DIR=work / node) for node in NODES}
        wait_until(lambda: prepared.servers.stats("dataverse_sandbox")["faults"].get("hang"), look_s=LOOK_S)
        lost = lose_one(run, at)
        [other] = {*NODES} - {lost}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(configured, "VAR_DIR", work / other)
            tasks.take_up()
        run.refresh_from_db()
        left = held_by(run, lost)
        found = Shared(prepared, work, run, before, dict(left.values_list("pk", "state")), run.state, other)
        held_by(run, lost).update(lease_until=Now() - leases.LEASE)
        at[other].wait(60)
    run.refresh_from_db()
    return found


def lose_one(run: Run, at: dict[str, Worker]) -> str:
    """Kill the worker that waits for the answer that doesn't come, once nobody else sends contacts; its machine's name."""
    left = Chunk.objects.filter(phase__run=run, phase__table="contact").exclude(state__in=Chunk.SENT)
    wait_until(lambda: len({(chunk.state == Chunk.State.LEASED, node_of(chunk)) for chunk in left.all()}) == 1)
    lost = node_of(left[0])
    at[lost].kill()
    return lost


def held_by(run: Run, node: str):
    return Chunk.objects.filter(phase__run=run, state__in=HELD, worker__startswith=f"{node}:")


@pytest.mark.django_db
def test_another_machine_ends_a_run_only_once_the_leases_of_a_lost_one_ran_out(shared):
    assert (set(shared.left.values()), shared.state) == ({Chunk.State.LEASED}, Run.State.LOADING)
    assert (shared.run.state, shared.run.message) == (Run.State.DONE, "")
    assert {node_of(chunk) for chunk in Chunk.objects.filter(pk__in=shared.left)} == {shared.other}
    loaded = [row["mwb_sourceid"] for table in ("contact", "lead") for row in shared.prepared.rows()[table]]
    assert sorted(loaded) == sorted({*(f"user:u-{n}" for n in range(60)), "user:u-north"})


@pytest.fixture
def queue_on_redis(shared, settings, monkeypatch) -> Iterator[None]:
    """The engagement's task queue on a database of Redis that is empty."""
    settings.VAR_DIR, settings.STORE_URL = shared.work / "var", str(shared.work / "store")
    address = next((url for url in (f"redis://127.0.0.1:6379/{number}" for number in range(1, 16)) if is_empty(url)), None)
    if address is None:
        pytest.skip("no Redis answers on 127.0.0.1:6379 with an empty database")
    own = {"DATABASE_URL": database_url(), "VAR_DIR": configured.VAR_DIR, "STORE_URL": configured.STORE_URL, "REDIS_URL": address}
    for name, value in {**own, "DOCUMENTS_AT_ONCE": "false"}.items():
        monkeypatch.setenv(name, str(value))
    for name, value in {"ORM": None, "REDIS": address, "SYNC": False}.items():
        monkeypatch.setattr(Conf, name, value)
    yield
    with redis.from_url(address) as client:
        client.flushdb()


def is_empty(address: str) -> bool:
    try:
        with redis.from_url(address, socket_connect_timeout=1) as client:
            return not client.dbsize()
    except redis.RedisError:
        return False


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_with_a_task_of_redis_is_taken_over_though_redis_delivers_it_no_second_time(shared, queue_on_redis):
    engagement, cast, servers = shared.prepared.engagement, shared.prepared.cast, shared.prepared.servers
    production = engagement.environments.get(kind=Environment.Kind.PRODUCTION)
    demonstration.sign(engagement, SignOff.Kind.SANDBOX, sandbox_content(engagement), cast)
    demonstration._answer_findings(engagement, cast)
    servers.fault("dataverse", UNANSWERED)
    with task_cluster():
        demonstration._step(engagement, Step.Name.PROVISION, production, cast, lambda said: None)
        before = canonical_dumps(production)
        run = runs.open_run(production, cast.engineer)
        killed = wait_for_the_unanswered(run, servers)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: Run.objects.filter(pk=run.pk, state__in=(Run.State.DONE, Run.State.PAUSED)).exists(), 60, LOOK_S)
    run.refresh_from_db()
    assert (run.state, run.message) == (Run.State.DONE, "")
    assert changed(before, canonical_dumps(production)) == changed(shared.before, canonical_dumps(shared.prepared.sandbox))


def wait_for_the_unanswered(run: Run, servers) -> int:
    """The process that waits for the answer that doesn't come."""
    wait_until(lambda: servers.stats("dataverse")["faults"].get("hang"), 60, LOOK_S)
    [chunk, *_] = Chunk.objects.filter(phase__run=run, phase__table="contact", state=Chunk.State.LEASED)
    return pid_of(chunk.worker)

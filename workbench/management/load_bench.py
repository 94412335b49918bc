"""The load engine by itself: rows that are staged already go into a simulated environment, at chosen latencies, limits and faults.

Everything is the product's own but the staged file, which repeats one person of a played engagement as often as asked.
"""

import asyncio
import json
import os
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from django.db import close_old_connections
from django.db.models import Max, Sum
from django.utils import timezone
from django_q.conf import Conf

from connectors import store
from connectors.dataverse.auth import credentials_of, tokens_for
from connectors.iterable.source import LIMITS
from connectors.simulators.servers import Options, Running, start
from connectors.simulators.world.writing import write_world
from loads import callers, crosswalk, runs, staged
from loads.models import Chunk, Phase, Run
from loads.staging.phases import CHUNK_ROWS
from mapping.playbooks import load_playbook
from workbench.engagements.models import Connection, Engagement, Environment
from workbench.management.cluster import TaskCluster
from workbench.pipeline import demonstration, opening

PEOPLE, USERS = 40, 4
PART_ROWS = 20_000
OBJECT, TABLE = "user", "contact"
LIST_ROWS = 100  # of the lists that Microsoft's client is given
LOOK_S = 0.05
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Bench:
    """A played engagement, whose sandbox takes the rows that are measured. pattern: the staged row that they repeat.

    state: where the destinations keep what they answered; None where they don't.
    """

    engagement: Engagement
    servers: Running
    pattern: dict[str, Any]
    state: Path | None = None

    @property
    def sandbox(self) -> Environment:
        """The environment that is loaded."""
        return Environment.objects.select_related("connection").get(engagement=self.engagement, kind=Environment.Kind.SANDBOX)

    def control(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask or change the simulated sandbox."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.servers.addresses['dataverse_sandbox']}/_simulator/{path}", data)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
            return json.loads(answer.read())

    def token(self) -> str:
        """An access token of the first application user."""
        connection = self.sandbox.connection
        return tokens_for(credentials_of(connection), f"{connection.base_url.rstrip('/')}/.default").header()["Authorization"].split()[1]

    def share(self, users: int) -> None:
        """Let so many application users load."""
        further = Connection.objects.filter(engagement=self.engagement, name__startswith="Further user").order_by("pk")
        self.sandbox.further_connections.set(further[: users - 1])

    def limited(self, window_s: float | None) -> None:
        """Tell the connections that service protection counts in another window than the published one."""
        for connection in Connection.objects.filter(engagement=self.engagement, kind="dataverse"):
            connection.settings["limits"] = {"window_s": window_s} if window_s else {}
            connection.save()

    def bodies(self, count: int) -> list[dict[str, Any]]:
        """The values of so many rows, as they are sent."""
        values = orjson.loads(self.pattern["values"])
        return [{**values, **_own(number, "client")} for number in range(count)]


@contextmanager
def prepared(folder: Path, state: Path | None = None) -> Iterator[Bench]:
    """An engagement whose sandbox was loaded with a few people, in the database that is set.

    folder: for the made-up company. state: where the destinations keep what they answered, so that they may be killed.
    """
    write_world(folder / "world", PEOPLE, 7)
    leave = [rule.name for rule in load_playbook("iterable").objects if rule.kind not in ("company", "person")]
    with start(Options(data=folder / "world", limits="none", application_users=USERS, state=state)) as servers:
        addresses = {**servers.addresses, "limits": {bucket: [10_000, 0.01] for bucket in LIMITS}}  # the source isn't what is measured
        engagement, cast = opening.open_engagement("iterable", addresses, {})
        sync, Conf.SYNC = Conf.SYNC, True
        demonstration.play(engagement, cast, lambda words: None, leave, sandbox_only=True)
        Conf.SYNC = sync
        _further_users(engagement, addresses)
        yield Bench(engagement, servers, _pattern(engagement), state)


def _further_users(engagement: Engagement, addresses: Mapping[str, Any]) -> None:
    first = Environment.objects.get(engagement=engagement, kind=Environment.Kind.SANDBOX).connection
    for number, client in enumerate(addresses["credentials"].get("more_clients", ()), start=2):
        Connection.objects.create(
            engagement=engagement,
            kind="dataverse",
            name=f"Further user {number}",
            base_url=first.base_url,
            settings=first.settings | {"client_id": client["client_id"]},
            secret=client["client_secret"],
            ca_pem=first.ca_pem,
        )


def _pattern(engagement: Engagement) -> dict[str, Any]:
    run = Run.objects.filter(engagement=engagement, environment__kind=Environment.Kind.SANDBOX).latest("pk")
    rows = (row for path in staged.parts(run, OBJECT, TABLE) for row in store.read_rows(path))
    return next(row for row in rows if row["action"] == "create" and b"parentcustomerid" in row["values"])


def _own(number: int, series: str) -> dict[str, str]:
    return {"emailaddress1": f"person{number}.{series}@northpine.example", "mwb_sourceid": f"{OBJECT}:{series}-{number}"}


def stage(bench: Bench, rows: int, series: str = "", chunk_rows: int = CHUNK_ROWS) -> Run:
    """A run whose contacts are staged and not sent. series: runs of one have the same rows, ids and all; each is its own otherwise."""
    before = Run.objects.filter(environment=bench.sandbox).earliest("pk")
    now = timezone.now()
    run = Run.objects.create(
        engagement=bench.engagement,
        environment=bench.sandbox,
        parts=before.parts,
        requested_by=before.requested_by,
        datasets=before.datasets,
        state=Run.State.LOADING,
        staged=[OBJECT],
        started_at=now,
        measured_at=now,
    )
    values, series = orjson.loads(bench.pattern["values"]), series or run.key
    for part, first in enumerate(range(0, rows, PART_ROWS)):
        with store.ParquetFile(staged.part(run, OBJECT, TABLE, part), staged.STAGED) as file:
            for number in range(first, min(first + PART_ROWS, rows)):
                own = {
                    "row_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{series}-{number}")),
                    "source_id": f"{series}-{number}",
                    "position": number,
                    "values": orjson.dumps(values | _own(number, series)),
                    "sample": None,
                }
                file.add(*(bench.pattern | own).values())
    given = (
        crosswalk.Given(row["source_id"], TABLE, row["row_id"])
        for path in staged.parts(run, OBJECT, TABLE)
        for row in store.read_rows(path, columns=["source_id", "row_id"])
    )
    crosswalk.follow(run.environment, OBJECT, given)
    phase = Phase.objects.create(run=run, number=1, object_name=OBJECT, table=TABLE, extracted=rows, staged=rows, planned=rows)
    starts = enumerate(range(0, rows, chunk_rows), start=1)
    chunks = (Chunk(phase=phase, number=n, start=start, stop=min(start + chunk_rows, rows)) for n, start in starts)
    Chunk.objects.bulk_create(chunks, batch_size=500)
    return run


def load(bench: Bench, rows: int, cluster: TaskCluster) -> dict[str, Any]:
    """Seconds of sending, of reading back and of the rest, CPU and memory of the product, and what the service was asked for."""
    run = stage(bench, rows)
    phase = run.phases.get()
    bench.control("stats", {})
    cpu, began = _cpu_s(cluster.pid), time.monotonic()
    runs.queue_work(run)
    sent = read = sending_cpu_s = peak = 0.0
    while_sending: list[dict[str, Any]] = []
    while True:
        time.sleep(LOOK_S)
        close_old_connections()
        run.refresh_from_db()
        now = time.monotonic() - began
        peak = max(peak, *(_status(pid, "VmRSS") for pid in _tree(cluster.pid)))
        if not sent and not phase.chunks.exclude(state__in=Chunk.SENT).exists():
            sent, sending_cpu_s, while_sending = now, _cpu_s(cluster.pid) - cpu, _users(bench)
        if not read and not phase.chunks.exclude(state=Chunk.State.CHECKED).exists():
            read = now
        if run.state not in runs.GOING:
            break
    phase.refresh_from_db()
    cpu_s = _cpu_s(cluster.pid) - cpu
    spent = phase.chunks.aggregate(requests=Sum("requests"), retries=Sum("retries"), attempts=Max("attempts"))
    return {
        "rows": rows,
        "state": run.state,
        "message": run.message,
        "balanced": phase.balanced,
        "sending_s": round(sent, 2),
        "reading_s": round(read - sent, 2),
        "closing_s": round(now - read, 2),
        "rows_a_second": round(rows / sent),
        "us_per_row": round(now / rows * 1e6, 1),
        "cpu_us_per_row": round(cpu_s / rows * 1e6, 1),
        "sending_cpu_us_per_row": round(sending_cpu_s / rows * 1e6, 1),
        "peak_mb": round(peak, 1),
        **spent,
        "statuses": bench.control("stats")["statuses"],
        "users": _users(bench),
        "users_while_sending": while_sending,
        "pace": callers.users_content(run),
    }


def _users(bench: Bench) -> list[dict[str, Any]]:
    """What each application user asked for since counting began, and its share of what the limits let through in that time."""
    told = ("requests", "refused", "running_peak", "share")
    return [{key: user[key] for key in told if key in user} for user in bench.control("stats")["users"].values()]


def microsoft(bench: Bench, rows: int) -> dict[str, Any]:
    """Microsoft's Python client creates the same rows: its synchronous client list by list, its asynchronous one as many at once as hinted.

    Raises ImportError where the client isn't installed.
    """
    from azure.core.credentials import AccessToken  # a tool of development: users don't have it
    from PowerPlatform.Dataverse.aio.async_client import AsyncDataverseClient
    from PowerPlatform.Dataverse.client import DataverseClient

    token = AccessToken(bench.token(), int(time.time()) + 3000)
    address = bench.sandbox.connection.base_url.rstrip("/")

    class Credential:
        def get_token(self, *scopes: str, **options: Any) -> Any:
            return token

    class AsyncCredential:
        async def get_token(self, *scopes: str, **options: Any) -> Any:
            return token

        async def close(self) -> None:
            """Nothing to close."""

        async def __aenter__(self) -> Any:
            return self

        async def __aexit__(self, *given: object) -> None:
            """Nothing to close."""

    lists = [bench.bodies(rows)[start : start + LIST_ROWS] for start in range(0, rows, LIST_ROWS)]
    client = DataverseClient("https://organisation.invalid", Credential())
    client._base_url = address  # the constructor takes https only
    client.records.create(TABLE, lists[0][:1])  # it reads the table's metadata once
    sync_s, sync_cpu_s = _timed(lambda: [client.records.create(TABLE, rows) for rows in lists])

    async def at_once() -> None:
        async with AsyncDataverseClient("https://organisation.invalid", AsyncCredential()) as client:
            client._base_url = address
            await client.records.create(TABLE, lists[0][:1])
            slots = asyncio.Semaphore(HINT)

            async def create(rows: list[dict[str, Any]]) -> None:
                async with slots:
                    await client.records.create(TABLE, rows)

            await asyncio.gather(*(create(rows) for rows in lists))

    async_s, async_cpu_s = _timed(lambda: asyncio.run(at_once()))
    return {
        "rows": rows,
        "sync_rows_a_second": round(rows / sync_s),
        "sync_cpu_us_per_row": round(sync_cpu_s / rows * 1e6, 1),
        "async_rows_a_second": round(rows / async_s),
        "async_cpu_us_per_row": round(async_cpu_s / rows * 1e6, 1),
    }


HINT = 8  # of the simulated environment


def _timed(act: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the wall and of this process's CPU."""
    began, cpu = time.monotonic(), time.process_time()
    act()
    return time.monotonic() - began, time.process_time() - cpu


def _tree(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for one in found:
        found += children(one)
    return found


def children(pid: int) -> list[int]:
    """The processes that a process has started; none of one that ended."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _cpu_s(pid: int) -> float:
    """Seconds of CPU of a process tree, of children that ended and were waited for too."""
    total = 0
    for one in _tree(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        own, waited = fields[11:13], fields[13:15]
        total += sum(map(int, own + (waited if one == pid else [])))
    return total / TICKS


def _status(pid: int, name: str) -> float:
    """A size of a process, in MB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), 0.0)

"""The pages of tables that grow with the records, timed over as many rows as asked for, which plain SQL writes."""

import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from loads.desk import groups
from loads.models import Phase, Run
from workbench.engagements.models import Connection, Engagement, Environment, Membership, Role

TIMES = 3  # each page is asked for; the median counts
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %(rows)s)"
# One in 50,000 exceptions has the rare outcome and code: few enough that a page of them looks through much of the table.
CROSSWALK = """
    INSERT INTO loads_crosswalk (environment_id, object_name, source_id, "table", role, row_id, alias, origin, state, current, applied_hash)
    {numbers} SELECT %(environment)s, 'user', 'u-' || i, 'contact', '', {uuid}, {no}, 'created',
        CASE WHEN i %% 50000 = 0 THEN 'removed' ELSE 'present' END, {yes}, '' FROM n
"""
EXCEPTIONS = """
    INSERT INTO loads_ledgerentry
        (run_id, phase_id, object_name, source_id, role, position, main_table, outcome, held, code, field, cause, reasons, at)
    {numbers} SELECT %(run)s, %(phase)s, 'user', 'u-' || i, '', i, 'contact',
        CASE WHEN i %% 50000 = 0 THEN 'held' ELSE 'rejected' END, {no},
        CASE WHEN i %% 50000 = 0 THEN 'owner.open' WHEN i %% 2 = 0 THEN 'email.invalid' ELSE 'name.missing' END,
        'email', '', '[{{"code": "email.invalid", "field": "email", "detail": "not an address", "severity": "reject"}}]', %(now)s FROM n
"""


def measure(rows: int) -> dict[str, Any]:
    """Fill the database, which has no engagement yet, and ask for each page as an engineer who isn't a superuser does."""
    run, user = _filled(rows)
    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    return {"rows": rows, "database": connection.vendor, "pages": [_timed(client, name, url) for name, url in _pages(run, rows)]}


def _filled(rows: int) -> tuple[Run, User]:
    engagement = Engagement.objects.create(name="Bench", slug="bench", platform="iterable")
    user = User.objects.create_user("bench", is_staff=True)
    Membership.objects.create(engagement=engagement, user=user, role=Role.ENGINEER)
    there = Connection.objects.create(engagement=engagement, kind="dataverse", name="sandbox", base_url="https://bench.invalid")
    environment = Environment.objects.create(engagement=engagement, kind=Environment.Kind.SANDBOX, connection=there)
    run = Run.objects.create(
        engagement=engagement, environment=environment, requested_by=user, state=Run.State.DONE, parts={"maps": {}, "quality": {}}
    )
    counts = {"extracted": rows, "rejected": rows}
    phase = Phase.objects.create(run=run, number=1, object_name="user", table="contact", state=Phase.State.BALANCED, **counts)
    given: dict[str, Any] = {"rows": rows, "environment": environment.pk, "run": run.pk, "phase": phase.pk, "now": timezone.now()}
    with connection.cursor() as cursor:
        for statement in (CROSSWALK, EXCEPTIONS):
            cursor.execute(_as_spoken(statement), given)
        cursor.execute("ANALYZE")
    return run, user


def _as_spoken(statement: str) -> str:
    """A statement as the database speaks it."""
    native = connection.features.has_native_uuid_field
    uuid = "gen_random_uuid()" if native else "lower(hex(randomblob(16)))"
    yes, no = ("true", "false") if native else ("1", "0")
    return statement.format(numbers=NUMBERS, uuid=uuid, yes=yes, no=no)


def _pages(run: Run, rows: int) -> Iterator[tuple[str, str]]:
    """Names and addresses."""
    crosswalk, exceptions = (reverse(f"admin:loads_{name}_changelist") for name in ("crosswalk", "ledgerentry"))
    of_environment, of_run = f"{crosswalk}?environment__id__exact={run.environment_id}", f"{exceptions}?run__id__exact={run.pk}"
    for name, url, rare in (("crosswalk", of_environment, "state__exact=removed"), ("exceptions", of_run, "outcome__exact=held")):
        yield name, url
        yield f"{name}, in the middle", f"{url}&p=before-{rows // 2}"
        yield f"{name}, the oldest", f"{url}&p=after-0"
        yield f"{name}, a rare value", f"{url}&{rare}"
        yield f"{name}, a source id", f"{url}&q=u-{rows // 3}"
        yield f"{name}, a source id that isn't there", f"{url}&q=nobody"
    yield "crosswalk, a row id", f"{of_environment}&q=00000000-0000-0000-0000-000000000001"
    yield "exceptions, a code", f"{of_run}&code=owner.open"
    yield "run", reverse("admin:loads_run_change", args=[run.pk])
    yield "exceptions desk", reverse("admin:reports_exceptions", args=[run.pk])
    yield "exceptions desk, a group", reverse("admin:reports_exceptions_group", args=[run.pk, groups.groups(run)[0].key])
    yield "engagement", reverse("admin:engagements_engagement_change", args=[run.engagement_id])
    yield "portal", reverse("portal:overview", args=[run.engagement.slug])


def _timed(client: Client, name: str, url: str) -> Mapping[str, Any]:
    """Milliseconds of a page, and of its slowest query."""
    took = []
    for _ in range(TIMES):
        started = time.monotonic()
        answer = client.get(url, secure=True)
        took.append((time.monotonic() - started) * 1000)
        if answer.status_code != 200:
            return {"page": name, "status": answer.status_code}
    with CaptureQueriesContext(connection) as captured:
        client.get(url, secure=True)
    slowest = max((float(query["time"]) for query in captured), default=0.0)
    return {"page": name, "ms": round(statistics.median(took)), "queries": len(captured), "slowest_query_ms": round(slowest * 1000)}

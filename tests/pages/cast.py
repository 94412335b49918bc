"""A known cast for tests of pages: one customer with people in every role, a discovered source and a finished run."""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import orjson
from django.contrib.auth.models import User

from connectors.base import Finding, Reading, Slice
from loads.models import Chunk, LedgerEntry, Phase, Run, VerifiedRow
from mapping import plan
from mapping.discovery.source import discover
from mapping.models import FieldMap, ObjectMap, OrganisationList, OwnerMatch, SplitRule
from tests import snapshots
from workbench.engagements.models import Connection, Engagement, Environment, Membership, Role

PASSWORD = "correct horse battery"
# What the portal's content policy forbids: scripts, styles and handlers inside a page.
INLINE_CODE = re.compile(r"<script|<style|\sstyle=|\son\w+=")
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


class GivenSource:
    """A source whose people, further objects and small answers are given as they are."""

    platform = "iterable"

    def __init__(
        self,
        people: Sequence[Mapping[str, Any]],
        lists: Sequence[Mapping[str, Any]] = (),
        objects: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    ) -> None:
        self.people, self.lists, self.objects = people, lists, {"user": people, **(objects or {})}

    def check(self) -> list[Finding]:
        return [Finding("data centre", "info", "The key belongs to this data centre.")]

    def slices(self, object_name: str, now: datetime) -> list[Slice]:
        return [Slice("all")]

    def narrowing(self, object_name: str) -> None:
        return None

    def halves(self, piece: Slice) -> None:
        return None

    def read(self, object_name: str, piece: Slice, reading: Reading | None = None) -> Iterator[bytes]:
        return (orjson.dumps(record) for record in self.objects.get(object_name, ()))

    def answers(self) -> dict[str, list[dict[str, Any]]]:
        return {"list": [dict(each) for each in self.lists], "channel": [], "messageType": [], "forgotten": []}

    def reference(self, name: str) -> Any:
        return {} if name == "fields" else []


def person(number: int, stage: str | None = "customer", **fields: Any) -> dict[str, Any]:
    """One profile as the source says it."""
    names = {"firstName": f"Ada{number}", "lastName": f"Lovelace{number}"}
    stages = {} if stage is None else {"lifecycleStage": stage}
    email = f"ada{number}@customer-{number % 7}.test"
    return {
        "email": email,
        "userId": f"u-{number}",
        **names,
        **stages,
        "profileUpdatedAt": "2026-01-02 03:04:05 +00:00",
        "emailListIds": [],
        **fields,
    }


def make_user(name: str, *, staff: bool = False, superuser: bool = False) -> User:
    make = User.objects.create_superuser if superuser else User.objects.create_user
    user = make(name, f"{name}@example.test", PASSWORD, first_name=name.capitalize())
    if staff and not superuser:
        user.is_staff = True
        user.save()
    return user


def make_engagement(name: str = "Northwind", **fields: Any) -> Engagement:
    """An engagement with a sandbox and a production environment."""
    engagement = Engagement.objects.create(
        name=name, slug=fields.pop("slug", name.lower().replace(" ", "-")[:60]), platform="iterable", **fields
    )
    for kind in ("sandbox", "production"):
        connection = Connection.objects.create(
            engagement=engagement, kind="dataverse", name=kind, base_url=f"https://{kind}.crm4.dynamics.com", secret="hush-hush-secret"
        )
        Environment.objects.create(engagement=engagement, kind=kind, connection=connection)
    return engagement


def make_cast(engagement: Engagement) -> SimpleNamespace:
    """engineer, approver, viewer, admin (the customer's Dynamics admin): one user each, with their role."""
    people = {"engineer": Role.ENGINEER, "approver": Role.APPROVER, "viewer": Role.VIEWER, "admin": Role.DYNAMICS_ADMIN}
    users = {}
    for name, role in people.items():
        users[name] = make_user(f"{name}-{engagement.slug}"[:140], staff=name == "engineer")
        Membership.objects.create(engagement=engagement, user=users[name], role=role)
    return SimpleNamespace(**users)


def make_discovered(
    engagement: Engagement,
    people: Sequence[Mapping[str, Any]] | None = None,
    lists: Sequence[Mapping[str, Any]] = (),
    objects: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> None:
    """Discovery done on these people, by the product's own discovery; every stage, owner and map is answered."""
    given = people if people is not None else [person(n, stage) for n, stage in enumerate(["customer", "customer", "subscriber", None])]
    told = repr((engagement.pk, given, lists, objects))
    with snapshots.made_once(told) as is_made:
        if not is_made:
            _discover(engagement, given, lists, objects)


def _discover(engagement: Engagement, given: Sequence[Any], lists: Sequence[Any], objects: Mapping[str, Any] | None) -> None:
    discover(engagement, GivenSource(given, lists, objects), actor="discovery", progress=lambda words: None)
    SplitRule.objects.filter(engagement=engagement, stage="customer").update(outcome="contact")
    SplitRule.objects.filter(engagement=engagement, stage="subscriber").update(outcome="lead")
    SplitRule.objects.filter(engagement=engagement, outcome="").update(outcome="review")
    OwnerMatch.objects.filter(engagement=engagement).update(kind="user", answer="owner@northwind.test")
    plan.revise(engagement, plan.PARTS, actor="engineer")


def make_planned(engagement: Engagement, stages: Mapping[str, str] | None = None) -> None:
    """A plan with every question answered, as discovery leaves it, without the data: enough for pages that don't show people."""
    for stage, outcome in (stages or {"customer": "contact", "subscriber": "lead", "": "review"}).items():
        SplitRule.objects.create(engagement=engagement, stage=stage, outcome=outcome, observed=3)
    OwnerMatch.objects.create(engagement=engagement, source_owner="", kind="user", answer="owner@northwind.test")
    OrganisationList.objects.create(
        engagement=engagement, list_id="7", list_name="Company: Analytical Engines", organisation="Analytical Engines"
    )
    ObjectMap.objects.create(engagement=engagement, object_name="user", tables=["contact", "lead"], confirmed=True)
    plan.revise(engagement, plan.PARTS, actor="engineer")


def make_field_map(engagement: Engagement, source: str, **fields: Any) -> FieldMap:
    values = {"object_name": "user", "table": "contact", "column": f"mwb_{source.lower()}", "reason": "Named alike.", **fields}
    return FieldMap.objects.create(engagement=engagement, source=source, **values)


def make_run(engagement: Engagement, user: User, kind: str = "sandbox", state: str = "done", **fields: Any) -> Run:
    environment = engagement.environments.get(kind=kind)
    parts = plan.covers(plan.current(engagement).values())
    run = Run.objects.create(engagement=engagement, environment=environment, requested_by=user, state=state, parts=parts, **fields)
    make_phase(run, 1, "company", "account", extracted=4, loaded=4, planned=4, created=3, equal=1)
    make_phase(run, 2, "user", "contact", extracted=9, loaded=6, merged=1, rejected=1, held=1, planned=6, created=5, updated=1)
    return run


def make_phase(run: Run, number: int, object_name: str, table: str, *, state: str = "balanced", **counts: int) -> Phase:
    finished = NOON + timedelta(seconds=40) if state in ("balanced", "unbalanced") else None
    counts.setdefault("at_destination", counts.get("created", 0) + counts.get("updated", 0))
    return Phase.objects.create(
        run=run, number=number, object_name=object_name, table=table, state=state, started_at=NOON, finished_at=finished, **counts
    )


def make_chunks(phase: Phase, done: int, waiting: int, size: int = 100) -> None:
    """Chunks of a phase: `done` of them settled as created, the others open."""
    states = ["done"] * done + ["waiting"] * waiting
    Chunk.objects.bulk_create(
        Chunk(phase=phase, number=n, start=n * size, stop=(n + 1) * size, state=state, created=size if state == "done" else 0)
        for n, state in enumerate(states)
    )


def make_exception(run: Run, source_id: str, code: str = "email.invalid", outcome: str = "rejected", **fields: Any) -> LedgerEntry:
    phase = fields.pop("phase", None) or run.phases.last()
    values = {"position": LedgerEntry.objects.filter(run=run).count(), "object_name": phase.object_name, **fields}
    values.setdefault("reasons", [{"code": code, "field": "email", "detail": "ada@@", "severity": "reject"}])
    entry = LedgerEntry(run=run, phase=phase, source_id=source_id, outcome=outcome, **values)
    entry.give(entry.reasons)
    entry.code = code
    entry.save()
    return entry


def make_verified(run: Run, source_id: str, verdict: str = "equal", fields: Sequence[Mapping[str, Any]] | None = None) -> VerifiedRow:
    given = fields or [{"column": "lastname", "source": "Lovelace", "meant": "Lovelace", "found": "Lovelace", "verdict": verdict}]
    return VerifiedRow.objects.create(
        run=run, phase=run.phases.last(), source_id=source_id, row_id=uuid.uuid4(), verdict=verdict, fields=list(given)
    )

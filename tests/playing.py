"""A whole engagement played on a folder against real simulators, and what stands at the destination afterwards."""

import json
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
from django.test import override_settings
from django_q.conf import Conf

from connectors.iterable.source import LIMITS
from loads import staged
from loads.dispositions import lookup
from loads.models import LedgerEntry, Run
from mapping.playbooks import load_playbook
from tests import asking, database, simulated
from workbench.engagements.models import Engagement
from workbench.pipeline import demonstration, opening
from workbench.pipeline.summary import summary as summary_of

Row = dict[str, Any]
# All objects but people and companies: what a test of those leaves out, since each costs time.
OTHERS = tuple(rule.name for rule in load_playbook("iterable").objects if rule.kind not in ("company", "person"))
TABLES = (
    "account", "contact", "lead", "campaign", "campaignitem", "list", "listmember", "task", "product", "pricelevel", "productpricelevel",
    "opportunity", "opportunityproduct", "opportunityclose", "salesorder", "salesorderdetail", "orderclose", "mwb_iterable_event",
)  # fmt: skip


@dataclass
class Played:
    """What came of an engagement, as plain data; where no environment is asked for, of the last that was loaded."""

    summary: dict[str, Any]
    tables: dict[str, dict[str, list[Row]]]
    exceptions: list[dict[str, Any]]
    dispositions: dict[str, list[dict[str, Any]]]
    updates: list[dict[str, Any]] = field(default_factory=list)
    verified: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)  # by table and kind of phase, as it was read back
    sums: dict[str, Any] = field(default_factory=dict)
    reports: list[dict[str, Any]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    last: str = "production"
    source: Path = Path()

    def phase(self, object_name: str, table: str | None, environment: str = "") -> Row:
        """One entry of the summary's phases."""
        keys, wanted = ("environment", "object", "table"), (environment or self.last, object_name, table)
        return next(entry for entry in self.summary["phases"] if tuple(entry[key] for key in keys) == wanted)

    def rows(self, table: str, environment: str = "") -> list[Row]:
        """All rows of a table at the destination."""
        return self.tables[environment or self.last][table]

    def row(self, table: str, source_id: str, environment: str = "") -> Row:
        """The one row that carries a source id, such as user:u-1."""
        found = [row for row in self.rows(table, environment) if row.get("mwb_sourceid") == source_id]
        assert len(found) == 1, f"{len(found)} rows of {table} have the source id {source_id}"
        return found[0]

    def of_source(self, table: str, object_name: str, environment: str = "") -> list[Row]:
        """Rows of a table that carry a source id of one object."""
        return [row for row in self.rows(table, environment) if str(row.get("mwb_sourceid", "")).startswith(f"{object_name}:")]

    def sent(self, data_type: str) -> list[bytes]:
        """The lines of an export of the source."""
        return (self.source / "iterable" / "export" / f"{data_type}.ndjson").read_bytes().splitlines()

    def reasons(self, source_id: str, object_name: str = "user", environment: str = "") -> list[str]:
        """Codes of all reasons of a record in the exceptions."""
        wanted = (object_name, source_id, environment or self.last)
        found = [one for one in self.exceptions if (one["object"], one["source_id"], one["environment"]) == wanted]
        return [reason["code"] for one in found for reason in one["reasons"]]


def dump(address: str, table: str, *, canonical: bool = False) -> list[Row]:
    """Rows of a table, read from the simulator itself."""
    [rows] = dumps(address, [table], canonical=canonical).values()
    return rows


def dumps(address: str, tables: Iterable[str], *, canonical: bool = False) -> dict[str, list[Row]]:
    """Rows of several tables, by their names."""
    with requests.Session() as session:
        session.trust_env = False
        return {table: _dump(session, f"{address}/_simulator/tables/{table}", canonical=canonical) for table in tables}


def _dump(session: requests.Session, url: str, *, canonical: bool) -> list[Row]:
    answer = session.get(url, params={"canonical": 1} if canonical else None, timeout=30)
    if answer.status_code == HTTPStatus.NOT_FOUND:  # a table that only the plan makes
        return []
    assert answer.ok, answer.text
    return [json.loads(line) for line in answer.content.split(b"\n") if line]


@contextmanager
def served(
    folder: Path,
    work: Path,
    *,
    application_users: int = 1,
    state: Path | None = None,
    killable: Collection[str] = (),
    whole: bool = False,
) -> Iterator[simulated.Simulated]:
    """Simulators that serve the folder, and the product at work beside them: tasks are carried out at once, files are in `work`.

    killable: see `simulated.start`. whole: the source is asked for objects of which the folder holds nothing, too.
    """
    sync, Conf.SYNC = Conf.SYNC, True
    try:
        with (
            override_settings(VAR_DIR=work / "var", STORE_URL=str(work / "store"), DOCUMENTS_AT_ONCE=False),
            nullcontext() if whole else asking.for_what_is_there(folder),
            simulated.start(folder, application_users=application_users, state=state, killable=killable) as servers,
        ):
            yield servers
    finally:
        Conf.SYNC = sync


@contextmanager
def engagement_on(
    folder: Path,
    work: Path,
    *,
    application_users: int = 1,
    state: Path | None = None,
    killable: Collection[str] = (),
    whole: bool = False,
    **options: Any,
) -> Iterator[tuple[Engagement, opening.Cast, simulated.Simulated]]:
    """An engagement opened on simulators that serve the folder, see `served`. The database is the caller's."""
    with served(folder, work, application_users=application_users, state=state, killable=killable, whole=whole) as servers:
        limits = {bucket: [10_000, 0.01] for bucket in LIMITS}
        engagement, cast = opening.open_engagement("iterable", {**servers.addresses, "limits": limits}, options)
        yield engagement, cast, servers


def collect(engagement: Engagement, servers: simulated.Simulated, ask: Mapping[str, list[str]] | None = None) -> Played:
    """What stands at the destinations that it has, the summary, the exceptions, and the dispositions of the source ids asked for."""
    addresses, kinds = {"production": servers.dataverse, "sandbox": servers.dataverse_sandbox}, engagement.environments.values_list("kind")
    entries = LedgerEntry.objects.filter(run__engagement=engagement).select_related("run__environment")
    runs = Run.objects.filter(engagement=engagement)
    last = runs.filter(environment__kind="production").first() or runs.first()
    summary = summary_of(engagement)
    asked = {source_id: lookup(last, name, source_id) for name, ids in (ask or {}).items() for source_id in ids} if last else {}
    return Played(
        summary=summary,
        tables={kind: dumps(addresses[kind], TABLES) for (kind,) in kinds},
        exceptions=[
            {
                "environment": entry.run.environment.kind,
                "object": entry.object_name,
                "source_id": entry.source_id,
                "outcome": entry.outcome,
                "reasons": entry.reasons,
            }
            for entry in entries
        ],
        dispositions=asked,
        last=last.environment.kind if last else "production",
        verified={(phase.table, phase.kind): phase.verified for phase in last.phases.all()} if last else {},
        sums=last.sums if last else {},
        reports=[
            json.loads(Path(one["path"]).read_text())
            for one in summary["documents"]
            if (one["kind"], one["format"]) == ("reconciliation", "json")
        ],
        updates=[
            {"table": phase.table, "row_id": row.row_id, "values": dict(row.values), "before": row.before}
            for phase in (last.phases.exclude(table="") if last else ())
            for row in staged.read_phase(phase)
            if row.action == "update"
        ],
    )


def play(
    folder: Path,
    work: Path,
    ask: Mapping[str, list[str]] | None = None,
    leave: Collection[str] = (),
    *,
    documents: bool = False,
    sandbox_only: bool = False,
    **options: Any,
) -> Played:
    """Play everything, but for the objects to leave, and take the database back to empty.

    documents: the hand-off too, which takes seconds. sandbox_only: where production would be loaded as the sandbox was; there is none,
    since each discovery looks at it too.
    """
    said: list[str] = []
    try:
        with everything_logged() as logged, engagement_on(folder, work, **options) as (engagement, cast, servers):
            if sandbox_only:
                engagement.environments.get(kind="production").delete()
            demonstration.play(engagement, cast, said.append, leave, sandbox_only=sandbox_only)
            if documents:
                demonstration.hand_off(engagement, cast, said.append)
            played = collect(engagement, servers, ask)
    finally:
        database.empty()
    played.said, played.logged, played.source = said, logged, folder
    return played


@contextmanager
def everything_logged() -> Iterator[list[str]]:
    """What the product logs at any level."""
    lines: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.name} {record.getMessage()} {record.exc_text or ''}")

    handler = Collector(logging.DEBUG)
    loggers = [logging.getLogger(name) for name in ("connectors", "mapping", "loads", "reports", "workbench", "django_q", "django.request")]
    before = [one.level for one in loggers]
    for one in loggers:
        one.addHandler(handler)
        one.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.removeHandler(handler)
            one.setLevel(level)

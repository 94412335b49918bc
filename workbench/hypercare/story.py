"""The story of a record: as the source said it, the rules that took it where it is, its rows at the destination, and what went wrong.

All of it is read from what the runs left: landed records, dispositions, staged rows, crosswalk, ledger, values read back.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from connectors import landing
from loads import tracing
from loads.destination import page_of
from loads.dispositions import lookup
from loads.models import Crosswalk, LedgerEntry, Run
from workbench.engagements.models import Environment
from workbench.hypercare.forgetting import CODE, Register, codes_of
from workbench.hypercare.lineage import Approval, Field, Lineage, Rule
from workbench.hypercare.models import TicketRecord

RAW_LIMIT = 20_000  # characters of a record that a page shows


@dataclass(frozen=True, slots=True)
class RowStory:
    """A row at the destination. state: in words. fields: empty where this run didn't stage the row."""

    table: str
    row_id: str
    address: str
    origin: str
    state: str
    action: str = ""
    fields: Sequence[Field] = ()
    further: Sequence[tuple[str, Any]] = ()
    of_survivor: bool = False


@dataclass(frozen=True, slots=True)
class RecordStory:
    """One record of the id in one run."""

    source_id: str
    disposition: str
    table: str
    into: str
    reasons: Sequence[Mapping[str, Any]]
    raw: str
    problem: str
    rules: Sequence[tuple[Rule, str]]
    rows: Sequence[RowStory]
    ledger: Sequence[LedgerEntry]


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that is known of a record. `forgotten`: then nothing else is told. run: None where no run had the record."""

    environment: Environment
    object_name: str = ""
    source_id: str = ""
    row_address: str = ""
    forgotten: bool = False
    run: Run | None = None
    landed_at: Any = None
    records: Sequence[RecordStory] = ()
    approvals: Sequence[Approval] = ()
    earlier: Sequence[tuple[Run, str]] = field(default=())


@dataclass(frozen=True, slots=True)
class _Read:
    """One record as the run staged it: its disposition, the landed line, its fields, and what it belongs to."""

    told: Mapping[str, Any]
    landed: landing.Landed | None
    parsed: dict[str, Any] | None
    parents: Sequence[tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class _Located:
    """Where the runs have a record. lineage: of the run whose story is told, None where no run had it."""

    source_id: str
    forgotten: bool
    lineage: Lineage | None = None
    reads: Sequence[_Read] = ()
    others: Sequence[tuple[Run, str]] = ()


def is_forgotten(record: TicketRecord, register: Register) -> bool:
    """Whether a record is of a person, or belongs to one, who was forgotten. Raises PlanChanged."""
    return bool(record.source_id) and _located(record, register).forgotten


def story_of(record: TicketRecord, register: Register) -> Story:
    """The story of what a ticket is about. Raises PlanChanged."""
    environment = record.environment
    row_address = page_of(environment, record.table, record.row_id) if record.row_id else ""
    if not record.source_id:
        return Story(environment, row_address=row_address)
    located = _located(record, register)
    if located.forgotten:
        return Story(environment, forgotten=True)
    story = Story(environment, record.object_name, located.source_id, row_address)
    lineage = located.lineage
    if lineage is None:
        return story
    return replace(
        story,
        run=lineage.run,
        landed_at=lineage.dataset.started_at if lineage.dataset else None,
        records=[_record(lineage, read) for read in located.reads],
        approvals=lineage.approvals(),
        earlier=located.others,
    )


def _located(record: TicketRecord, register: Register) -> _Located:
    """The record in the newest runs; of those that are done the newest is told."""
    runs, source_id = list(tracing.runs_of(record.environment, record.object_name)), record.source_id
    found = _lookups(runs, record.object_name, source_id)
    if not found and (survivor := tracing.survivor_of(record.environment, record.object_name, source_id)):
        source_id, found = survivor, _lookups(runs, record.object_name, survivor)
    if register.has(record.source_id, source_id):
        return _Located(source_id, forgotten=True)
    if not found:
        return _Located(source_id, forgotten=False)
    run, told = next(((run, told) for run, told in found if run.state == Run.State.DONE), found[0])
    lineage = Lineage(run, record.object_name)
    reads = [_read(lineage, one) for one in told]
    codes = set[str]().union(*(codes_of(one) for _, every in found for one in every))
    others = [(other, ", ".join(one["disposition"] for one in every)) for other, every in found if other != run]
    return _Located(source_id, any(_covers(register, read, codes) for read in reads), lineage, reads, others)


def _read(lineage: Lineage, told: Mapping[str, Any]) -> _Read:
    landed = lineage.landed(told["position"])
    parsed = landing.parse(landed.raw)[0] if landed and landed.problem is None else None
    return _Read(told, landed, parsed, lineage.parents(parsed) if parsed is not None else [])


def _covers(register: Register, read: _Read, codes: set[str]) -> bool:
    return CODE in codes or read.parsed is not None and register.covers(read.parsed, codes, [told for _, told in read.parents])


def _lookups(runs: Sequence[Run], object_name: str, source_id: str) -> list[tuple[Run, list[dict[str, Any]]]]:
    return [(run, told) for run in runs if (told := lookup(run, object_name, source_id))]


def _record(lineage: Lineage, read: _Read) -> RecordStory:
    told = read.told
    whole = lineage.whole(read.parsed) if read.parsed is not None else {}
    rules = lineage.rules(told["position"], whole, read.parents) if read.parsed is not None else []
    environment = lineage.run.environment
    ledger = LedgerEntry.objects.filter(run=lineage.run, object_name=lineage.object_name, position=told["position"])
    return RecordStory(
        source_id=told["source_id"],
        disposition=told["disposition"],
        table=told["table"],
        into=told["into"],
        reasons=told["reasons"],
        raw=_shown(read.landed, read.parsed),
        problem=(read.landed.problem or "") if read.landed else "",
        rules=[(rule, page_of(environment, *rule.address) if rule.address else "") for rule in rules],
        rows=[_row(lineage, row, whole, bool(told["into"])) for row in told["rows"]],
        ledger=list(ledger.select_related("phase")),
    )


def _shown(landed: landing.Landed | None, parsed: dict[str, Any] | None) -> str:
    """The record as text to read: indented JSON, or the line as it came where it is none."""
    if landed is None:
        return ""
    text = landed.raw.decode("utf-8", "replace") if parsed is None else json.dumps(parsed, indent=2, ensure_ascii=False, default=str)
    return text if len(text) <= RAW_LIMIT else f"{text[:RAW_LIMIT]}… ({len(text):,} characters)"


def _row(lineage: Lineage, told: Mapping[str, str], record: Mapping[str, Any], of_survivor: bool) -> RowStory:
    row = lineage.staged(told["table"], told["row_id"])
    fields = lineage.fields(told["table"], record, row) if row else []
    return RowStory(
        table=told["table"],
        row_id=told["row_id"],
        address=page_of(lineage.run.environment, told["table"], told["row_id"]),
        origin=str(Crosswalk.Origin(told["origin"]).label),
        state=str(Crosswalk.State(told["state"]).label),
        action=row.action if row else "",
        fields=fields,
        further=lineage.further(row, fields) if row else (),
        of_survivor=of_survivor,
    )

"""The rows of the destination that may be a record's, as they are now, and what the source says of the record beside them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors import landing
from connectors.dataverse.metadata import Table
from connectors.models import Dataset
from connectors.storable import storable
from loads.destination import Destination, page_of
from loads.models import LedgerEntry, Run
from mapping.jsontext import plain_text
from mapping.playbooks import load_playbook
from mapping.quality.remedies import OLDEST, SEVERAL_ROWS, SHARED_ROW

FORMATTED = "@OData.Community.Display.V1.FormattedValue"
OWNER, CREATED_ON, CHANGED_ON, EMAIL, STATE = "_ownerid_value", "createdon", "modifiedon", "emailaddress1", "statecode"
LINE = 300


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that may be a record's. created_on, changed_on: moments of the service. page: its address in Dynamics 365.

    state: as the service calls it, where the row isn't active or open; else ''.
    """

    table: str
    row_id: str
    page: str
    name: str = ""
    email: str = ""
    owner: str = ""
    created_on: str = ""
    changed_on: str = ""
    state: str = ""

    @property
    def key(self) -> str:
        """As answers name it."""
        return f"{self.table}:{self.row_id}"

    @property
    def words(self) -> str:
        """In one line, as a workbook has it."""
        told = (self.name, self.state, self.email, self.owner and f"owner {self.owner}", self.created_on and f"created {self.created_on}")
        return f"{self.key} ({', '.join(filter(None, told))})"


def named(entry: LedgerEntry) -> list[str]:
    """The rows that staging found for a record, "table:id"."""
    said = next((one for one in entry.reasons if one["code"] in (SEVERAL_ROWS, SHARED_ROW)), None)
    return [key for key in str(said["detail"]).split(", ") if ":" in key] if said else []


def of(run: Run, entries: Iterable[LedgerEntry]) -> dict[int, list[Candidate]]:
    """The rows that may be each record's, by the entry's id; one that isn't there any more is left out. A few requests for all of them.

    Raises what the service raises.
    """
    keys = {entry.pk: named(entry) for entry in entries}
    wanted: dict[str, list[str]] = {}
    for key in sorted({key for found in keys.values() for key in found}):
        table, _, row_id = key.partition(":")
        wanted.setdefault(table, []).append(row_id)
    destination = Destination(run.environment) if wanted else None
    there = {one.key: one for table, ids in wanted.items() if destination for one in _read(destination, table, ids)}
    return {pk: [there[key] for key in found if key in there] for pk, found in keys.items()}


def _read(destination: Destination, name: str, ids: Sequence[str]) -> Iterable[Candidate]:
    table = destination.table(name)
    select = [table.primary_id, *(one for one in (table.primary_name, EMAIL, CREATED_ON, CHANGED_ON, STATE) if one in table.columns)]
    select += [OWNER] if "ownerid" in table.columns else []
    for row in destination.client.retrieve(table.entity_set, table.primary_id, ids, select, annotations="*"):
        yield _candidate(destination, table, row)


def _candidate(destination: Destination, table: Table, row: Mapping[str, Any]) -> Candidate:
    row_id = str(row[table.primary_id]).lower()
    owner = row.get(f"{OWNER}{FORMATTED}") or row.get(OWNER)
    return Candidate(
        table.name,
        row_id,
        page_of(destination.environment, table.name, row_id),
        name=str(row.get(table.primary_name) or ""),
        email=str(row.get(EMAIL) or ""),
        owner=str(owner or ""),
        created_on=str(row.get(CREATED_ON) or ""),
        changed_on=str(row.get(CHANGED_ON) or ""),
        state=str(row.get(f"{STATE}{FORMATTED}") or "inactive") if row.get(STATE) else "",
    )


def pick(rule: str, found: Sequence[Candidate]) -> Candidate | None:
    """The one that a rule takes, OLDEST or else the most recently changed; None where there is none."""
    if rule == OLDEST:
        return min(found, key=lambda one: (one.created_on, one.key), default=None)
    return max(found, key=lambda one: (one.changed_on, one.key), default=None)


def at_the_source(run: Run, entries: Iterable[LedgerEntry]) -> dict[int, str]:
    """What tells the records of a page apart, such as name, address and last change, in one line each, by the entry's id."""
    datasets = {one.object_name: one for one in Dataset.objects.filter(pk__in=run.datasets.values()).select_related("engagement")}
    fields, told = _telling(run), dict[int, str]()
    for entry in entries:
        dataset = datasets.get(entry.object_name)
        landed = landing.at(dataset, entry.position) if dataset else None
        record = landing.parse(landed.raw)[0] if landed and landed.problem is None else None
        told[entry.pk] = _line(record or {}, fields)
    return told


def _telling(run: Run) -> list[str]:
    """The fields by which people and companies are told apart."""
    identity = load_playbook(run.engagement.platform).identity
    person = (identity.first_name, identity.last_name, *identity.full_names, identity.email)
    return list(dict.fromkeys([*person, "name", "domain"]))


def _line(record: Mapping[str, Any], fields: Sequence[str]) -> str:
    values = [storable(plain_text(record[name])).strip() for name in fields if record.get(name) not in (None, "")]
    return ", ".join(filter(None, values))[:LINE]

"""What the plan made of one record: the rules that took it where it is, and for each field the column and the value as it was staged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from connectors import landing
from connectors.models import Dataset
from loads import bindings, staged, tracing
from loads.dispositions import lookup
from loads.models import Binding, Phase, Run, VerifiedRow
from loads.staged import StagedRow
from loads.staging import companies
from loads.verification import BIND
from mapping import plan
from mapping.computed import compile_computed, is_filled
from mapping.fieldmaps import reader
from mapping.forgetting import names_of
from mapping.models import PlanVersion
from mapping.objects import ACTIVITIES
from mapping.people import owner_key
from mapping.split import matrix_from_content, normalise_stage
from workbench.engagements.models import SignOff

PARTS = ("split", "companies", "owners", "maps")
OWNER_SETS = ("/systemusers(", "/teams(")
FIELDS_AT_MOST = 300


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that applied: what it looked at, what the record says there, and what the rule answers."""

    title: str
    given: Any
    answer: str
    address: tuple[str, str] | None = None  # table and row id that the answer is


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the source with its column. column '': left behind, for `reason`. found: as read back; verdict '' where it wasn't."""

    source: str
    value: Any
    column: str
    alias: str
    transform: str
    staged: Any
    is_staged: bool
    lossy: bool
    verdict: str
    found: Any
    reason: str


@dataclass(frozen=True, slots=True)
class Approval:
    """A part of the plan that the run used: who confirmed it, and the signature that covers exactly this version."""

    part: str
    version: int
    confirmed_by: str
    signoff: SignOff | None


class Lineage:
    """Reads what one run's plan says of the records of one object."""

    def __init__(self, run: Run, object_name: str) -> None:
        """The parts at the versions that the run used. Raises PlanChanged."""
        self.run, self.object_name = run, object_name
        self.contents = plan.content_of(run.engagement, {part: run.parts[part] for part in PARTS if part in run.parts})

    @cached_property
    def content(self) -> Mapping[str, Any]:
        """What the maps say of the object."""
        return self.contents.get("maps", {}).get("objects", {}).get(self.object_name, {})

    @cached_property
    def dataset(self) -> Dataset | None:
        """The landed records that the run staged."""
        return Dataset.objects.filter(pk=self.run.datasets.get(self.object_name)).first()

    def landed(self, position: int) -> landing.Landed | None:
        """The record as it was landed."""
        return landing.at(self.dataset, position) if self.dataset else None

    def whole(self, record: dict[str, Any]) -> dict[str, Any]:
        """The record with what other datasets say of it and its computed fields, as the maps saw it."""
        for name in self.content.get("record", {}).get("beside", ()):
            dataset = Dataset.objects.filter(pk=self.run.datasets.get(name)).first()
            rows = landing.records(dataset) if dataset else iter(())
            if found := next((row for row in rows if str(row.get("id")) == str(record.get("id"))), None):
                record = {**record, name: found}
        return compile_computed(self.content.get("computed", ()))(record)

    def parents(self, record: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """(object, what the run says of it) of the records that this one names as those that it belongs to."""
        found = []
        for rule in self.content.get("parents", ()):
            for name in dict.fromkeys(names_of(record, rule["keys"])):
                found += [(rule["parent"], told) for told in lookup(self.run, rule["parent"], landing.clean_id(name))]
        return found

    def rules(self, position: int, record: Mapping[str, Any], parents: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Rule]:
        """Split, owner and company of a person, the owner of activities, and the records that this one belongs to."""
        found = list(self._of_person(position, record)) if self.content.get("kind") == "person" else []
        if self.content.get("record", {}).get("owner") == ACTIVITIES:
            found.append(Rule("Owner of activities", None, self._owner(ACTIVITIES)))
        return found + [_belongs("Belongs to", name, told) for name, told in parents]

    def _of_person(self, position: int, record: Mapping[str, Any]) -> Iterator[Rule]:
        if split := self.contents.get("split"):
            given = reader(split["stage_field"])(record)
            outcome = matrix_from_content(split).get(normalise_stage(given))
            yield Rule(f"Split by {split['stage_field']}", given, str(outcome or "no answer in the matrix"))
        if owners := self.contents.get("owners"):
            given = reader(owners["owner_field"])(record)
            yield Rule(f"Owner by {owners['owner_field']}", given, self._owner(owner_key(given)))
        if company := tracing.company_of(self.run, position):
            for told in lookup(self.run, companies.OBJECT, company):
                yield _belongs("Company", companies.OBJECT, told)

    def _owner(self, key: str) -> str:
        answer = self.contents.get("owners", {}).get("answers", {}).get(key)
        return f"{answer['name']} ({answer.get('as') or answer['kind']})" if answer else "no answer"

    def staged(self, table: str, row_id: str) -> StagedRow | None:
        """The row as the run staged it."""
        late = bindings.late(self.run.environment)
        phases = tracing.phases_of(self.run, self.object_name, table)
        return next((row for phase in phases if (row := staged.find(phase, row_id, late=late))), None)

    def fields(self, table: str, record: Mapping[str, Any], row: StagedRow | None) -> list[Field]:
        """Every field that has a value or a column of this table, those that arrived first."""
        values = row.values if row else {}
        of_rows = VerifiedRow.objects.filter(run=self.run, phase__kind=Phase.Kind.ROWS)
        verified = of_rows.filter(row_id=row.row_id).first() if row else None
        checked = {field["column"]: field for field in verified.fields} if verified else {}
        found = []
        for rule in self.contents.get("maps", {}).get("fields", ()):
            if rule["object"] == self.object_name and rule["table"] in (table, ""):
                found.append(_field(rule, record, values, row.lossy if row else (), checked.get(rule["column"], {})))
        shown = [field for field in found if field.is_staged or is_filled(field.value)]
        return sorted(shown, key=lambda field: (not field.is_staged, not field.column, field.source))[:FIELDS_AT_MOST]

    def further(self, row: StagedRow, fields: Sequence[Field]) -> list[tuple[str, Any]]:
        """(column, value) of what rules wrote besides the maps: names, consent, lookups, moments, marks. Owners by name."""
        mapped = {field.column for field in fields}
        rest = {key: value for key, value in row.values.items() if key not in mapped}
        return [(key.removesuffix(BIND), self._bound(value) if key.endswith(BIND) else value) for key, value in sorted(rest.items())]

    def _bound(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith(OWNER_SETS):
            row_id = value.partition("(")[2].rstrip(")")
            owner = Binding.objects.filter(environment=self.run.environment, row_id=row_id).order_by("problem").first()
            return f"{owner.name} {value}" if owner else value
        return value

    def approvals(self) -> list[Approval]:
        """Who confirmed and who signed what the run used."""
        signoffs = list(SignOff.objects.filter(engagement=self.run.engagement).select_related("signed_by").order_by("-signed_at"))
        found = []
        for part in (part for part in PARTS if part in self.run.parts):
            used = self.run.parts[part]
            version = PlanVersion.objects.select_related("confirmation__confirmed_by").get(
                engagement=self.run.engagement, part=part, version=used["version"]
            )
            confirmed = str(version.confirmation.confirmed_by) if hasattr(version, "confirmation") else ""
            signed = next((row for row in signoffs if row.covers.get(part, {}).get("sha256") == used["sha256"]), None)
            found.append(Approval(part, used["version"], confirmed, signed))
        return found


def _belongs(title: str, object_name: str, told: Mapping[str, Any]) -> Rule:
    """A record that another one belongs to, with its row where it has one."""
    row = next(iter(told["rows"]), None)
    return Rule(title, None, f"{object_name}:{told['source_id']}, {told['disposition']}", (row["table"], row["row_id"]) if row else None)


def _field(
    rule: Mapping[str, Any], record: Mapping[str, Any], values: Mapping[str, Any], lossy: Sequence[str], checked: Mapping[str, Any]
) -> Field:
    column = rule["column"] if rule["state"] == "confirmed" else ""
    return Field(
        source=rule["source"],
        value=reader(rule["source"])(record),
        column=column,
        alias=rule.get("alias", ""),
        transform=rule["transform"],
        staged=values.get(column),
        is_staged=bool(column) and column in values,
        lossy=column in lossy,
        verdict=checked.get("verdict", "") if column else "",
        found=checked.get("found"),
        reason=rule.get("reason", ""),
    )

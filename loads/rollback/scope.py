"""What of a load a rollback takes back: all of it, or phases, tables or records."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef

from loads import staged
from loads.models import Chunk, Phase, Run
from loads.staged import StagedRow
from workbench.engagements.errors import BadInput


@dataclass(frozen=True, slots=True)
class Scope:
    """tables, phases (their numbers in the load): which phases; empty: any. records: (object, source id); empty: all of theirs."""

    tables: tuple[str, ...] = ()
    phases: tuple[int, ...] = ()
    records: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Scope":
        """As a run keeps it."""
        records = tuple((name, source_id) for name, source_id in content.get("records", ()))
        return cls(tuple(content.get("tables", ())), tuple(content.get("phases", ())), records)

    def content(self) -> dict[str, Any]:
        """As a run keeps it; empty for the whole run."""
        found = {"tables": list(self.tables), "phases": list(self.phases), "records": [list(record) for record in self.records]}
        return {name: value for name, value in found.items() if value}

    def words(self) -> str:
        """For people."""
        said = [f"tables {', '.join(self.tables)}"] if self.tables else []
        said += [f"phases {', '.join(map(str, self.phases))}"] if self.phases else []
        said += [f"records {', '.join(f'{name}:{source_id}' for name, source_id in self.records)}"] if self.records else []
        return "; ".join(said) or "the whole run"

    def takes(self, phase: Phase) -> bool:
        """Whether anything of a load's phase is in it."""
        objects = {name for name, _ in self.records}
        return (
            (not self.tables or phase.table in self.tables)
            and (not self.phases or phase.number in self.phases)
            and (not objects or phase.object_name in objects)
        )

    def chosen(self, phase: Phase, rows: Iterator[StagedRow]) -> Iterator[StagedRow]:
        """Those of a phase's rows that are in it."""
        if not self.records:
            return rows
        ids = {source_id for name, source_id in self.records if name == phase.object_name}
        return (row for row in rows if row.source_id in ids)

    def to_undo(self, load: Run) -> list[Phase]:
        """The phases of a load that are in it and of which anything was sent, the last one first."""
        begun = Exists(Chunk.objects.filter(phase=OuterRef("pk"), attempts__gt=0))
        phases = load.phases.filter(begun).exclude(table="").order_by("-number")
        found = [phase for phase in phases if self.takes(phase)]
        for phase in found:
            phase.run = load
        return found

    def require_in(self, load: Run) -> None:
        """Raises BadInput where it names what the load doesn't have."""
        every = list(load.phases.exclude(table=""))
        missing = [f"the table {name}" for name in self.tables if name not in {phase.table for phase in every}]
        missing += [f"a phase {number}" for number in self.phases if number not in {phase.number for phase in every}]
        missing += [f"a row of {name}:{source_id}" for name, source_id in self.records if not _has(load, every, name, source_id)]
        if missing:
            raise BadInput(f"{load} doesn't have {', '.join(missing)}.", remedy="Choose among what the run's page lists.")


def _has(load: Run, phases: Sequence[Phase], object_name: str, source_id: str) -> bool:
    of_object = [phase for phase in phases if phase.object_name == object_name]
    for phase in of_object:
        phase.run = load
    return any(staged.has_source(phase, source_id) for phase in of_object)


def parse_record(text: str) -> tuple[str, str]:
    """`user:u-118` as object and source id. Raises BadInput."""
    name, colon, source_id = text.strip().partition(":")
    if not (colon and name and source_id):
        raise BadInput(f"'{text}' isn't a record.", remedy="Write the object and the source id, such as user:u-118.")
    return name, source_id

"""Rows that somebody changed after the run had written them and before it read them back."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from loads.delta import conflicts
from loads.delta.models import KEEP, Conflict
from loads.destination import EDITED_ON, EDITOR, Destination
from loads.models import Crosswalk, Phase
from loads.staged import StagedRow
from loads.staging.merging import changeable, read_key
from mapping.consent import consent_columns


class Edited(NamedTuple):
    """A row in somebody else's hands. meant, there: what was written and what was read; differing: the columns in which they differ."""

    row: StagedRow
    meant: Mapping[str, Any]
    there: Mapping[str, Any]
    differing: Sequence[str]


def open_conflicts(phase: Phase, destination: Destination, edited: Sequence[Edited]) -> None:
    """Ask about those that the run made, field by field, as of any row that a person edited; their edit stands until somebody decides.

    Not asked about is consent, of which the stricter one always stands, and what can't be written into a row that is there. Repeated, it
    leaves what was decided on the same values.
    """
    found = [one for one in (_conflict(phase, destination, each) for each in edited) if one.fields]
    known = conflicts.of(phase).filter(run=phase.run, row_id__in=[one.row_id for one in found], state__in=conflicts.PENDING)
    asked = {one.row_id: one.fields for one in known}
    conflicts.keep([one for one in found if asked.get(one.row_id) != one.fields])


def _conflict(phase: Phase, destination: Destination, edited: Edited) -> Conflict:
    """As a conflict; without fields where there is nothing to decide."""
    row, table = edited.row, destination.table(phase.table)
    body = changeable(table, row.values) if row.origin == Crosswalk.Origin.CREATED else {}
    columns = {read_key(table, key) for key in body.keys() - set(consent_columns(destination.prefix))}
    values = [(key, edited.meant[key], edited.there.get(key)) for key in edited.differing if key in columns]
    return Conflict(
        environment_id=phase.run.environment_id,
        run=phase.run,
        object_name=phase.object_name,
        source_id=row.source_id,
        table=phase.table,
        row_id=UUID(row.row_id),
        fields=[{"column": key, "last": meant, "now": there, "new": meant, "proposed": KEEP} for key, meant, there in values],
        edited_by=str(edited.there.get(EDITOR) or ""),
        edited_at=str(edited.there.get(EDITED_ON) or ""),
    )

"""Decisions about field maps, one by one or many at once: scope first, each in the history with what it replaced, undone from there.

What was proposed (`candidates`, `score`) is never touched: an undone decision leaves the same alternatives to choose from.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from mapping.workshop import recorded
from mapping.workshop.checking import Checker
from mapping.workshop.models import FieldMap, FieldMapChange
from mapping.workshop.recorded import Kind, Refused, Scope, UndoScope
from workbench.engagements.errors import BadInput
from workbench.engagements.models import AuditEntry, Engagement


def _link(entry: AuditEntry, rows: Sequence[FieldMap]) -> None:
    FieldMapChange.objects.bulk_create((FieldMapChange(field_map=row, entry=entry) for row in rows), batch_size=500)


def _refuse_doubled(engagement: Engagement, rows: Sequence[FieldMap]) -> None:
    """A restored confirmation mustn't fill a column that another field goes to by now."""
    confirmed = [row for row in rows if row.state == FieldMap.State.CONFIRMED]
    checker = Checker(confirmed)
    doubled = [row for row in confirmed if checker.doubled(row)]
    if doubled:
        named = ", ".join(f"{row.table}.{row.column}" for row in doubled[:5])
        raise BadInput(f"{engagement}: another field goes to {named} by now.", remedy="Take that one's confirmation back first.")


MAPS = Kind(
    FieldMap,
    key="maps",
    part="maps",
    noun="field maps",
    texts=("column", "transform", "alias", "state", "reason", "comment"),
    structures=("options", "new_column"),
    decided=True,
    heavy=("candidates",),
    link=_link,
    refuse=_refuse_doubled,
)
UNDONE = MAPS.undoing


def scope(maps: QuerySet[FieldMap], state: str) -> Scope:
    """Sort the maps by what the decision means for them. What could never load can't be confirmed: the reason says why."""
    found = Scope()
    rows = list(maps.select_related("engagement").defer(*MAPS.heavy))
    checker = Checker(rows)
    for row in rows:
        if row.state == state:
            found.unchanged.append(row)
        elif state == FieldMap.State.CONFIRMED and (why := checker.why_not(row)):
            found.impossible.append(Refused(row, why))
        else:
            found.changes.append(row)
    return found


@transaction.atomic
def decide(maps: QuerySet[FieldMap], state: str, *, user: object, reason: str = "", comment: str = "") -> list[AuditEntry]:
    """Set the state of every map that the decision can be applied to; one entry of the history per engagement, none where nothing changed.

    Leaving a field behind needs a reason. Raises BadInput.
    """
    if state == FieldMap.State.LEFT and not reason.strip():
        raise BadInput("A field that is left behind needs a reason.", remedy="Write why it isn't needed.")
    rows = scope(maps.select_for_update(of=("self",)), state).changes
    before = {row.pk: MAPS.values(row) for row in rows}
    for row in rows:
        row.state, row.reason, row.comment = state, reason.strip() or row.reason, comment.strip()
    detail = {"reason": reason.strip(), "comment": comment.strip()}
    return recorded.keep(MAPS, rows, before, user=user, action=f"set field maps {state}", detail=detail)


def change(row: FieldMap, *, user: object, action: str = "") -> AuditEntry | None:
    """Save one map that a person edited, or that is new; None where nothing differs from what is kept."""
    return recorded.change(MAPS, row, user=user, action=action)


def change_many(rows: Sequence[FieldMap], *, user: object, action: str, detail: Mapping[str, Any]) -> list[AuditEntry]:
    """Save maps that were edited together, such as by an imported workbook, as one entry per engagement."""
    return recorded.change_many(MAPS, rows, user=user, action=action, detail=detail)


def undo_scope(entry: AuditEntry) -> UndoScope:
    """What undoing an entry of the history would do: a map that was changed since keeps what it has."""
    return recorded.undo_scope(MAPS, entry)


def undo(entry: AuditEntry, *, user: object) -> AuditEntry | None:
    """Restore what the maps of an entry were before it. Raises BadInput where a restored confirmation would fill a column twice."""
    return recorded.undo(MAPS, entry, user=user)

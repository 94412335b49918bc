"""Decisions about field maps, one by one or many at once: scope first, each in the history with what it replaced, undone from there.

What was proposed (`candidates`, `score`) is never touched: an undone decision leaves the same alternatives to choose from.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from mapping import plan
from mapping.workshop.checking import Checker
from mapping.workshop.models import FieldMap, FieldMapChange
from workbench.engagements import history
from workbench.engagements.errors import BadInput
from workbench.engagements.models import AuditEntry, Engagement

# What the history keeps of a map and an undo restores.
TEXTS = ("column", "transform", "alias", "state", "reason", "comment", "decided_by")
STRUCTURES = ("options", "new_column")
UNDONE = "undid a change of field maps"
Values = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Refused:
    """A map that a decision can't be applied to, and why."""

    map: FieldMap
    why: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What a decision would change, told apart from what it would leave as it is, and what it can't be applied to."""

    changes: list[FieldMap] = field(default_factory=list)
    unchanged: list[FieldMap] = field(default_factory=list)
    impossible: list[Refused] = field(default_factory=list)


def values_of(row: FieldMap) -> Values:
    """What the history keeps of a map: texts as they are, structures and the time as text, so that no number loses digits."""
    kept: Values = {name: getattr(row, name) for name in TEXTS}
    kept |= {name: json.dumps(getattr(row, name), ensure_ascii=False, sort_keys=True) for name in STRUCTURES}
    return kept | {"decided_at": row.decided_at.isoformat() if row.decided_at else None}


def put_back(row: FieldMap, values: Mapping[str, Any]) -> None:
    """Give a map values that the history kept of it."""
    for name, value in values.items():
        if name in STRUCTURES:
            setattr(row, name, json.loads(value))
        elif name == "decided_at":
            row.decided_at = parse_datetime(value) if value else None
        elif name in TEXTS:
            setattr(row, name, value)


def scope(maps: QuerySet[FieldMap], state: str) -> Scope:
    """Sort the maps by what the decision means for them. What could never load can't be confirmed: the reason says why."""
    found = Scope()
    rows = list(maps.select_related("engagement").defer("candidates"))
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
    before = {row.pk: values_of(row) for row in rows}
    for row in rows:
        row.state, row.reason, row.comment = state, reason.strip() or row.reason, comment.strip()
    return _keep(rows, before, user=user, action=f"set field maps {state}", detail={"reason": reason.strip(), "comment": comment.strip()})


@transaction.atomic
def change(row: FieldMap, *, user: object, action: str = "changed field map") -> AuditEntry | None:
    """Save one map that a person edited, or that is new; None where nothing differs from what is kept."""
    kept = FieldMap.objects.select_for_update().filter(pk=row.pk).first() if row.pk else None
    if kept is None:
        row.save()
    before = {row.pk: values_of(kept) if kept else {}}
    entries = _keep([row], before, user=user, action=action if kept else "added field map")
    return entries[0] if entries else None


@transaction.atomic
def change_many(rows: Sequence[FieldMap], *, user: object, action: str, detail: Mapping[str, Any]) -> list[AuditEntry]:
    """Save maps that were edited together, such as by an imported workbook, as one entry per engagement."""
    kept = FieldMap.objects.select_for_update().in_bulk([row.pk for row in rows])
    return _keep(rows, {pk: values_of(row) for pk, row in kept.items()}, user=user, action=action, detail=detail)


def _keep(
    rows: Sequence[FieldMap], before: Mapping[int, Values], *, user: object, action: str, detail: Mapping[str, Any] | None = None
) -> list[AuditEntry]:
    """Save the maps that differ from what they were, and record it."""
    differing = [row for row in rows if _differs(row, before[row.pk])]
    for row in differing:
        row.decided_by, row.decided_at = str(user)[:150], timezone.now()
    return _record(differing, before, user=user, action=action, detail=detail or {})


def _differs(row: FieldMap, before: Values) -> bool:
    after = values_of(row)
    return any(before.get(name) != after[name] for name in after if not name.startswith("decided"))


def _record(
    rows: Sequence[FieldMap], before: Mapping[int, Values], *, user: object, action: str, detail: Mapping[str, Any]
) -> list[AuditEntry]:
    FieldMap.objects.bulk_update(rows, [*TEXTS, *STRUCTURES, "decided_at"], batch_size=100)
    entries = []
    for engagement in {row.engagement_id: row.engagement for row in rows}.values():
        mine = [row for row in rows if row.engagement_id == engagement.pk]
        changes = {str(row.pk): _difference(row, before[row.pk]) for row in mine}
        subject = str(mine[0]) if len(mine) == 1 else f"{len(mine)} field maps"
        entry = history.record(engagement, actor=user, action=action, subject=subject, detail={**detail, "maps": changes})
        FieldMapChange.objects.bulk_create((FieldMapChange(field_map=row, entry=entry) for row in mine), batch_size=500)
        plan.revise(engagement, "maps", actor=user)
        entries.append(entry)
    return entries


def _difference(row: FieldMap, before: Values) -> dict[str, Any]:
    after = values_of(row)
    names = [name for name in after if before.get(name) != after[name]]
    return {"map": str(row), "before": {name: before.get(name) for name in names if before}, "after": {name: after[name] for name in names}}


@dataclass(frozen=True, slots=True)
class UndoScope:
    """What undoing an entry would restore, and the maps that it leaves alone, each with the reason."""

    entry: AuditEntry
    back: list[tuple[FieldMap, dict[str, Any]]]
    alone: list[Refused]


def undo_scope(entry: AuditEntry) -> UndoScope:
    """What undoing an entry of the history would do: a map that was changed since keeps what it has."""
    changes: Mapping[str, Any] = entry.detail.get("maps", {})
    rows = FieldMap.objects.filter(engagement=entry.engagement, pk__in=list(changes)).select_related("engagement").defer("candidates")
    found = UndoScope(entry, [], [])
    for row in rows:
        told, now = changes[str(row.pk)], values_of(row)
        if not told["before"]:
            found.alone.append(Refused(row, "It was added by this entry; leave it behind instead."))
        elif any(now[name] != value for name, value in told["after"].items()):
            found.alone.append(Refused(row, "It was changed again since."))
        else:
            found.back.append((row, told["before"]))
    return found


@transaction.atomic
def undo(entry: AuditEntry, *, user: object) -> AuditEntry | None:
    """Restore what the maps of an entry were before it, with who decided then and when; a new entry, which can be undone like any other.

    None where nothing is left to restore. Raises BadInput where a restored confirmation would fill a column twice.
    """
    engagement = Engagement.objects.select_for_update().get(pk=entry.engagement_id)
    back = undo_scope(entry).back
    before = {row.pk: values_of(row) for row, _ in back}
    for row, values in back:
        put_back(row, values)
    _refuse_doubled(engagement, [row for row, _ in back])
    entries = _record([row for row, _ in back], before, user=user, action=UNDONE, detail={"undoes": entry.number})
    return entries[0] if entries else None


def _refuse_doubled(engagement: Engagement, rows: Iterable[FieldMap]) -> None:
    confirmed = [row for row in rows if row.state == FieldMap.State.CONFIRMED]
    checker = Checker(confirmed)
    doubled = [row for row in confirmed if checker.doubled(row)]
    if doubled:
        named = ", ".join(f"{row.table}.{row.column}" for row in doubled[:5])
        raise BadInput(f"{engagement}: another field goes to {named} by now.", remedy="Take that one's confirmation back first.")

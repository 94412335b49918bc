"""Rows of the working plan as people change them: the scope of a decision first, each change in the history with what it replaced, undone
from there.

A kind of rows says what the history keeps of them; field maps, object maps and organisation lists are such kinds.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import models, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from mapping import plan
from workbench.engagements import history
from workbench.engagements.models import AuditEntry, Engagement

Values = dict[str, str | None]
ADDED = "It was added by this entry; leave it behind instead."
CHANGED = "It was changed again since."


def _nothing(*given: Any) -> None:
    """A kind without more to do."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of rows, and what the history keeps of one and an undo restores.

    key: under which an entry tells of them, as {id: {"map", "before", "after"}}. part: of the plan, that they make. noun: in the plural.
    texts: kept as they are. structures: kept as JSON text, so that no number loses digits. decided: whether rows say who decided and when.
    heavy: columns that no change is about, and that aren't read for one. link: ties an entry to its rows. refuse: raises BadInput where
    rows can't be what an undo makes of them.
    """

    model: type[models.Model]
    key: str
    part: str
    noun: str
    texts: tuple[str, ...]
    structures: tuple[str, ...]
    decided: bool = False
    heavy: tuple[str, ...] = ()
    link: Callable[[AuditEntry, Sequence[Any]], None] = _nothing
    refuse: Callable[[Engagement, Sequence[Any]], None] = _nothing

    @property
    def one(self) -> str:
        """In the singular."""
        return self.noun.removesuffix("s")

    @property
    def actions(self) -> tuple[str, ...]:
        """What the history calls changes of the kind, where nothing more telling is said."""
        deeds = (f"{deed} {noun}" for deed in ("confirmed", "took back", "changed", "added") for noun in (self.noun, self.one))
        return (*deeds, self.undoing)

    def counted(self, number: int) -> str:
        """How many rows, in words."""
        return f"{number:,} {self.one if number == 1 else self.noun}"

    @property
    def undoing(self) -> str:
        """What the history calls an undone change."""
        return f"undid a change of {self.noun}"

    @property
    def columns(self) -> list[str]:
        """Of the model, that change."""
        return [*self.texts, *self.structures, *(("decided_by", "decided_at") if self.decided else ())]

    def values(self, row: Any) -> Values:
        """What the history keeps of a row."""
        kept: Values = {name: getattr(row, name) for name in self.texts}
        kept |= {name: json.dumps(getattr(row, name), ensure_ascii=False, sort_keys=True) for name in self.structures}
        if self.decided:
            kept |= {"decided_by": row.decided_by, "decided_at": row.decided_at.isoformat() if row.decided_at else None}
        return kept

    def put_back(self, row: Any, values: Mapping[str, Any]) -> None:
        """Give a row values that the history kept of it."""
        for name, value in values.items():
            if name in self.structures:
                setattr(row, name, json.loads(value))
            elif name == "decided_at":
                row.decided_at = parse_datetime(value) if value else None
            elif name in self.columns:
                setattr(row, name, value)

    def differs(self, row: Any, before: Values) -> bool:
        """Whether a row is otherwise than it was, whoever decided."""
        after = self.values(row)
        return any(before.get(name) != after[name] for name in (*self.texts, *self.structures))


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that a decision or an undo can't be applied to, and why."""

    row: Any
    why: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What a decision would change, told apart from what it would leave as it is, and what it can't be applied to."""

    changes: list[Any] = field(default_factory=list)
    unchanged: list[Any] = field(default_factory=list)
    impossible: list[Refused] = field(default_factory=list)


@transaction.atomic
def change(kind: Kind, row: Any, *, user: object, action: str = "") -> AuditEntry | None:
    """Save one row that a person edited, or that is new; None where nothing differs from what is kept."""
    kept = kind.model._default_manager.select_for_update().filter(pk=row.pk).first() if row.pk else None
    if kept is None:
        row.save()
    before = {row.pk: kind.values(kept) if kept else {}}
    entries = keep(kind, [row], before, user=user, action=(action or f"changed {kind.one}") if kept else f"added {kind.one}")
    return entries[0] if entries else None


@transaction.atomic
def change_many(kind: Kind, rows: Sequence[Any], *, user: object, action: str, detail: Mapping[str, Any] | None = None) -> list[AuditEntry]:
    """Save rows that were edited together, as one entry per engagement."""
    kept = kind.model._default_manager.select_for_update().in_bulk([row.pk for row in rows])
    return keep(kind, rows, {pk: kind.values(row) for pk, row in kept.items()}, user=user, action=action, detail=detail)


def keep(
    kind: Kind,
    rows: Sequence[Any],
    before: Mapping[int, Values],
    *,
    user: object,
    action: str,
    detail: Mapping[str, Any] | None = None,
) -> list[AuditEntry]:
    """Save the rows that differ from what they were, and record it; one entry per engagement. Needs a transaction."""
    differing = [row for row in rows if kind.differs(row, before[row.pk])]
    if kind.decided:
        for row in differing:
            row.decided_by, row.decided_at = str(user)[:150], timezone.now()
    return _record(kind, differing, before, user=user, action=action, detail=detail or {})


def _record(
    kind: Kind, rows: Sequence[Any], before: Mapping[int, Values], *, user: object, action: str, detail: Mapping[str, Any]
) -> list[AuditEntry]:
    kind.model._default_manager.bulk_update(rows, kind.columns, batch_size=100)
    entries = []
    for engagement in {row.engagement_id: row.engagement for row in rows}.values():
        mine = [row for row in rows if row.engagement_id == engagement.pk]
        changes = {str(row.pk): _difference(kind, row, before[row.pk]) for row in mine}
        subject = str(mine[0]) if len(mine) == 1 else f"{len(mine)} {kind.noun}"
        entry = history.record(engagement, actor=user, action=action, subject=subject, detail={**detail, kind.key: changes})
        kind.link(entry, mine)
        plan.revise(engagement, [kind.part], actor=user)
        entries.append(entry)
    return entries


def _difference(kind: Kind, row: Any, before: Values) -> dict[str, Any]:
    after = kind.values(row)
    names = [name for name in after if before.get(name) != after[name]]
    return {"map": str(row), "before": {name: before.get(name) for name in names if before}, "after": {name: after[name] for name in names}}


@dataclass(frozen=True, slots=True)
class UndoScope:
    """What undoing an entry would restore, and the rows that it leaves alone, each with the reason."""

    entry: AuditEntry
    back: list[tuple[Any, dict[str, Any]]]
    alone: list[Refused]


def undo_scope(kind: Kind, entry: AuditEntry) -> UndoScope:
    """What undoing an entry of the history would do: a row that was changed since keeps what it has."""
    changes: Mapping[str, Any] = entry.detail.get(kind.key, {})
    rows: QuerySet[Any] = kind.model._default_manager.filter(engagement=entry.engagement, pk__in=list(changes))
    found = UndoScope(entry, [], [])
    for row in rows.select_related("engagement").defer(*kind.heavy):
        told, now = changes[str(row.pk)], kind.values(row)
        if not told["before"]:
            found.alone.append(Refused(row, ADDED))
        elif any(now[name] != value for name, value in told["after"].items()):
            found.alone.append(Refused(row, CHANGED))
        else:
            found.back.append((row, told["before"]))
    return found


@transaction.atomic
def undo(kind: Kind, entry: AuditEntry, *, user: object) -> AuditEntry | None:
    """Restore what the rows of an entry were before it, with who decided then and when; a new entry, which can be undone like any other.

    None where nothing is left to restore. Raises BadInput where the kind refuses what it would make.
    """
    engagement = Engagement.objects.select_for_update().get(pk=entry.engagement_id)
    back = undo_scope(kind, entry).back
    before = {row.pk: kind.values(row) for row, _ in back}
    for row, values in back:
        kind.put_back(row, values)
    kind.refuse(engagement, [row for row, _ in back])
    entries = _record(kind, [row for row, _ in back], before, user=user, action=kind.undoing, detail={"undoes": entry.number})
    return entries[0] if entries else None

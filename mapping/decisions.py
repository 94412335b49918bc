"""Decisions about field maps, taken one by one or many at once, each in the history with what it replaced."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from mapping import plan
from mapping.models import FieldMap
from workbench.engagements import history
from workbench.engagements.errors import BadInput
from workbench.engagements.models import Engagement


@dataclass(frozen=True, slots=True)
class Scope:
    """What a decision would change, told apart from what it would leave as it is, and what it can't be applied to."""

    changes: list[FieldMap]
    unchanged: list[FieldMap]
    impossible: list[FieldMap]


def scope(maps: QuerySet[FieldMap], state: str) -> Scope:
    """Sort the maps by what the decision means for them. A map without a column can't be confirmed."""
    sorted_maps = Scope([], [], [])
    for row in maps.select_related("engagement"):
        if row.state == state:
            sorted_maps.unchanged.append(row)
        elif state == FieldMap.State.CONFIRMED and not row.column:
            sorted_maps.impossible.append(row)
        else:
            sorted_maps.changes.append(row)
    return sorted_maps


@transaction.atomic
def decide(maps: QuerySet[FieldMap], state: str, *, user: object, reason: str = "") -> int:
    """Set the state of every map that the decision can be applied to; returns how many changed.

    Leaving a field behind needs a reason. Raises BadInput.
    """
    if state == FieldMap.State.LEFT and not reason.strip():
        raise BadInput("A field that is left behind needs a reason.", remedy="Write why it isn't needed.")
    changes = scope(maps.select_for_update(of=("self",)), state).changes
    for engagement in {row.engagement for row in changes}:
        _decide(engagement, [row for row in changes if row.engagement == engagement], state, user, reason.strip())
    return len(changes)


def _decide(engagement: Engagement, rows: Sequence[FieldMap], state: str, user: object, reason: str) -> None:
    before = {str(row.pk): {"map": str(row), "state": row.state, "reason": row.reason} for row in rows}
    for row in rows:
        row.state, row.reason = state, reason or row.reason
    FieldMap.objects.bulk_update(rows, ["state", "reason"], batch_size=200)
    history.record(
        engagement,
        actor=user,
        action=f"set field maps {state}",
        subject=f"{len(rows)} field maps",
        detail={"reason": reason, "before": before},
    )
    plan.revise(engagement, "maps", actor=user)

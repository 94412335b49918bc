"""Rows of ours that changed at the source, held against what a person did to them at the destination since they were loaded.

What nobody else touched is written. What somebody did is a conflict for a person, who decides field by field; nothing of such a row is
written but refusals of consent, of which the stricter one always stands.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import QuerySet

from connectors.dataverse.metadata import Table
from loads.delta import conflicts
from loads.delta.models import KEEP, OVERWRITE, Conflict
from loads.destination import EDITED_ON, EDITOR
from loads.models import Crosswalk, Phase
from loads.staging.applied import LastApplied
from loads.staging.context import StagingContext
from loads.staging.merging import BOTH, OURS, SAME, THEIRS, Applied, Change, changeable, changes
from mapping.consent import consent_columns, stricter_values

if TYPE_CHECKING:
    from loads.staging.rows import Draft

PROPOSED = {OURS: OVERWRITE, THEIRS: KEEP, BOTH: ""}


@dataclass(frozen=True, slots=True)
class Settled:
    """What becomes of a row: update, equal or conflict; the body; and what is left as it is, see `staged.STAGED`."""

    action: str
    values: Mapping[str, Any]
    left: Mapping[str, Sequence[Any]] = field(default_factory=dict)


class Conflicts:
    """Settles the changed rows of one object and table."""

    def __init__(self, context: StagingContext, object_name: str, table: Table) -> None:
        """Nothing is read before the first rows."""
        self.context, self.object_name, self.table = context, object_name, table
        self._applied = LastApplied(context, object_name, table)
        self._consent = consent_columns(context.prefix)

    @cached_property
    def pending(self) -> frozenset[str]:
        """Ids of the rows of the table about which somebody is asked, or has decided what no run has done yet."""
        return frozenset(str(row_id) for row_id in self._of_table().filter(state__in=conflicts.PENDING).values_list("row_id", flat=True))

    def _of_table(self) -> QuerySet[Conflict]:
        return Conflict.objects.filter(environment=self.context.run.environment, table=self.table.name, kind=Phase.Kind.ROWS)

    def last(self, row_ids: Sequence[str]) -> Mapping[str, Applied]:
        """What rows got last."""
        return self._applied.of(row_ids)

    def settle(self, drafts: Iterable["Draft"], there: Mapping[str, Mapping[str, Any]], last: Mapping[str, Applied]) -> dict[str, Settled]:
        """Row id -> what becomes of each row that we made and that is there; conflicts without a decision are kept for a person.

        Where only the person changed something, that stands unless somebody decided otherwise when they were asked about it.
        """
        ours = [draft for draft in drafts if draft.origin == Crosswalk.Origin.CREATED and draft.row_id in there]
        known = self._known([draft.row_id for draft in ours])
        settled, found, taken = dict[str, Settled](), list[Conflict](), list[int]()
        for draft in ours:
            now = there[draft.row_id]
            changed = self._changes(draft, now, last.get(draft.row_id, Applied()))
            refusals = stricter_values({key: draft.values[key] for key in self._consent if key in draft.values}, now)
            if not self._edited(now) and not any(one.who in (THEIRS, BOTH) for one in changed):
                settled[draft.row_id] = Settled("update", {**_body(draft, changed), **refusals, **draft.always})
                continue
            differing = [one for one in changed if one.who != SAME]
            asked = known.get(draft.row_id)
            asked = asked if asked and _is_about(asked, differing) else None
            if not any(one.who in (OURS, BOTH) for one in differing):
                pending = asked if asked and asked.state in conflicts.PENDING else None
                taken += [pending.pk] if pending else []
                choices = (pending.choices if pending else None) or {one.column: KEEP for one in differing}
                settled[draft.row_id] = _kept(draft, changed, choices, refusals)
            elif asked and asked.choices:
                taken.append(asked.pk)
                settled[draft.row_id] = _kept(draft, changed, asked.choices, refusals)
            else:
                found.append(self._conflict(draft, differing, now))
                settled[draft.row_id] = Settled("conflict", {key: True for key, refused in refusals.items() if refused})
        conflicts.keep(found)
        Conflict.objects.filter(pk__in=taken).update(run=self.context.run)
        return settled

    def _changes(self, draft: "Draft", now: Mapping[str, Any], last: Applied) -> list[Change]:
        values = {key: value for key, value in changeable(self.table, draft.body).items() if key not in self._consent}
        return list(changes(self.table, values, now, last, edited=self._edited(now)))

    def _edited(self, now: Mapping[str, Any]) -> bool:
        return str(now.get(EDITOR, "")).lower() not in self.context.destination.user_ids

    def _known(self, row_ids: Sequence[str]) -> dict[str, Conflict]:
        """What is asked or was decided of rows; what an earlier run took holds on as long as the values are the same."""
        known = self._of_table().exclude(state=Conflict.State.GONE)
        return {str(one.row_id): one for one in known.filter(row_id__in=[UUID(row_id) for row_id in row_ids])}

    def _conflict(self, draft: "Draft", differing: Sequence[Change], now: Mapping[str, Any]) -> Conflict:
        fields = [
            {"column": one.column, "last": one.last, "now": one.now, "new": one.new, "proposed": PROPOSED[one.who]} for one in differing
        ]
        return Conflict(
            environment=self.context.run.environment,
            run=self.context.run,
            object_name=self.object_name,
            source_id=draft.source_id,
            table=self.table.name,
            row_id=UUID(draft.row_id),
            fields=fields,
            edited_by=str(now.get(EDITOR) or ""),
            edited_at=str(now.get(EDITED_ON) or ""),
        )


def _body(draft: "Draft", changed: Iterable[Change]) -> dict[str, Any]:
    return {one.key: draft.body[one.key] for one in changed}


def _is_about(asked: Conflict, differing: Sequence[Change]) -> bool:
    """Whether it was these values that a person was asked about, or decided on."""
    seen = {one["column"]: (one["now"], one["new"]) for one in asked.fields}
    return seen == {one.column: (one.now, one.new) for one in differing}


def _kept(draft: "Draft", changed: Sequence[Change], choices: Mapping[str, str], refusals: Mapping[str, bool]) -> Settled:
    """The row with what was chosen; one of which everything stays as it is is equal."""
    left = {one.column: [one.new, one.now] for one in changed if choices.get(one.column) == KEEP}
    body = {**_body(draft, (one for one in changed if one.column not in left)), **refusals, **draft.always}
    writes = any(choices.get(one.column) == OVERWRITE for one in changed) or refusals or draft.always
    return Settled("update" if writes else "equal", body, left)

"""What the settings choose, brought to the maps: the tables that objects become, and the budget of typed columns for payloads."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction

from mapping import plan
from mapping.discovery import lines
from mapping.flattening import is_outside
from mapping.models import FieldMap, ObjectMap
from mapping.playbooks import ObjectRule, load_playbook
from mapping.workshop.tables import Known
from workbench.engagements import history
from workbench.engagements.models import Engagement

PROPOSED = ("column", "transform", "options", "new_column", "alias", "state", "reason", "score", "candidates")


@transaction.atomic
def carry_out(engagement: Engagement, *, actor: object) -> list[str]:
    """Have objects become the tables that the engagement's settings choose; the names of those that changed.

    An object whose tables a person wrote otherwise, or that is documented only, stays. Lines of maps go along with their
    history; a decision stays where it means the same in the new table, else a proposal takes its place.
    """
    names, changed = plan.names_of(engagement), dict[str, dict[str, Any]]()
    for rule in load_playbook(engagement.platform, engagement.prefix).objects:
        row = ObjectMap.objects.filter(engagement=engagement, object_name=rule.name).first()
        wanted = list(rule.tables_by(names))
        if row is not None and row.tables != wanted and row.tables in _known(rule):
            changed[rule.name] = {"was": row.tables, "is": wanted}
            row.tables = wanted
            row.save(update_fields=["tables"])
    if changed:
        _place(engagement, sorted(changed), FieldMap.objects.filter(engagement=engagement, object_name__in=changed))
        history.record(engagement, actor=actor, action="chose tables", subject=", ".join(sorted(changed)), detail=changed)
    return sorted(changed)


@transaction.atomic
def budget_anew(engagement: Engagement, *, actor: object) -> int:
    """Bring a changed budget to the lines that nobody decided and to those that the budget alone left behind; how many changed."""
    flat = [rule.object for rule in load_playbook(engagement.platform).records if rule.payload]
    there = FieldMap.objects.filter(engagement=engagement, object_name__in=flat)
    asked = {line.pk: line for line in there if line.state == FieldMap.State.PROPOSED or is_outside(line.reason)}
    before = {pk: (line.column, line.state) for pk, line in asked.items()}
    _place(engagement, flat, asked.values(), anew=list(asked))
    changed = sum((line.column, line.state) != before[pk] for pk, line in asked.items())
    if changed:
        history.record(engagement, actor=actor, action="proposed within budget", subject=", ".join(flat), detail={"lines": changed})
    return changed


def _known(rule: ObjectRule) -> list[list[str]]:
    return [list(rule.tables), *(list(tables) for tables in rule.choices.values())]


def _place(engagement: Engagement, objects: Sequence[str], there: Iterable[FieldMap], anew: Sequence[int] = ()) -> None:
    """Propose lines for the tables that objects become, and put lines that are there to them, each with its history."""
    playbook, known = load_playbook(engagement.platform, engagement.prefix), Known(engagement)
    becoming = ObjectMap.objects.filter(engagement=engagement, object_name__in=objects)
    tables = {table for row in becoming for table in playbook.mapped_tables(row.object_name, row.tables)}
    kept = {(line.object_name, line.source): line for line in there}
    moved, new = list[FieldMap](), list[dict[str, Any]]()
    for row in lines.proposed(engagement, {table: known(table) for table in tables}, anew):
        line = kept.get((row["object"], row["source"]))
        if line is None:
            new.append(row)
        else:
            _move(line, row, engagement.prefix)
            moved.append(line)
    FieldMap.objects.bulk_update(moved, [*PROPOSED, "table", "decided_by", "decided_at"], batch_size=100)
    lines.create(engagement, new)


def _move(line: FieldMap, row: Mapping[str, Any], prefix: str) -> None:
    """Put a line into the table of a proposal, and the proposal in place of a decision that doesn't go along."""
    along = _goes_along(line, prefix) and not is_outside(row["reason"])
    line.table, line.score, line.candidates = row["table"], row["score"], row["candidates"]
    if not along:
        line.decided_by, line.decided_at = "", None
        for name in PROPOSED:
            setattr(line, name, row[name])


def _goes_along(line: FieldMap, prefix: str) -> bool:
    """Whether a decision means the same in another table: a column of our own, or a reason to leave the field behind."""
    if line.state == FieldMap.State.LEFT:
        return not is_outside(line.reason)
    return line.state == FieldMap.State.CONFIRMED and line.column.startswith(f"{prefix}_")

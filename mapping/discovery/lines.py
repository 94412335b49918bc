"""Lines of field maps as an engagement gets them: one per profiled field and table, within the budgets, never over people's own."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from mapping import flattening, plan
from mapping.fieldprofiles import FieldProfile
from mapping.likeness import ACCEPTED
from mapping.models import FieldMap, ObjectMap, PlanConfirmation, SourceField
from mapping.playbooks import Playbook, RecordRule, load_playbook
from mapping.propose import propose_map
from mapping.schema import spec_from_dict
from mapping.transforms import ColumnLike
from mapping.workshop import completeness
from workbench.engagements.models import Engagement

PRIMARY_NAMES = ("name", "subject", "listname")
# Of other objects likeness only lists columns: an event's keys are named like a task's columns without meaning them, and what the standard
# columns mean to a send, a price or a deal is for a person to say.
LIKENESS_KINDS = ("company", "person")
LISTED_ONLY = 2.0


def unknown_fields(engagement: Engagement) -> list[tuple[str, str]]:
    """Profiled fields (object, name) that go to tables and that no line knows, sorted."""
    known = set(FieldMap.objects.filter(engagement=engagement).values_list("object_name", "source"))
    profiled = set(
        SourceField.objects.filter(engagement=engagement, object_name__in=completeness.moving(engagement)).values_list(
            "object_name", "name"
        )
    )
    return sorted(profiled - known)


def propose(engagement: Engagement, columns: Mapping[str, Mapping[str, ColumnLike]]) -> None:
    """Make the proposed lines; see `proposed`."""
    create(engagement, proposed(engagement, columns))


def create(engagement: Engagement, rows: Iterable[Mapping[str, Any]]) -> None:
    """Make lines of proposals."""
    FieldMap.objects.bulk_create(
        (
            FieldMap(engagement=engagement, object_name=row["object"], **{name: value for name, value in row.items() if name != "object"})
            for row in rows
        ),
        batch_size=500,
    )


def proposed(engagement: Engagement, columns: Mapping[str, Mapping[str, ColumnLike]], anew: Collection[int] = ()) -> list[dict[str, Any]]:
    """A proposed line for every profiled field in every table of its object, with its alternatives; lines that are there already stay.

    columns: table -> its columns by name. anew: keys of lines that don't count as there.

    Once the maps are confirmed a new line is a question in any case: also a field that the playbook would leave behind, and one
    whose column another field's line has.
    """
    playbook, confirmed = load_playbook(engagement.platform, engagement.prefix), _maps_confirmed(engagement)
    profiles: dict[str, list[FieldProfile]] = {}
    for row in SourceField.objects.filter(engagement=engagement, object_name__in=completeness.moving(engagement)):
        profiles.setdefault(row.object_name, []).append(_profile(row))
    rows: list[dict[str, Any]] = []
    there = FieldMap.objects.filter(engagement=engagement).exclude(pk__in=anew)
    becoming = dict(ObjectMap.objects.filter(engagement=engagement).values_list("object_name", "tables"))
    for rule in (rule for rule in playbook.objects if rule.name in profiles):
        for table in (name for name in playbook.mapped_tables(rule.name, becoming[rule.name]) if name in columns):
            rows += _proposed(
                engagement, there.filter(object_name=rule.name, table=table), rule.name, table, profiles[rule.name], columns[table]
            )
    rows = _budgeted(engagement, there, playbook, rows, {(name, one.name): one.filled for name, found in profiles.items() for one in found})
    return _as_questions(there, rows) if confirmed else rows


def _proposed(
    engagement: Engagement,
    there: QuerySet[FieldMap],
    object_name: str,
    table: str,
    profiles: Sequence[FieldProfile],
    columns: Mapping[str, ColumnLike],
) -> list[dict[str, Any]]:
    """New lines of one object in one table. there: its lines in it."""
    playbook, names = load_playbook(engagement.platform, engagement.prefix), plan.names_of(engagement)
    lines = list(there)
    known, taken = {line.source for line in lines}, {line.column: line.source for line in lines if line.column}
    if known >= {one.name for one in profiles}:
        return []
    made = {line.column: spec_from_dict(line.new_column) for line in lines if line.new_column}
    proposals = propose_map(
        profiles,
        playbook,
        object_name=object_name,
        table=table,
        columns={**columns, **made},
        prefix=engagement.prefix,
        settings=names,
        used=taken,
        reserved=_of_rules(playbook.record(object_name)),
        at_least=ACCEPTED if playbook.object(object_name).kind in LIKENESS_KINDS else LISTED_ONLY,
    )
    return [proposal.as_row() for proposal in proposals if proposal.rule.source not in known]


def _budgeted(
    engagement: Engagement,
    there: QuerySet[FieldMap],
    playbook: Playbook,
    rows: Sequence[dict[str, Any]],
    filled: Mapping[flattening.Key, int],
) -> list[dict[str, Any]]:
    """The lines, those of objects with payloads within the budget of typed columns of their table, which they share."""
    budget = int(plan.names_of(engagement)["event_budget"])
    flat = {rule.object for rule in playbook.records if rule.payload}
    found = [row for row in rows if row["object"] not in flat]
    for table in dict.fromkeys(row["table"] for row in rows if row["object"] in flat):
        lines = there.filter(object_name__in=flat, table=table, new_column__isnull=False)
        own = [row for row in rows if row["object"] in flat and row["table"] == table]
        found += flattening.within_budget(own, filled, budget, set(lines.exclude(column="").values_list("column", flat=True)))
    return found


def _as_questions(there: QuerySet[FieldMap], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """New lines beside confirmed ones: each is an open question, and no column goes to a second field."""
    taken = set(there.exclude(column="").values_list("object_name", "table", "column"))
    return [_asked(row, taken) for row in rows]


def _of_rules(rule: RecordRule) -> set[str]:
    """Columns that staging fills itself for an object's rows: its moments, its constants and, where fields make it, the primary name."""
    return {*rule.moments, *rule.constants, *(PRIMARY_NAMES if rule.name else ())}


def _maps_confirmed(engagement: Engagement) -> bool:
    return PlanConfirmation.objects.filter(plan_version__engagement=engagement, plan_version__part="maps").exists()


def _asked(row: dict[str, Any], taken: Collection[tuple[str, str, str]]) -> dict[str, Any]:
    """A proposed line as an open question."""
    if (row["object"], row["table"], row["column"]) in taken:
        row = {**row, "column": "", "new_column": None, "reason": f"{row['reason']} Another field goes to {row['column']} already.".strip()}
    return {**row, "state": FieldMap.State.PROPOSED}


def _profile(row: SourceField) -> FieldProfile:
    return FieldProfile(
        name=row.name,
        declared_type=row.declared_type,
        rows=row.rows,
        filled=row.filled,
        distinct=row.distinct,
        top=tuple((value, count) for value, count in row.top),
        types=row.types,
        max_length=row.max_length,
        min=float(row.minimum) if row.minimum else None,
        max=float(row.maximum) if row.maximum else None,
        decimals=row.decimals,
    )

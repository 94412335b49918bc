"""Discovery of an environment: every check of the destination, then owners and maps as proposals."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from django.db import transaction

from mapping import flattening, plan
from mapping.checks.keeping import keep
from mapping.checks.look import Look, look_through
from mapping.likeness import ACCEPTED
from mapping.models import FieldMap, ObjectMap, PlanConfirmation, SourceField
from mapping.owners.checks import answer_by_name, refresh
from mapping.owners.matching import candidates
from mapping.owners.snapshot import keep as keep_owners
from mapping.playbooks import Playbook, RecordRule, load_playbook
from mapping.profiles import FieldProfile
from mapping.propose import propose_map
from mapping.schema import spec_from_dict
from mapping.transforms import ColumnLike
from mapping.workshop import tables
from workbench.engagements import history, signoffs
from workbench.engagements.models import Engagement, Environment, SignOff

PERSON_OBJECT = "user"
PRIMARY_NAMES = ("name", "subject", "listname")
# Of other objects likeness only lists columns: an event's keys are named like a task's columns without meaning them, and what the standard
# columns mean to a send, a price or a deal is for a person to say.
LIKENESS_KINDS = ("company", "person")
LISTED_ONLY = 2.0


def discover(environment: Environment, *, actor: object, progress: Callable[[str], None]) -> None:
    """Audit an environment and leave findings, matched owners and, where there are source profiles, proposed field maps."""
    engagement = environment.engagement
    look = Look(environment)
    seen = look_through(look, progress)
    if "tables" not in seen.unseen:
        with transaction.atomic():
            tables.keep(environment, look.tables)
            _propose_maps(engagement, _columns(look))
    look_through(look, progress, last=True)
    with transaction.atomic():
        keep(engagement, environment, seen.findings, unseen=seen.unseen, actor=actor)
        if "owners" not in seen.unseen:
            _match_owners(environment, look)
        plan.revise(engagement, "owners", actor=actor)
        plan.revise(engagement, "maps", actor=actor)
        detail = {"findings": len(seen.findings), "not_carried_out": sorted(seen.unseen)}
        history.record(engagement, actor=actor, action="discovered destination", subject=str(environment), detail=detail)


def _is_main(environment: Environment) -> bool:
    """Production, or the sandbox where there is no production: its users answer the owners."""
    return environment.is_production or not environment.engagement.environments.filter(kind=Environment.Kind.PRODUCTION).exists()


def _columns(look: Look) -> dict[str, dict[str, ColumnLike]]:
    """Table -> its columns at the destination, by name."""
    return {name: dict(table.columns) for name, table in look.tables.items()}


def _match_owners(environment: Environment, look: Look) -> None:
    """Keep who can own rows, answer the owners that are plainly one user, and hold every answer against what was read.

    Once the sandbox is signed all new ones stay open: the signature covers the answers that it showed.
    """
    engagement = environment.engagement
    keep_owners(environment, look.owners)
    if _is_main(environment) and not signoffs.latest(engagement, SignOff.Kind.SANDBOX) and (known := candidates(environment)):
        answer_by_name(engagement, known)
    refresh(engagement)


def propose_new_fields(environment: Environment) -> list[str]:
    """Lines for profiled fields that no line knows, such as those that a full extraction brought; their names.

    What people signed stands as it is: each new line is a question of its own until somebody decides it.
    """
    engagement = environment.engagement
    known = set(FieldMap.objects.filter(engagement=engagement).values_list("object_name", "source"))
    profiled = set(
        SourceField.objects.filter(engagement=engagement, object_name__in=_mapped(engagement)).values_list("object_name", "name")
    )
    new = sorted(profiled - known)
    if new:
        columns = _columns(Look(environment))
        with transaction.atomic():
            _propose_maps(engagement, columns)
    return [name if object_name == PERSON_OBJECT else f"{object_name}.{name}" for object_name, name in new]


def _mapped(engagement: Engagement) -> list[str]:
    """Objects whose fields go to tables: those that the playbook knows, are mapped to a table and have profiles."""
    known = [rule.name for rule in load_playbook(engagement.platform).objects]
    tables = dict(ObjectMap.objects.filter(engagement=engagement).values_list("object_name", "tables"))
    profiled = set(SourceField.objects.filter(engagement=engagement).values_list("object_name", flat=True).distinct())
    return [name for name in known if tables.get(name) and name in profiled]


def _propose_maps(engagement: Engagement, columns: Mapping[str, Mapping[str, ColumnLike]]) -> None:
    """A proposed line for every profiled field in every table of its object, with its alternatives; lines that are there already stay.

    Once the maps are confirmed a new line is a question in any case: also a field that the playbook would leave behind, and one
    whose column another field's line has.
    """
    playbook, confirmed = load_playbook(engagement.platform), _maps_confirmed(engagement)
    profiles: dict[str, list[FieldProfile]] = {}
    for row in SourceField.objects.filter(engagement=engagement, object_name__in=_mapped(engagement)):
        profiles.setdefault(row.object_name, []).append(_profile(row))
    rows: list[dict[str, Any]] = []
    for rule in (rule for rule in playbook.objects if rule.name in profiles):
        for table in (name for name in playbook.mapped_tables(rule.name) if name in columns):
            rows += _proposed(engagement, rule.name, table, profiles[rule.name], columns[table])
    rows = _budgeted(engagement, playbook, rows, {(name, one.name): one.filled for name, found in profiles.items() for one in found})
    if confirmed:
        rows = _as_questions(engagement, rows)
    FieldMap.objects.bulk_create((FieldMap(engagement=engagement, object_name=row.pop("object"), **row) for row in rows), batch_size=500)


def _proposed(
    engagement: Engagement,
    object_name: str,
    table: str,
    profiles: Sequence[FieldProfile],
    columns: Mapping[str, ColumnLike],
) -> list[dict[str, Any]]:
    """New lines of one object in one table."""
    playbook, names = load_playbook(engagement.platform), plan.names_of(engagement)
    lines = list(FieldMap.objects.filter(engagement=engagement, object_name=object_name, table=table))
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
    engagement: Engagement, playbook: Playbook, rows: Sequence[dict[str, Any]], filled: Mapping[flattening.Key, int]
) -> list[dict[str, Any]]:
    """The lines, those of objects with payloads within the budget of typed columns of their table, which they share."""
    budget = int(plan.names_of(engagement)["event_budget"])
    flat = {rule.object for rule in playbook.records if rule.payload}
    found = [row for row in rows if row["object"] not in flat]
    for table in dict.fromkeys(row["table"] for row in rows if row["object"] in flat):
        lines = FieldMap.objects.filter(engagement=engagement, object_name__in=flat, table=table, new_column__isnull=False)
        own = [row for row in rows if row["object"] in flat and row["table"] == table]
        found += flattening.within_budget(own, filled, budget, set(lines.exclude(column="").values_list("column", flat=True)))
    return found


def _as_questions(engagement: Engagement, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """New lines beside confirmed ones: each is an open question, and no column goes to a second field."""
    lines = FieldMap.objects.filter(engagement=engagement).exclude(column="").values_list("object_name", "table", "column")
    taken = set(lines)
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

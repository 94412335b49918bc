"""Provisioning: the plan's schema against an environment, shown as a difference first, then created, and safe to repeat."""

from django.db import transaction
from django.utils import timezone

from connectors.dataverse.errors import DataverseRefused
from connectors.dataverse.metadata import base_language, create_column, ensure_solution, publish_all, read_table
from loads.destination import Destination
from loads.models import SchemaPlan
from mapping import plan, schema
from workbench.engagements import gates, history
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Environment


class SchemaConflict(WorkbenchError):
    """A column that the plan needs is at the destination in another shape."""

    remedy = "Map the fields to other columns, or have the column changed at the destination; then plan the schema again."


def solution_name(environment: Environment) -> str:
    """The solution's unique name, the same in both environments."""
    words = "".join(word.capitalize() for word in environment.engagement.slug.replace("_", "-").split("-"))
    return f"MigrationWorkbench{words}"[:60]


def propose(environment: Environment) -> SchemaPlan:
    """Compare the newest `maps` with the environment and keep the difference. Raises BadInput where there are no maps yet."""
    maps = plan.current(environment.engagement).get("maps")
    if maps is None:
        raise BadInput("There is no version of the maps yet.", remedy="Confirm the field maps first.")
    client = Destination(environment).client
    planned = {table: schema.columns_of(maps.content, table) for table in maps.content["columns"]}
    existing = {}
    for table in planned:
        try:
            existing[table] = read_table(client, table).columns
        except BadInput:
            continue
    steps = [
        {
            "table": found.table,
            "column": found.spec.name,
            "kind": found.spec.kind,
            "action": found.verdict,
            "reason": found.reason,
            "spec": schema.spec_as_dict(found.spec),
        }
        for found in schema.compare(planned, existing)
    ]
    return SchemaPlan.objects.create(environment=environment, maps=maps, steps=steps)


def provision(environment: Environment, *, actor: object) -> SchemaPlan:
    """Create what is missing, into the engagement's solution, and publish. Raises GateClosed, SchemaConflict.

    Safe to repeat: what is there already is left alone, and the difference is taken anew each time.
    """
    engagement = environment.engagement
    gates.require("provision", engagement, environment)
    proposed = propose(environment)
    conflicts = [f"{step['table']}.{step['column']}: {step['reason']}" for step in proposed.steps if step["action"] == "conflict"]
    if conflicts:
        raise SchemaConflict(f"{len(conflicts)} columns don't fit: {' '.join(conflicts[:5])}")
    _create(environment, proposed)
    with transaction.atomic():
        SchemaPlan.objects.filter(pk=proposed.pk).update(provisioned_at=timezone.now())
        detail = {"created": proposed.count("create"), "there": proposed.count("exists")}
        history.record(engagement, actor=actor, action="provisioned schema", subject=str(environment), detail=detail)
    proposed.refresh_from_db()
    return proposed


def _create(environment: Environment, proposed: SchemaPlan) -> None:
    client, prefix = Destination(environment).client, environment.engagement.prefix
    solution = solution_name(environment)
    ensure_solution(client, solution, f"Migrated data of {environment.engagement.name}"[:256], prefix)
    missing = [step for step in proposed.steps if step["action"] == "create"]
    language = base_language(client) if missing else 0
    for step in missing:
        try:
            create_column(client, step["table"], schema.spec_from_dict(step["spec"]), solution, language=language)
        except DataverseRefused:
            # Made by someone else, or by us before an answer got lost, since the difference was taken.
            if step["column"] not in read_table(client, step["table"]).columns:
                raise
    if missing:
        publish_all(client)

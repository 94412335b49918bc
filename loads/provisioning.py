"""Provisioning: the plan's schema against an environment, shown as a difference first, then created, and safe to repeat."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from connectors.dataverse import directory
from connectors.dataverse.client import Client
from connectors.dataverse.errors import DataverseRefused, RowMissing
from connectors.dataverse.keys import ACTIVE, FAILED, AlternateKey, build_again, create_key, keys_of
from connectors.dataverse.metadata import base_language, create_column, create_table, ensure_solution, has_table, publish_all, read_table
from connectors.dataverse.solutions import find_publisher, find_solution, publisher_name
from loads.destination import SOURCE_ID, Destination
from loads.models import SchemaPlan
from mapping import plan, schema
from workbench.engagements import gates, history
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Environment

TABLE, KEY, SOLUTION, PUBLISHER = "Table", "Key", "Solution", "Publisher"  # kinds of steps that make something else than a column
SHARED_IDS = ("list", "productpricelevel")  # tables in which several rows have one source id
YES = ("yes", "true", "1")
BUILDING = "The service is building its index: compare again to see that it is active. Loads go by row ids, with or without it."
CLASHING = "Its index couldn't be built: rows have the same source id. Find the rows that another tool made, then provision again."


class RightsMissing(WorkbenchError):
    """The application user may not load into a table that was made for the plan."""

    remedy = "Add the privileges to the application user's role, then provision again."


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
    made, existing = schema.tables_of(maps.content), {}
    for table in planned:
        try:
            existing[table] = read_table(client, table).columns
        except BadInput:
            continue
    steps = [*_holders(environment, client), *(_step(TABLE, name, "", there=name in existing) for name in made)]
    steps += [
        {
            "table": found.table,
            "column": found.spec.name,
            "kind": found.spec.kind,
            "action": found.verdict,
            "reason": found.reason,
            "spec": schema.spec_as_dict(found.spec),
        }
        for found in schema.compare(planned, existing, made)
    ]
    steps += _keys(environment, client, list(planned))
    return SchemaPlan.objects.create(environment=environment, maps=maps, steps=steps)


def _keys(environment: Environment, client: Client, tables: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The steps of alternate keys on the source id, by which the service lets no other tool write a record twice.

    Only where the engagement's option `source_id_key` says yes: each write costs one index more.
    """
    names = plan.names_of(environment.engagement)
    if names["source_id_key"].strip().casefold() not in YES:
        return
    column = f"{names['prefix']}_{SOURCE_ID}"
    for table in (name for name in tables if name not in SHARED_IDS):
        found = next((key for key in _keys_there(client, table) if key.columns == (column,)), None)
        name, is_there = found.name if found else f"{column}_key", found is not None and found.status != FAILED
        reason = "" if found is None or found.status == ACTIVE else CLASHING if found.status == FAILED else BUILDING
        yield {**_step(KEY, table, name, there=is_there), "reason": reason}


def _keys_there(client: Client, table: str) -> list[AlternateKey]:
    try:
        return keys_of(client, table)
    except RowMissing:
        return []


def _holders(environment: Environment, client: Client) -> list[dict[str, Any]]:
    """The steps of what everything that is made belongs to; their names stand as columns of no table."""
    prefix, solution = environment.engagement.prefix, solution_name(environment)
    publisher = find_publisher(client, prefix)
    return [
        _step(PUBLISHER, "", publisher.get("uniquename") or publisher_name(prefix), there=bool(publisher)),
        _step(SOLUTION, "", solution, there=bool(find_solution(client, solution))),
    ]


def _step(kind: str, table: str, column: str, *, there: bool) -> dict[str, Any]:
    """A step that makes something else than a column."""
    return {"table": table, "column": column, "kind": kind, "action": "exists" if there else "create", "reason": "", "spec": {}}


def provision(environment: Environment, *, actor: object) -> SchemaPlan:
    """Create what is missing, into the engagement's solution, and publish. Raises GateClosed, SchemaConflict, RightsMissing.

    Safe to repeat: what is there already is left alone, and the difference is taken anew each time.
    """
    engagement = environment.engagement
    gates.require("provision", engagement, environment)
    proposed = propose(environment)
    conflicts = [f"{step['table']}.{step['column']}: {step['reason']}" for step in proposed.steps if step["action"] == "conflict"]
    if conflicts:
        raise SchemaConflict(f"{len(conflicts)} columns don't fit: {' '.join(conflicts[:5])}")
    _create(environment, proposed)
    _demand_rights(environment, [step["table"] for step in proposed.steps if step["kind"] == TABLE])
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
    missing = [step for step in proposed.steps if step["action"] == "create" and step["table"]]
    language, tables = base_language(client) if missing else 0, schema.tables_of(proposed.maps.content)
    for step in missing:
        try:
            if step["kind"] == TABLE:
                create_table(client, tables[step["table"]], solution, language=language)
            elif step["kind"] == KEY and _is_there(client, step):
                build_again(client, step["table"], step["column"])
            elif step["kind"] == KEY:
                create_key(client, step["table"], step["column"], [f"{prefix}_{SOURCE_ID}"], "Source ID", solution, language)
            else:
                create_column(client, step["table"], schema.spec_from_dict(step["spec"]), solution, language=language)
        except DataverseRefused:
            # Made by someone else, or by us before an answer got lost, since the difference was taken.
            if not _is_there(client, step):
                raise
    if missing:
        publish_all(client)


def _is_there(client: Client, step: Mapping[str, Any]) -> bool:
    if step["kind"] == TABLE:
        return has_table(client, step["table"])
    if step["kind"] == KEY:
        return any(key.name == step["column"] for key in _keys_there(client, step["table"]))
    return step["column"] in read_table(client, step["table"]).columns


def _demand_rights(environment: Environment, tables: Sequence[str]) -> None:
    """A new table isn't in the roles that were made before it. Raises RightsMissing."""
    if not tables:
        return
    client = Destination(environment).client
    held = directory.privileges(client, client.who_am_i()["UserId"])
    lacking = {table: directory.lacking(needed, held) for table, needed in directory.table_privileges(client, tables).items()}
    told = [f"{', '.join(rights).lower()} on {table}" for table, rights in lacking.items() if rights]
    if told:
        raise RightsMissing(f"In {environment} the application user may not: {'; '.join(told)}.")

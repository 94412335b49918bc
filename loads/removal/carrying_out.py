"""Carrying a removal out, component by component, each looked at again before it goes; safe to repeat."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from connectors.dataverse import directory, removing
from connectors.dataverse.errors import DataverseRefused, PrivilegeMissing
from connectors.dataverse.keys import delete_key
from connectors.dataverse.metadata import publish_all
from loads.destination import Destination
from loads.models import SchemaPlan
from loads.provisioning import KEY, PUBLISHER, SOLUTION, TABLE, RightsMissing
from loads.removal.models import SchemaRemoval
from loads.removal.survey import LOOKUP, Component, Found, Survey, judged, name_of
from workbench.engagements import history

# Source: the privileges of the System Customizer role; *assumed* that these are the ones a deletion asks for.
RIGHTS = {TABLE: "prvDeleteEntity", LOOKUP: "prvDeleteRelationship", "": "prvDeleteAttribute"}


def begin(removal: SchemaRemoval) -> None:
    """From here on the environment counts as not provisioned, so that no run starts. Raises RightsMissing."""
    client = Destination(removal.environment).client
    held = directory.privileges(client, client.who_am_i()["UserId"])
    needed = {RIGHTS.get(one["kind"], RIGHTS[""]) for one in removal.to_remove if one["table"]}
    if lacking := sorted(needed - held):
        raise RightsMissing(
            f"In {removal.environment} the application user lacks {', '.join(lacking)}.",
            remedy="Add the privileges to the application user's role, then start the removal again.",
        )
    SchemaPlan.objects.filter(environment=removal.environment).update(provisioned_at=None)


def remove(removal: SchemaRemoval, planned: dict[str, Any]) -> str:
    """Remove one component where nothing keeps it now; what came of it, "removed" or why it is kept."""
    component = Component(planned["kind"], planned["table"], planned["column"], planned["made"])
    survey = Survey(removal.environment)
    found = survey.counted(list(survey.of([component])))
    reason = next((one["reason"] for one in judged(found)), "")
    if found and not reason:
        reason = _delete(survey, found[0])
    outcome = {"outcome": SchemaRemoval.KEPT if reason else SchemaRemoval.REMOVED, "reason": reason}
    removal.outcomes = {**removal.outcomes, name_of(component.kind, component.table, component.column): outcome}
    removal.save(update_fields=["outcomes"])
    return reason or SchemaRemoval.REMOVED


def _delete(survey: Survey, found: Found) -> str:
    """Delete what was found; why the service refuses, empty where it doesn't. Raises PrivilegeMissing: all others would be refused so."""
    client, component = survey.client, found.component
    try:
        if component.kind == TABLE:
            removing.delete_table(client, component.table)
        elif component.kind == KEY:
            delete_key(client, component.table, component.column)
        elif component.kind == SOLUTION:
            removing.delete_solution(client, found.address)
        elif component.kind == PUBLISHER:
            removing.delete_publisher(client, found.address)
        elif found.address:
            removing.delete_relationship(client, found.address)
        else:
            removing.delete_column(client, component.table, component.column)
    except PrivilegeMissing:
        raise
    except DataverseRefused as refused:
        return f"The service refuses: {refused}"
    return ""


def finish(removal: SchemaRemoval, *, actor: object) -> None:
    """Make the change visible in the apps, and record what came of it."""
    publish_all(Destination(removal.environment).client)
    planned_to_keep = len(removal.components) - len(removal.to_remove)
    with transaction.atomic():
        if not SchemaRemoval.objects.filter(pk=removal.pk, finished_at=None).update(finished_at=timezone.now()):
            return
        detail = {"removed": removal.count(SchemaRemoval.REMOVED), "kept": removal.count(SchemaRemoval.KEPT) + planned_to_keep}
        history.record(removal.environment.engagement, actor=actor, action="removed schema", subject=str(removal), detail=detail)

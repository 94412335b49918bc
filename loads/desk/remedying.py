"""A remedy for all records of a group, or for single ones: checked first, all or none, then part of a confirmed plan."""

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db import transaction

from loads.desk import groups
from loads.desk.groups import Group
from loads.models import LedgerEntry, Run
from mapping import plan
from mapping.quality import remedies
from mapping.quality.remedies import OF_RECORDS, VALUE, WITH_VALUE, Given
from mapping.quality.rules import TEXT
from mapping.workshop.tables import Known
from workbench.engagements.errors import BadInput


def for_group(run: Run, group: Group, choice: str, value: str = "") -> list[Given]:
    """A remedy for each record of a group. Raises BadInput where the group doesn't offer it, or the value doesn't fit."""
    known = Known(run.engagement, run.environment)
    require_possible(group, choice, value, known)
    return [given(group, entry, choice, value) for entry in groups.records(groups.entries(run, [group.place]))]


def require_possible(group: Group, choice: str, value: str, known: Known) -> None:
    """Raises BadInput where a group doesn't offer a remedy, or the value doesn't fit its column."""
    if choice not in {one.name for one in groups.offered(group, known)}:
        raise BadInput("These records don't offer this remedy.", remedy="Choose one of those that are offered.")
    column = groups.column_of(group, known)
    if choice == VALUE and column is not None:
        if not value.strip():
            raise BadInput("The new value is missing.", remedy="Write the value that takes the place of the one that was refused.")
        remedies.value_for(column, value)
    if choice == TEXT and column is not None and value.strip():
        remedies.fallback_for(column, value, known(group.table))


def given(group: Group, entry: LedgerEntry, choice: str, value: str = "") -> Given:
    """The remedy for one record of a group."""
    table, column = ("", "") if choice in OF_RECORDS else (group.table, group.column)
    return Given(entry.object_name, entry.source_id, table, column, group.code, choice, value.strip() if choice in WITH_VALUE else "")


@transaction.atomic
def give(run: Run, found: Sequence[Given], *, user: User, subject: str, comment: str = "") -> int:
    """Take remedies into the plan and confirm it: a run that is opened now follows them. How many records have one."""
    count = remedies.give(run.engagement, found, user=user, subject=subject, detail={"run": run.key, "comment": comment.strip()})
    plan.confirm(run.engagement, ["quality"], user=user)
    return count


@transaction.atomic
def take_back(run: Run, group: Group, *, user: User) -> int:
    """Forget the remedies of a group's records."""
    of_group = groups.entries(run, [group.place]).values_list("object_name", "source_id")
    count = remedies.take_back(run.engagement, of_group.iterator(chunk_size=2_000), user=user, subject=subject_of(run, group))
    plan.confirm(run.engagement, ["quality"], user=user)
    return count


def subject_of(run: Run, group: Group) -> str:
    """A group as the history names it."""
    return (
        f"{run}: {group.records} of {group.object_name} to {group.table or 'no table'}, {group.code} {group.column or group.field}".strip()
    )

"""What the checks of a destination look through: one environment, each part of it read once, when a check first asks for it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from connectors.base import Finding
from connectors.dataverse import directory
from connectors.dataverse.client import Client
from connectors.dataverse.directory import Currency, User
from connectors.dataverse.metadata import Table, read_table, read_tables
from mapping.checks import registry
from mapping.models import ObjectMap
from mapping.owners.snapshot import Snapshot
from mapping.owners.snapshot import read as read_owners
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement, Environment

LABEL = "OData.Community.Display.V1.FormattedValue"


@dataclass(slots=True)
class Seen:
    """What all checks of an environment found, and the names of those that could not be carried out."""

    findings: list[Finding] = field(default_factory=list)
    unseen: set[str] = field(default_factory=set)


class Look:
    """One environment. Raises, where something is first asked for, what the service raises."""

    def __init__(self, environment: Environment) -> None:
        """Nothing is read yet."""
        self.environment = environment
        self.engagement: Engagement = environment.engagement
        self.client = Client.from_connection(environment.connection)
        self.seen = Seen()

    @cached_property
    def me(self) -> Mapping[str, Any]:
        """UserId, BusinessUnitId and OrganizationId of the application user."""
        return self.client.first_call()

    @cached_property
    def planned(self) -> list[str]:
        """Tables that the object maps lead to, sorted, whether they are there or not."""
        return sorted({table for row in ObjectMap.objects.filter(engagement=self.engagement) for table in row.tables})

    @cached_property
    def there(self) -> list[str]:
        """All tables that aren't private to the platform."""
        return read_tables(self.client)

    @cached_property
    def tables(self) -> dict[str, Table]:
        """Of the planned tables those that are there, with their columns."""
        found = {}
        for name in self.planned:
            try:
                found[name] = read_table(self.client, name)
            except BadInput:  # there is no such table: a check of its own says so
                continue
        return found

    @cached_property
    def people(self) -> list[User]:
        """All users."""
        return list(directory.users(self.client))

    @cached_property
    def owners(self) -> Snapshot:
        """Users and teams with what they could own."""
        return read_owners(self.environment, self.client)

    @cached_property
    def currencies(self) -> list[Currency]:
        """All currencies."""
        return list(directory.currencies(self.client))

    @cached_property
    def organisation(self) -> Mapping[str, Any]:
        """The organisation's own row, all columns."""
        rows = self.client.get("organizations")["value"]
        return rows[0] if rows else {}

    def rows(self, entity_set: str, select: Sequence[str], filter: str | None = None, *, labels: bool = False) -> Iterator[dict[str, Any]]:
        """Rows of a table. labels: with the names of choices and of rows that lookups point to."""
        yield from self.client.rows(entity_set, select=select, filter=filter, annotations="*" if labels else None)


def look_through(look: Look, progress: Callable[[str], None], *, last: bool = False) -> Seen:
    """Carry out the checks of the destination, the `last` ones apart. One that can't be carried out is a finding, and stops no other.

    Raises what signing in raises: where the environment doesn't answer at all there is nothing to look at.
    """
    look.me  # noqa: B018 - signing in, before everything else
    seen = look.seen
    for check in [known for known in registry.known() if known.run and known.last == last]:
        progress(f"checking {look.environment.get_kind_display().lower()}: {check.title.lower()}")
        try:
            seen.findings += list(check.run(look) if check.run else ())
        except WorkbenchError as error:
            seen.findings.append(not_done(check, error))
            seen.unseen.add(check.name)
    return seen


def not_done(check: registry.Check, error: WorkbenchError) -> Finding:
    """The finding that a check could not be carried out, with the service's reason."""
    evidence = f"This check could not be carried out, so what it looks at is unknown: {error}"
    return Finding(f"{check.name}.{registry.NOT_DONE}", "warning", evidence, error.remedy, rests_on={"error": type(error).__name__})

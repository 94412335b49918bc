"""The snapshot of an environment's users and teams: read by discovery and by binding, so that no page has to call the service."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from connectors.dataverse import directory
from connectors.dataverse.client import Client
from connectors.dataverse.directory import Team, Unit, User
from connectors.dataverse.ownership import OwnedTable, owned_tables
from mapping import plan
from mapping.models import ObjectMap
from mapping.owners.models import OwnerDirectory, Principal
from workbench.engagements.models import Engagement, Environment

_NO_OWNER_TEAM = "The team isn't an owner team."
_NO_PERSON = "It is an application or support user."


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read. unit: the business unit that owners must lie in or below; there: whether the environment has it."""

    principals: Sequence[Principal]
    tables: Sequence[OwnedTable]
    unit: str
    there: bool

    def able(self, kind: str) -> int:
        """How many users or teams can own rows of every table."""
        names = [table.name for table in self.tables]
        return sum(one.kind == kind and not one.why_not(names) for one in self.principals)


def read(environment: Environment, client: Client) -> Snapshot:
    """Read users, teams, business units and roles; nothing is kept yet. Raises what the service raises.

    Judged by the tables that the plan's objects become, and by the business unit that owners must lie in or below: the application
    user's own unless the engagement's option `owner_business_unit` names another (*assumed*: the customer keeps owners there).
    """
    tables = owned_tables(client, sorted(tables_of(environment.engagement)))
    users, teams, units = list(directory.users(client)), list(directory.teams(client)), directory.units(client)
    wanted = wanted_unit(environment.engagement)
    tops = _tops(client, units, wanted)
    within = set[str]().union(*(directory.units_below(units, top) for top in tops))
    held = directory.privileges_of_all(client, [user.id for user in users], [team.id for team in teams])
    rows = [*_of_users(environment, users), *_of_teams(environment, teams)]
    names = {unit.id: unit.name for unit in units}
    read_of: list[User | Team] = [*users, *teams]
    for row, found in zip(rows, read_of, strict=True):
        row.unit, row.unit_fits = names.get(found.unit, "")[:160], not found.unit or found.unit in within
        row.unread = [table.name for table in tables if table.read not in held[found.id]]
    return Snapshot(rows, tables, wanted or ", ".join(names.get(top, "") for top in tops), bool(tops))


def tables_of(engagement: Engagement) -> set[str]:
    """The tables that the confirmed objects become; while none is confirmed, those of all that are proposed."""
    objects = ObjectMap.objects.filter(engagement=engagement)
    return {table for row in (objects.filter(confirmed=True) or objects) for table in row.tables}


def wanted_unit(engagement: Engagement) -> str:
    """The business unit that the engagement names for its owners; '' where the application user's own counts."""
    return plan.names_of(engagement).get("owner_business_unit", "").strip()


def _tops(client: Client, units: Sequence[Unit], wanted: str) -> list[str]:
    """Ids of the units in or below which owners may lie; none where the wanted unit isn't there."""
    if not wanted:
        return [client.who_am_i()["BusinessUnitId"]]
    return [unit.id for unit in units if unit.name.strip().casefold() == wanted.casefold()]


def _of_users(environment: Environment, users: Sequence[User]) -> Iterator[Principal]:
    for user in users:
        yield Principal(
            environment=environment, kind="user", row_id=user.id, name=user.name[:320], email=user.email[:320],
            domain_name=user.domain_name[:1024], name_key=key_of(user.name)[:320], email_key=key_of(user.email)[:320],
            domain_key=key_of(user.domain_name)[:1024], disabled=user.disabled, barred="" if user.person else _NO_PERSON,
        )  # fmt: skip


def _of_teams(environment: Environment, teams: Sequence[Team]) -> Iterator[Principal]:
    for team in teams:
        barred = "" if team.can_own else _NO_OWNER_TEAM
        yield Principal(
            environment=environment, kind="team", row_id=team.id, name=team.name[:320], name_key=key_of(team.name)[:320], barred=barred
        )


def key_of(name: str) -> str:
    """A name in the form in which names are compared."""
    return name.strip().casefold()


@transaction.atomic
def keep(environment: Environment, snapshot: Snapshot) -> OwnerDirectory:
    """Let what was read stand in place of what was read before."""
    Principal.objects.filter(environment=environment).delete()
    Principal.objects.bulk_create(snapshot.principals, batch_size=500)
    tables = [{"name": table.name, "activity": table.activity} for table in snapshot.tables]
    found, _ = OwnerDirectory.objects.update_or_create(
        environment=environment, defaults={"tables": tables, "unit": snapshot.unit[:160], "read_at": timezone.now()}
    )
    return found

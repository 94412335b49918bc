"""Who and what an environment has that loaded rows point to: users, teams, business units, currencies, privileges."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.dataverse.client import NS, Client
from connectors.dataverse.metadata import definitions, no_table
from workbench.engagements.errors import BadInput

_OWNER_TEAM = 0
_NOT_PEOPLE = (3, 5)  # access modes of support users and delegated administrators
LOADING = ("Create", "Read", "Write", "Assign", "Append", "AppendTo")  # rights that loading a table takes
REACHES = ("Basic", "Local", "Deep", "Global")  # of a privilege, each including those before it
_OF_USER = [
    "systemuserid", "fullname", "internalemailaddress", "domainname", "isdisabled", "accessmode", "applicationid", "_businessunitid_value",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class User:
    """A user. `application`: an application user, which can't own what people work on. unit: id of the business unit."""

    id: str
    email: str
    domain_name: str
    disabled: bool
    access_mode: int
    application: bool
    name: str = ""
    unit: str = ""

    @property
    def person(self) -> bool:
        """Whether somebody works as this user: it is no application, support user or delegated administrator."""
        return not (self.application or self.access_mode in _NOT_PEOPLE)

    @property
    def can_own(self) -> bool:
        """Whether rows may be given to this user; business unit and roles are checked apart."""
        return self.person and not self.disabled


@dataclass(frozen=True, slots=True)
class Team:
    """A team. kind: 0 owner, 1 access, 2 security group, 3 office group; only the first owns rows for us. unit: id of the business unit."""

    id: str
    name: str
    kind: int
    unit: str = ""

    @property
    def can_own(self) -> bool:
        """Whether it is an owner team."""
        return self.kind == _OWNER_TEAM


@dataclass(frozen=True, slots=True)
class Unit:
    """A business unit; parent: the id of the unit above, None for the root."""

    id: str
    name: str
    parent: str | None


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency of the environment; `code` as ISO 4217 has it."""

    id: str
    code: str
    name: str
    precision: int


def users(client: Client) -> Iterator[User]:
    """All users, disabled and application users too."""
    for row in client.rows("systemusers", select=_OF_USER):
        yield User(
            id=row["systemuserid"],
            email=row.get("internalemailaddress") or "",
            domain_name=row.get("domainname") or "",
            disabled=bool(row.get("isdisabled")),
            access_mode=int(row.get("accessmode") or 0),
            application=row.get("applicationid") is not None,
            name=row.get("fullname") or "",
            unit=row.get("_businessunitid_value") or "",
        )


def teams(client: Client) -> Iterator[Team]:
    """All teams of every kind."""
    for row in client.rows("teams", select=["teamid", "name", "teamtype", "_businessunitid_value"]):
        yield Team(row["teamid"], row.get("name") or "", int(row.get("teamtype") or 0), row.get("_businessunitid_value") or "")


def units(client: Client) -> list[Unit]:
    """All business units."""
    rows = client.rows("businessunits", select=["businessunitid", "name", "_parentbusinessunitid_value"])
    return [Unit(row["businessunitid"], row.get("name") or "", row.get("_parentbusinessunitid_value")) for row in rows]


def units_below(units: Collection[Unit], top: str) -> set[str]:
    """Ids of a business unit and of all units below it."""
    found, grown = {top}, 0
    while grown != len(found):
        grown = len(found)
        found |= {unit.id for unit in units if unit.parent in found}
    return found


def currencies(client: Client) -> Iterator[Currency]:
    """All currencies."""
    for row in client.rows(
        "transactioncurrencies", select=["transactioncurrencyid", "isocurrencycode", "currencyname", "currencyprecision"]
    ):
        precision = row.get("currencyprecision")
        yield Currency(
            row["transactioncurrencyid"], row["isocurrencycode"], row.get("currencyname") or "", 2 if precision is None else int(precision)
        )


def base_currency(client: Client) -> Currency:
    """The organisation's base currency. Raises BadInput where the organisation names none that exists."""
    rows = client.get("organizations", params={"$select": "_basecurrencyid_value"})["value"]
    wanted = rows[0].get("_basecurrencyid_value") if rows else None
    for currency in currencies(client):
        if currency.id == wanted:
            return currency
    raise BadInput("The environment has no base currency.", remedy="Finish the environment's setup, then check again.")


def privileges(client: Client, user_id: str) -> set[str]:
    """Names of the privileges that a user's roles give, and those of the user's teams, such as prvCreateContact."""
    return set(privilege_depths(client, user_id))


def privilege_depths(client: Client, user_id: str) -> dict[str, str]:
    """Privilege -> how far it reaches: Basic (own rows), Local (the unit's), Deep (those of units below), Global (all)."""
    return _depths(client.get(f"systemusers({user_id})/{NS}.RetrieveUserPrivileges()"))


def table_privileges(client: Client, tables: Iterable[str]) -> dict[str, dict[str, str]]:
    """Table -> right (Create, Read, Write, Delete, Assign, Share, Append, AppendTo) -> the privilege that gives it for the table.

    Activities share one set; organisation-owned tables have neither Assign nor Share; parties and list members have none of their own.
    Raises BadInput where a table isn't there.
    """
    told, found = definitions(client, tables, "LogicalName,Privileges"), {}
    for table, definition in told.items():
        if definition is None:
            raise no_table(table)
        found[table] = {entry["PrivilegeType"]: entry["Name"] for entry in definition.get("Privileges") or ()}
    return found


def lacking(needed: Mapping[str, str], held: Collection[str]) -> list[str]:
    """The rights that loading a table takes and that the held privileges don't give. needed: as `table_privileges` says."""
    return [right for right in LOADING if right in needed and needed[right] not in held]


def behind(first: Mapping[str, str], other: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Of some privileges those that one user has and another one lacks, or has for fewer rows. first, other: see `privilege_depths`."""
    return [name for name in names if name in first and (name not in other or _reach(other[name]) < _reach(first[name]))]


def _reach(depth: str) -> int:
    return REACHES.index(depth) if depth in REACHES else -1


def team_privileges(client: Client, team_id: str) -> set[str]:
    """Names of the privileges that a team's roles give."""
    return set(_depths(client.get(f"teams({team_id})/{NS}.RetrieveTeamPrivileges()")))


def _depths(answer: Mapping[str, Any]) -> dict[str, str]:
    return {entry["PrivilegeName"]: entry.get("Depth") or "" for entry in answer.get("RolePrivileges") or () if entry.get("PrivilegeName")}


def privileges_of_all(client: Client, user_ids: Iterable[str], team_ids: Iterable[str]) -> dict[str, frozenset[str]]:
    """User or team id -> names of its privileges, empty for one without a role.

    Privileges come by roles alone, so that all who have the same roles are asked about once: three small tables are read whole,
    and one call is made per different set of roles, however many users there are.
    Source: learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrieveuserprivileges, …/retrieveteamprivileges
    """
    of_teams = _linked(client, "teamrolescollection", "teamid", "roleid")
    of_users = _linked(client, "systemuserrolescollection", "systemuserid", "roleid")
    for user, joined in _linked(client, "teammemberships", "systemuserid", "teamid").items():
        of_users.setdefault(user, set()).update(*(of_teams.get(team, ()) for team in joined))
    return {
        **_by_roles(user_ids, of_users, lambda user: privileges(client, user)),
        **_by_roles(team_ids, of_teams, lambda team: team_privileges(client, team)),
    }


def _linked(client: Client, entity_set: str, one: str, other: str) -> dict[str, set[str]]:
    """The rows of a table that links two others: id of the one -> ids of the other."""
    found: dict[str, set[str]] = {}
    for row in client.rows(entity_set, select=[one, other]):
        found.setdefault(row[one], set()).add(row[other])
    return found


def _by_roles(ids: Iterable[str], roles: Mapping[str, set[str]], ask: Callable[[str], set[str]]) -> dict[str, frozenset[str]]:
    """What `ask` says of each id, asked once for all that have the same roles."""
    answers: dict[frozenset[str], frozenset[str]] = {frozenset(): frozenset()}
    found = {}
    for each in ids:
        held = frozenset(roles.get(each, ()))
        if held not in answers:
            answers[held] = frozenset(ask(each))
        found[each] = answers[held]
    return found

"""Who and what an environment has that loaded rows point to: users, teams, currencies, privileges."""

from collections.abc import Iterator
from dataclasses import dataclass

from connectors.dataverse.client import NS, Client
from workbench.engagements.errors import BadInput

_OWNER_TEAM = 0
_NOT_PEOPLE = (3, 5)  # access modes of support users and delegated administrators
_OF_USER = ["systemuserid", "internalemailaddress", "domainname", "isdisabled", "accessmode", "applicationid"]


@dataclass(frozen=True, slots=True)
class User:
    """A user. `application`: an application user, which can't own what people work on."""

    id: str
    email: str
    domain_name: str
    disabled: bool
    access_mode: int
    application: bool

    @property
    def can_own(self) -> bool:
        """Whether rows may be given to this user; the role's privileges are checked apart."""
        return not (self.disabled or self.application or self.access_mode in _NOT_PEOPLE)


@dataclass(frozen=True, slots=True)
class Team:
    """A team. kind: 0 owner, 1 access, 2 security group, 3 office group; only the first owns rows for us."""

    id: str
    name: str
    kind: int

    @property
    def can_own(self) -> bool:
        """Whether it is an owner team."""
        return self.kind == _OWNER_TEAM


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
        )


def teams(client: Client) -> Iterator[Team]:
    """All teams of every kind."""
    for row in client.rows("teams", select=["teamid", "name", "teamtype"]):
        yield Team(row["teamid"], row.get("name") or "", int(row.get("teamtype") or 0))


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
    """Names of the privileges that a user's roles give, such as prvCreateContact."""
    return set(privilege_depths(client, user_id))


def privilege_depths(client: Client, user_id: str) -> dict[str, str]:
    """Privilege -> how far it reaches: Basic (own rows), Local (the unit's), Deep (those of units below), Global (all)."""
    answer = client.get(f"systemusers({user_id})/{NS}.RetrieveUserPrivileges()")
    return {entry["PrivilegeName"]: entry.get("Depth") or "" for entry in answer.get("RolePrivileges") or () if entry.get("PrivilegeName")}


def table_privileges(client: Client, table: str) -> dict[str, str]:
    """Right (Create, Read, Write, Delete, Assign, Share, Append, AppendTo) -> the privilege that gives it for a table.

    Activities share one set; organisation-owned tables have neither Assign nor Share; parties and list members have none of their own.
    """
    answer = client.get(f"EntityDefinitions(LogicalName='{table}')", params={"$select": "LogicalName,Privileges"})
    return {entry["PrivilegeType"]: entry["Name"] for entry in answer.get("Privileges") or ()}

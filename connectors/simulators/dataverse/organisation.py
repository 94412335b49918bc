"""One organisation: its metadata, rows, clock, settings, and the rows that it has from the start."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from . import errors
from .builtin import build_catalog
from .calls import Call, Caller
from .identifiers import stable_id
from .store import KeyIndex, Row, Store
from .tables import Key, Relationship, Table

ACTIVITIES = ("task", "phonecall", "email", "appointment", "campaignresponse", "opportunityclose", "orderclose")


def moment() -> str:
    """Now, as the service writes moments."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Organisation:
    """The state that all requests share."""

    def __init__(self, *, sandbox: bool, client_ids: Sequence[str]) -> None:
        """An organisation with metadata and no rows. client_ids: of its application users, at least one."""
        self.sandbox = sandbox
        self.name = "sandbox" if sandbox else "production"
        self.client_ids = tuple(client_ids)
        self.catalog = build_catalog()
        self.store = Store()
        self.metadata_changes: list[Call] = []  # of the request being answered, for the journal
        self.cursors: OrderedDict[str, list[str]] = OrderedDict()  # results that a client is paging through
        self.key_indexes: dict[tuple[str, str], KeyIndex] = {}
        self.role_lacks: dict[str, frozenset[str]] = {}  # by role: the privileges that it doesn't give
        self.put_aside: dict[str, list[str]] = {}  # by user or team: the roles it had before some of its privileges were taken
        self.fired: Counter[str] = Counter()  # custom logic that writes set off, by name
        self.logic: dict[tuple[str, str], list[Any]] = {}  # what a write of a table sets off, found out once; see logic.py
        self.key_build_s = 0.0  # how long an alternate key's index is built
        self.key_failures = 0  # how many of the next builds fail
        self.building: list[tuple[Table, Key]] = []  # keys whose index isn't ready
        self.settled: list[tuple[Table, Key]] = []  # keys whose index came to an end, for the journal
        self.written = 0  # rows created, changed and deleted so far
        self.clock: Callable[[], float] = time.monotonic

    # Names and rows ------------------------------------------------------------------------------------------------

    def table(self, name: str) -> Table:
        """A table by its logical name. Raises ServiceError."""
        found = self.catalog.tables.get(name)
        if found is None:
            raise errors.ServiceError(400, "0x80040203", f"The entity with a name = '{name}' was not found in the MetadataCache.")
        return found

    def rows(self, name: str) -> dict[str, Row]:
        """All rows of a table by id."""
        return self.store.table(name)

    def row(self, table: Table, row_id: str) -> Row:
        """One row. Raises ServiceError 404."""
        found = self.rows(table.name).get(row_id)
        if found is None and table.name == "activitypointer":
            found = next((rows[row_id] for name in ACTIVITIES if row_id in (rows := self.rows(name))), None)
        if found is None:
            raise errors.missing_row(table.name, row_id)
        return found

    def scan(self, table: Table) -> Iterator[tuple[str, Row]]:
        """All rows of a table, in the order they came; activitypointer is the union of the activities."""
        names: Iterable[str] = ACTIVITIES if table.name == "activitypointer" else (table.name,)
        for name in names:
            yield from self.rows(name).items()

    def linked(self, relation: Relationship, name: str, row_id: str) -> list[str]:
        """Ids of the rows at the other end of an N:N relationship of a row of table `name`, sorted."""
        links = self.store.by_value(relation.intersect, relation.end(name)).ids.get(row_id, ())
        rows, end = self.rows(relation.intersect), relation.end(relation.other(name))
        return sorted(rows[i][end] for i in links)

    # The built-in rows ---------------------------------------------------------------------------------------------

    def id_of(self, *parts: str) -> str:
        """The id of a built-in row of this organisation."""
        return stable_id(self.name, *parts)

    @property
    def organization(self) -> Row:
        """The organisation's own row."""
        return next(iter(self.rows("organization").values()), {})

    @property
    def base_currency(self) -> str | None:
        """Id of the base currency."""
        return self.organization.get("_basecurrencyid_value")

    @property
    def root_unit(self) -> str | None:
        """Id of the root business unit."""
        units = self.rows("businessunit")
        return next((i for i, row in units.items() if not row.get("_parentbusinessunitid_value")), None)

    def application_user(self, application_id: str) -> Row | None:
        """The user of an app registration."""
        wanted = application_id.lower()
        users = self.rows("systemuser").values()
        return next((row for row in users if str(row.get("applicationid") or "").lower() == wanted), None)

    def caller(self, user_id: str) -> Caller:
        """A user with the rights that it has now."""
        lacks = [self.role_lacks.get(role, frozenset()) for role in self.roles("systemuser", user_id)]
        return Caller(user_id, frozenset.intersection(*lacks) if lacks else frozenset())

    def roles(self, owner: str, owner_id: str) -> set[str]:
        """Ids of the security roles that a user has, also through its teams, or that a team has."""
        if owner == "team":
            return self._linked_roles("teamroles", "teamid", owner_id)
        members = self.rows("teammembership")
        teams = [members[i]["teamid"] for i in self.store.by_value("teammembership", "systemuserid").ids.get(owner_id, ())]
        through_teams = (self._linked_roles("teamroles", "teamid", team) for team in teams)
        return self._linked_roles("systemuserroles", "systemuserid", owner_id).union(*through_teams)

    def _linked_roles(self, table: str, column: str, owner_id: str) -> set[str]:
        rows = self.rows(table)
        return {rows[i]["roleid"] for i in self.store.by_value(table, column).ids.get(owner_id, ())}

    def role_count(self, owner: str, owner_id: str) -> int:
        """How many security roles a user or team has."""
        return len(self.roles(owner, owner_id))

    def holds(self, owner: str, owner_id: str, privilege: str) -> bool:
        """Whether a role of a user or team gives a privilege."""
        return any(privilege not in self.role_lacks.get(role, ()) for role in self.roles(owner, owner_id))

    def setting(self, column: str, otherwise: Any = None) -> Any:
        """A column of the organisation's row."""
        return self.organization.get(column, otherwise)

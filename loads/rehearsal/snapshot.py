"""What a rehearsal reads of the destination: metadata, users, teams and privileges, keys and rows referred to. Reads only, many at once."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from connectors.dataverse import directory
from connectors.dataverse.files import FileRules
from connectors.dataverse.keys import ACTIVE, keys_of
from connectors.dataverse.metadata import Table
from connectors.dataverse.ownership import owned_tables
from loads.destination import Destination

OVERRIDE_CREATED = "prvOverrideCreatedOnCreatedBy"
ACCESS_TEAM = 1
KEPT = 100_000  # rows referred to that are remembered; beyond it all are read again
Row = Mapping[str, Any]
# What is read of a row that is referred to, beside its id.
ASKED: Mapping[str, tuple[str, ...]] = {
    "pricelevel": ("_transactioncurrencyid_value",),
    "list": ("createdfromcode", "lockstatus", "statecode"),
}


class Snapshot:
    """One environment as it is now: nothing that another task read is trusted. Raises what the service raises."""

    def __init__(self, destination: Destination) -> None:
        """Nothing is read yet."""
        self.destination, self.client = destination, destination.client
        self._tables: dict[str, Table] = {}
        self._missing: dict[str, frozenset[str]] = {}
        self._read_right: dict[str, str] = {}
        self._held: dict[str, frozenset[str]] = {}
        self._rows: dict[tuple[str, str], Row | None] = {}

    def table(self, name: str) -> Table:
        """A table's metadata, read anew."""
        if name not in self._tables:
            self._tables[name] = self.destination.read_anew(name)
        return self._tables[name]

    @cached_property
    def names(self) -> dict[str, tuple[str, str]]:
        """Entity set -> logical name and primary key, of all tables."""
        select = "LogicalName,EntitySetName,PrimaryIdAttribute"
        answer = self.client.get("EntityDefinitions", params={"$select": select, "$filter": "IsPrivate eq false"})
        return {one["EntitySetName"]: (one["LogicalName"], one["PrimaryIdAttribute"]) for one in answer["value"] if one["EntitySetName"]}

    @cached_property
    def file_rules(self) -> FileRules:
        """What the organisation takes as files."""
        return FileRules.of(self.client)

    @cached_property
    def sets(self) -> dict[str, str]:
        """Logical name -> entity set."""
        return {name: entity_set for entity_set, (name, _) in self.names.items()}

    @cached_property
    def privileges(self) -> set[str]:
        """What every one of our application users may do."""
        return set.intersection(*(directory.privileges(self.client, user_id) for user_id in self.destination.user_ids))

    def lacks(self, table: str, right: str) -> bool:
        """Whether the application user lacks a right, such as Create, on a table."""
        if table not in self._missing:
            needed = directory.table_privileges(self.client, [table])[table]
            self._missing[table] = frozenset(kind for kind, name in needed.items() if name not in self.privileges)
        return right in self._missing[table]

    def keys(self, table: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Name and columns of a table's alternate keys that are active."""
        yield from ((key.name, key.columns) for key in keys_of(self.client, table) if key.status == ACTIVE)

    def rows(self, table: str, ids: Collection[str]) -> dict[str, Row]:
        """Of these rows those that exist, by id, with what is asked of such tables; each is read once."""
        if len(self._rows) > KEPT:
            self._rows.clear()
        unknown = [row_id for row_id in ids if (table, row_id) not in self._rows]
        if unknown:
            entity_set, key = self.sets[table], self.names[self.sets[table]][1]
            read = self.client.retrieve(entity_set, key, unknown, [key, *ASKED.get(table, ())])
            found = {row[key].lower(): row for row in read}
            self._rows |= {(table, row_id): found.get(row_id) for row_id in unknown}
        return {row_id: row for row_id in ids if (row := self._rows[table, row_id]) is not None}

    def versions(self, table: Table, ids: Sequence[str]) -> dict[str, str]:
        """Row id -> the version that the row has now."""
        read = self.client.retrieve(table.entity_set, table.primary_id, ids, [table.primary_id])
        return {row[table.primary_id].lower(): row.get("@odata.etag", "") for row in read}

    @cached_property
    def _users(self) -> dict[str, directory.User]:
        return {user.id.lower(): user for user in directory.users(self.client)}

    @cached_property
    def _teams(self) -> dict[str, directory.Team]:
        return {team.id.lower(): team for team in directory.teams(self.client)}

    def owner_trouble(self, kind: str, row_id: str, table: str) -> str:
        """Why a user or team can't own rows of a table: missing, disabled, access_team, unread; '' where it can. See `know_owners`."""
        if kind == "systemuser":
            user = self._users.get(row_id)
            if user is None or user.disabled:
                return "missing" if user is None else "disabled"
        else:
            team = self._teams.get(row_id)
            if team is None or team.kind == ACCESS_TEAM:
                return "missing" if team is None else "access_team"
        return "" if self._may_read(row_id, table) else "unread"

    def _may_read(self, row_id: str, table: str) -> bool:
        if table not in self._read_right:
            [*found] = owned_tables(self.client, [table])
            self._read_right[table] = found[0].read if found else ""
        right = self._read_right[table]
        return not right or right in self._held.get(row_id, frozenset())

    def know_owners(self, owners: Iterable[tuple[str, str]]) -> None:
        """Read the privileges of owners, (table, row id), that aren't known yet: one call per different set of roles."""
        new = {(kind, row_id) for kind, row_id in owners if row_id not in self._held}
        users = [row_id for kind, row_id in new if kind == "systemuser" and row_id in self._users]
        teams = [row_id for kind, row_id in new if kind == "team" and row_id in self._teams]
        if users or teams:
            found = directory.privileges_of_all(self.client, users, teams)
            self._held |= {row_id.lower(): held for row_id, held in found.items()}
        self._held |= {row_id: self._held.get(row_id, frozenset()) for _, row_id in new}

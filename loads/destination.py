"""One environment as the load sees it: a client, and the tables' metadata, read once per provisioned schema and process."""

import time
from collections.abc import Collection
from datetime import datetime
from functools import cached_property

from connectors.dataverse.cascades import Relation, relations
from connectors.dataverse.client import Client
from connectors.dataverse.directory import currencies
from connectors.dataverse.metadata import Table, read_table
from loads.models import Run, SchemaPlan
from mapping.quiet import quiet_by_path
from workbench.engagements.models import Environment

SOURCE_ID, RUN_ID = "sourceid", "runid"
EDITOR, EDITED_ON = "_modifiedby_value", "modifiedon"
PATIENCE_S = 40.0  # a task must end; what the service puts off for longer the next one asks for again
KEPT_S = 300.0  # for so long what was read of a table serves the tasks of a process; a provisioning makes it void at once
_read: dict[tuple[str, str, datetime | None, str], tuple[float, Table]] = {}


def page_of(environment: Environment, table: str, row_id: object) -> str:
    """The address of a row's page in Dynamics 365.

    Source: learn.microsoft.com/power-apps/developer/model-driven-apps/open-forms-views-dialogs-reports-url
    """
    return f"{environment.connection.base_url.rstrip('/')}/main.aspx?etn={table}&pagetype=entityrecord&id={row_id}"


class Destination:
    """A Dataverse environment, with the stems of our own columns resolved to this engagement's prefix."""

    def __init__(self, environment: Environment, *, quiet: bool = True, answer_s: float = 120.0) -> None:
        """Nothing is sent before the first use. quiet: what is written sets off what the customer lets run, and nothing else.

        answer_s: an answer that takes longer counts as lost.
        """
        self.environment, self.quiet, self._timeout_s = environment, quiet, (10.0, answer_s)
        # Connections whose user doesn't share the load, see `callers.check`; None where no run had them looked at.
        self.left_out: Collection[int] | None = None
        self.prefix = environment.engagement.prefix
        self._relations: dict[str, list[Relation]] = {}

    @property
    def client(self) -> Client:
        """The environment's own user, with the customer's quiet-load decisions as the headers of what it writes.

        While the service holds that one for longer than our patience, it is another one that may do as much.
        """
        own, *_ = self.clients
        if self.left_out is None or own.governor.held_s() <= PATIENCE_S:
            return own
        return min(self.clients, key=lambda one: one.governor.held_s())

    @property
    def clients(self) -> list[Client]:
        """A client per application user that loads: the environment's own first, then those that share the load."""
        return list(self.users.values())

    @property
    def users(self) -> dict[int, Client]:
        """The same by their connections."""
        return {connection: client for connection, client in self._known.items() if connection not in (self.left_out or ())}

    @cached_property
    def _known(self) -> dict[int, Client]:
        quiet = self.quiet and quiet_by_path(self.environment)
        connections = [self.environment.connection, *self.environment.further_connections.order_by("pk")]
        patience = {"patience_s": PATIENCE_S, "timeout_s": self._timeout_s}
        return {connection.pk: Client.from_connection(connection, bypass=quiet, **patience) for connection in connections}

    @cached_property
    def user_ids(self) -> frozenset[str]:
        """Our application users, which stand in `modifiedby` of what we wrote last: all that a run of ours was checked with."""
        earlier = Run.objects.filter(environment=self.environment).values_list("users", flat=True)
        known = {one["user_id"] for users in earlier for one in users if one["user_id"]}
        return frozenset(known | {str(self.client.who_am_i()["UserId"]).lower()})

    @cached_property
    def decimals(self) -> dict[str, int]:
        """Row id of each currency -> decimals that its amounts have."""
        return {currency.id.lower(): currency.precision for currency in currencies(self.client)}

    @cached_property
    def _schema(self) -> datetime | None:
        """When the newest schema was provisioned here: what was read before it doesn't count."""
        done = SchemaPlan.objects.filter(environment=self.environment).exclude(provisioned_at=None)
        return done.order_by("-pk").values_list("provisioned_at", flat=True).first()

    def table(self, name: str) -> Table:
        """The table's metadata. Raises BadInput where there is no such table."""
        until, table = _read.get(self._key(name), (0.0, None))
        if table is None or time.monotonic() > until:
            return self.read_anew(name)
        return table

    def read_anew(self, name: str) -> Table:
        """The table's metadata as it is now, which from here on serves all tasks of the process. Raises BadInput as `table` does."""
        table = read_table(self.client, name)
        _read[self._key(name)] = (time.monotonic() + KEPT_S, table)
        return table

    def _key(self, name: str) -> tuple[str, str, datetime | None, str]:
        connection = self.environment.connection
        return connection.base_url, str(connection.settings.get("client_id")), self._schema, name

    def relations(self, table: str) -> list[Relation]:
        """The relationships by which rows hang under a table's, with who made and changed them and the run that wrote them; read once."""
        if table not in self._relations:
            self._relations[table] = relations(self.client, table, [self.own(RUN_ID)])
        return self._relations[table]

    def address(self, table: str, row_id: str) -> str:
        """What a lookup is bound to."""
        return f"/{self.table(table).entity_set}({row_id})"

    def own(self, stem: str) -> str:
        """The logical name of one of our own columns."""
        return f"{self.prefix}_{stem}"

    def stamp(self, table: str, run_key: str) -> dict[str, str]:
        """The run's own values of a row; none where the table takes no column of ours."""
        return {self.own(RUN_ID): run_key} if self.own(RUN_ID) in self.table(table).columns else {}

    def loaded_filter(self, run_key: str, object_name: str) -> str:
        """The filter for what a run wrote of one object."""
        return f"{self.own(RUN_ID)} eq '{run_key}' and startswith({self.own(SOURCE_ID)},'{object_name}:')"

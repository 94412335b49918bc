"""One environment as the load sees it: a client, and the tables' metadata, read once per task."""

from functools import cached_property

from connectors.dataverse.client import Client
from connectors.dataverse.metadata import Table, read_table
from mapping.quiet import quiet_by_path
from workbench.engagements.models import Environment

SOURCE_ID, RUN_ID = "sourceid", "runid"


class Destination:
    """A Dataverse environment, with the stems of our own columns resolved to this engagement's prefix."""

    def __init__(self, environment: Environment, *, quiet: bool = True) -> None:
        """Nothing is sent before the first use. quiet: what is written sets off what the customer lets run, and nothing else."""
        self.environment, self.quiet = environment, quiet
        self.prefix = environment.engagement.prefix
        self._tables: dict[str, Table] = {}

    @cached_property
    def client(self) -> Client:
        """The client, with the customer's quiet-load decisions as the headers of what it writes."""
        return Client.from_connection(self.environment.connection, bypass=self.quiet and quiet_by_path(self.environment))

    @cached_property
    def user_id(self) -> str:
        """Our application user, which stands in `modifiedby` of what we wrote last."""
        return str(self.client.who_am_i()["UserId"]).lower()

    def table(self, name: str) -> Table:
        """The table's metadata."""
        if name not in self._tables:
            self._tables[name] = read_table(self.client, name)
        return self._tables[name]

    def own(self, stem: str) -> str:
        """The logical name of one of our own columns."""
        return f"{self.prefix}_{stem}"

    def loaded_filter(self, run_key: str, object_name: str) -> str:
        """The filter for what a run wrote of one object."""
        return f"{self.own(RUN_ID)} eq '{run_key}' and startswith({self.own(SOURCE_ID)},'{object_name}:')"

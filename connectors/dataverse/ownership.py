"""Which tables have rows with an owner, and which privilege their owner needs to see them.

Source: learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/entitymetadata (OwnershipType, Privileges)
"""

from collections.abc import Iterable
from dataclasses import dataclass

from connectors.dataverse.client import Client
from connectors.dataverse.errors import RowMissing

_OF_TABLE = "LogicalName,OwnershipType,IsActivity,Privileges"


@dataclass(frozen=True, slots=True)
class OwnedTable:
    """A table whose rows have an owner. read: the privilege to read it, which all activities share."""

    name: str
    activity: bool
    read: str


def owned_tables(client: Client, names: Iterable[str]) -> list[OwnedTable]:
    """Those of the tables that are at the destination and whose rows users and teams own, in the order given."""
    found = []
    for name in names:
        try:
            told = client.get(f"EntityDefinitions(LogicalName='{name}')", params={"$select": _OF_TABLE})
        except RowMissing:
            continue  # a table of the plan that isn't provisioned yet
        read = next((one["Name"] for one in told.get("Privileges") or () if one.get("PrivilegeType") == "Read"), "")
        if told.get("OwnershipType") == "UserOwned" and read:
            found.append(OwnedTable(name, bool(told.get("IsActivity")), read))
    return found

"""Which tables have rows with an owner, and which privilege their owner needs to see them.

Source: learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/entitymetadata (OwnershipType, Privileges)
"""

from collections.abc import Iterable
from dataclasses import dataclass

from connectors.dataverse.client import Client
from connectors.dataverse.metadata import definitions

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
    for name, told in definitions(client, names, _OF_TABLE).items():
        if told is None:
            continue  # a table of the plan that isn't provisioned yet
        read = next((one["Name"] for one in told.get("Privileges") or () if one.get("PrivilegeType") == "Read"), "")
        if told.get("OwnershipType") == "UserOwned" and read:
            found.append(OwnedTable(name, bool(told.get("IsActivity")), read))
    return found

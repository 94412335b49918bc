"""Alternate keys of tables: asked for, built by the service a while later, or failed where rows clash.

Source: learn.microsoft.com/power-apps/developer/data-platform/define-alternate-keys-entity
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from connectors.dataverse.client import Client
from connectors.dataverse.definitions import ENGLISH, label
from connectors.dataverse.errors import RowMissing
from connectors.http import OutcomeUnknown

ACTIVE, FAILED = "Active", "Failed"  # states of a key's index; before that it is Pending or InProgress


@dataclass(frozen=True, slots=True)
class AlternateKey:
    """Columns of a table whose values no two rows share, once the index is active. status: of the index."""

    name: str
    columns: tuple[str, ...]
    status: str


def keys_of(client: Client, table: str) -> list[AlternateKey]:
    """A table's alternate keys, in whatever state. Raises RowMissing where there is no such table."""
    found = client.get(_address(table), params={"$select": "LogicalName,KeyAttributes,EntityKeyIndexStatus"})["value"]
    return [AlternateKey(one["LogicalName"], tuple(one["KeyAttributes"]), str(one.get("EntityKeyIndexStatus") or "")) for one in found]


def create_key(client: Client, table: str, name: str, columns: Sequence[str], title: str, solution: str, language: int = ENGLISH) -> None:
    """Ask for a key in a solution; its index is built later. Raises DataverseRefused where there is a key of that name."""
    body = {"SchemaName": name, "DisplayName": label(title, language), "KeyAttributes": list(columns)}
    headers = {"MSCRM.SolutionUniqueName": solution}
    try:
        client.post(_address(table), body, headers)
    except OutcomeUnknown:
        if all(key.name != name.lower() for key in keys_of(client, table)):
            client.post(_address(table), body, headers)


def build_again(client: Client, table: str, name: str) -> None:
    """Have the index of a key that failed built once more."""
    client.post("ReactivateEntityKey", {"EntityLogicalName": table, "EntityKeyLogicalName": name}, repeatable=True)


def delete_key(client: Client, table: str, name: str) -> None:
    """Delete a key; one that is gone is left so."""
    with suppress(RowMissing):
        client.send("DELETE", f"{_address(table)}(LogicalName='{name}')", repeatable=True)


def _address(table: str) -> str:
    return f"EntityDefinitions(LogicalName='{table}')/Keys"

"""References to rows: `/contacts(id)`, by alternate key, absolute, `$1`; and what a lookup written with one must satisfy."""

from typing import Any

from . import errors, paths
from .calls import Call
from .columns import Column
from .drafts import Draft
from .identifiers import read_guid
from .organisation import Organisation
from .store import Row
from .tables import Table


def resolve(org: Organisation, call: Call, reference: Any) -> tuple[Table, str]:
    """The table and row id that a reference means. Raises ServiceError where it's malformed or the row doesn't exist."""
    if not isinstance(reference, str):
        raise errors.bad_payload("A reference to a row is a text.")
    text = reference.removeprefix(call.root) if reference.startswith("http") else reference
    if text.startswith("$"):
        text = content_reference(call, text)
    name, bracket, rest = text.lstrip("/").rpartition("/")[2].partition("(")
    table = org.catalog.by_set.get(name)
    if table is None or not bracket or not rest.endswith(")"):
        raise errors.bad_payload(f"Resource not found for the segment '{name}'.")
    row_id = read_guid(rest[:-1])
    if row_id is None:
        row_id = by_key(org, table, paths.key_of(paths.Segment(name, rest[:-1])))
    elif row_id not in org.rows(table.name):
        org.row(table, row_id)
    return table, row_id


def content_reference(call: Call, text: str) -> str:
    """What `$1` stands for. Raises ServiceError for an unknown one."""
    if text not in call.references:
        raise errors.bad_request(f"Content-ID Reference: '{text}' does not exist in the batch context.")
    return call.references[text]


def by_key(org: Organisation, table: Table, key: str | dict[str, str]) -> str:
    """The row id of a primary or alternate key. Raises ServiceError where there is no such key or row."""
    if isinstance(key, str):
        org.row(table, key)
        return key
    found = find_by_key(org, table, key)
    if found is None:
        raise errors.ServiceError(404, "0x80060891", f"A record with the specified key values does not exist in {table.name} entity")
    return found


def find_by_key(org: Organisation, table: Table, key: dict[str, str]) -> str | None:
    """The row id of an alternate key, None where no row has it. Raises ServiceError for a key that isn't defined or active."""
    if set(key) == {table.primary_id}:
        row_id = read_guid(key[table.primary_id])
        return row_id if row_id in org.rows(table.name) else None
    for defined in table.keys.values():
        names = tuple(table.columns[c].read_name for c in defined.columns)
        index = org.key_indexes.get((table.name, defined.name))
        if set(names) == set(key) and index is not None and defined.status(org.clock()) == "Active":
            values = index.values({name: key_value(table, name, key[name]) for name in names})
            return None if values is None else index.ids.get(values)
    raise errors.ServiceError(
        400, "0x80060890", f"The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM.{table.name}'."
        " Ensure that the names and number of key properties match the declared or alternate key properties for the resource.",
    )  # fmt: skip


def key_value(table: Table, name: str, text: str) -> Any:
    """A key's value as its column stores it."""
    column = next((c for c in table.columns.values() if c.read_name == name), None)
    if column is not None and column.kind in {"Integer", "BigInt", "Choice"}:
        return int(text) if text.lstrip("-").isdigit() else text
    if column is not None and column.kind in {"Decimal", "Money", "Double"}:
        try:
            return float(text)
        except ValueError as error:
            raise errors.wrong_type(text, "Edm.Decimal") from error
    return text


def set_lookup(draft: Draft, column: Column, targets: tuple[str, ...], value: Any) -> None:
    """Write a lookup given as a reference; null clears it."""
    if value is None:
        clear_lookup(column, draft.new)
        return
    target, row_id = resolve(draft.org, draft.call, value)
    if target.name not in targets:
        raise errors.bad_payload(f"The reference '{value}' isn't of a type that '{column.name}' of '{draft.table.name}' takes.")
    point(column, target.name, row_id, draft.new)
    if column.kind == "Owner":
        _own(draft, target.name, row_id)


def point(column: Column, target: str, row_id: str, new: Row) -> None:
    """Let a lookup point at a row."""
    new[column.read_name] = row_id
    if column.polymorphic:
        new[column.type_annotation] = target


def clear_lookup(column: Column, new: Row) -> None:
    """Empty a lookup."""
    if column.kind == "Owner":
        raise errors.invalid_argument("The owner of a record can't be null.")
    new[column.read_name] = None
    if column.polymorphic:
        new[column.type_annotation] = None


def _own(draft: Draft, target: str, row_id: str) -> None:
    org, table = draft.org, draft.table
    owner = org.rows(target)[row_id]
    if target == "systemuser" and owner.get("isdisabled"):  # *assumed*: refused at once (facts 7.6)
        raise errors.ServiceError(400, "0x8004022b", "The specified owner has been disabled.")
    if target == "team" and owner.get("teamtype", 0) == 1:
        raise errors.ServiceError(400, "0x80040203", "An access team can't own records.")
    privilege = f"prvRead{'Activity' if table.activity else table.schema_name}"
    roles = org.role_count(target, row_id)
    if not org.holds(target, row_id, privilege):
        raise errors.missing_privilege(row_id, roles, privilege, table.name, table.type_code)
    set_owner_columns(org, target, row_id, draft.new)


def set_owner_columns(org: Organisation, target: str, row_id: str, new: Row) -> None:
    """The columns that follow from the owner: user or team, and the business unit."""
    new["_owninguser_value"] = row_id if target == "systemuser" else None
    new["_owningteam_value"] = row_id if target == "team" else None
    new["_owningbusinessunit_value"] = org.rows(target)[row_id].get("_businessunitid_value")

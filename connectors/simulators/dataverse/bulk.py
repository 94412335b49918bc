"""CreateMultiple, UpdateMultiple, UpsertMultiple: one transaction each, with the traps that the facts name (section 3.2)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import binding, errors, paths, writing
from .calls import JSON, Answer, Call
from .organisation import Organisation
from .tables import Table

Bulk = Callable[[Organisation, Call, Table], Answer]


def create_multiple(org: Organisation, call: Call, table: Table) -> Answer:
    """All rows or none; their ids in the order given."""
    targets = _targets(call, table)
    writing.check_creatable(table)
    with org.store.transaction():
        ids = [writing.create(org, call, table, target) for target in targets]
    context = f"{call.root}$metadata#Microsoft.Dynamics.CRM.CreateMultipleResponse"
    return Answer(200, {"@odata.context": context, "Ids": ids}, {"Content-Type": JSON})


def update_multiple(org: Organisation, call: Call, table: Table) -> Answer:
    """All rows or none. Of a row that occurs twice only the first is applied, the rest are ignored without a word."""
    done: set[str] = set()
    with org.store.transaction():
        for target in _targets(call, table):
            row_id = writing.body_id(table, target)
            if row_id is None:
                raise errors.invalid_argument(f"The required field '{table.primary_id}' is missing: UpdateMultiple takes no other key.")
            if row_id not in done:
                done.add(row_id)
                writing.update(org, call, table, row_id, target)
    return Answer(204)


def upsert_multiple(org: Organisation, call: Call, table: Table) -> Answer:
    """All rows or none, 204 without a body. A row that occurs twice fails the call (*assumed*: with the duplicate's code)."""
    done: set[str] = set()
    with org.store.transaction():
        for target in _targets(call, table):
            address = _upsert_address(org, table, target)
            known = address.row_id or repr(sorted(address.key.items()))
            if known in done:
                raise errors.ServiceError(412, "0x80040237", "A record with the same key occurs more than once in the request.")
            done.add(known)
            upsert(org, call, table, address, target)
    return Answer(204)


@dataclass(frozen=True, slots=True)
class Address:
    """Where an upsert goes: a row's id (there or not), and the columns of the alternate key where one was used."""

    row_id: str | None
    key: Mapping[str, Any] = field(default_factory=dict)


def upsert(org: Organisation, call: Call, table: Table, address: Address, body: Mapping[str, Any]) -> tuple[str, bool]:
    """Change the row where it exists (key columns in the body are dropped), else create it with the key's values: id, whether created."""
    row_id = address.row_id
    if row_id is not None and row_id in org.rows(table.name):
        writing.update(org, call, table, row_id, {k: v for k, v in body.items() if k not in address.key})
        return row_id, False
    writing.check_creatable(table)
    fresh = {**address.key, **body} if row_id is None else {**body, table.primary_id: row_id}
    return writing.create(org, call, table, fresh), True


def _upsert_address(org: Organisation, table: Table, target: Mapping[str, Any]) -> Address:
    reference = target.get("@odata.id")
    if reference is None:
        row_id = writing.body_id(table, target)
        if row_id is None:
            raise errors.invalid_argument("UpsertMultiple needs a primary key or @odata.id in each target.")
        return Address(row_id)
    segment = paths.split(str(reference))[-1]
    key = paths.key_of(segment)
    if isinstance(key, str):
        return Address(key)
    found = binding.find_by_key(org, table, key)
    return Address(found, {name: binding.key_value(table, name, value) for name, value in key.items()})


def _targets(call: Call, table: Table) -> list[dict[str, Any]]:
    if not table.bulk:
        name = call.path.rpartition(".")[2]
        raise errors.invalid_argument(f"The '{name}' message isn't supported for '{table.name}'.")
    targets = call.json().get("Targets")
    if not isinstance(targets, list) or not targets:
        raise errors.invalid_argument("Required parameter 'Targets' is missing or empty.")
    wanted = f"Microsoft.Dynamics.CRM.{table.name}"
    for target in targets:
        kind = target.get("@odata.type") if isinstance(target, dict) else None
        if kind is None or str(kind).lstrip("#") != wanted:
            raise errors.bad_payload(f"Each target needs '@odata.type': '{wanted}'; found '{kind}'.")
    return targets


MESSAGES: Mapping[str, Bulk] = {
    "CreateMultiple": create_multiple,
    "UpdateMultiple": update_multiple,
    "UpsertMultiple": upsert_multiple,
}

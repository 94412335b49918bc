"""Alternate keys over HTTP: asked for, built a while later, failed where rows clash, built again (facts, section 6)."""

from collections.abc import Mapping
from typing import Any

from . import errors
from . import metadata_shapes as shapes
from .calls import Answer, Call
from .components import created, forget_component, prefixes, record_component
from .identifiers import read_guid, stable_id
from .organisation import Organisation
from .paths import Segment, arguments
from .store import KeyIndex
from .tables import Key, Table


def create_key(org: Organisation, call: Call, table: Table, shape: Mapping[str, Any]) -> Answer:
    """POST …/Keys: an alternate key; its index is active a while later."""
    schema, columns = str(shape.get("SchemaName") or ""), tuple(shape.get("KeyAttributes") or ())
    if not schema or not 1 <= len(columns) <= 16 or len(table.keys) >= 10 or schema.lower() in table.keys:
        raise errors.invalid_argument("A key needs a new SchemaName and 1 to 16 columns; a table has at most 10 keys.")
    if schema.partition("_")[0].lower() not in prefixes(org):
        raise errors.ServiceError(400, "0x8004801e", f"The key name '{schema}' needs a publisher's prefix.")
    for name in columns:
        column = table.columns.get(name)
        if column is None or column.kind not in {"String", "Integer", "Decimal", "DateTime", "Lookup", "Customer", "Choice"}:
            raise errors.invalid_argument(f"The column '{name}' can't be part of a key.")
    if sum((table.columns[n].max_length or 0) * 2 if table.columns[n].kind == "String" else 16 for n in columns) > 900:
        raise errors.invalid_argument("The columns of a key may hold at most 900 bytes.")
    key = Key(schema.lower(), schema, columns, stable_id("key", table.name, schema.lower()), shapes.read_label(shape.get("DisplayName")))
    _start_index(org, table, key)
    record_component(org, call, "key", key.metadata_id)
    return created(call, f"EntityDefinitions({table.metadata_id})/Keys({key.metadata_id})")


def _start_index(org: Organisation, table: Table, key: Key) -> None:
    """Ask for the index; half of its time it waits to be built (*assumed*), and at its end it is active or failed."""
    now = org.clock()
    key.begins_at, key.ready_at = now + org.key_build_s / 2, now + org.key_build_s
    key.settled, key.failed = False, org.key_failures > 0
    org.key_failures = max(0, org.key_failures - 1)
    table.keys[key.name] = key
    org.building.append((table, key))
    settle(org)


def settle(org: Organisation) -> None:
    """End the building of the indexes whose time has come; an index fails where rows clash by then."""
    now = org.clock()
    for table, key in [each for each in org.building if now >= each[1].ready_at]:
        end_building(org, table, key, failed=key.failed)


def end_building(org: Organisation, table: Table, key: Key, *, failed: bool) -> None:
    """Let a key be active, or failed where it is to fail or rows clash. Until then the key neither forbids nor finds a row (*assumed*)."""
    _drop(org, key)
    org.settled.append((table, key))
    index: KeyIndex = org.store.follow_key(table.name, tuple(table.columns[n].read_name for n in key.columns))
    key.settled, key.failed = True, failed or index.duplicates > 0
    if key.failed:
        org.store.unfollow(table.name, index)
    else:
        org.key_indexes[table.name, key.name] = index


def delete_key(org: Organisation, call: Call, table: Table, segment: Segment) -> Answer:
    """DELETE …/Keys(key)."""
    key = _find_key(table, arguments(segment.inside).get("LogicalName") or read_guid(segment.inside))
    stop_index(org, table, key)
    del table.keys[key.name]
    forget_component(org, key.metadata_id)
    return Answer(204)


def stop_index(org: Organisation, table: Table, key: Key) -> None:
    """Forget a key's index, built or not."""
    _drop(org, key)
    index = org.key_indexes.pop((table.name, key.name), None)
    if index is not None:
        org.store.unfollow(table.name, index)


def _drop(org: Organisation, key: Key) -> None:
    org.building = [each for each in org.building if each[1] is not key]


def _find_key(table: Table, wanted: str | None) -> Key:
    for key in table.keys.values():
        if wanted in {key.name, key.metadata_id}:
            return key
    raise errors.ServiceError(404, "0x80060888", f"Could not find a key '{wanted}'.")


def reactivate_key(org: Organisation, call: Call) -> Answer:
    """POST /ReactivateEntityKey: build a failed index again."""
    body = call.json()
    table = org.table(str(body.get("EntityLogicalName")))
    key = _find_key(table, str(body.get("EntityKeyLogicalName")).lower())
    stop_index(org, table, key)
    _start_index(org, table, key)
    return Answer(204)

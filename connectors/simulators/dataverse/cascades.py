"""Deleting a row with everything that its relationships take along, let go, or forbid (facts 7.7)."""

from . import errors
from .organisation import Organisation
from .store import Row
from .tables import Relationship, Table


def delete(org: Organisation, table: Table, row_id: str, now: str, user: str) -> None:
    """Delete a row that exists. Raises ServiceError 405 where a relationship forbids it, and changes nothing then."""
    with org.store.transaction():
        _delete(org, table, row_id, now, user)


def _delete(org: Organisation, table: Table, row_id: str, now: str, user: str) -> None:
    row = org.rows(table.name).get(row_id)
    if row is None:  # taken along already, on another way
        return
    org.store.remove(table.name, row_id)
    for relation in table.children:
        child = org.catalog.tables[relation.referencing]
        for child_id in _referring(org, table, relation, row_id):
            _treat(org, child, relation, child_id, now, user)


def _referring(org: Organisation, table: Table, relation: Relationship, row_id: str) -> list[str]:
    child = org.catalog.tables[relation.referencing]
    column = child.columns[relation.column]
    rows = org.rows(child.name)
    if not rows:
        return []
    ids = org.store.by_value(child.name, column.read_name).ids.get(row_id, set())
    if not column.polymorphic:
        return sorted(ids)
    return sorted(i for i in ids if rows[i].get(column.type_annotation, table.name) == table.name)


def _treat(org: Organisation, child: Table, relation: Relationship, child_id: str, now: str, user: str) -> None:
    if relation.on_delete == "Cascade":
        _delete(org, child, child_id, now, user)
    elif relation.on_delete == "Restrict":
        raise errors.forbidden_association(child.name)
    elif relation.on_delete == "RemoveLink":
        _unlink(org, child, relation, child_id, now, user)


def _unlink(org: Organisation, child: Table, relation: Relationship, child_id: str, now: str, user: str) -> None:
    column = child.columns[relation.column]
    row: Row = dict(org.rows(child.name)[child_id])
    row[column.read_name] = None
    row.pop(column.type_annotation, None)
    row |= {"modifiedon": now, "_modifiedby_value": user, "versionnumber": org.store.next_version()}
    org.store.put(child.name, child_id, row)

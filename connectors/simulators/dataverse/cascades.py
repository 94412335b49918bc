"""Deleting a row with everything that its relationships take along, let go, or forbid (facts 7.7)."""

from dataclasses import dataclass

from . import consequences, errors
from .organisation import Organisation
from .store import Row
from .tables import Relationship, Table


def delete(org: Organisation, table: Table, row_id: str, now: str, user: str) -> None:
    """Delete a row that exists. Raises ServiceError 405 where a relationship forbids it, and changes nothing then."""
    org.written += 1
    with org.store.transaction():
        _Deletion(org, now, user).take(table, row_id)


@dataclass(frozen=True, slots=True)
class _Deletion:
    org: Organisation
    now: str
    user: str

    def take(self, table: Table, row_id: str) -> None:
        if row_id not in self.org.rows(table.name):  # taken along already, on another way
            return
        row = self.org.rows(table.name)[row_id]
        self.org.store.remove(table.name, row_id)
        consequences.removed(self.org, table, row, self.now, self.user)
        self._untie(table, row_id)
        for relation in table.children:
            for child_id in self._referring(table, relation, row_id):
                self._treat(relation, child_id)

    def _untie(self, table: Table, row_id: str) -> None:
        """Links of N:N relationships end with either row."""
        for relation in table.many:
            for link in sorted(self.org.store.by_value(relation.intersect, relation.end(table.name)).ids.get(row_id, ())):
                row = self.org.rows(relation.intersect)[link]
                self.org.store.remove(relation.intersect, link)
                consequences.removed(self.org, self.org.table(relation.intersect), row, self.now, self.user)

    def _referring(self, table: Table, relation: Relationship, row_id: str) -> list[str]:
        child = self.org.catalog.tables[relation.referencing]
        column, rows = child.columns[relation.column], self.org.rows(child.name)
        if not rows:
            return []
        ids = self.org.store.by_value(child.name, column.read_name).ids.get(row_id, set())
        if not column.polymorphic:
            return sorted(ids)
        return sorted(i for i in ids if rows[i].get(column.type_annotation, table.name) == table.name)

    def _treat(self, relation: Relationship, child_id: str) -> None:
        child = self.org.catalog.tables[relation.referencing]
        if relation.on_delete == "Cascade":
            self.take(child, child_id)
        elif relation.on_delete == "Restrict":
            raise errors.forbidden_association(child.name)
        elif relation.on_delete == "RemoveLink":
            self._unlink(child, relation, child_id)

    def _unlink(self, child: Table, relation: Relationship, child_id: str) -> None:
        column = child.columns[relation.column]
        row: Row = dict(self.org.rows(child.name)[child_id])
        row[column.read_name] = None
        row.pop(column.type_annotation, None)
        row |= {"modifiedon": self.now, "_modifiedby_value": self.user, "versionnumber": self.org.store.next_version()}
        self.org.store.put(child.name, child_id, row)

"""Links between rows: the collection of a 1:N relationship and N:N relationships, read, made and removed."""

from dataclasses import dataclass

from . import binding, errors, queries, writing
from .builtin_tables import NOT_CREATABLE
from .calls import JSON, Answer, Call
from .identifiers import read_guid, stable_id
from .organisation import Organisation
from .paths import Segment
from .tables import Relationship, Table

# The message that unties an item isn't among the Web API's actions; its link is taken away in its place (*assumed*).
UNTIED_BY_LINK = "campaignitem"


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection-valued navigation property of one row."""

    org: Organisation
    call: Call
    table: Table
    row_id: str
    relation: Relationship

    def answer(self, rest: list[Segment]) -> Answer:
        """GET, POST …/$ref, DELETE …(id)/$ref or DELETE …/$ref?$id=. `rest` begins with the collection."""
        as_reference = len(rest) > 1 and rest[1].name == "$ref"
        if self.call.method == "GET":
            return self._read(as_reference)
        if self.call.method == "POST" and as_reference:
            self._link(*binding.resolve(self.org, self.call, self.call.json().get("@odata.id")))
        elif self.call.method == "DELETE" and as_reference:
            self._unlink(self._named(rest[0]))
        else:
            raise errors.ServiceError(405, "0x80060888", "The requested resource does not support this http method.")
        return Answer(204)

    def _named(self, segment: Segment) -> str:
        found = read_guid(segment.inside)
        if found is None:
            found = binding.resolve(self.org, self.call, self.call.query.get("$id"))[1]
        return found

    def _read(self, as_reference: bool) -> Answer:
        other = self.org.table(self._other_table())
        if not as_reference:
            return queries.query(self.org, self.call, other, self._ids())
        items = [{"@odata.id": f"{self.call.root}{other.entity_set}({i})"} for i in self._ids() if i in self.org.rows(other.name)]
        return Answer(200, {"@odata.context": f"{self.call.root}$metadata#{other.entity_set}", "value": items}, {"Content-Type": JSON})

    def _other_table(self) -> str:
        return self.relation.other(self.table.name) if self.relation.many_to_many else self.relation.referencing

    def _ids(self) -> list[str]:
        if not self.relation.many_to_many:
            column = self.org.table(self.relation.referencing).columns[self.relation.column]
            return sorted(self.org.store.by_value(self.relation.referencing, column.read_name).ids.get(self.row_id, ()))
        return self.org.linked(self.relation, self.table.name, self.row_id)

    def _link(self, other: Table, other_id: str) -> None:
        if other.name != self._other_table():
            raise errors.bad_payload(f"'{self.relation.schema_name}' doesn't take rows of '{other.name}'.")
        if not self.relation.many_to_many:
            reference = f"/{self.table.entity_set}({self.row_id})"
            writing.update(self.org, self.call, other, other_id, {f"{self.relation.navigation}@odata.bind": reference})
            return
        self._check_free()
        link = self._link_id(other_id)
        if link in self.org.rows(self.relation.intersect):
            raise errors.ServiceError(412, "0x80040237", "Cannot insert duplicate key.")
        intersect = self.org.table(self.relation.intersect)
        row = {intersect.primary_id: link, f"{self.table.name}id": self.row_id, f"{other.name}id": other_id}
        self.org.store.put(intersect.name, link, row | {"versionnumber": self.org.store.next_version()})
        ends = sorted([self.row_id, other_id])
        self.org.store.mark_made(intersect.name, link, ":".join(ends))

    def _check_free(self) -> None:
        """Members of lists and items of campaigns have messages of their own (*assumed*: a plain link is refused, with this code)."""
        if self.relation.intersect in NOT_CREATABLE:
            name = self.relation.schema_name
            raise errors.ServiceError(400, "0x80040800", f"The relationship '{name}' is changed by its own messages, not by $ref.")

    def _link_id(self, other_id: str) -> str:
        ends = {self.table.name: self.row_id, self._other_table(): other_id}
        return stable_id(self.org.name, self.relation.schema_name, *(ends[name] for name in sorted(ends)))

    def _unlink(self, other_id: str) -> None:
        if not self.relation.many_to_many:
            other = self.org.table(self.relation.referencing)
            writing.update(self.org, self.call, other, other_id, {f"{self.relation.navigation}@odata.bind": None})
            return
        if self.relation.intersect != UNTIED_BY_LINK:
            self._check_free()
        link = self._link_between(other_id)
        if link is None:
            raise errors.missing_row(self.relation.intersect, other_id)
        self.org.store.remove(self.relation.intersect, link)

    def _link_between(self, other_id: str) -> str | None:
        relation = self.relation
        rows, mine = self.org.rows(relation.intersect), relation.end(self.table.name)
        theirs = relation.end(self._other_table())
        links = self.org.store.by_value(relation.intersect, mine).ids.get(self.row_id, ())
        return next((link for link in links if rows[link].get(theirs) == other_id), None)


def find(table: Table, name: str) -> Relationship | None:
    """The relationship behind a collection-valued navigation property of a table."""
    return next((r for r in table.children if r.collection == name), None) or next((r for r in table.many if r.schema_name == name), None)

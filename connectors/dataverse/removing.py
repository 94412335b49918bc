"""Tables, columns, solutions and publishers taken away again, and what keeps them: values, and what else depends on them.

Sources: learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrievedependenciesfordelete and
learn.microsoft.com/power-platform/alm/removing-dependencies
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from connectors.dataverse.client import Client, Operation, Outcome
from connectors.dataverse.errors import RowMissing, from_refusal
from connectors.dataverse.metadata import Column, Table
from connectors.http import HttpRefused

TABLE, COLUMN, RELATIONSHIP, KEY = 1, 2, 10, 14
MOST = 5_000  # rows that the service's own count goes up to
AT_ONCE = 100  # reads of a batch
_LOOKUPS = ("Lookup", "Customer", "Owner")
# What people build upon tables and columns. Source: the table solutioncomponent's choice componenttype.
_WORDS = {
    TABLE: "table", COLUMN: "column", 9: "choice", RELATIONSHIP: "relationship", KEY: "alternate key", 24: "form", 26: "view",
    29: "process", 59: "chart", 60: "form", 61: "web resource", 62: "site map", 80: "app", 92: "plug-in step", 300: "canvas app",
}  # fmt: skip
# A table of the maker's that a solution holds only because of what was added to it (*assumed*: so is one to which we added columns).
_WHOLE = 0


@dataclass(frozen=True, slots=True)
class Ids:
    """Metadata ids of a table, of its columns and keys by name, and of the relationship of each of its lookups as (schema name, id).

    parts: all ids that go with the table.
    """

    table: str
    columns: Mapping[str, str]
    ties: Mapping[str, tuple[str, str]]
    keys: Mapping[str, str] = field(default_factory=dict)
    parts: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Dependent:
    """A component that keeps another one from being deleted. kind: the service's number of its type."""

    kind: int
    id: str

    @property
    def word(self) -> str:
        """What it is, in words."""
        return _WORDS.get(self.kind, f"component of type {self.kind}")


def ids_of(client: Client, table: str) -> Ids:
    """The ids by which the service knows a table's parts. Raises RowMissing where there is no such table."""
    expand = "Attributes($select=LogicalName),Keys($select=LogicalName),ManyToOneRelationships($select=SchemaName,ReferencingAttribute)"
    found = client.get(f"EntityDefinitions(LogicalName='{table}')", params={"$select": "LogicalName", "$expand": expand})
    columns = {entry["LogicalName"]: entry["MetadataId"] for entry in found["Attributes"]}
    ties = {entry["ReferencingAttribute"]: (entry["SchemaName"], entry["MetadataId"]) for entry in found["ManyToOneRelationships"]}
    keys = {entry["LogicalName"]: entry["MetadataId"] for entry in found["Keys"]}
    parts = frozenset((found["MetadataId"], *columns.values(), *keys.values(), *(tie for _, tie in ties.values())))
    return Ids(found["MetadataId"], columns, ties, keys, parts)


def rows_with(client: Client, table: Table, columns: Sequence[Column]) -> list[int]:
    """Per column how many rows hold a value in it, up to MOST, by a batch of reads; rows of all kinds and states."""
    return _counts(client, table, [f"{_read_name(column)} ne null" for column in columns])


def rows_of(client: Client, table: Table) -> int:
    """How many rows a table has, up to MOST."""
    return _counts(client, table, [""])[0]


def _counts(client: Client, table: Table, filters: Sequence[str]) -> list[int]:
    """Rows per filter, up to MOST. *Assumed*: an answer's count is of all rows, however few the page has."""
    head = f"{table.entity_set}?$select={table.primary_id}&$count=true"
    paths = [f"{head}&$filter={wanted}" if wanted else head for wanted in filters]
    headers = {"Accept": "application/json", "Prefer": "odata.maxpagesize=1"}
    answers = _read_all(client, [Operation("GET", path, headers=headers) for path in paths])
    return [int(answer["@odata.count"]) for answer in answers]


def _read_name(column: Column) -> str:
    return f"_{column.name}_value" if column.kind in _LOOKUPS else column.name


def dependents(client: Client, components: Sequence[tuple[int, str]]) -> list[list[Dependent]]:
    """Per component, given as (type, id), what keeps it from being deleted."""
    paths = [f"RetrieveDependenciesForDelete(ObjectId={component},ComponentType={kind})" for kind, component in components]
    answers = _read_all(client, [Operation("GET", path, headers={"Accept": "application/json"}) for path in paths])
    return [
        [Dependent(int(row["dependentcomponenttype"]), row["dependentcomponentobjectid"].lower()) for row in answer["value"]]
        for answer in answers
    ]


def counted(found: Sequence[Dependent]) -> str:
    """Dependents in words: 2 views, 1 process."""
    counts = Counter(one.word for one in found)
    return ", ".join(f"{count} {word}{'s' * (count != 1)}" for word, count in sorted(counts.items()))


def components_of(client: Client, solution_id: str) -> set[str]:
    """Ids of what a solution holds, without the tables that it holds a part of only."""
    rows = client.rows(
        "solutioncomponents",
        select=["objectid", "componenttype", "rootcomponentbehavior"],
        filter=f"_solutionid_value eq {solution_id}",
    )
    return {row["objectid"].lower() for row in rows if row["componenttype"] != TABLE or row.get("rootcomponentbehavior") in (None, _WHOLE)}


def delete_column(client: Client, table: str, name: str) -> None:
    """Delete a column with its values; one that is gone is left so. Raises DataverseRefused where something depends on it."""
    _delete(client, f"EntityDefinitions(LogicalName='{table}')/Attributes(LogicalName='{name}')")


def delete_relationship(client: Client, schema_name: str) -> None:
    """Delete a relationship with the lookup that it made; one that is gone is left so. Raises DataverseRefused as `delete_column` does."""
    _delete(client, f"RelationshipDefinitions(SchemaName='{schema_name}')")


def delete_table(client: Client, name: str) -> None:
    """Delete a table with its rows and columns; one that is gone is left so. Raises DataverseRefused as `delete_column` does."""
    _delete(client, f"EntityDefinitions(LogicalName='{name}')")


def delete_solution(client: Client, solution_id: str) -> None:
    """Delete an unmanaged solution: what it holds stays."""
    _delete(client, f"solutions({solution_id})")


def delete_publisher(client: Client, publisher_id: str) -> None:
    """Delete a publisher. Raises DataverseRefused where a solution is of it."""
    _delete(client, f"publishers({publisher_id})")


def _delete(client: Client, path: str) -> None:
    """Whoever deletes again after a lost answer finds nothing there."""
    with suppress(RowMissing):
        client.send("DELETE", path, repeatable=True)


def _read_all(client: Client, reads: Sequence[Operation]) -> list[dict[str, Any]]:
    answers = []
    for start in range(0, len(reads), AT_ONCE):
        answers += [_body(outcome) for outcome in client.batch(reads[start : start + AT_ONCE], repeatable=True)]
    return answers


def _body(outcome: Outcome) -> dict[str, Any]:
    if outcome.ok and outcome.body is not None:
        return outcome.body
    payload = {"error": {"code": outcome.code, "message": outcome.message}}
    raise from_refusal(HttpRefused("A read of the schema was refused.", status=outcome.status, body=outcome.message, payload=payload))

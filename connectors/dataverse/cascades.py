"""What deleting a row does to the rows that point at it, as the destination's own relationships say.

Source: learn.microsoft.com/power-apps/developer/data-platform/configure-entity-relationship-cascading-behavior
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from connectors.dataverse.client import NS, Client, Operation, Outcome
from connectors.dataverse.errors import from_refusal
from connectors.http import HttpRefused

CASCADE, RESTRICT = "Cascade", "Restrict"
_OF_RELATION = "ReferencingEntity,ReferencingAttribute,CascadeConfiguration"
_OF_TABLE = "LogicalName,EntitySetName,PrimaryIdAttribute"
_READ_BY = ("createdby", "modifiedby")
_TABLES_AT_ONCE = 50
_IDS_AT_ONCE = 500  # of an address, which has room for some 600
_READS_AT_ONCE = 50  # of a batch; each has an address of some 20,000 characters


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows of `table` whose `column` points at a row go with it when it is deleted (Cascade), or keep it from being deleted (Restrict).

    columns: of createdby, modifiedby and the asked ones, those that the table has, as they are read.
    """

    table: str
    entity_set: str
    primary_id: str
    column: str
    on_delete: str
    columns: tuple[str, ...]

    @property
    def key(self) -> str:
        """The lookup as it is read."""
        return f"_{self.column}_value"


def relations(client: Client, table: str, asked: Sequence[str] = ()) -> list[Relation]:
    """The relationships by which rows hang under those of a table. asked: further columns of theirs that are of interest."""
    answer = client.get(f"EntityDefinitions(LogicalName='{table}')/OneToManyRelationships", params={"$select": _OF_RELATION})
    found = [
        (entry["ReferencingEntity"], entry["ReferencingAttribute"], (entry.get("CascadeConfiguration") or {}).get("Delete", ""))
        for entry in answer["value"]
    ]
    found = sorted(entry for entry in set(found) if entry[2] in (CASCADE, RESTRICT))
    tables = _tables(client, sorted({name for name, _, _ in found}), asked)
    return [Relation(name, *tables[name][:2], column, on_delete, tables[name][2]) for name, column, on_delete in found if name in tables]


def _tables(client: Client, names: Sequence[str], asked: Sequence[str]) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Table -> entity set, primary key, columns to read; those without an entity set can't be read and aren't among them."""
    found = {}
    for start in range(0, len(names), _TABLES_AT_ONCE):
        some = names[start : start + _TABLES_AT_ONCE]
        paths = [f"EntityDefinitions(LogicalName='{name}')" for name in some]
        reads = [f"{path}?$select={_OF_TABLE}" for path in paths] + [f"{path}/Attributes?$select=LogicalName" for path in paths]
        answers = [_answered(one) for one in client.batch([Operation("GET", path) for path in reads], repeatable=True)]
        for name, head, columns in zip(some, answers[: len(some)], answers[len(some) :], strict=True):
            if head.get("EntitySetName"):
                there = {entry["LogicalName"] for entry in columns["value"]}
                by = [f"_{column}_value" for column in _READ_BY if column in there]
                found[name] = (head["EntitySetName"], head["PrimaryIdAttribute"], (*by, *(one for one in asked if one in there)))
    return found


def _answered(outcome: Outcome) -> dict[str, Any]:
    if outcome.ok and outcome.body is not None:
        return outcome.body
    payload = {"error": {"code": outcome.code, "message": outcome.message}}
    raise from_refusal(HttpRefused("Reading relationships was refused.", status=outcome.status, body=outcome.message, payload=payload))


def hanging(client: Client, relations: Sequence[Relation], ids: Sequence[str]) -> Iterator[tuple[Relation, Mapping[str, Any]]]:
    """The rows that point at rows with these ids, each with its relation: primary key, the lookup, and the relation's columns."""
    for start in range(0, len(ids), _IDS_AT_ONCE):
        some = ids[start : start + _IDS_AT_ONCE]
        for first in range(0, len(relations), _READS_AT_ONCE):
            asked = relations[first : first + _READS_AT_ONCE]
            reads = [Operation("GET", f"{one.entity_set}?{_query(one, some)}") for one in asked]
            for relation, outcome in zip(asked, client.batch(reads, repeatable=True), strict=True):
                yield from ((relation, row) for row in _whole(client, relation, some, _answered(outcome)))


def _whole(client: Client, relation: Relation, ids: Sequence[str], answer: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All rows of an answer; one that goes on is read anew, page by page, since a batch has no pages."""
    if "@odata.nextLink" not in answer:
        yield from answer["value"]
        return
    yield from client.rows(relation.entity_set, select=_select(relation), filter=_filter(relation, ids))


def _query(relation: Relation, ids: Sequence[str]) -> str:
    return f"$select={','.join(_select(relation))}&$filter={quote(_filter(relation, ids))}"


def _select(relation: Relation) -> list[str]:
    return [relation.primary_id, relation.key, *relation.columns]


def _filter(relation: Relation, ids: Sequence[str]) -> str:
    listed = ",".join(f'"{row_id}"' for row_id in ids)
    return f"{NS}.In(PropertyName='{relation.column}',PropertyValues=[{listed}])"

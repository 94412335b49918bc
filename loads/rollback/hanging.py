"""What hangs under rows that are to be removed: rows that go along or forbid it, by the destination's own relationships.

Rows that the service made itself because of ours are followers: they go with their row. All others that this rollback doesn't take away
belong to somebody, and keep the row.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from connectors.dataverse.cascades import Relation, hanging
from connectors.dataverse.client import Client
from loads.destination import RUN_ID, Destination

NAMED = 3  # rows that a reason names


@dataclass(frozen=True, slots=True)
class Child:
    """A row that hangs under one to be removed. mark: the run that wrote it last, by its own column."""

    table: str
    row_id: str
    parent: str
    column: str
    mark: str | None
    ours: bool

    @property
    def follows(self) -> bool:
        """Whether the service made it itself because of ours: no run marked it and nobody else had a hand in it."""
        return self.ours and self.mark is None


class Standing(Protocol):
    """What is asked about rows before one is removed. is_last_look: what hangs under the ones that leave is looked at now, or never."""

    is_last_look: bool

    def leaving(self, children: Sequence[Child]) -> set[str]:
        """Ids of those that this rollback takes away, or puts under another row."""

    def pointing(self, ids: Sequence[str]) -> Iterator[tuple[str, str, str]]:
        """(row id, table, row id of a kept row): rows of the load that are kept and look up to these."""


@dataclass(slots=True)
class Under:
    """What hangs under some rows: row id -> tables and ids of others' rows, and how many followers of each table."""

    others: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    followers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def words(self, row_id: str) -> str:
        """The others' rows of one, a few by name."""
        rows = sorted((table, other) for other, table in self.others[row_id].items())
        named = ", ".join(f"{table} {other}" for table, other in rows[:NAMED])
        return f"{named} and {len(rows) - NAMED} more" if len(rows) > NAMED else named


def look_under(destination: Destination, client: Client, table: str, ids: Sequence[str], standing: Standing) -> Under:
    """What hangs under rows of a table, under followers and what goes along with them too, and which kept rows look up to them."""
    found, seen = Under(), set[str]()
    for row_id, pointing_table, kept in standing.pointing(ids):
        found.others[row_id][kept] = pointing_table
    levels = [(table, {row_id: row_id for row_id in ids})]
    while levels:
        name, tops = levels.pop()
        read = hanging(client, destination.relations(name), list(tops))
        children = [_child(destination, relation, row) for relation, row in read]
        gone = standing.leaving(children)
        following: dict[str, dict[str, str]] = defaultdict(dict)
        for child in children:
            top = tops[child.parent]
            leaves = child.row_id in gone
            if not (leaves or child.follows):
                found.others[top].setdefault(child.row_id, child.table)
                continue
            if child.row_id in seen or (leaves and not standing.is_last_look):
                continue
            seen.add(child.row_id)
            following[child.table][child.row_id] = top
            if not leaves:
                found.followers[top][child.table] += 1
        levels += following.items()
    return found


def _child(destination: Destination, relation: Relation, row: Mapping[str, Any]) -> Child:
    """Of a table that doesn't say who made its rows, such as parties, each is the service's."""
    by = [str(row.get(name) or "").lower() for name in relation.columns if name.startswith("_")]
    return Child(
        table=relation.table,
        row_id=str(row[relation.primary_id]).lower(),
        parent=str(row[relation.key]).lower(),
        column=relation.key,
        mark=row.get(destination.own(RUN_ID)),
        ours=all(who in destination.user_ids for who in by),
    )

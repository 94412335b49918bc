"""Placeholder parents: rows that stand for parents which the source doesn't have, or that somebody removed at the destination, where a
remedy says so; one for all that name it.

A placeholder has the id that the parent's own row would have. When the parent comes it takes the row over, as an update of it, and what
hangs under the row stays; a person among others takes over the table too, whatever the matrix would have chosen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa

from connectors import store
from connectors.dataverse.metadata import Table
from loads import crosswalk, staged
from loads.crosswalk import Given
from loads.destination import SOURCE_ID
from loads.models import Crosswalk, Run
from loads.staging.context import StagingContext
from loads.staging.record_rows import TableRows
from loads.staging.rows import Draft
from loads.verification import BIND
from mapping.objects import may_be_stood_for
from mapping.quality import remedies
from mapping.quality.remedies import APART, PLACEHOLDER
from mapping.rowids import row_id
from mapping.transforms import cut

NAMES = {"contact": "lastname", "lead": "lastname"}  # where a row's name is made of others
KEPT = pa.schema(
    [("parent", pa.string()), ("source_id", pa.string()), ("table", pa.string()), ("row_id", pa.string()), ("made", pa.bool_())]
)
STANDING = pa.schema([("name", pa.string()), ("row_id", pa.string())])


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A row in a missing parent's place. parent: its object. made: by this run; else it is at the destination already."""

    parent: str
    source_id: str
    table: str
    row_id: str
    made: bool

    @property
    def key(self) -> str:
        """As rows name what they wait for."""
        return f"{self.table}:{self.row_id}"


def of_run(run: Run, object_name: str) -> list[Placeholder]:
    """The placeholders under which an object's rows hang."""
    path = _path(run, object_name)
    return [Placeholder(**row) for row in store.read_rows(path)] if path.exists() else []


def _path(run: Run, object_name: str) -> Path:
    return staged.folder(run) / f"{object_name}-placeholders.parquet"


def stand_in(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str) -> None:
    """Let placeholders stand for what `resolved` didn't find or was removed, for the records that have the remedy, and others do without.

    Needs `ided`; safe to repeat.
    """
    quality = context.contents["quality"]
    records = remedies.records_with(PLACEHOLDER, object_name, quality)
    con.execute(_APART, {"records": remedies.records_with(APART, object_name, quality)})
    found: list[Placeholder] = []
    for number, rule in enumerate(context.objects[object_name]["parents"] if records else (), start=1):
        table = _table(context, object_name, rule)
        if table is not None and rule["absent"] == "hold":
            wanted = {"n": number, "records": records}
            names = [name for (name,) in con.execute(f"SELECT DISTINCT name FROM ({_WANTED}) ORDER BY name", wanted).fetchall()]  # noqa: S608 - our own
            standing = list(_standing(context, rule["parent"], table, names))
            store.fill(con, "standing", STANDING, ((one.source_id, one.row_id) for one in standing))
            con.execute(_STAND_IN, {**wanted, "table": table.name})
            con.execute("DROP TABLE standing")
            found += standing
    with store.ParquetFile(_path(context.run, object_name), KEPT) as file:
        for one in found:
            file.add(*astuple(one))


_APART = """
    UPDATE resolved SET absent = 'leave' FROM ided i
    WHERE i.position = resolved.position AND removed AND list_contains($records, left(sha256(i.source_id), 24))
"""
_WANTED = """
    SELECT r.position, CASE WHEN r.removed THEN r.source_id ELSE i.parents[$n][1] END AS name FROM resolved r JOIN ided i USING (position)
    WHERE r.number = $n AND r.named AND (NOT r.found OR r.removed) AND left(sha256(i.source_id), 24) IN (SELECT unnest($records))
"""
_STAND_IN = f"""
    UPDATE resolved SET found = true, removed = false, source_id = s.name, disposition = 'planned', "table" = $table, row_id = s.row_id
    FROM (SELECT position, name, st.row_id FROM ({_WANTED}) JOIN standing st USING (name)) s
    WHERE resolved.position = s.position AND resolved.number = $n
"""  # noqa: S608 - our own


def _table(context: StagingContext, object_name: str, rule: Mapping[str, Any]) -> Table | None:
    """The first table of the parent's that the lookup leads to, other than the object's own; None where no name alone makes a row."""
    if rule["parent"] not in context.objects or not may_be_stood_for(context.kind_of(rule["parent"])):
        return None
    own = context.tables_of(object_name)
    of = TableRows(context, object_name, own[0])
    names = (name for name in context.tables_of(rule["parent"]) if name not in own and of.navigation(rule["column"], name))
    return next((context.destination.table(name) for name in names), None)


def _standing(context: StagingContext, parent: str, table: Table, names: Sequence[str]) -> Iterator[Placeholder]:
    """A row for each name: the one that the name had before, or one of its own; entered as what the name will have."""
    rows = Crosswalk.objects.filter(environment=context.run.environment, object_name=parent, table=table.name, role="", source_id__in=names)
    known = {source_id: str(given) for source_id, given in rows.values_list("source_id", "row_id")}
    new = {name: row_id(context.engagement.slug, parent, name, table.name) for name in names if name not in known}
    crosswalk.follow(context.run.environment, parent, [Given(name, table.name, given) for name, given in new.items()])
    ids = known | new
    there = context.destination.client.present(table.entity_set, table.primary_id, list(ids.values())) if ids else set()
    _forget_applied(context, table, [given for given in known.values() if given not in there])
    there |= {one.row_id for name in context.run.staged for one in of_run(context.run, name)}  # of the objects before
    for name in names:
        yield Placeholder(parent, name, table.name, ids[name], ids[name] not in there)


def _forget_applied(context: StagingContext, table: Table, row_ids: Sequence[str]) -> None:
    """Rows that were there and are made as placeholders hold nothing of what was applied to them: who comes writes all of it."""
    lost = Crosswalk.objects.filter(environment=context.run.environment, table=table.name, row_id__in=[UUID(one) for one in row_ids])
    lost.update(applied_hash="", applied_run=None)


def drafts(context: StagingContext, object_name: str) -> Iterator[tuple[str, Draft]]:
    """The placeholders that the run makes: rows that say what they are by their name and by their source id."""
    for one in of_run(context.run, object_name):
        if one.made:
            source_id = f"@{one.parent}:{one.source_id}"
            values = _values(context, context.destination.table(one.table), f"{one.parent} {one.source_id}", f"{object_name}:{source_id}")
            yield one.table, Draft(one.row_id, source_id, 0, "", Crosswalk.Origin.CREATED, False, "", values)


def _values(context: StagingContext, table: Table, what: str, source_id: str) -> dict[str, Any]:
    texts = {NAMES.get(table.name, table.primary_name): f"Placeholder for {what}", f"{context.prefix}_{SOURCE_ID}": source_id}
    limits = {name: table.columns[name].max_length or len(text) for name, text in texts.items() if name in table.columns}
    values: dict[str, Any] = {name: cut(texts[name], limit) for name, limit in limits.items()}
    if "ownerid" in table.columns and (owner := context.owners.get("")):
        values[f"ownerid{BIND}"] = owner
    return values

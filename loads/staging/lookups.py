"""Lookups that can't be part of a row's creation: staged once all objects are, and set once all rows are there.

They lead to records of the same object, close a circle between objects, or are of objects whose own staging binds none, see
`mapping.objects.load_order`. One without a row to lead to stays open, and its record says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import duckdb
import orjson
import pyarrow as pa

from connectors import landing, store
from loads import staged
from loads.models import Crosswalk, LedgerEntry, Phase
from loads.reasons import reason
from loads.staging import judging, known, phases
from loads.staging.context import StagingContext
from loads.staging.merging import read_key
from loads.staging.record_rows import navigation_of
from loads.staging.rows import LateWriter
from loads.verification import BIND

KIND, OPEN = Phase.Kind.LOOKUPS, "lookup.open"
TOGETHER = 50_000  # records whose lookups are put together at once
NAMED = pa.schema([("position", pa.int64()), ("problem", pa.string()), ("parents", pa.list_(pa.list_(pa.string())))])
WAYS = pa.schema(
    [("table", pa.string()), ("number", pa.int32()), ("target", pa.string()), ("column", pa.string()), ("key", pa.string())]
)  # fmt: skip
IDS = pa.schema([("row_id", pa.string())])


class Way(NamedTuple):
    """How a rule's lookup leads from a table to another. number: the rule's place, from 1. column, key: as it is read, and bound."""

    table: str
    number: int
    target: str
    column: str
    key: str


class Binding(NamedTuple):
    """A row with lookups to set. new: made by this run. said: what it was staged with when they were set last. parents: see `_TOGETHER`."""

    position: int
    row_id: str
    source_id: str
    role: str
    new: bool
    origin: str
    said: str | None
    parents: Sequence[Mapping[str, Any]]


def left(context: StagingContext) -> list[str]:
    """The objects that have such lookups, which aren't staged yet."""
    done = set(context.run.phases.filter(kind=KIND).values_list("object_name", flat=True))
    names = {name for name, _ in context.order.late if name in context.order.names}
    return [name for name in context.order.names if name in names - done and _ways(context, name)]


def stage(context: StagingContext, object_name: str) -> None:
    """Stage an object's late lookups, and say of records which of theirs stay open; safe to repeat. All objects must be staged."""
    ways = _ways(context, object_name)
    tables = list(dict.fromkeys(way.table for way in ways))
    with store.database() as con:
        store.fill(con, "ways", WAYS, ways)
        store.fill(con, "ided", NAMED, _named(context, object_name))
        judging.resolve_parents(con, context, object_name, late=True)
        context.beat()
        _load_made(con, context, object_name)
        for table in tables:
            _load_last(con, context, object_name, table)
            _write(con, context, object_name, table)
        _tell_open(con, context, object_name)
    phases.add(context.run, object_name, KIND, tables, context.worker)


def _rules(context: StagingContext, object_name: str) -> list[tuple[int, Mapping[str, Any]]]:
    """The rules of lookups that are set late, with their places."""
    rules = enumerate(context.objects[object_name]["parents"], start=1)
    return [(number, rule) for number, rule in rules if rule["parent"] in context.order.names and context.order.is_late(object_name, rule)]


def _ways(context: StagingContext, object_name: str) -> list[Way]:
    rules = _rules(context, object_name)
    tables = [context.destination.table(name) for name in context.tables_of(object_name)] if rules else []
    return [
        Way(table.name, number, target, read_key(table, navigation + BIND), navigation + BIND)
        for table in tables
        for number, rule in rules
        for target in context.tables_of(rule["parent"])
        if (navigation := navigation_of(table, rule["column"], rule["columns"], target))
    ]


def _named(context: StagingContext, object_name: str) -> Iterator[tuple[int, str | None, list[list[str]]]]:
    """The names of parents that each record gives, a list per rule; of other rules none."""
    late = {number: judging.names_reader(context, rule["keys"]) for number, rule in _rules(context, object_name)}
    numbers = range(1, len(context.objects[object_name]["parents"]) + 1)
    for landed in landing.scan(context.dataset(object_name)):
        record = landing.parse(landed.raw)[0] if landed.problem is None else None
        yield landed.position, landed.problem, [late[n](record) if record is not None and n in late else [] for n in numbers]
        if not landed.position % 5_000:
            context.beat()


def _load_made(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str) -> None:
    """Table `made` (row_id): parents' rows that this run makes, to which no row at the destination can lead."""
    parents = {rule["parent"] for _, rule in _rules(context, object_name)}
    files = [path for name in sorted(parents) for table in context.tables_of(name) for path in staged.parts(context.run, name, table)]
    store.fill(con, "made", IDS, ())
    if files:
        con.execute("INSERT INTO made SELECT row_id FROM read_parquet(?) WHERE action = 'create'", [[str(path) for path in files]])


def _load_last(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str, table: str) -> None:
    """Table `last` (row_id, said): what a row's lookups were set to by the newest run that set any."""
    con.execute("CREATE OR REPLACE TABLE last (row_id VARCHAR, said VARCHAR)")
    for phase in known.done_before(context, object_name, table, KIND):
        if known.outlived(phase) or not (paths := staged.rows_of(phase)):
            continue
        store.fill(con, "undone", IDS, ((row_id,) for row_id in _undone(phase)))
        con.execute(_LATER, {"paths": [str(path) for path in paths]})
        con.execute("DROP TABLE undone")
        context.beat()


_LATER = """
    CREATE OR REPLACE TABLE last AS
    WITH later AS (SELECT row_id, decode("values") AS said FROM read_parquet($paths) WHERE row_id NOT IN (SELECT row_id FROM undone))
    SELECT * FROM later UNION ALL SELECT * FROM last WHERE row_id NOT IN (SELECT row_id FROM later)
"""


def _undone(phase: Phase) -> Iterator[str]:
    """Rows of which a phase didn't set the lookups, or of which a rollback took that back."""
    yield from map(str, LedgerEntry.objects.filter(phase=phase, row_id__isnull=False).values_list("row_id", flat=True).iterator())
    for back in Phase.objects.filter(undoes=phase, finished_at__isnull=False).select_related("run__engagement"):
        stays = {str(row_id) for row_id in LedgerEntry.objects.filter(phase=back).values_list("row_id", flat=True)}
        yield from (row["row_id"] for row in staged.identities(staged.rows_of(back)) if row["row_id"] not in stays)


def _write(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str, table: str) -> None:
    """The staged files of a table's lookups, a range of records each."""
    paths = [str(path) for path in staged.parts(context.run, object_name, table)]
    if not paths:
        return
    con.execute(_BINDING, {"paths": paths, "table": table})
    [(records,)] = con.execute("SELECT coalesce(max(position) + 1, 0) FROM binding").fetchall()
    for number, start in enumerate(range(0, records, TOGETHER)):
        with LateWriter(context, object_name, table, KIND, number) as writer:
            cursor = con.cursor().execute(_TOGETHER, {"start": start, "stop": start + TOGETHER})
            while batch := cursor.fetchmany(store.ROWS_PER_GROUP):
                for row in batch:
                    _add(writer, context, table, Binding._make(row))
        context.beat()


# Rows that all records share, and the leads that people were before they became contacts, are no record's main rows.
_BINDING = """
    CREATE OR REPLACE TABLE binding AS
    SELECT s.position, s.row_id, s.source_id, s.role, s.action = 'create' AS new, s.origin, r.number, r."table" AS target,
           r.row_id AS parent, w."column", w.key, m.row_id IS NOT NULL AS made
    FROM read_parquet($paths) s JOIN resolved r USING (position)
    JOIN ways w ON w."table" = $table AND w.number = r.number AND w.target = r."table"
    LEFT JOIN made m ON m.row_id = r.row_id
    WHERE s.main_table = $table AND NOT starts_with(s.source_id, '@') AND r.row_id IS NOT NULL
"""
_TOGETHER = """
    SELECT b.position, b.row_id, b.source_id, b.role, b.new, b.origin, any_value(l.said),
           list({target: b.target, id: b.parent, "column": b."column", key: b.key, made: b.made} ORDER BY b.number)
    FROM binding b LEFT JOIN last l USING (row_id) WHERE b.position >= $start AND b.position < $stop
    GROUP BY b.position, b.row_id, b.source_id, b.role, b.new, b.origin ORDER BY b.position, b.role
"""


def _add(writer: LateWriter, context: StagingContext, table: str, row: Binding) -> None:
    """One row's lookups; a column that two rules fill leads where the first one does that finds a row."""
    parents = {parent["column"]: parent for parent in reversed(row.parents)}
    last = orjson.loads(row.said)["ids"] if row.said and not row.new else {}
    values = {
        "ids": {column: parent["id"] for column, parent in parents.items()},
        "binds": {
            column: [parent["key"], context.destination.address(parent["target"], parent["id"])] for column, parent in parents.items()
        },
        "last": {column: last[column] for column, parent in parents.items() if column in last and not _is_lost(parent, last[column])},
        "ours": row.origin == Crosswalk.Origin.CREATED,
    }
    needed = [f"{parent['target']}:{parent['id']}" for parent in parents.values()]
    origin = row.origin if row.new else Crosswalk.Origin.MATCHED
    writer.add(row.row_id, row.source_id, row.position, table, values, needed, row.role, origin)


def _is_lost(parent: Mapping[str, Any], last: str) -> bool:
    """Whether what a lookup was set to isn't there any more, so that the service emptied it: this run makes the row anew."""
    return bool(parent["made"] and parent["id"] == last)


def _tell_open(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str) -> None:
    """Say of each record that loads which of its lookups have no row to lead to, and why."""
    rules = context.objects[object_name]["parents"]
    for number, path in enumerate(staged.parts(context.run, object_name, staged.DISPOSITIONS_KIND)):
        changed: dict[int, tuple[str, bytes]] = {}
        for position, disposition, reasons, found in con.execute(_OPEN, [str(path)]).fetchall():
            others = [one for one in orjson.loads(reasons) if one["code"] != OPEN]
            told = [_open(rules[one["number"] - 1], one["name"], one["why"]) for one in found]
            changed[position] = disposition, orjson.dumps(others + told)
        if changed:
            phases.rewrite(context.run, object_name, number, changed)
        context.beat()


def _open(rule: Mapping[str, Any], name: str, why: str) -> dict[str, str]:
    return reason(OPEN, field=rule["column"], detail=f"{rule['parent']} {name}: {why}")


_OPEN = """
    WITH takes AS (SELECT DISTINCT "table", number FROM ways)
    SELECT d.position, any_value(d.disposition), any_value(d.reasons), list({number: r.number, name: i.parents[r.number][1],
           why: CASE WHEN NOT r.found THEN 'not in the source' WHEN r.row_id IS NOT NULL THEN 'a row of ' || r."table"
                     WHEN r.disposition IN ('held', 'rejected', 'skipped') THEN r.disposition ELSE 'no row' END} ORDER BY r.number)
    FROM read_parquet(?) d JOIN resolved r USING (position) JOIN ided i USING (position)
    JOIN takes t ON t."table" = d.main_table AND t.number = r.number
    LEFT JOIN ways w ON w."table" = d.main_table AND w.number = r.number AND w.target = r."table"
    WHERE d.disposition = 'planned' AND r.named AND (r.row_id IS NULL OR w.number IS NULL)
    GROUP BY d.position
"""

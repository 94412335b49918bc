"""Which rows an object's records have already: by the crosswalk, or where nothing points at them by the staged files of the last run."""

from collections.abc import Iterable, Iterator

import duckdb
import pyarrow as pa
from django.db.models import QuerySet

from connectors.dataverse.metadata import Table
from connectors.store import fill
from loads import ledger, staged
from loads.destination import SOURCE_ID
from loads.models import LedgerEntry, Phase
from loads.staging import existing
from loads.staging.context import StagingContext

LOOKED_UP = 5_000  # ids at once
ABSENT = pa.schema([("row_id", pa.string())])
ROWS = pa.schema([("table", pa.string()), ("row_id", pa.string()), ("key", pa.string())])


def load_known(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str) -> None:
    """Table `xw`, as `existing.load_crosswalk` makes it."""
    if context.objects[object_name]["record"]["crosswalk"]:
        existing.load_crosswalk(con, context.crosswalk_rows(object_name))
        return
    existing.load_crosswalk(con, ())
    for phase in last_phases(context, object_name):
        _insert_staged(con, phase)


def last_phases(context: StagingContext, object_name: str) -> Iterator[Phase]:
    """Per table the newest phase of rows that balanced in this environment before this run."""
    for table in context.tables_of(object_name):
        if phase := done_before(context, object_name, table, Phase.Kind.ROWS).last():
            yield phase


def done_before(context: StagingContext, object_name: str, table: str, kind: str) -> "QuerySet[Phase]":
    """The phases of a table and kind that balanced in this environment before this run, the newest last."""
    done = Phase.objects.filter(
        run__environment=context.run.environment, run_id__lt=context.run.pk, object_name=object_name, table=table, kind=kind,
        state=Phase.State.BALANCED, undoes=None,
    )  # fmt: skip
    return done.select_related("run__engagement", "run__environment").order_by("run_id")


def outlived(phase: Phase) -> bool:
    """Whether the environment was copied anew since: what is there of the phase's rows is looked up, and compared value by value."""
    refreshed_at = phase.run.environment.refreshed_at
    return refreshed_at is not None and (phase.finished_at is None or phase.finished_at < refreshed_at)


def _insert_staged(con: duckdb.DuckDBPyConnection, phase: Phase) -> None:
    """What a phase left at the destination: its staged rows without those that it couldn't make.

    A row that was there and wasn't changed, as where a person edited it, is there still; what it holds isn't known by its hash. One that
    somebody removed before the phase ended is as one that is removed later.
    """
    absent = ledger.never_there(phase).values_list("row_id", flat=True)
    fill(con, "absent", ABSENT, ((str(row_id),) for row_id in absent.iterator(chunk_size=2_000)))
    con.execute(
        """INSERT INTO xw SELECT source_id, $table, role, row_id, false, origin, CASE WHEN $outlived THEN 'planned' ELSE 'present' END,
                                 CASE WHEN a.row_id IS NULL AND NOT $outlived THEN applied_hash ELSE '' END
           FROM read_parquet($paths) LEFT JOIN absent a USING (row_id) WHERE a.row_id IS NULL OR action <> 'create'""",
        {"table": phase.table, "outlived": outlived(phase), "paths": [str(path) for path in staged.rows_of(phase)]},
    )
    con.execute("DROP TABLE absent")
    for rollback in phase.taken_back_since():
        _take_back(con, rollback)


def _take_back(con: duckdb.DuckDBPyConnection, phase: Phase) -> None:
    """Leave out what a rollback removed; what it restored holds other values than the load gave it."""
    stays = LedgerEntry.objects.filter(phase=phase, row_id__isnull=False).values_list("row_id", flat=True)
    fill(con, "stays", ABSENT, ((str(row_id),) for row_id in stays.iterator(chunk_size=2_000)))
    names = {"paths": [str(path) for path in staged.rows_of(phase)], "action": "remove"}
    of_action = "SELECT row_id FROM read_parquet($paths) WHERE action = $action AND row_id NOT IN (SELECT row_id FROM stays)"
    if names["paths"]:
        con.execute(f"DELETE FROM xw WHERE row_id IN ({of_action})", names)  # noqa: S608 - names of our own
        con.execute(f"UPDATE xw SET applied_hash = '' WHERE row_id IN ({of_action})", {**names, "action": "restore"})  # noqa: S608
    con.execute("DROP TABLE stays")


def load_there(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str) -> None:
    """Table `everyone` ("table", row_id, key): rows of ours that are at the destination, and where the object is matched by a column
    all rows of its main table, with that column's text in lower case. Needs `xw`; asks nothing where nothing can be there."""  # fmt: skip
    [(known,)] = con.execute("SELECT count(*) FROM xw").fetchall()
    fill(con, "everyone", ROWS, _rows(con.cursor(), context, object_name, anything=bool(known)))


def _rows(
    con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str, *, anything: bool
) -> Iterable[tuple[str, str, str | None]]:
    match, destination = context.objects[object_name]["record"]["match"], context.destination
    for place, name in enumerate(context.tables_of(object_name)):
        by = match if place == 0 else ""
        table = destination.table(name)
        own = destination.own(SOURCE_ID)
        if own not in table.columns and not by:
            yield from ((name, row_id, None) for row_id in _present(con, context, table))
            continue
        if not (by or anything):
            continue
        wanted = None if by else f"startswith({own},'{object_name}:')"
        for row in destination.client.rows(table.entity_set, select=[table.primary_id, *([by] if by else [])], filter=wanted):
            yield name, row[table.primary_id].lower(), str(row.get(by) or "").strip().lower() or None if by else None


def _present(con: duckdb.DuckDBPyConnection, context: StagingContext, table: Table) -> Iterator[str]:
    """Ids of `xw` whose rows exist, of a table that takes no column of ours to find them by."""
    cursor = con.execute('SELECT DISTINCT row_id FROM xw WHERE "table" = ?', [table.name])
    while batch := cursor.fetchmany(LOOKED_UP):
        yield from context.destination.client.present(table.entity_set, table.primary_id, [row_id for (row_id,) in batch])
        context.beat()

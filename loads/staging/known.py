"""Which rows an object's records have already: by the crosswalk, or where nothing points at them by the staged files of the last run."""

from collections.abc import Iterator, Sequence
from functools import partial

import duckdb
import pyarrow as pa
from django.db.models import QuerySet

from connectors.store import copy, database, fill
from loads import ledger, staged
from loads.destination import SOURCE_ID
from loads.models import Crosswalk, LedgerEntry, Phase
from loads.scans.forms import FOUND
from loads.scans.reading import Wanted, files, list_name
from loads.staging import existing
from loads.staging.context import StagingContext

ABSENT = pa.schema([("row_id", pa.string())])


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


def wanted(context: StagingContext, object_name: str) -> list[Wanted]:
    """What is read of the rows that are there: rows of ours, and where the object is matched by a column all rows of its main table.

    Nothing where nothing can be there. In tables that take no column of ours to find them by, the rows that we know are looked up.
    """
    match, destination = context.objects[object_name]["record"]["match"], context.destination
    found = []
    for place, name in enumerate(context.tables_of(object_name)):
        by, own = match if place == 0 else "", destination.own(SOURCE_ID)
        scan = partial(Wanted, _scan_name(object_name, name), name, form="found")
        if by:
            found.append(scan(columns=[by]))
        elif not _may_be_there(context, object_name):
            continue
        elif own in destination.table(name).columns:
            found.append(scan(filters=[f"startswith({own},'{object_name}:')"]))
        else:
            found.append(scan(ids=_ids(context, object_name, name)))
    return found


def scans(context: StagingContext, object_name: str) -> list[str]:
    """The names under which an object's rows may have been read."""
    return [_scan_name(object_name, name) for name in context.tables_of(object_name)]


def _scan_name(object_name: str, table: str) -> str:
    """What an object's rows of a table are read for."""
    return f"there-{object_name}-{table}"


def _may_be_there(context: StagingContext, object_name: str) -> bool:
    """Whether any row of the object was given an id, or staged, before this run."""
    if context.objects[object_name]["record"]["crosswalk"]:
        return Crosswalk.objects.filter(environment=context.run.environment, object_name=object_name).exists()
    return any(last_phases(context, object_name))


def _ids(context: StagingContext, object_name: str, table: str) -> str:
    """The name of a file with the ids of the rows of `xw` in a table."""
    name = list_name(_scan_name(object_name, table))
    if not context.path(name).exists():
        with database() as con:
            load_known(con, context, object_name)
            copy(con, f"SELECT DISTINCT row_id FROM xw WHERE \"table\" = '{table}'", context.path(name))  # noqa: S608 - names of our own
    return name


def load_there(con: duckdb.DuckDBPyConnection, context: StagingContext, there: Sequence[Wanted]) -> None:
    """Table `everyone` ("table", row_id, key): rows of ours that are at the destination, and where the object is matched by a column
    all rows of its main table, with that column's text in lower case. there: see `wanted`."""  # fmt: skip
    existing.read_kept(con, FOUND, files(context.run, *(one.name for one in there)))

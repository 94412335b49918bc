"""Rows of ours whose source records are gone: deleted at the source, merged there into others, or of people to be forgotten.

They stand outside the sums. They are left as they are and listed, or by signed choice deactivated, unless a person edited them since.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from uuid import UUID

import duckdb
from django.db import transaction

from connectors.store import batched
from loads.delta.models import Departed
from loads.destination import EDITOR
from loads.models import Phase
from loads.staging.context import StagingContext
from loads.staging.rows import LateWriter

DEACTIVATE = "deactivate"
# The state of a row that is no longer used, of the tables that have one and whose rows a source deletes.
INACTIVE: Mapping[str, tuple[int, int]] = {
    "account": (1, 2),
    "contact": (1, 2),
    "lead": (2, 7),
    "campaign": (1, 6),
    "list": (1, 1),
    "product": (1, 2),
}
DONE_BY: Mapping[str, str] = {Departed.Deed.DEACTIVATED: Phase.Kind.GONE, Departed.Deed.REMOVED: Phase.Kind.LEFT}
BATCH = 500
Row = tuple[str, str, str, str]  # source id, table, row id, cause


def keep(
    con: duckdb.DuckDBPyConnection,
    context: StagingContext,
    object_name: str,
    *,
    named: str,
    given: str,
    there: str,
    forgotten: Callable[[Sequence[str]], bool] = lambda names: False,
) -> None:
    """Keep the object's rows without a record, in place of those that were kept of this run; safe to repeat. Needs `xw`.

    named: SQL of (source_id, waits): the records that there are, and whether one waits or is left out. given: SQL of (source_id, "table",
    role, row_id): the rows that records have now. there: SQL of ("table", row_id): rows that are at the destination. forgotten: whether one
    of the names that led to a row is on the register of forgotten people.
    """
    rows = con.execute(_DEPARTED.format(named=named, given=given, there=there)).fetchall()
    found = [(*row, Departed.Cause.FORGOTTEN if forgotten(names) else cause) for *row, cause, names in rows]
    deactivated = _deactivated(context, object_name, found)
    record(context, object_name, ((*row, Departed.Deed.DEACTIVATED if row[2] in deactivated else Departed.Deed.LEFT) for row in found))


def record(context: StagingContext, object_name: str, found: Iterable[tuple[str, str, str, str, str]]) -> None:
    """Keep (source id, table, row id, cause, deed) in place of what was kept of the object in this run."""
    entries = (
        Departed(
            run=context.run, object_name=object_name, source_id=source_id, table=table, row_id=UUID(row_id), cause=cause, deed=deed,
        )
        for source_id, table, row_id, cause, deed in found
    )  # fmt: skip
    with transaction.atomic():
        Departed.objects.filter(run=context.run, object_name=object_name).delete()
        for batch in batched(entries, BATCH):
            Departed.objects.bulk_create(batch)


def late(context: StagingContext, object_name: str) -> list[tuple[str, str]]:
    """(table, kind of phase) of what is done with an object's rows without a record."""
    done = Departed.objects.filter(run=context.run, object_name=object_name, deed__in=DONE_BY)
    return sorted({(table, DONE_BY[deed]) for table, deed in done.values_list("table", "deed").distinct().order_by()})


def _deactivated(context: StagingContext, object_name: str, found: list[Row]) -> set[str]:
    """Stage the deactivation of the rows where the signed plan says so, and give back their ids; a sample loads, and does nothing else."""
    if context.contents["maps"].get("departed") != DEACTIVATE or context.run.is_sample:
        return set()
    done = set[str]()
    with ExitStack() as stack:
        for table in sorted({row[1] for row in found} & INACTIVE.keys()):
            writer = stack.enter_context(LateWriter(context, object_name, table, Phase.Kind.GONE))
            state = dict(zip(("statecode", "statuscode"), INACTIVE[table], strict=True))
            for source_id, row_id in _untouched(context, table, [row for row in found if row[1] == table]):
                writer.add(row_id, source_id, 0, "", state, ())
                done.add(row_id)
    return done


def _untouched(context: StagingContext, name: str, rows: list[Row]) -> Iterator[tuple[str, str]]:
    """(source id, row id) of rows that nobody else changed last."""
    table, destination = context.destination.table(name), context.destination
    for batch in batched(rows, BATCH):
        read = destination.client.retrieve(table.entity_set, table.primary_id, [row[2] for row in batch], [EDITOR])
        ours = {row[table.primary_id].lower() for row in read if str(row.get(EDITOR, "")).lower() in destination.user_ids}
        yield from ((source_id, row_id) for source_id, _, row_id, _ in batch if row_id in ours)
        context.beat()


# Every name that led to a row is gone, or is a record that has another row of its kind now. What waits, or is left out, isn't gone; a
# record without a row of that kind, such as a lead that became a contact, keeps the one it had. Rows that all records share have names
# with @.
_DEPARTED = """
    WITH named AS (SELECT source_id, bool_or(waits) AS waits FROM ({named}) GROUP BY source_id),
    given AS ({given}),
    there AS ({there}),
    moved AS (SELECT x."table", x.role, x.row_id, x.source_id, bool_or(g.row_id IS NOT NULL) AS moved FROM xw x
              LEFT JOIN given g ON g.source_id = x.source_id AND g."table" = x."table" AND g.role = x.role AND g.row_id <> x.row_id
              GROUP BY ALL),
    rows AS (
        SELECT x."table", x.row_id, min(x.source_id) FILTER (NOT x.alias) AS source_id,
               bool_or(x.state = 'present' AND NOT x.alias) AS landed,
               bool_and(CASE WHEN n.source_id IS NULL THEN true ELSE NOT n.waits AND m.moved END) AS departed,
               bool_or(n.source_id IS NOT NULL) AS merged, list(x.source_id) AS names
        FROM xw x JOIN moved m ON m."table" = x."table" AND m.role = x.role AND m.row_id = x.row_id AND m.source_id = x.source_id
        LEFT JOIN named n ON n.source_id = x.source_id
        WHERE x.origin = 'created' AND x.source_id NOT LIKE '@%'
        GROUP BY x."table", x.row_id)
    SELECT source_id, "table", row_id, CASE WHEN merged THEN 'merged' ELSE 'deleted' END, names FROM rows
    WHERE landed AND departed AND (row_id NOT IN (SELECT row_id FROM given)) AND row_id IN (SELECT row_id FROM there)
    ORDER BY "table", source_id
"""

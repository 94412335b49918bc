"""Rows of ours whose source records are gone: deleted at the source, merged there into others, or of people to be forgotten.

They stand outside the sums. They are left as they are and listed, or by signed choice deactivated, unless a person edited them since. Who
is to be forgotten is opted out of everything besides, in rows that were found there too, since the stricter answer always stands.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple
from uuid import UUID

import duckdb
from django.db import transaction

from connectors.store import batched
from loads.delta.models import Departed
from loads.destination import EDITOR
from loads.models import Phase
from loads.staging.context import StagingContext
from loads.staging.rows import LateWriter
from mapping.consent import Consent

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
DONE_BY: Mapping[str, str] = {
    Departed.Deed.DEACTIVATED: Phase.Kind.GONE,
    Departed.Deed.OPTED_OUT: Phase.Kind.GONE,
    Departed.Deed.REMOVED: Phase.Kind.LEFT,
}
BATCH = 500


class Gone(NamedTuple):
    """A row without a record. ours: whether we made it; of those that we found only the ones of forgotten people count."""

    source_id: str
    table: str
    row_id: str
    cause: str
    ours: bool


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
    had_rows = con.execute("SELECT 1 FROM xw LIMIT 1").fetchone()
    rows = con.execute(_DEPARTED.format(named=named, given=given, there=there)).fetchall() if had_rows else []
    found = [
        Gone(source_id, table, row_id, Departed.Cause.FORGOTTEN if forgotten(names) else cause, ours)
        for source_id, table, row_id, cause, ours, names in rows
    ]
    counted = [gone for gone in found if gone.ours or gone.cause == Departed.Cause.FORGOTTEN]
    settled = list(_settled(context, object_name, counted))
    record(context, object_name, ((gone.source_id, gone.table, gone.row_id, gone.cause, deed) for gone, deed in settled))


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


def _settled(context: StagingContext, object_name: str, found: Sequence[Gone]) -> Iterator[tuple[Gone, str]]:
    """Each row with what becomes of it, staged where it is changed; a sample loads, and does nothing else."""
    deactivates = context.contents["maps"].get("departed") == DEACTIVATE and not context.run.is_sample
    with ExitStack() as stack:
        for table in sorted({gone.table for gone in found}):
            rows, writer = [gone for gone in found if gone.table == table], None
            idle = set(_untouched(context, table, rows)) if deactivates and table in INACTIVE else set()
            for gone in rows:
                state = dict(zip(("statecode", "statuscode"), INACTIVE[table], strict=True)) if gone.row_id in idle else {}
                values = state | (_refusals(context, table) if gone.cause == Departed.Cause.FORGOTTEN and not context.run.is_sample else {})
                if values:
                    writer = writer or stack.enter_context(LateWriter(context, object_name, table, Phase.Kind.GONE))
                    writer.add(gone.row_id, gone.source_id, 0, "", values, ())
                yield gone, Departed.Deed.DEACTIVATED if state else Departed.Deed.OPTED_OUT if values else Departed.Deed.LEFT


def _refusals(context: StagingContext, table: str) -> dict[str, bool]:
    """Of somebody who is to be forgotten: nothing is sent to them any more, whoever changed the row since."""
    refused = Consent("out", "out", "out", "out").values(context.prefix)
    return {name: value for name, value in refused.items() if name in context.destination.table(table).columns}


def _untouched(context: StagingContext, name: str, rows: Sequence[Gone]) -> Iterator[str]:
    """Ids of rows that we made and that nobody else changed last."""
    table, destination = context.destination.table(name), context.destination
    for batch in batched((gone for gone in rows if gone.ours), BATCH):
        read = destination.client.retrieve(table.entity_set, table.primary_id, [gone.row_id for gone in batch], [EDITOR])
        yield from (row[table.primary_id].lower() for row in read if str(row.get(EDITOR, "")).lower() in destination.user_ids)
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
               bool_or(n.source_id IS NOT NULL) AS merged, bool_and(x.origin = 'created') AS ours, list(x.source_id) AS names
        FROM xw x JOIN moved m ON m."table" = x."table" AND m.role = x.role AND m.row_id = x.row_id AND m.source_id = x.source_id
        LEFT JOIN named n ON n.source_id = x.source_id
        WHERE x.source_id NOT LIKE '@%'
        GROUP BY x."table", x.row_id)
    SELECT source_id, "table", row_id, CASE WHEN merged THEN 'merged' ELSE 'deleted' END, ours, names FROM rows
    WHERE landed AND departed AND (row_id NOT IN (SELECT row_id FROM given)) AND row_id IN (SELECT row_id FROM there)
    ORDER BY "table", source_id
"""

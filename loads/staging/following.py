"""Records merged into one that a decision of the customer leaves out or holds: nobody of theirs arrives, so each says why and counts."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import orjson
import pyarrow as pa

from connectors import store
from loads import staged
from loads.reasons import reason
from loads.staging import phases
from loads.staging.context import StagingContext
from loads.staging.quality import Quality

SURVIVORS = pa.schema([("source_id", pa.string()), ("disposition", pa.string()), ("reasons", pa.binary())])


def follow(context: StagingContext, object_name: str) -> None:
    """Give merged records the disposition of their survivor where a decision keeps that from loading; safe to repeat.

    To be called once all records of the object are staged: a survivor may come after the records that were merged into it.
    """
    quality = Quality(context, object_name)
    paths = staged.parts(context.run, object_name, staged.DISPOSITIONS_KIND)
    if not quality.keeps_any or not paths:
        return
    with store.database() as con:
        con.execute("CREATE TABLE merged AS SELECT position, \"into\" FROM read_parquet(?) WHERE disposition = 'merged'", [_texts(paths)])
        kept = con.cursor().execute(
            """SELECT source_id, disposition, reasons FROM read_parquet(?)
               WHERE disposition IN ('skipped', 'held', 'rejected') AND source_id IN (SELECT "into" FROM merged)""",
            [_texts(paths)],
        )
        store.fill(con, "survivors", SURVIVORS, _decided(kept, quality))
        context.beat()
        for number, path in enumerate(paths):
            found = con.execute(
                """SELECT m.position, s.disposition, s.reasons FROM merged m JOIN survivors s ON s.source_id = m."into"
                   JOIN read_parquet(?) p USING (position)""",
                [str(path)],
            ).fetchall()
            if found:
                phases.rewrite(context.run, object_name, number, {position: changed for position, *changed in found})
            context.beat()


def _decided(rows: duckdb.DuckDBPyConnection, quality: Quality) -> Iterator[tuple[str, str, bytes]]:
    """Survivors that a decision keeps from loading, with what their merged records say then."""
    while batch := rows.fetchmany(store.ROWS_PER_GROUP):
        for source_id, disposition, reasons in batch:
            if keeping := quality.keeping(disposition, orjson.loads(reasons)):
                first, *others = keeping
                yield source_id, disposition, orjson.dumps([first, reason("cluster.with_survivor", detail=source_id), *others])


def _texts(paths: Sequence[Path]) -> list[str]:
    return [str(path) for path in paths]

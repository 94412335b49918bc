"""The destination counted: the rows that a phase wrote, exactly, however many they are.

The service's own counts end at 5,000 rows or are a day old, its aggregates at 50,000 (facts, section 5), so ids are paged; of many rows by
ranges of the moment at which they were made, which several workers count at once. Where the ranges are cut only says how even they are.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

import pyarrow as pa
from django.utils import timezone

from connectors import store
from loads import staged
from loads.destination import RUN_ID, Destination
from loads.models import LedgerEntry, Phase, Run
from loads.scans import reading
from loads.scans.reading import Wanted, is_read, list_name

PER_RANGE, MOST_RANGES = 100_000, 64  # rows, about
IDS = pa.schema([("row_id", pa.string())])
CREATED = "createdon"


def written_rows(run: Run, phase: Phase, destination: Destination, closing: Phase | None = None) -> int | None:
    """Rows at the destination that a load's phase wrote: by run id, or one by one in tables that take no column of ours.

    There a row that was changed can't be told from one that wasn't; it counts as written. None where they aren't counted yet: that is
    offered to the workers of `run`, the load itself or a rollback of it. closing: the phase that ends with the count.
    """
    if destination.own(RUN_ID) in destination.table(phase.table).columns:
        filters = _ranges(phase, destination)
        return reading.counted(run, _name(phase)) if is_read(run, Wanted(_name(phase), phase.table, filters=filters), closing) else None
    made = list_name(_name(phase))
    changed = _list(run, phase, made)
    return reading.counted(run, _name(phase)) + changed if is_read(run, Wanted(_name(phase), phase.table, ids=made), closing) else None


def forget(run: Run, phase: Phase) -> None:
    """Count anew when it is next asked for."""
    reading.forget(run, _name(phase))


def _name(phase: Phase) -> str:
    return f"count-{phase.pk}"


def _list(run: Run, phase: Phase, name: str) -> int:
    """Write the ids of the rows that the phase made; how many it changed."""
    absent = LedgerEntry.objects.filter(phase=phase, row_id__isnull=False).values_list("row_id", flat=True)
    paths = [str(path) for path in staged.rows_of(phase)]
    with store.database() as con:
        store.fill(con, "absent", IDS, ((str(row_id),) for row_id in absent.iterator(chunk_size=2_000)))
        con.execute("CREATE TABLE written (row_id VARCHAR, action VARCHAR)")
        if paths:
            con.execute("INSERT INTO written SELECT row_id, action FROM read_parquet(?) WHERE row_id NOT IN (FROM absent)", [paths])
        store.copy(con, "SELECT row_id FROM written WHERE action = 'create'", staged.folder(run) / name)
        [(changed,)] = con.execute("SELECT count(*) FROM written WHERE action = 'update'").fetchall()
    return int(changed)


def _ranges(phase: Phase, destination: Destination) -> list[str]:
    """Filters, by one of which every row is found that the phase wrote, and by no other."""
    written = destination.loaded_filter(phase.run.key, phase.object_name)
    parts = min(MOST_RANGES, phase.planned // PER_RANGE)
    edges = _edges(phase, parts) if parts > 1 and CREATED in destination.table(phase.table).columns else []
    if not edges:
        return [written]
    first, *_, last = texts = [edge.strftime("%Y-%m-%dT%H:%M:%SZ") for edge in edges]
    between = (f"{CREATED} ge {start} and {CREATED} lt {stop}" for start, stop in pairwise(texts))
    return [f"{written} and {one}" for one in (f"({CREATED} lt {first} or {CREATED} eq null)", *between, f"{CREATED} ge {last}")]


def _edges(phase: Phase, parts: int) -> list[datetime]:
    """Moments between which about equally many of the phase's rows were made, rising, to the second; at most `parts` of them."""
    moments, undated = _given(phase, parts)
    settled = phase.chunks.exclude(settled_at=None).order_by("settled_at").values_list("settled_at", flat=True)
    rest = [moment for moment in settled if moment]
    share = round(parts * undated / max(phase.planned, 1))
    found = {*_spread(moments, parts - share), *_spread(rest, share)}
    return sorted({edge.replace(microsecond=0) for edge in found})


def _given(phase: Phase, parts: int) -> tuple[list[datetime], int]:
    """Moments that our rows' ids say they were made at, spread over all; and how many rows have none: those are made as they are sent."""
    paths = [str(path) for path in staged.rows_of(phase)]
    now_ms = int(timezone.now().timestamp() * 1000)
    with store.reader() as con:
        [(found, dated, rows)] = con.execute(
            """SELECT approx_quantile(ms, CAST($places AS FLOAT[])) FILTER (dated), count(*) FILTER (dated), count(*) FROM (
                   SELECT ('0x' || right(row_id, 12))::BIGINT AS ms, ms > 0 AND ms < $now AND action = 'create' AS dated
                   FROM read_parquet($paths))""",
            {"places": [place / parts for place in range(1, parts)], "now": now_ms, "paths": paths},
        ).fetchall()
    return [datetime.fromtimestamp(ms / 1000, UTC) for ms in found or ()], rows - dated


def _spread(moments: Sequence[datetime], count: int) -> list[datetime]:
    """So many of the moments, evenly chosen; fewer where there are fewer."""
    return [moments[len(moments) * place // (count + 1)] for place in range(1, count + 1)] if moments else []

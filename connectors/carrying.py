"""Delta extraction: what changed since the last complete dataset is fetched, the rest carried over, and the new dataset is complete again.

The watermark is the greatest moment that was landed, less an overlap, and only narrows what is fetched. Where a source lists every
record by a few fields, the list decides: what isn't on it is gone, and what is on it, neither known nor fetched, is fetched by its slice.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from django.db.models import Max

from connectors import landing, rawjson, store
from connectors.base import Narrowing, Reading
from connectors.models import Dataset
from workbench.engagements.models import Engagement

LATE = timedelta(minutes=5)  # rows arrive late
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
# mark: SHA-1 of what the listed fields of a record say; of a line that can't be read, of its bytes.
MARKS = pa.schema([("position", pa.int64()), ("mark", pa.binary(20))])
ROWS = 50_000


def base_of(engagement: Engagement, object_name: str, origin: str) -> Dataset | None:
    """The complete dataset that a delta may stand on: the newest one, landed to be loaded, from the same source and with the same ids."""
    newest = landing.latest(engagement, object_name, Dataset.Purpose.LOAD)
    return newest if newest and origin and newest.origin == origin and not newest.derived else None


def watermark(base: Dataset, overlap: timedelta = LATE) -> datetime:
    """From when on the source is asked: a while before the greatest moment that was landed, whatever the clock said."""
    newest = base.pieces.aggregate(newest=Max("newest_at"))["newest"]
    return newest - overlap if newest else BEGINNING


def link(dataset: Dataset, base: Dataset) -> None:
    """Take all slices over as they are, of an object whose records are only ever added."""
    for piece in base.pieces.all():
        landing.link_piece(dataset, piece)


class Carrying:
    """What of a base is carried over into a dataset, by the list of what the source has. Every part of it may be done again."""

    def __init__(self, dataset: Dataset, base: Dataset, narrowing: Narrowing) -> None:
        """Know where the lists are kept while the dataset is landed."""
        self.dataset, self.base, self.fields = dataset, base, narrowing.listed
        self.folder = store.folder(*landing.folder_of(dataset).relative_to(store.root()).parts, "marks")

    def is_listed(self, number: int) -> bool:
        """Whether a slice of the source's list is kept already."""
        return (self.folder / f"listed-{number:05d}.parquet").exists()

    def keep_listed(self, number: int, lines: Iterable[bytes]) -> None:
        """Keep the marks of one slice of the source's list."""
        self._write(f"listed-{number:05d}", enumerate(lines))

    def unseen(self) -> set[int]:
        """Numbers of the listed slices that have records which are neither in the base nor fetched yet."""
        with store.database() as con:
            self._load(con)
            found = con.execute("SELECT DISTINCT slice FROM listed ANTI JOIN base USING (mark, nth) ANTI JOIN own USING (mark, nth)")
            return {number for (number,) in found.fetchall()}

    def carry_over(self) -> None:
        """Copy what is listed and wasn't fetched anew."""
        with store.database() as con:
            self._load(con)
            first = 0
            for piece in self.base.pieces.all():
                kept = con.execute(_KEPT, [first, first + piece.rows])
                landing.carry_piece(self.dataset, piece, _positions(kept), first)
                first += piece.rows

    def clear(self) -> None:
        """Remove the lists."""
        store.remove(self.folder)

    def _load(self, con: duckdb.DuckDBPyConnection) -> None:
        """Tables `listed` (mark, nth, slice), `base` (mark, nth, position) and `own` (mark, nth): nth tells equal records apart."""
        base = self._write("base", ((landed.position, landed.raw) for landed in landing.scan(self.base)))
        con.execute(_LISTED.format(store.quoted(self.folder / "listed-*.parquet")))
        con.execute(_BASE.format(store.quoted(base)))
        con.execute("CREATE TABLE own (mark BLOB, nth BIGINT)")
        for piece in self.dataset.pieces.filter(number__gt=landing.CARRIED):
            path = self._write(f"own-{piece.number:05d}", enumerate(_raw(landing.path_of(piece))))
            con.execute(_OWN.format(store.quoted(path)))

    def _write(self, name: str, lines: Iterable[tuple[int, bytes]]) -> Path:
        path = self.folder / f"{name}.parquet"
        if not path.exists():
            with store.ParquetFile(path, MARKS, batch=ROWS) as file:
                for position, raw in lines:
                    file.add(position, mark(raw, self.fields))
        return path


# The braces stand for paths of our own.
_LISTED = """
    CREATE TABLE listed AS SELECT mark, nth, max(slice) AS slice FROM (
        SELECT mark, CAST(regexp_extract(filename, '([0-9]+)[.]parquet$', 1) AS BIGINT) AS slice,
               row_number() OVER (PARTITION BY filename, mark ORDER BY position) AS nth
        FROM read_parquet({}, filename = true))
    GROUP BY mark, nth
"""
_BASE = """
    CREATE TABLE base AS SELECT mark, row_number() OVER (PARTITION BY mark ORDER BY position) AS nth, position FROM read_parquet({})
"""
_OWN = "INSERT INTO own SELECT mark, row_number() OVER (PARTITION BY mark ORDER BY position) FROM read_parquet({})"
_KEPT = """
    SELECT position FROM base SEMI JOIN listed USING (mark, nth) ANTI JOIN own USING (mark, nth)
    WHERE position >= ? AND position < ? ORDER BY position
"""


def mark(raw: bytes, fields: Sequence[str]) -> bytes:
    """SHA-1 of what the fields of a record say; nothing and an empty list are the same."""
    record, _ = landing.parse(raw)
    said = raw if record is None else rawjson.write([record.get(name) or None for name in fields])
    return sha1(said, usedforsecurity=False).digest()


def list_reading(memory: dict[str, Any], until: float, narrowing: Narrowing) -> Reading:
    """How the list is read: its jobs are remembered apart from those of the records."""
    return Reading(memory.setdefault("listing", {}), until, narrowing.listed)


def _positions(found: duckdb.DuckDBPyConnection) -> Iterator[int]:
    while rows := found.fetchmany(ROWS):
        yield from (position for (position,) in rows)


def _raw(path: Path) -> Iterator[bytes]:
    return (row["raw"] for row in store.read_rows(path, columns=["raw"]))

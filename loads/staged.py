"""Staged rows: ready values in load order, one Parquet file per run, object and table; written once, then only read."""

from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import repeat
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from connectors import footers, store
from loads.models import Phase, Run

# values: the body as the Web API takes it, lookups bound, without the run's stamp.
# parents: "table:row id" of the rows of this workbench that it looks up to, or that must be there beside the row itself.
# main_table: the table in whose phase the record is counted; another one than the row's for a record's further rows.
# A rollback's files have the same form. action: remove, restore, keep. values: the body that restores a row, the reason why it is kept,
# or how many rows of each table go with one that is removed. before: what a restored row must hold then. etag: as read when planned.
# action: create, update, equal (not sent), conflict (a person edited our row since it was loaded: not sent, held).
# etag, before: of an existing row, as read at staging; `before` holds what the columns to be written held, the state and the run's mark.
# literal: columns that hold what the source holds, as it is; what rules of the plan made of it, or fill themselves, isn't among them.
# state: [statecode, statuscode] that the row gets once all rows are there, else null; a phase of states reads it here.
# left: {column as it is read: [what was meant, what was there]} of columns that a person's decision left as they were, else null.
# sample: {column: source value} for the rows whose values are kept one by one when they are read back, else null.
STAGED = pa.schema(
    [
        ("row_id", pa.string()),
        ("source_id", pa.string()),
        ("position", pa.int64()),
        ("role", pa.string()),
        ("main_table", pa.string()),
        ("action", pa.string()),
        ("origin", pa.string()),
        ("values", pa.binary()),
        ("parents", pa.list_(pa.string())),
        ("etag", pa.string()),
        ("before", pa.binary()),
        ("applied_hash", pa.string()),
        ("lossy", pa.list_(pa.string())),
        ("literal", pa.list_(pa.string())),
        ("state", pa.list_(pa.int32())),
        ("sample", pa.binary()),
        ("left", pa.binary()),
    ]
)

# disposition: planned (a row is staged; the load decides), merged, skipped, rejected, held. main_table: '' where none was decided.
# into: the survivor's source id of a merged record. reasons: JSON [{"code", "field", "detail", "severity"}], the deciding one first;
# of a planned record what its row loses and what is worth knowing.
DISPOSITIONS = pa.schema(
    [
        ("position", pa.int64()),
        ("source_id", pa.string()),
        ("disposition", pa.string()),
        ("main_table", pa.string()),
        ("into", pa.string()),
        ("reasons", pa.binary()),
    ]
)


DISPOSITIONS_KIND = "dispositions"
NO_REASONS = b"[]"


class Body(Mapping[str, Any]):
    """A row's values as they are staged: JSON that is parsed when somebody asks for a value, and sent as it is by who doesn't."""

    __slots__ = ("_parsed", "raw")

    def __init__(self, raw: bytes) -> None:
        """raw: a JSON object."""
        self.raw = raw
        self._parsed: dict[str, Any] | None = None

    @property
    def parsed(self) -> dict[str, Any]:
        """The values."""
        if self._parsed is None:
            self._parsed = orjson.loads(self.raw)
        return self._parsed

    def __getitem__(self, key: str) -> Any:
        return self.parsed[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parsed)

    def __len__(self) -> int:
        return len(self.parsed)

    def items(self) -> ItemsView[str, Any]:
        """Names and values; what Mapping makes of them looks each name up."""
        return self.parsed.items()


@dataclass(frozen=True, slots=True)
class StagedRow:
    """One row ready to send; see STAGED."""

    row_id: str
    source_id: str
    position: int
    role: str
    main_table: str
    action: str
    origin: str
    values: Mapping[str, Any]
    parents: tuple[str, ...]
    etag: str | None
    applied_hash: str
    lossy: tuple[str, ...]
    literal: tuple[str, ...]
    sample: Mapping[str, Any] | None
    before: Mapping[str, Any] | None


def apart(rows: Iterable[StagedRow]) -> tuple[list[StagedRow], dict[str, list[StagedRow]]]:
    """The first row of each id, and those that come after it, by their id: a call that names a row twice is refused, or does half of it."""
    first, again = dict[str, StagedRow](), dict[str, list[StagedRow]]()
    for row in rows:
        if first.setdefault(row.row_id, row) is not row:
            again.setdefault(row.row_id, []).append(row)
    return list(first.values()), again


def folder(run: Run) -> Path:
    """The run's folder in the store."""
    return store.folder(run.engagement.slug, "runs", run.key)


def part(run: Run, object_name: str, kind: str, number: int) -> Path:
    """One of the files that an object's staging is written to, a range of records each. kind: see `kind_of`, or DISPOSITIONS_KIND."""
    return folder(run) / f"{object_name}-{kind}.{number:05d}.parquet"


def kind_of(table: str, kind: str = Phase.Kind.ROWS) -> str:
    """What stands in the names of the files that a phase of this table and kind loads."""
    return table if kind in (Phase.Kind.ROWS, Phase.Kind.STATES) else f"{table}-{kind}"


def undoing(table: str, kind: str) -> str:
    """What stands in the names of the files that a rollback's phase carries out; those of states have files of their own."""
    return f"{table}-{kind}"


def parts(run: Run, object_name: str, kind: str) -> list[Path]:
    """The files of one table, or of the dispositions, in the records' order."""
    return sorted(store.named(folder(run), f"{object_name}-{kind}.", ".parquet"))


# What the service held of a row before a late message changed it; written before anything is sent; of rows that the run made
# itself nothing is written, and of messages other than states it isn't known whether it did.
JOURNAL = pa.schema([("row_id", pa.string()), ("before", pa.binary())])


def journal_of(phase: Phase, chunk: int, number: int) -> Path:
    """The file of what was there before a part of a chunk of a late phase was sent."""
    return part(phase.run, phase.object_name, f"{phase.table}-{phase.kind}-before.{chunk:07d}", number)


def journals(phase: Phase, chunk: int) -> list[Path]:
    """The files of what was there before a chunk of a late phase was sent."""
    return parts(phase.run, phase.object_name, f"{phase.table}-{phase.kind}-before.{chunk:07d}")


def rows_of(phase: Phase) -> list[Path]:
    """The staged files that a phase loads, or takes back."""
    if phase.run.is_rollback:
        return parts(phase.run, phase.object_name, undoing(phase.table, phase.kind))
    return parts(phase.run, phase.object_name, kind_of(phase.table, phase.kind))


def _across(
    paths: Sequence[Path], start: int = 0, stop: int | None = None, columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Rows `start` to `stop` (not included) of files that follow each other; files outside the range aren't read."""
    for table in _tables(paths, start, stop, columns):
        yield from table.to_pylist()


def _tables(paths: Sequence[Path], start: int = 0, stop: int | None = None, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    first = 0
    for path in paths:
        if stop is not None and first >= stop:
            return
        size = store.row_count(path)
        if first + size > start:
            yield from store.read_tables(path, start=max(start - first, 0), stop=None if stop is None else stop - first, columns=columns)
        first += size


def read_dispositions(run: Run, object_name: str) -> Iterator[dict[str, Any]]:
    """The disposition of every record of an object; see DISPOSITIONS."""
    yield from _across(parts(run, object_name, DISPOSITIONS_KIND))


def explained(run: Run, object_name: str, *, but: bytes = NO_REASONS) -> list[Path]:
    """The files of dispositions in which something is said of a record. but: JSON as it is staged, which counts for nothing too."""
    return [path for path in parts(run, object_name, DISPOSITIONS_KIND) if not footers.holds_only(path, "reasons", (NO_REASONS, but))]


def read_reasons(run: Run, object_name: str, *, but: bytes = NO_REASONS) -> Iterator[dict[str, Any]]:
    """The disposition of every record of an object that has a reason, a loss or a note, in the records' order; see DISPOSITIONS.

    Records without any are left out before they are read: of ten million events that is seven times as fast. So are those whose reasons
    are just these. but: JSON as it is staged.
    """
    paths = [str(path) for path in explained(run, object_name, but=but)]
    if not paths:
        return
    names = [field.name for field in DISPOSITIONS]
    columns = ", ".join(f'"{name}"' for name in names)
    with store.reader() as con:
        found = con.execute(f"SELECT {columns} FROM read_parquet(?) WHERE reasons NOT IN ('[]'::BLOB, ?)", [paths, but])  # noqa: S608 - names of our own
        while batch := found.fetchmany(store.ROWS_PER_GROUP):
            for row in batch:
                yield dict(zip(names, row, strict=True))


def with_reasons(run: Run, object_name: str, reasons: bytes) -> dict[str, int]:
    """Main table -> records of an object whose reasons are just these. reasons: JSON as it is staged."""
    paths = [str(path) for path in explained(run, object_name)]
    if not paths:
        return {}
    with store.reader() as con:
        counted = "SELECT main_table, count(*) FROM read_parquet(?) WHERE reasons = ? GROUP BY main_table"
        return dict(con.execute(counted, [paths, reasons]).fetchall())


def row_count(paths: Sequence[Path]) -> int:
    """Rows of all the files."""
    return sum(store.row_count(path) for path in paths)


def read(
    paths: Sequence[Path], start: int = 0, stop: int | None = None, *, late: Mapping[str, str] | None = None, only: Sequence[str] = ()
) -> Iterator[StagedRow]:
    """Staged rows `start` to `stop` (not included).

    late: bindings that a run makes itself, name -> row id; they take the place of `(@name)` in lookups. only: the names to read, of those
    in UNREAD; the others are as it says then, which is much faster.
    """
    names = [name for name in FIELDS if not only or name not in UNREAD or name in only]
    for table in _tables(paths, start, stop, names):
        columns = (table.column(name).to_pylist() if name in names else repeat(UNREAD[name], table.num_rows) for name in FIELDS)
        for row_id, source_id, position, role, main_table, action, origin, values, parents, etag, *more in zip(*columns, strict=True):
            body = Body(bound(values, late) if late else values)
            yield StagedRow(row_id, source_id, position, role, main_table, action, origin, body, tuple(parents), etag, *_noted(*more))


FIELDS = tuple(field.name for field in fields(StagedRow))
UNREAD: Mapping[str, Any] = {"parents": (), "applied_hash": "", "lossy": (), "literal": (), "sample": None, "before": None}
TO_SEND, TO_READ_BACK = ("parents",), ("lossy", "literal", "sample")


def _noted(
    applied_hash: str, lossy: Sequence[str], literal: Sequence[str], sample: bytes | None, before: bytes | None
) -> tuple[str, tuple[str, ...], tuple[str, ...], Any, Any]:
    known, there = (orjson.loads(given) if given else None for given in (sample, before))
    return applied_hash, tuple(lossy), tuple(literal), known, there


def _row(row: Mapping[str, Any], values: bytes) -> StagedRow:
    return StagedRow(
        row_id=row["row_id"],
        source_id=row["source_id"],
        position=row["position"],
        role=row["role"],
        main_table=row["main_table"],
        action=row["action"],
        origin=row["origin"],
        values=Body(values),
        parents=tuple(row["parents"]),
        etag=row["etag"],
        applied_hash=row["applied_hash"],
        lossy=tuple(row["lossy"]),
        literal=tuple(row["literal"]),
        sample=orjson.loads(row["sample"]) if row["sample"] else None,
        before=orjson.loads(row["before"]) if row["before"] else None,
    )


def bound(values: bytes, late: Mapping[str, str]) -> bytes:
    """A staged body with what a run binds itself in place of `(@name)`."""
    for name, row_id in late.items():
        values = values.replace(f"(@{name})".encode(), f"({row_id})".encode())
    return values


def looked_up_to(phases: Iterable[Phase], table: str, row_ids: Sequence[str]) -> frozenset[str]:
    """Those of the rows of a table that rows to be made in these phases look up to."""
    paths = [str(path) for phase in phases for path in rows_of(phase)] if row_ids else []
    if not paths:
        return frozenset()
    with store.reader() as con:
        found = con.execute(
            """SELECT DISTINCT parent FROM (SELECT unnest(parents) AS parent FROM read_parquet(?) WHERE action = 'create')
               WHERE parent IN (SELECT unnest(?))""",
            [paths, [f"{table}:{row_id}" for row_id in row_ids]],
        )
        return frozenset(parent.removeprefix(f"{table}:") for (parent,) in found.fetchall())


def of_record(phase: Phase, position: int) -> list[dict[str, Any]]:
    """row_id and origin of the rows that a phase stages for one record."""
    if not (paths := rows_of(phase)):
        return []
    with store.reader() as con:
        rows = con.execute("SELECT row_id, origin FROM read_parquet(?) WHERE position = ?", [[str(path) for path in paths], position])
        return [{"row_id": row_id, "origin": origin} for row_id, origin in rows.fetchall()]


def has_source(phase: Phase, source_id: str) -> bool:
    """Whether a phase stages anything for a source id."""
    if not (paths := rows_of(phase)):
        return False
    with store.reader() as con:
        found = con.execute("SELECT 1 FROM read_parquet(?) WHERE source_id = ? LIMIT 1", [[str(path) for path in paths], source_id])
        return found.fetchone() is not None


def among(phase: Phase, row_ids: Sequence[str], *, late: Mapping[str, str] | None = None) -> dict[str, StagedRow]:
    """The rows with these ids that a phase stages, by their id; late: see `read`."""
    if not ((paths := rows_of(phase)) and row_ids):
        return {}
    with store.reader() as con:
        cursor = con.execute(
            "SELECT * FROM read_parquet(?) WHERE row_id IN (SELECT unnest(?))", [[str(path) for path in paths], list(row_ids)]
        )
        names = [column[0] for column in cursor.description or ()]
        found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {row["row_id"]: _row(row, bound(row["values"], late) if late else row["values"]) for row in found}


def acted_on(phase: Phase, row_ids: Sequence[str]) -> set[str]:
    """Of these rows those with which a late phase does something."""
    if not ((paths := rows_of(phase)) and row_ids):
        return set()
    chosen = "row_id IN (SELECT unnest(?))" + (" AND state IS NOT NULL" if phase.kind == Phase.Kind.STATES else "")
    with store.reader() as con:
        found = con.execute(f"SELECT row_id FROM read_parquet(?) WHERE {chosen}", [[str(path) for path in paths], list(row_ids)])  # noqa: S608 - words of our own
        return {row_id for (row_id,) in found.fetchall()}


def find(phase: Phase, row_id: str, *, late: Mapping[str, str] | None = None) -> StagedRow | None:
    """The row of this id that a phase stages, found without reading the others' values; None where there is none. late: see `read`."""
    if not (paths := rows_of(phase)):
        return None
    with store.reader() as con:
        cursor = con.execute("SELECT * FROM read_parquet(?) WHERE row_id = ? LIMIT 1", [[str(path) for path in paths], row_id])
        found = cursor.fetchone()
        names = [column[0] for column in cursor.description or ()]
    if found is None:
        return None
    row = dict(zip(names, found, strict=True))
    return _row(row, bound(row["values"], late) if late else row["values"])


def meant(paths: Sequence[Path], row_ids: Sequence[str], *, late: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """row_id, values and left of the rows of these ids; see STAGED. late: see `read`."""
    if not paths:
        return
    with store.reader() as con:
        # Files of an older version have no `left`.
        names = {row[0] for row in con.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(paths[0])]).fetchall()}
        left = '"left"' if "left" in names else "NULL"
        cursor = con.execute(
            f'SELECT row_id, "values", {left} FROM read_parquet(?) WHERE row_id IN (SELECT unnest(?))',  # noqa: S608 - names of our own
            [[str(path) for path in paths], list(row_ids)],
        )
        for row_id, values, kept in cursor.fetchall():
            yield {"row_id": row_id, "values": bound(values, late), "left": kept}


def read_phase(
    phase: Phase, start: int = 0, stop: int | None = None, *, late: Mapping[str, str] | None = None, only: Sequence[str] = ()
) -> Iterator[StagedRow]:
    """What a phase sends, of staged rows `start` to `stop` (not included); of states those rows alone that get one. See `read`."""
    if phase.kind == Phase.Kind.STATES and not phase.run.is_rollback:
        yield from _states(rows_of(phase), start, stop)
    else:
        yield from read(rows_of(phase), start, stop, late=late, only=only)


def _states(paths: Sequence[Path], start: int, stop: int | None) -> Iterator[StagedRow]:
    """A row per state to set: its values are the state, whatever is done with the row itself."""
    for row in _across(paths, start, stop, columns=OF_STATES):
        if row["state"] is not None:
            yield _of_state(row)


OF_STATES = ("row_id", "source_id", "position", "role", "main_table", "action", "state")


def _of_state(row: dict[str, Any]) -> StagedRow:
    values = dict(zip(("statecode", "statuscode"), row.pop("state"), strict=True))
    origin = "created" if row.pop("action") == "create" else "matched"
    unused: dict[str, Any] = {"parents": (), "etag": None, "applied_hash": "", "lossy": (), "literal": ()}
    unused |= {"sample": None, "before": None}
    return StagedRow(**row, action="update", origin=origin, values=values, **unused)


def with_states(phase: Phase, row_ids: Sequence[str]) -> Iterator[StagedRow]:
    """What a phase of states sends, of the rows with these ids."""
    if not ((paths := rows_of(phase)) and row_ids):
        return
    with store.reader() as con:
        found = con.execute(
            f"SELECT {', '.join(OF_STATES)} FROM read_parquet(?) WHERE state IS NOT NULL AND row_id IN (SELECT unnest(?))",  # noqa: S608 - our own
            [[str(path) for path in paths], list(row_ids)],
        ).fetchall()
    yield from (_of_state(dict(zip(OF_STATES, row, strict=True))) for row in found)


def states(paths: Sequence[Path]) -> int:
    """Rows of all the files that get a state."""
    if not paths:
        return 0
    with store.reader() as con:
        [(count,)] = con.execute("SELECT count(state) FROM read_parquet(?)", [[str(path) for path in paths]]).fetchall()
    return int(count)


def read_columns(paths: Sequence[Path], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """These columns of all the files, in the records' order."""
    yield from _across(paths, columns=columns)


def identities(paths: Sequence[Path], start: int = 0) -> Iterator[dict[str, Any]]:
    """row_id, source_id, role, action, origin and applied_hash of every row from `start` on, without its values."""
    yield from _across(paths, start, columns=["row_id", "source_id", "role", "action", "origin", "applied_hash"])

"""What a landed dataset holds, field by field: exact counts, exact top ten, types, lengths and ranges.

DuckDB takes every record apart into one row per field, once, into a temporary file, and counts that. The work follows the number of values
and not the number of field names, of which a source may have thousands. Memory stays bounded: long values are hashed for counting and cut
for showing, groups spill to disk.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors import footers, store
from mapping.fieldprofiles import FieldProfile

# parent: what the names of a document's fields start with, "" or "plan.".
DOCUMENTS = pa.schema([("parent", pa.string()), ("document", pa.binary())])
BATCH_BYTES = 1_000_000
VALUES_PER_GROUP = 20_480
SHOWN = 200  # characters of a value among the top ten
TOP = 10
LEVELS = 3  # an object's own fields are profiled too, `plan.tier`, down to this level
NESTED_NAMES = 50  # an object of more different keys is a table of its own, not a group of fields

# What DuckDB calls the JSON types, and what JSON does.
TYPES = {
    "VARCHAR": "string", "BOOLEAN": "boolean", "UBIGINT": "integer", "BIGINT": "integer", "HUGEINT": "integer", "UHUGEINT": "integer",
    "DOUBLE": "number", "ARRAY": "array", "OBJECT": "object", "NULL": "null",
}  # fmt: skip


def profile(paths: Sequence[Path | str], declared: Mapping[str, str] | None = None) -> list[FieldProfile]:
    """Profiles of all fields of landed Parquet files, by name; declared fields that no record has come with zeros.

    paths: files with the columns `raw` (JSON as text or UTF-8 bytes) and `problem` (null where the record is sound). declared: field -> the
    source's own word for its type. Records with a problem, and what is no JSON object, are left out: they are rejected elsewhere.
    """
    declared = declared or {}
    if not paths:
        return [FieldProfile(name, word) for name, word in sorted(declared.items())]
    with store.scratch() as folder, store.database(in_order=False) as duck:
        rows = _take_apart(duck, paths, folder)
        return _counted(duck, rows, declared)


# TRY turns what is no JSON, or no UTF-8, into NULL instead of an error for the whole dataset. There is no WHERE, since DuckDB would put
# small batches together again after it. Every record ends with one pair without a key, so that records can be counted with their values.
_PAIRS = """
    SELECT parent || key AS field, value, json_type(value) AS kind, json_extract_string(value, '$') AS text
    FROM (
        SELECT parent,
            unnest(CASE WHEN sound THEN list_append(json_keys(document), NULL) END) AS key,
            unnest(CASE WHEN sound THEN list_append(json_extract(document, '$.*'), NULL) END) AS value
        FROM (
            SELECT parent, document, TRY(json_type(document)) IS NOT DISTINCT FROM 'OBJECT' AS sound
            FROM (SELECT parent, TRY(decode(document)) AS document FROM documents)
        )
    )
"""
# One row per value. `h`: 64 bits; among five million different values two share a hash once in a million datasets.
# `whole`: of objects, to go deeper.
_VALUES = """
    SELECT hash(field) AS f, field, kind,
        hash(kind, text) AS h,
        text IS NOT NULL AND (kind <> 'VARCHAR' OR ltrim(text, chr(9) || chr(10) || chr(13) || ' ') <> '') AS filled,
        left(text, {shown}) AS shown,
        CASE WHEN kind IN ('VARCHAR', 'ARRAY', 'OBJECT') THEN
            CASE WHEN strlen(text) = length(text) THEN length(text)
            ELSE 2 * length(text) - length(regexp_replace(text, '[\\x{{10000}}-\\x{{10FFFF}}]', '', 'g')) END
        END AS size,
        CASE WHEN kind IN ('UBIGINT', 'BIGINT', 'DOUBLE', 'HUGEINT', 'UHUGEINT') THEN TRY_CAST(text AS DOUBLE) END AS number,
        CASE WHEN kind = 'DOUBLE' AND NOT contains(text, 'e') THEN length(split_part(text, '.', 2)) END AS decimals,
        CASE WHEN kind = 'OBJECT' THEN text END AS whole
    FROM ({pairs})
"""
_FIELDS = """
    SELECT any_value(field), f, kind, count(*), count(*) FILTER (WHERE filled), max(size), min(number), max(number), max(decimals)
    FROM long GROUP BY f, kind
"""
_GROUPS = "CREATE TEMP TABLE groups AS SELECT f, h, count(*) AS n FROM long WHERE filled GROUP BY f, h"
# The commonest ten by count; among equals the hash decides, so that the same dataset gives the same ten.
_TOPS = """
    CREATE TEMP TABLE tops AS SELECT f, n, h, various FROM (
        SELECT f, various, unnest(best) AS key FROM (
            SELECT f, count(*) AS various, max(n::UHUGEINT * 18446744073709551616 + h, {top}) AS best FROM groups GROUP BY f
        )
    ) AS ranked, LATERAL (SELECT (key // 18446744073709551616)::BIGINT AS n, (key % 18446744073709551616)::UBIGINT AS h)
"""
_SHOWN = """
    SELECT tops.f, any_value(long.shown), any_value(tops.n), any_value(tops.various)
    FROM long JOIN tops ON long.f = tops.f AND long.h = tops.h
    WHERE long.filled GROUP BY tops.f, tops.h
"""


def _batches(path: Path | str, column: str, beside: str) -> Iterator[pa.RecordBatch]:
    """A file's two columns in batches of a few megabytes, however long the documents are: DuckDB alone would take 2,048 at once."""
    with pq.ParquetFile(path, buffer_size=1 << 20) as file:
        place = file.schema_arrow.get_field_index(column)
        groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
        size = sum(group.column(place).total_uncompressed_size for group in groups) // max(file.metadata.num_rows, 1)
        yield from file.iter_batches(min(max(BATCH_BYTES // max(size, 1), 1), 2_048), columns=[column, beside])


def _landed(paths: Sequence[Path | str]) -> Iterator[pa.RecordBatch]:
    """The sound records of landed files."""
    for path in paths:
        for batch in _batches(path, "raw", "problem"):
            raw = batch.filter(pc.is_null(batch["problem"]))["raw"]
            yield pa.record_batch([pa.repeat("", len(raw)), raw.cast(pa.binary())], schema=DOCUMENTS)


def _nested(path: Path, parents: pa.Array) -> Iterator[pa.RecordBatch]:
    """The objects of one level that belong to the named fields."""
    for batch in _batches(path, "whole", "field"):
        found = batch.filter(pc.and_(pc.is_valid(batch["whole"]), pc.is_in(batch["field"], parents)))
        names = pc.binary_join_element_wise(found["field"], "", ".").cast(pa.string())
        yield pa.record_batch([names, found["whole"].cast(pa.binary())], schema=DOCUMENTS)


def _take_apart(duck: duckdb.DuckDBPyConnection, paths: Sequence[Path | str], folder: Path) -> int:
    """Write one row per value of every level, seen as the view `long`; the number of records."""
    _write_level(duck, _landed(paths), folder / "1.parquet")
    for level in range(2, LEVELS + 1):
        above = folder / f"{level - 1}.parquet"
        parents = _parents(duck, above)
        if not parents:
            break
        _write_level(duck, _nested(above, pa.array(parents, pa.string())), folder / f"{level}.parquet")
    levels = store.quoted(folder / "*.parquet")
    duck.execute(f"CREATE TEMP VIEW long AS SELECT * FROM read_parquet({levels}) WHERE field IS NOT NULL")  # noqa: S608 - our own folder
    ends = duck.execute("SELECT count(*) FROM read_parquet($first) WHERE field IS NULL", {"first": str(folder / "1.parquet")})
    return (ends.fetchone() or (0,))[0]


def _write_level(duck: duckdb.DuckDBPyConnection, batches: Iterator[pa.RecordBatch], target: Path) -> None:
    duck.register("documents", pa.RecordBatchReader.from_batches(DOCUMENTS, batches))
    store.copy(duck, _VALUES.format(pairs=_PAIRS, shown=SHOWN), target, rows_per_group=VALUES_PER_GROUP)


def _parents(duck: duckdb.DuckDBPyConnection, level: Path) -> list[str]:
    """Fields of a level that hold objects to go into; objects of too many different keys stay whole."""
    if footers.holds_none(level, "whole"):
        return []
    keys = "SELECT field, unnest(json_keys(whole)) AS key FROM read_parquet($level) WHERE whole IS NOT NULL"
    narrow = f"SELECT field FROM ({keys}) GROUP BY field HAVING count(DISTINCT key) <= {NESTED_NAMES}"  # noqa: S608 - all our own
    return [row[0] for row in duck.execute(narrow, {"level": str(level)}).fetchall()]


def _counted(duck: duckdb.DuckDBPyConnection, rows: int, declared: Mapping[str, str]) -> list[FieldProfile]:
    kinds: dict[int, list[tuple[Any, ...]]] = {}
    for line in duck.execute(_FIELDS).fetchall():
        kinds.setdefault(line[1], []).append(line)
    duck.execute(_GROUPS)
    duck.execute(_TOPS.format(top=TOP))
    tops: dict[int, list[tuple[str, int]]] = {}
    distinct: dict[int, int] = {}
    for f, shown, count, distinct[f] in duck.execute(_SHOWN).fetchall():
        tops.setdefault(f, []).append((shown, count))
    found = {lines[0][0]: _one(lines, rows, declared, distinct.get(f, 0), tops.get(f, [])) for f, lines in kinds.items()}
    missing = {name: FieldProfile(name, word, rows) for name, word in declared.items() if name not in found}
    return sorted([*found.values(), *missing.values()], key=lambda one: one.name)


def _one(lines: list[tuple[Any, ...]], rows: int, declared: Mapping[str, str], distinct: int, top: list[tuple[str, int]]) -> FieldProfile:
    types: dict[str, int] = {}
    for line in lines:
        word = TYPES.get(line[2], "string")
        types[word] = types.get(word, 0) + line[3]
    name = lines[0][0]
    return FieldProfile(
        name=name,
        declared_type=declared.get(name, ""),
        rows=rows,
        filled=sum(line[4] for line in lines),
        distinct=distinct,
        top=tuple(sorted(top, key=lambda pair: (-pair[1], pair[0]))),
        types=types,
        max_length=_most(line[5] for line in lines),
        min=min((line[6] for line in lines if line[6] is not None), default=None),
        max=_most(line[7] for line in lines),
        decimals=_most(line[8] for line in lines) or 0,
    )


def _most(values: Any) -> Any:
    return max((value for value in values if value is not None), default=None)

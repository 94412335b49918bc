"""The sample: a few hundred staged records that stand for all, loaded alone, so that people can look at every value of them.

Of every table the records with each choice, owner and rare value, the longest, the emptiest, and some from all over. What a chosen
record looks up to comes along, so that it can be loaded. All others are left out with a reason: the sums hold, and a later run loads them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection

from connectors import store
from connectors.dataverse.metadata import Table
from loads import staged
from loads.destination import Destination
from loads.models import Phase, Run
from loads.reasons import reason
from loads.staging import phases
from loads.verification import BIND

AT_MOST = 400  # records that are chosen; what they look up to comes beside them
LEAST_PER_TABLE = 12
VALUES = 40  # different values of a column, from the rarest, that are looked for
EXTREMES = 3  # of the longest, and of the emptiest
LOOKED_AT = 20_000  # rows in which columns with few values are looked for
CHOSEN = pa.schema([("object", pa.string()), ("position", pa.int64())])
CHOICES = ("Picklist", "Boolean", "State", "Status", "MultiSelectPicklist")

LEFT_OUT = orjson.dumps([reason("sample.left_out")])  # of records that the sample leaves for a whole run

Record = tuple[str, int]  # object, and the record's position in its dataset


def is_narrow(run: Run) -> bool:
    """Whether the run holds the sample alone by now."""
    return bool(run.scope)


def narrow(run: Run, destination: Destination, worker: str) -> None:
    """Leave in a staged run the sample alone; safe to repeat. Raises LeaseLost, StoreFull, StoreUnwritable."""
    order = list(dict.fromkeys(run.phases.order_by("number").values_list("object_name", flat=True)))
    path = staged.folder(run) / "chosen.parquet"
    if not path.is_file():
        _write(path, _chosen(run, destination))
    chosen: dict[str, set[int]] = {}
    for row in store.read_rows(path):
        chosen.setdefault(row["object"], set()).add(row["position"])
    for name in order:
        kept = chosen.get(name, set())
        wanted = [(phase.table, phase.kind) for phase in run.phases.filter(object_name=name).order_by("number")]
        for table, kind in wanted:
            for file in staged.parts(run, name, staged.kind_of(table, kind)) if table and kind != Phase.Kind.STATES else ():
                _keep_rows(file, kept)
        for number, file in enumerate(staged.parts(run, name, staged.DISPOSITIONS_KIND)):
            _leave_out(run, name, number, list(store.read_rows(file)), kept)
        phases.record(run, name, wanted, worker)
    phases.put_in_order(run, order)
    run.scope = {"sample": sum(map(len, chosen.values()))}
    Run.objects.filter(pk=run.pk).update(scope=run.scope)


def _write(path: Path, chosen: Iterable[Record]) -> None:
    with store.ParquetFile(path, CHOSEN) as file:
        for name, position in sorted(chosen):
            file.add(name, position)


def _keep_rows(path: Path, kept: set[int]) -> None:
    table = pq.read_table(path)
    rows = table.filter(pc.is_in(table.column("position"), pa.array(sorted(kept), pa.int64())))
    if rows.num_rows < table.num_rows:
        with store.unfinished(path) as part:
            pq.write_table(rows, part, compression="zstd")
            part.replace(path)


def _leave_out(run: Run, name: str, number: int, rows: Sequence[Mapping[str, Any]], kept: set[int]) -> None:
    with phases.Dispositions(run, name, number) as dispositions:
        for row in rows:
            is_left = row["disposition"] == "planned" and row["position"] not in kept
            dispositions.add_again({**row, "disposition": "skipped", "reasons": LEFT_OUT} if is_left else row)


def _chosen(run: Run, destination: Destination) -> set[Record]:
    """The records, with all that they look up to."""
    tables = [(phase.object_name, phase.table) for phase in run.phases.filter(kind=Phase.Kind.ROWS).exclude(table="").order_by("number")]
    share = max(LEAST_PER_TABLE, AT_MOST // max(1, len(tables)))
    chosen: set[Record] = set()
    with store.database() as con:
        for name, table in tables:
            paths = [str(path) for path in staged.parts(run, name, table)]
            if paths:
                chosen |= {(name, position) for position in _of_table(con, paths, destination.table(table), share)}
        if not chosen:
            return chosen
        chosen = _with_parents(con, run, chosen)
        members = set(run.phases.filter(kind=Phase.Kind.MEMBERS).values_list("object_name", flat=True))
        return chosen | {record for name in members for record in _between(con, chosen, name, share)}


def _between(con: DuckDBPyConnection, chosen: set[Record], name: str, share: int) -> list[Record]:
    """Records of an object that tie chosen ones together, such as members to lists, at most `share`."""
    store.fill(con, "known", CHOSEN, sorted(chosen))
    return con.execute(
        """WITH there AS (SELECT s.row_id FROM staged s JOIN known USING (object, position)),
               ends AS (SELECT position, unnest(parents) AS parent FROM staged WHERE object = ?)
           SELECT ? AS object, position FROM ends GROUP BY position
           HAVING bool_and(split_part(parent, ':', 2) IN (SELECT row_id FROM there)) ORDER BY position LIMIT ?""",
        [name, name, share],
    ).fetchall()


def _of_table(con: DuckDBPyConnection, paths: Sequence[str], table: Table, share: int) -> list[int]:
    """Positions of the records of one table's rows, the most telling first, at most `share`."""
    con.execute(
        """CREATE OR REPLACE TEMP TABLE rows AS SELECT position, decode("values") AS said
           FROM read_parquet(?) WHERE action IN ('create', 'update')""",
        [list(paths)],
    )
    positions: dict[int, None] = {}
    for column in _telling(con, table):
        for position, _ in _of_each_value(con, column):
            positions[position] = None
    for direction in ("DESC", "ASC"):
        extreme = f"SELECT position FROM rows ORDER BY length(said) {direction}, position LIMIT {EXTREMES}"  # noqa: S608 - words of our own
        positions |= dict.fromkeys(position for (position,) in con.execute(extreme).fetchall())
    spread = con.execute("SELECT position FROM rows ORDER BY hash(position), position LIMIT ?", [share]).fetchall()
    positions |= dict.fromkeys(position for (position,) in spread)
    return list(positions)[:share]


def _of_each_value(con: DuckDBPyConnection, column: str) -> list[tuple[int, int]]:
    """(a record's position, how many have its value), the rarest values first."""
    return con.execute(
        """SELECT min(position), count(*) AS times FROM rows GROUP BY json_extract_string(said, ?) ORDER BY times, 1 LIMIT ?""",
        [f'$."{column}"', VALUES],
    ).fetchall()


def _telling(con: DuckDBPyConnection, table: Table) -> Iterator[str]:
    """Columns whose every value is looked at: choices, owners, and texts of which there are few."""
    few = con.execute(
        """WITH first AS (SELECT said FROM rows LIMIT ?), pairs AS (SELECT unnest(json_keys(said)) AS key, said FROM first)
           SELECT key, count(DISTINCT json_extract_string(said, '$."' || key || '"')) AS times FROM pairs
           GROUP BY key HAVING times BETWEEN 2 AND ? ORDER BY times, key""",
        [LOOKED_AT, VALUES],
    ).fetchall()
    yield from sorted((key for key, _ in few), key=lambda key: not _is_choice(table, key))


def _is_choice(table: Table, key: str) -> bool:
    column = table.columns.get(key.removesuffix(BIND))
    return key.endswith(BIND) or (column is not None and column.kind in CHOICES)


def _with_parents(con: DuckDBPyConnection, run: Run, chosen: set[Record]) -> set[Record]:
    """The records, and those whose rows they look up to, and so on."""
    files = list(dict.fromkeys(str(path) for phase in run.phases.exclude(table="") for path in staged.rows_of(phase)))
    con.execute(
        """CREATE OR REPLACE TEMP TABLE staged AS
           SELECT split_part(parse_filename(filename), '-', 1) AS object, position, row_id, parents
           FROM read_parquet(?, filename = true)""",
        [files],
    )
    found = chosen
    while found:
        store.fill(con, "asked", CHOSEN, sorted(found))
        more = con.execute(
            """WITH needed AS (
                   SELECT DISTINCT split_part(parent, ':', 2) AS row_id
                   FROM (SELECT unnest(s.parents) AS parent FROM staged s JOIN asked a USING (object, position)))
               SELECT DISTINCT object, position FROM staged JOIN needed USING (row_id)"""
        ).fetchall()
        con.execute("DROP TABLE asked")
        found = set(more) - chosen
        chosen = chosen | found
    return chosen

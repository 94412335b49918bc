"""The sample: a few hundred staged records that stand for all, loaded alone, so that people can look at every value of them.

Of every table the longest and the emptiest records, those with each choice, owner and rare value, and some from all over; what one table
doesn't use of its share goes to the others. What a chosen record looks up to comes along, so that it can be loaded. All others are left out
with a reason: the sums hold, and a later run loads them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection

from connectors import store
from connectors.dataverse.metadata import Table
from loads import resampling, staged
from loads.destination import Destination
from loads.models import Phase, Run
from loads.reasons import reason
from loads.staging import phases
from loads.verification import BIND

AT_MOST = 400  # records that are chosen; what they look up to comes beside them
LEAST_PER_TABLE = 12
VALUES = 40  # different values of a text, from the rarest, that are looked for; of choices and owners all
OFTEN = 10  # rows per value, on average, of a text with more values that still says what kind of record it is, such as a country
EXTREMES = 3  # of the longest, and of the emptiest
LOOKED_AT = 20_000  # rows in which columns with few values are looked for
CHOSEN = pa.schema([("object", pa.string()), ("position", pa.int64())])
CHOICES = ("Choice", "MultiChoice", "Boolean", "State", "Status")  # kinds of `dataverse.columns.Column`
OWNER = f"ownerid{BIND}"

LEFT_OUT = orjson.dumps([reason("sample.left_out")])  # of records that the sample leaves for a whole run

Record = tuple[str, int]  # object, and the record's position in its dataset


def is_narrow(run: Run) -> bool:
    """Whether the run holds the sample alone by now."""
    return "sample" in run.scope


def narrow(run: Run, destination: Destination, worker: str) -> None:
    """Leave in a staged run the sample alone; safe to repeat. Raises LeaseLost, StoreFull, StoreUnwritable."""
    order = list(dict.fromkeys(run.phases.order_by("number").values_list("object_name", flat=True)))
    path = staged.folder(run) / "chosen.parquet"
    if not path.is_file():
        earlier = resampling.before(run)
        _write(path, _again(run, earlier) if earlier else _chosen(run, destination))
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
    run.scope = {**run.scope, "sample": sum(map(len, chosen.values()))}
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
    with store.database() as con:
        of_tables: list[list[Record]] = []
        for name, table in tables:
            if paths := [str(path) for path in staged.parts(run, name, table)]:
                of_tables.append([(name, position) for position in ranked(con, paths, destination.table(table))])
        chosen = dealt(of_tables)
        if not chosen:
            return chosen
        chosen = _with_parents(con, run, chosen)
        members = set(run.phases.filter(kind=Phase.Kind.MEMBERS).values_list("object_name", flat=True))
        return chosen | {record for name in members for record in _between(con, chosen, name, share)}


def _again(run: Run, earlier: Run) -> set[Record]:
    """The records of an earlier sample, as far as they load still, with all that they look up to by now."""
    chosen: set[Record] = set()
    with store.database() as con:
        for name in dict.fromkeys(run.phases.values_list("object_name", flat=True)):
            now, then = ([str(path) for path in staged.parts(one, name, staged.DISPOSITIONS_KIND)] for one in (run, earlier))
            if now and then:
                found = con.execute(
                    """SELECT position FROM read_parquet(?) WHERE disposition = 'planned' AND source_id IN (
                           SELECT source_id FROM read_parquet(?) WHERE disposition = 'planned')""",
                    [now, then],
                )
                chosen |= {(name, position) for (position,) in found.fetchall()}
        return _with_parents(con, run, chosen)


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


def dealt(of_tables: Sequence[Sequence[Record]]) -> set[Record]:
    """Of each table's records the first ones, table by table in turn, until there are enough: what one doesn't have the others give."""
    chosen: set[Record] = set()
    for turn, records in enumerate(zip_longest(*of_tables)):
        if turn >= LEAST_PER_TABLE and len(chosen) >= AT_MOST:
            break
        chosen |= {record for record in records if record is not None}
    return chosen


def ranked(con: DuckDBPyConnection, paths: Sequence[str], table: Table) -> list[int]:
    """Positions of the records of one table's rows, the most telling first, at most AT_MOST."""
    con.execute(
        """CREATE OR REPLACE TEMP TABLE rows AS SELECT position, decode("values") AS said
           FROM read_parquet(?) WHERE action IN ('create', 'update')""",
        [list(paths)],
    )
    choices, texts = _telling(con, table)
    positions = [
        *_in_turn([_extreme(con, "DESC"), _extreme(con, "ASC")]),
        *_in_turn([_of_each_value(con, column, AT_MOST) for column in choices]),
        *_in_turn([_of_each_value(con, column, VALUES) for column in texts]),
        *_positions(con, "SELECT position FROM rows ORDER BY hash(position), position LIMIT ?", [AT_MOST]),
    ]
    return list(dict.fromkeys(positions))[:AT_MOST]


def _in_turn(lists: Sequence[Sequence[int]]) -> Iterator[int]:
    """The first of each list, then the second of each, and so on: none of them uses up the room that there is."""
    yield from (position for each in zip_longest(*lists) for position in each if position is not None)


def _positions(con: DuckDBPyConnection, query: str, values: Sequence[Any]) -> list[int]:
    return [row[0] for row in con.execute(query, list(values)).fetchall()]


def _extreme(con: DuckDBPyConnection, direction: str) -> list[int]:
    """The records of which the longest (DESC) or the shortest (ASC) rows are made."""
    return _positions(con, f"SELECT position FROM rows ORDER BY length(said) {direction}, position LIMIT {EXTREMES}", [])  # noqa: S608 - words of our own


def _of_each_value(con: DuckDBPyConnection, column: str, at_most: int) -> list[int]:
    """A record's position for each of a column's values, the rarest values first."""
    return _positions(
        con,
        "SELECT min(position), count(*) AS times FROM rows GROUP BY json_extract_string(said, ?) ORDER BY times, 1 LIMIT ?",
        [f'$."{column}"', at_most],
    )


def _telling(con: DuckDBPyConnection, table: Table) -> tuple[list[str], list[str]]:
    """Columns whose values are looked at, those with the fewest first: choices and owners; texts and lookups that tell kinds apart."""
    found = con.execute(
        """WITH first AS (SELECT said FROM rows LIMIT ?), pairs AS (SELECT unnest(json_keys(said)) AS key, said FROM first)
           SELECT key, count(DISTINCT json_extract_string(said, '$."' || key || '"')) AS times, count(*) AS rows FROM pairs
           GROUP BY key HAVING times >= 2 ORDER BY times, key""",
        [LOOKED_AT],
    ).fetchall()
    choices = [key for key, *_ in found if _is_choice(table, key)]
    texts = [key for key, times, rows in found if key not in choices and (times <= VALUES or times * OFTEN <= rows)]
    return choices, texts


def _is_choice(table: Table, key: str) -> bool:
    column = table.columns.get(key)
    return key == OWNER or (column is not None and column.kind in CHOICES)


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

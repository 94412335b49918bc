"""What became of an object's records, by the names that other records call them: the set-based side of every lookup."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from connectors import store
from loads import staged
from loads.reasons import REMOVED
from loads.staging import phases
from loads.staging.context import StagingContext
from mapping.people import keys_path

PERSON = "person"
# Of dispositions: whether the record is held since its row was removed at the destination.
GONE = f"""CASE WHEN disposition = 'held' THEN contains(decode(reasons), '"{REMOVED}"') ELSE false END"""


def load_index(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str) -> str:
    """Make the table `index_<object>` and return its name; the object must be staged. It is worked out once, and kept as a file.

    name (unique), source_id and disposition of the record that stands for it (of a merged one the survivor's), "table" and row_id of its
    main row (null where it has none), owner (the source's), company_row (of people), removed (whether its row was removed at the
    destination). A person is named by id and by e-mail.
    """
    table, kept = f"index_{object_name}", phases.index_file(context.run, object_name)
    if kept.exists():
        con.execute(f"CREATE TABLE {table} AS SELECT * FROM read_parquet(?)", [str(kept)])  # noqa: S608 - a name of our own
        return table
    _final(con, context, object_name)
    _rows(con, context, object_name)
    _names(con, context, object_name)
    con.execute(f"CREATE TABLE {table} AS {_INDEX}")
    for name in ("final", "main_rows", "names"):
        con.execute(f"DROP TABLE {name}")
    store.copy(con, f"SELECT * FROM {table}", kept)  # noqa: S608 - a name of our own
    return table


def _final(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str) -> None:
    paths = _texts(staged.parts(context.run, object_name, staged.DISPOSITIONS_KIND))
    con.execute(f'CREATE TABLE final AS SELECT position, source_id, disposition, "into", {GONE} AS removed FROM read_parquet(?)', [paths])  # noqa: S608


def _rows(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str) -> None:
    """The first main row of each record; further roles of it are found by the one who needs them."""
    con.execute('CREATE TABLE main_rows (source_id VARCHAR, "table" VARCHAR, row_id VARCHAR)')
    for table in context.tables_of(object_name):
        if paths := _texts(staged.parts(context.run, object_name, table)):
            con.execute(
                """INSERT INTO main_rows SELECT source_id, $table, arg_min(row_id, role) FROM read_parquet($paths)
                   WHERE main_table = $table GROUP BY source_id""",
                {"table": table, "paths": paths},
            )


def _names(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str) -> None:
    decisions = context.decisions(object_name)
    if context.kind_of(object_name) == PERSON:
        con.execute(_NAMES_OF_PEOPLE, _texts([keys_path(context.dataset(object_name), context.person_rules), decisions]))
    elif decisions.exists():
        con.execute(_NAMES, [str(decisions)])
    else:  # of companies there are none
        con.execute(_NAMES_ALONE)


_NAMES_OF_PEOPLE = """
    CREATE TABLE names AS
    WITH keys AS (SELECT position, source_id, email FROM read_parquet(?)),
         decided AS (SELECT position, owner, company_row FROM read_parquet(?))
    SELECT position, source_id AS name, 0 AS rank, owner, company_row FROM keys JOIN decided USING (position)
    UNION ALL SELECT position, email, 1, owner, company_row FROM keys JOIN decided USING (position) WHERE email IS NOT NULL
"""
_NAMES_ALONE = "CREATE TABLE names AS SELECT position, source_id AS name, 0 AS rank, NULL AS owner, NULL AS company_row FROM final"
_NAMES = "CREATE TABLE names AS SELECT position, source_id AS name, 0 AS rank, owner, NULL::VARCHAR AS company_row FROM read_parquet(?)"

_INDEX = """
    SELECT n.name, coalesce(s.source_id, f.source_id) AS source_id, coalesce(s.disposition, f.disposition) AS disposition,
           r."table", r.row_id, coalesce(m.owner, n.owner) AS owner, coalesce(m.company_row, n.company_row) AS company_row,
           CASE WHEN s.source_id IS NULL THEN f.removed ELSE s.removed END AS removed
    FROM names n JOIN final f USING (position)
    LEFT JOIN final s ON f.disposition = 'merged' AND s.source_id = f."into" AND s.disposition <> 'merged'
    LEFT JOIN main_rows r ON r.source_id = coalesce(s.source_id, f.source_id)
    LEFT JOIN names m ON m.position = s.position AND m.rank = 0
    QUALIFY row_number() OVER (PARTITION BY n.name ORDER BY n.rank, r.row_id IS NULL, n.position) = 1
"""


def _texts(paths: Sequence[Path]) -> list[str]:
    return [str(path) for path in paths]

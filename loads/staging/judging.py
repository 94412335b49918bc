"""Records judged and placed, set-based: by their parents, by what their kind says, and by the rows that are there already."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from connectors import landing, store
from connectors.models import Dataset
from connectors.store import copy, database, function
from loads import answered
from loads.scans.reading import Wanted
from loads.staging import answers, departed, index, known, placeholders, sums
from loads.staging.context import StagingContext
from loads.staging.decisions import Kind
from mapping.fieldmaps import reader
from mapping.identity import normalise_email, own_id
from mapping.people import milliseconds, moments_reader
from mapping.rowids import row_id

# created: YYYY-MM-DDTHH:MM:SSZ, '' for none. match: what rows that are there are found by. parents: names per lookup, in the rules' order.
KEYS = pa.schema(
    [
        ("position", pa.int64()),
        ("source_id", pa.string()),
        ("problem", pa.string()),
        ("created", pa.string()),
        ("match", pa.string()),
        ("parents", pa.list_(pa.list_(pa.string()))),
    ]
)


TOGETHER = 50_000  # records whose decisions are put together at once


def decide(context: StagingContext, object_name: str, kind: Kind, dataset: Dataset, there: Sequence[Wanted]) -> None:
    """Write the decisions on every record of a dataset to the object's file, which says that the part is done.

    there: what was read of the rows at the destination, see `known.wanted`.
    """
    keys = context.path(f"{object_name}-keys.parquet")
    _write_keys(context, object_name, kind, dataset)
    with database() as con:
        con.execute(_IDED[context.objects[object_name]["record"]["repeats"]], {"keys": str(keys)})
        con.execute("CREATE TABLE codes (position BIGINT, code VARCHAR, disposition VARCHAR)")
        con.execute("CREATE TABLE merges (position BIGINT, into_id VARCHAR)")
        resolve_parents(con, context, object_name, late=False)
        placeholders.stand_in(con, context, object_name)
        context.beat()
        if kind.judge:
            kind.judge(con, context, object_name)
        con.execute(_JUDGED)
        con.execute("DROP TABLE ided")
        context.beat()
        known.load_known(con, context, object_name)
        known.load_there(con, context, there)
        answers.load(con, context.run, object_name)
        _place(con, context, object_name, kind)
        answered.keep(con, context.run, object_name, _ANSWERED)
        (kind.gone or _keep_departed)(con, context, object_name)
        copy(con, "SELECT * FROM decisions", context.decisions(object_name))
    keys.unlink(missing_ok=True)


def _keep_departed(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str) -> None:
    departed.keep(con, context, object_name, named=_NAMED, given=_GIVEN, there='SELECT "table", row_id FROM everyone')


_ANSWERED = """
    SELECT p.row_id, a.source_id, a.choice, a.named FROM placed p JOIN judged j USING (position) JOIN answers a ON a.source_id = j.source_id
    WHERE p.answered AND p.problem IS NULL
"""
_NAMED = "SELECT source_id, disposition NOT IN ('planned', 'merged') AS waits FROM decisions"
_GIVEN = """
    SELECT source_id, r.t AS "table", r.role AS role, r.id AS row_id
    FROM (SELECT source_id, unnest(rows) AS r FROM decisions WHERE disposition = 'planned')
"""


def _write_keys(context: StagingContext, object_name: str, kind: Kind, dataset: Dataset) -> None:
    rules = context.objects[object_name]
    read_parents = [names_reader(context, parent["keys"]) for parent in rules["parents"]]
    created = [reader(name) for name in rules["record"]["created"]]
    moment, match = moments_reader(context.time), kind.match(context, object_name) if kind.match else lambda record: ""
    with (
        store.ParquetFile(context.path(f"{object_name}-keys.parquet"), KEYS) as file,
        sums.Worths(context, object_name, kind.moneys(context, object_name)) as worths,
    ):
        for landed in landing.scan(dataset):
            record, problem = landing.parse(landed.raw) if landed.problem is None else (None, landed.problem)
            worths.add(landed.position, record)
            if record is None:
                file.add(landed.position, landed.source_id, problem, "", "", [[] for _ in read_parents])
            else:
                own = next(filter(None, (moment(read(record)) for read in created)), "")
                names = [read(record) for read in read_parents]
                file.add(landed.position, landed.source_id, None, own, match(record), names)
            if not landed.position % 5_000:
                context.beat()


def names_reader(context: StagingContext, keys: Sequence[str]) -> Callable[[Mapping[str, Any]], list[str]]:
    """Reads the names of a parent that a record gives, in the order in which they are tried; a list of ids gives them all."""
    email = context.playbook.identity.email

    def read(record: Mapping[str, Any]) -> list[str]:
        names: list[str | None] = []
        for key in keys:
            value = record.get(key)
            if isinstance(value, list):
                names += [own_id({key: part}, [key]) for part in value[:1_000]]
            else:
                names.append(normalise_email(value)[0] if key == email else own_id(record, [key]))
        return [landing.clean_id(name) for name in names if name]

    return read


# `each`: records with one id are several records; the oldest keeps it. `latest`: the later record of the extraction stands.
_IDED = {
    "each": """
        CREATE TABLE ided AS SELECT * EXCLUDE (source_id, occurrence),
            source_id || CASE WHEN occurrence > 1 THEN '#' || occurrence ELSE '' END AS source_id, true AS survives
        FROM (SELECT *, row_number() OVER (PARTITION BY source_id ORDER BY created, position) AS occurrence FROM read_parquet($keys))
        ORDER BY position
    """,
    "latest": """
        CREATE TABLE ided AS SELECT *, row_number() OVER (PARTITION BY source_id ORDER BY position DESC) = 1 AS survives
        FROM read_parquet($keys) ORDER BY position
    """,
}


def resolve_parents(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str, *, late: bool) -> None:
    """Table `resolved` (position, number, column, absent, named, and what index_<parent> says of the first name that it knows).

    late: of the lookups that are set late, once all objects are staged, else of the others. Needs `ided` (position, problem, parents).
    """
    con.execute("""
        CREATE TABLE resolved (position BIGINT, number INTEGER, "column" VARCHAR, absent VARCHAR, named BOOLEAN, found BOOLEAN,
            source_id VARCHAR, disposition VARCHAR, "table" VARCHAR, row_id VARCHAR, owner VARCHAR, company_row VARCHAR,
            removed BOOLEAN)
    """)
    loaded: set[str] = set()
    for number, rule in enumerate(context.objects[object_name]["parents"], start=1):
        if rule["parent"] not in context.order.names or context.order.is_late(object_name, rule) != late:
            continue
        if rule["parent"] not in loaded:
            index.load_index(con, context, rule["parent"])
            loaded.add(rule["parent"])
        con.execute(_RESOLVED.format(table=f"index_{rule['parent']}"), {"n": number, "column": rule["column"], "absent": rule["absent"]})


_RESOLVED = """
    INSERT INTO resolved
    WITH named AS (SELECT position, parents[$n] AS names FROM ided WHERE problem IS NULL),
         each AS (SELECT position, unnest(names) AS name, generate_subscripts(names, 1) AS place FROM named),
         found AS (SELECT e.position, arg_min(x, e.place) AS x FROM each e JOIN {table} x ON x.name = e.name GROUP BY e.position)
    SELECT n.position, $n, $column, $absent, len(n.names) > 0, f.x IS NOT NULL, f.x.source_id, f.x.disposition, f.x."table", f.x.row_id,
           f.x.owner, f.x.company_row, coalesce(f.x.removed, false)
    FROM named n LEFT JOIN found f USING (position)
"""

# Children follow their parent: of a skipped one skipped, of a held or rejected one held; of a merged one to the survivor, by the index.
_JUDGED = """
    CREATE TABLE judged AS
    WITH wanting AS (
        SELECT position, CASE WHEN NOT named THEN 'parent.unnamed' WHEN NOT found THEN 'parent.not_in_source'
                              WHEN disposition = 'skipped' THEN 'parent.skipped' WHEN disposition = 'rejected' THEN 'parent.rejected'
                              WHEN removed THEN 'parent.removed' WHEN disposition = 'held' THEN 'parent.held'
                              WHEN row_id IS NULL THEN 'parent.held' END AS code
        FROM resolved WHERE absent = 'hold'),
    all_codes AS (
        SELECT position, code, CASE code WHEN 'parent.skipped' THEN 'skipped' ELSE 'held' END AS disposition
        FROM wanting WHERE code IS NOT NULL
        UNION ALL SELECT position, code, disposition FROM codes),
    of_record AS (
        SELECT position, list(code ORDER BY CASE disposition WHEN 'skipped' THEN 0 WHEN 'rejected' THEN 1 ELSE 2 END, code) AS codes,
               bool_or(disposition = 'skipped') AS skipped, bool_or(disposition = 'rejected') AS rejected
        FROM all_codes GROUP BY position)
    SELECT i.position, i.source_id, i.created, i.match,
           CASE WHEN i.problem IS NOT NULL THEN ['record.unreadable'] WHEN NOT i.survives OR m.position IS NOT NULL THEN []
                ELSE coalesce(o.codes, []) END AS codes,
           CASE WHEN i.problem IS NOT NULL THEN 'rejected' WHEN NOT i.survives THEN 'merged' WHEN o.skipped THEN 'skipped'
                WHEN m.position IS NOT NULL THEN 'merged' WHEN o.rejected THEN 'rejected' WHEN o.position IS NOT NULL THEN 'held'
                ELSE 'planned' END AS disposition,
           CASE WHEN NOT i.survives THEN i.source_id ELSE coalesce(m.into_id, '') END AS into_id
    FROM ided i LEFT JOIN of_record o USING (position) LEFT JOIN merges m USING (position)
"""


def _place(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str, kind: Kind) -> None:
    """Table `decisions`: judged records with their rows and parents."""
    slug, main = context.engagement.slug, context.tables_of(object_name)[0]

    def new_id(table: str, role: str, source_id: str, created: str) -> str:
        return row_id(slug, object_name, source_id, table, role=role, created_ms=milliseconds(created))

    targets = kind.targets(context, object_name) if kind.targets else f"SELECT position, '{main}' AS \"table\", '' AS role FROM judged"  # noqa: S608 - a name of our own
    con.execute(f"CREATE TABLE targets AS {targets}")
    with function(con, "new_id", new_id, ["VARCHAR"] * 4):
        con.execute(_PLACED, {"main": main})
    con.execute("DROP TABLE targets")
    [(records,)] = con.execute("SELECT coalesce(max(position) + 1, 0) FROM judged").fetchall()
    # Lists don't spill: of all records together they would need more memory than there is.
    con.execute(f"CREATE TABLE decisions AS {_DECISIONS}", {"start": 0, "stop": TOGETHER})
    for start in range(TOGETHER, records, TOGETHER):
        context.beat()
        con.execute(f"INSERT INTO decisions {_DECISIONS}", {"start": start, "stop": start + TOGETHER})


# An id that was given stays. A row of ours that a person removed since is held; so is one that several records or rows fit.
_PLACED = """
    CREATE TABLE placed AS
    WITH wanted AS (SELECT t.*, j.source_id, j.created, j.match FROM targets t JOIN judged j USING (position)
                    WHERE j.disposition = 'planned'),
    hits AS (SELECT key, list(DISTINCT row_id ORDER BY row_id) AS ids FROM everyone WHERE "table" = $main AND key IS NOT NULL
             AND row_id NOT IN (SELECT row_id FROM xw WHERE origin = 'created') GROUP BY key),
    joined AS MATERIALIZED (
        SELECT w.position, w."table", w.role, w.source_id, x.origin, coalesce(x.applied_hash, '') AS applied_hash, x.row_id AS given,
               e.row_id IS NOT NULL AS present, x.state IN ('present', 'kept') AS landed,
               CASE WHEN e.row_id IS NULL AND w."table" = $main AND w.role = '' THEN h.ids END AS fitting, w.created,
               a.choice, replace(a.named, $main || ':', '') AS named, coalesce(a.choice IN ('again', 'new') AND a.fresh, false) AS again
        FROM wanted w LEFT JOIN answers a ON a.source_id = w.source_id
        LEFT JOIN xw x ON x.source_id = w.source_id AND x."table" = w."table" AND x.role = w.role AND NOT x.alias
        LEFT JOIN everyone e ON e."table" = w."table" AND e.row_id = x.row_id
        LEFT JOIN hits h ON h.key = lower(w.match)),
    answered AS (
        SELECT *, coalesce(choice = 'new' OR (choice = 'row' AND list_contains(fitting, named)), false) AS firm FROM joined),
    settled AS MATERIALIZED (
        SELECT *, CASE WHEN NOT firm THEN fitting WHEN choice = 'row' THEN [named] END AS ids FROM answered),
    shared AS (
        SELECT ids[1] AS id, count(*) FILTER (firm) > 1 AS twice FROM settled WHERE ids IS NOT NULL GROUP BY ids[1] HAVING count(*) > 1)
    SELECT position, "table", role,
           coalesce(CASE WHEN present THEN given END, ids[1], given, new_id("table", role, source_id, created)) AS row_id,
           CASE WHEN ids IS NOT NULL THEN 'matched' ELSE coalesce(CASE WHEN present THEN origin END, 'created') END AS origin,
           present, applied_hash, (firm AND len(fitting) > 0) OR (again AND landed AND NOT present) AS answered,
           list_transform(fitting, lambda id: $main || ':' || id) AS fitting,
           CASE WHEN len(ids) > 1 THEN 'match.several'
                WHEN s.twice OR (s.id IS NOT NULL AND NOT firm) THEN 'match.shared'
                WHEN landed AND NOT present AND ids IS NULL AND NOT again AND "table" IN (SELECT "table" FROM everyone) THEN 'match.removed'
           END AS problem
    FROM settled LEFT JOIN shared s ON s.id = ids[1]
"""

_DECISIONS = """
    WITH judged AS (SELECT * FROM main.judged WHERE position >= $start AND position < $stop),
    rows AS (
        SELECT position, bool_or(problem IS NOT NULL) AS stopped, list(DISTINCT problem) FILTER (problem IS NOT NULL) AS problems,
               list({t: "table", role: role, id: row_id, origin: origin, present: present, hash: applied_hash}
                    ORDER BY "table", role) AS rows, any_value(fitting) AS fitting
        FROM placed WHERE position >= $start AND position < $stop GROUP BY position),
    parents AS (
        SELECT position, list({c: "column", found: found, source: source_id, t: CASE WHEN row_id IS NOT NULL THEN "table" END, id: row_id,
               owner: owner, company: company_row} ORDER BY number) AS parents,
               first(owner ORDER BY number) FILTER (owner IS NOT NULL) AS owner
        FROM resolved WHERE position >= $start AND position < $stop GROUP BY position)
    SELECT j.position, j.source_id, CASE WHEN r.stopped THEN 'held' ELSE j.disposition END AS disposition, j.into_id,
           list_concat(j.codes, coalesce(r.problems, [])) AS codes, j.created, coalesce(p.owner, '') AS owner,
           coalesce(r.rows, []) AS rows, coalesce(p.parents, []) AS parents, CAST(NULL AS VARCHAR) AS company_row,
           coalesce(r.fitting, []) AS fitting
    FROM judged j LEFT JOIN rows r USING (position) LEFT JOIN parents p USING (position) ORDER BY j.position
"""

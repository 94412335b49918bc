"""Companies: derived from organisation lists and e-mail domains, landed as a dataset of their own, staged as accounts."""

from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import orjson
import pyarrow as pa
from django.db import transaction

from connectors import landing
from connectors.extraction import land_answers
from connectors.models import Dataset
from connectors.store import database
from loads import crosswalk
from loads.crosswalk import Given
from loads.destination import SOURCE_ID
from loads.models import Crosswalk
from loads.staging import deciding, existing, phases
from loads.staging.context import StagingContext
from loads.staging.rows import Draft, TableWriter
from loads.verification import BIND
from mapping import clusters
from mapping.issues import Issue
from mapping.names import shorten
from mapping.rowids import row_ids
from mapping.transforms import clean, utf16_length

OBJECT, TABLE = "company", "account"
NAME_LIMIT, WHOLE_LIMIT = 160, 4_000  # of account.name and of the memo that keeps what is longer
ASSIGNED = "assigned.parquet"
LANDED = pa.schema(
    [
        ("position", pa.int64()),
        ("source_id", pa.string()),
        ("company", pa.string()),
        ("name", pa.string()),
        ("domain", pa.string()),
        ("created_ms", pa.int64()),
    ]
)


def stage(context: StagingContext) -> None:
    """Derive, land and stage the companies; the people's assignments are kept for the people's own staging."""
    with database() as con:
        deciding.decide(con, context)
        _derive(con, context)
        dataset = _land(con, context)
        existing.load_crosswalk(con, context.crosswalk_rows(OBJECT))
        existing.load_accounts(con, context.destination)
        _match(con, context)
        crosswalk.give(context.run.environment, OBJECT, _given(con))
        with phases.Tally(context.run, OBJECT) as tally, TableWriter(context, OBJECT, TABLE) as writer:
            for row in _decided(con):
                _stage_one(context, row, tally, writer)
    context.run.datasets[OBJECT] = dataset.pk
    with transaction.atomic():
        context.run.save(update_fields=["datasets"])
        phases.record(context.run, tally, [TABLE], context.worker)


def _derive(con: duckdb.DuckDBPyConnection, context: StagingContext) -> None:
    rules = context.contents["companies"]
    clusters.load_organisations(con, rules["lists"], context.playbook.free_mail_domains)
    con.execute("CREATE TABLE wanted AS SELECT cluster FROM decided WHERE disposition = 'planned'")
    clusters.assign_companies(con, by_domain=rules["domain_when_no_list"])
    con.execute(f"COPY (SELECT d.position, a.company, a.ambiguous FROM assigned a JOIN decided d USING (cluster) WHERE d.survives) TO '{_sql(context)}'")  # noqa: S608


def _sql(context: StagingContext) -> str:
    return str(context.path(ASSIGNED)).replace("'", "''")


def _land(con: duckdb.DuckDBPyConnection, context: StagingContext) -> Dataset:
    """The derived dataset: one record per organisation list and per domain, so that each has a disposition."""
    created = {str(entry.get("id")): entry.get("createdAt") for entry in context.answers("list")}
    rows = con.execute("""
        SELECT o.company, l.list_id, coalesce(l.name, o.name), c.domain, l.list_id IS NULL
        FROM organisations o LEFT JOIN organisation_lists l ON list_contains(o.list_ids, l.list_id)
        LEFT JOIN commonest c USING (company) ORDER BY o.company, l.list_id
    """).fetchall()
    blank = con.execute("SELECT list_id, name FROM organisation_lists WHERE name_key = '' ORDER BY list_id").fetchall()
    records = [_record(company, list_id, name, domain, created) for company, list_id, name, domain, _ in rows]
    records += [_record("", list_id, name, None, created) for list_id, name in blank]
    dataset = land_answers(
        engagement=context.engagement,
        object_name=OBJECT,
        purpose=Dataset.Purpose.LOAD,
        answers=records,
        identify=lambda record: record["id"],
        derived=True,
    )
    existing.insert(con, "landed", LANDED, _landed(dataset))
    return dataset


def _record(company: str, list_id: str | None, name: str, domain: str | None, created: Mapping[str, Any]) -> dict[str, Any]:
    """An organisation as a record. company: the id of the organisation that this list is of."""
    if list_id is None:
        domain = company.partition(":")[2]
        return {"id": company, "company": company, "name": domain, "domain": domain}
    moment = created.get(list_id)
    record = {"id": f"list:{list_id}", "company": company, "listId": list_id, "name": name, "domain": domain}
    return {**record, "createdAt": moment} if isinstance(moment, int) else record


def _landed(dataset: Dataset) -> Iterator[tuple]:
    for item in landing.scan(dataset):
        record = orjson.loads(item.raw)
        yield item.position, item.source_id, record["company"], record["name"], record["domain"], max(0, record.get("createdAt") or 0)


def _match(con: duckdb.DuckDBPyConnection, context: StagingContext) -> None:
    """Table `rows`: per company its id, where it comes from, and what keeps it from loading.

    Organisations are sought by name, companies of a domain by the domain of the website. Several hits, or two companies on
    one row, are held.
    """
    new_id = row_ids(context.engagement.slug, OBJECT, TABLE)
    con.create_function("new_id", lambda source_id, ms: new_id(source_id, ms), ["VARCHAR", "BIGINT"], "VARCHAR")
    con.execute("""
        CREATE TABLE hits AS
        SELECT l.source_id, list(DISTINCT t.row_id ORDER BY t.row_id) AS ids FROM landed l JOIN there t
          ON CASE WHEN l.source_id LIKE 'list:%' THEN t.name_key = (SELECT any_value(name_key) FROM organisation_lists o WHERE 'list:' || o.list_id = l.source_id)
                  ELSE t.domain = l.domain END
        WHERE l.source_id = l.company GROUP BY l.source_id
    """)
    con.execute("""
        CREATE TABLE rows AS
        WITH own AS (SELECT source_id, any_value(row_id) AS row_id, any_value(origin) AS origin, any_value(state) AS state,
                            any_value(applied_hash) AS applied_hash FROM xw WHERE "table" = 'account' AND role = '' GROUP BY source_id),
        matched AS (
            SELECT l.*, o.row_id AS own_id, o.origin AS own_origin, o.state, o.applied_hash, coalesce(len(h.ids), 0) AS hits, h.ids[1] AS hit
            FROM landed l LEFT JOIN own o USING (source_id) LEFT JOIN hits h USING (source_id))
        SELECT position, source_id, company, name, domain, created_ms,
               coalesce(own_id, CASE WHEN hits = 1 THEN hit END, new_id(source_id, created_ms)) AS row_id,
               coalesce(own_origin, CASE WHEN hits = 1 THEN 'matched' ELSE 'created' END) AS origin,
               coalesce(state, 'planned') AS state, coalesce(applied_hash, '') AS applied_hash,
               CASE WHEN company = '' THEN 'company.name_blank'
                    WHEN own_id IS NULL AND hits > 1 THEN 'match.several'
                    WHEN own_id IS NULL AND hits = 1 AND count(*) FILTER (own_id IS NULL AND hits = 1) OVER (PARTITION BY hit) > 1 THEN 'match.shared' END AS problem
        FROM matched ORDER BY position
    """)


def _given(con: duckdb.DuckDBPyConnection) -> Iterator[Given]:
    """Ids of the companies that will have a row, and of their further lists as aliases."""
    rows = con.execute("""
        SELECT a.source_id, r.row_id, r.origin, a.source_id <> r.source_id
        FROM landed a JOIN rows r ON r.source_id = a.company WHERE r.problem IS NULL ORDER BY a.position
    """).fetchall()
    return (Given(source_id, TABLE, row_id, "", origin, alias) for source_id, row_id, origin, alias in rows)


def _decided(con: duckdb.DuckDBPyConnection) -> list[tuple]:
    columns = "position, source_id, company, name, domain, created_ms, row_id, origin, state, applied_hash, problem"
    return con.execute(f"SELECT {columns} FROM rows ORDER BY position").fetchall()  # noqa: S608 - names of our own


PROBLEMS = {
    "company.name_blank": ("rejected", "The list's name has nothing behind the organisation prefix."),
    "match.several": ("held", "Several accounts at the destination fit; a person must say which one it is."),
    "match.shared": ("held", "Another company fits the same account; a person must say which one it is."),
}


def _stage_one(context: StagingContext, row: tuple, tally: phases.Tally, writer: TableWriter) -> None:
    position, source_id, company, name, domain, created_ms, row_id, origin, state, applied_hash, problem = row
    if problem:
        disposition, detail = PROBLEMS[problem]
        severity = "reject" if disposition == "rejected" else "hold"
        tally.add(position, source_id, disposition, TABLE, "", [{"code": problem, "field": "name", "detail": detail, "severity": severity}])
    elif company != source_id:
        tally.add(position, source_id, "merged", TABLE, company)
    else:
        values, issues = _values(context, source_id, name, domain)
        tally.add(position, source_id, "planned", TABLE, "", [issue.as_dict() for issue in issues])
        writer.add(
            Draft(
                row_id=row_id,
                source_id=source_id,
                position=position,
                main_table=TABLE,
                origin=origin,
                present=state == Crosswalk.State.PRESENT,
                applied_hash=applied_hash,
                values=values,
                lossy=[issue.field for issue in issues],
                source=lambda: {"name": name, "websiteurl": domain},
            )
        )


def _values(context: StagingContext, source_id: str, name: str, domain: str | None) -> tuple[dict[str, Any], list[Issue]]:
    short, whole = shorten(" ".join(clean(name, "")[0].split()), NAME_LIMIT)
    values: dict[str, Any] = {"name": short, f"{context.prefix}_{SOURCE_ID}": f"{OBJECT}:{source_id}"}
    if domain:
        values["websiteurl"] = f"https://{domain}"
    values[f"ownerid{BIND}"] = context.owners[""]
    if whole is None:
        return values, []
    values[f"{context.prefix}_original_name"] = shorten(whole, WHOLE_LIMIT)[0]
    return values, [Issue("text.shortened", "name", f"{utf16_length(whole)} of {NAME_LIMIT}", "loss")]

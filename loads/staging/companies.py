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
from connectors.store import copy, database, fill, function
from loads import answered, crosswalk
from loads.crosswalk import Given
from loads.destination import SOURCE_ID
from loads.models import Phase
from loads.reasons import reason
from loads.scans import reading
from loads.staging import answers, deciding, departed, existing, phases
from loads.staging.context import StagingContext
from loads.staging.quality import Quality
from loads.staging.rows import Draft, TableWriter
from loads.verification import BIND
from mapping import clusters
from mapping.issues import Issue
from mapping.names import shorten
from mapping.rowids import LATEST_MS, row_ids
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
    """Derive, land and stage the companies; the people's assignments are kept for the people's own staging. First the accounts are read."""
    if not reading.is_read(context.run, existing.COMPANIES):
        return
    with database() as con:
        deciding.decide(con, context)
        _derive(con, context)
        dataset = _land(con, context)
        context.beat()
        existing.load_crosswalk(con, context.crosswalk_rows(OBJECT))
        existing.load_accounts(con, context.run)
        answers.load(con, context.run, OBJECT)
        _match(con, context)
        answered.keep(con, context.run, OBJECT, _ANSWERED)
        departed.keep(con, context, OBJECT, named=_NAMED, given=_GIVEN, there="SELECT 'account' AS \"table\", row_id FROM everyone")
        crosswalk.follow(context.run.environment, OBJECT, _given(con), context.beat)
        with phases.Dispositions(context.run, OBJECT) as dispositions, TableWriter(context, OBJECT, TABLE) as writer:
            quality = Quality(context, OBJECT)
            for row in _decided(con):
                _stage_one(context, quality, row, dispositions, writer)
    context.run.datasets[OBJECT] = dataset.pk
    with transaction.atomic():
        context.run.save(update_fields=["datasets"])
        phases.record(context.run, OBJECT, [(TABLE, Phase.Kind.ROWS), *departed.late(context, OBJECT)], context.worker)
    reading.forget(context.run, existing.COMPANIES.name)


def _derive(con: duckdb.DuckDBPyConnection, context: StagingContext) -> None:
    rules = context.contents["companies"]
    clusters.load_organisations(con, rules["lists"], context.playbook.free_mail_domains)
    con.execute("CREATE TABLE wanted AS SELECT cluster FROM decided WHERE disposition = 'planned'")
    clusters.assign_companies(con, by_domain=rules["domain_when_no_list"])
    assigned = "SELECT d.position, a.company, a.ambiguous FROM assigned a JOIN decided d USING (cluster) WHERE d.survives"
    copy(con, assigned, context.path(ASSIGNED))


def _land(con: duckdb.DuckDBPyConnection, context: StagingContext) -> Dataset:
    """The derived dataset: one record per organisation list and per domain, so that each has a disposition."""
    created = {str(entry.get("id")): entry.get("createdAt") for entry in context.answers("list")}
    dataset = land_answers(
        engagement=context.engagement,
        object_name=OBJECT,
        purpose=Dataset.Purpose.LOAD,
        answers=_records(con, created),
        identify=lambda record: record["id"],
        derived=True,
    )
    fill(con, "landed", LANDED, _landed(dataset))
    return dataset


def _records(con: duckdb.DuckDBPyConnection, created: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Organisations' lists first, each organisation's own list before its further ones; then companies of a domain; then blank names."""
    cursor = con.cursor()
    cursor.execute("""
        SELECT coalesce(o.company, ''), l.list_id, l.name, c.domain, o.company IS NULL AS blank
        FROM organisation_lists l LEFT JOIN organisations o ON o.name_key = l.name_key AND l.name_key <> '' AND len(o.list_ids) > 0
        LEFT JOIN commonest c ON c.company = o.company
        UNION ALL SELECT company, NULL, name, name, false FROM organisations WHERE len(list_ids) = 0
        ORDER BY blank, 1, 2
    """)
    while batch := cursor.fetchmany(2_000):
        for company, list_id, name, domain, _ in batch:
            yield _record(company, list_id, name, domain, created)


def _record(company: str, list_id: str | None, name: str, domain: str | None, created: Mapping[str, Any]) -> dict[str, Any]:
    """An organisation as a record. company: the id of the organisation that this list is of."""
    if list_id is None:
        domain = company.partition(":")[2]
        return {"id": company, "company": company, "name": domain, "domain": domain}
    moment = created.get(list_id)
    record = {"id": f"list:{list_id}", "company": company, "listId": list_id, "name": name, "domain": domain}
    return {**record, "createdAt": moment} if isinstance(moment, int) and 0 < moment < LATEST_MS else record


def _landed(dataset: Dataset) -> Iterator[tuple]:
    for item in landing.scan(dataset):
        record = orjson.loads(item.raw)
        yield item.position, item.source_id, record["company"], record["name"], record["domain"], max(0, record.get("createdAt") or 0)


def _match(con: duckdb.DuckDBPyConnection, context: StagingContext) -> None:
    """Table `rows`: per company its id, where it comes from, and what keeps it from loading.

    An organisation's own account is that of any of its lists, the one whose id isn't an alias first. Organisations are sought by
    name, companies of a domain by the domain of the website. Several hits, or two companies on one row, are held until somebody has said
    which row it is (`answers`).
    """
    new_id = row_ids(context.engagement.slug, OBJECT, TABLE)
    with function(con, "new_id", lambda source_id, ms: new_id(source_id, ms), ["VARCHAR", "BIGINT"]):
        for statement in (_OWN, _HITS, _ROWS):
            con.execute(statement)


_OWN = """
    CREATE TABLE own AS
    WITH claims AS (
        SELECT l.company, x.row_id, x.origin, x.applied_hash, x.alias, x.source_id <> l.company AS taken_over, x.source_id
        FROM landed l JOIN xw x ON x.source_id = l.source_id AND x."table" = 'account' AND x.role = ''
        JOIN everyone e ON e.row_id = x.row_id
        WHERE l.company <> ''
        QUALIFY row_number() OVER (PARTITION BY x.row_id ORDER BY x.alias, taken_over, l.company) = 1)
    SELECT * FROM claims QUALIFY row_number() OVER (PARTITION BY company ORDER BY alias, taken_over, source_id) = 1
"""

# An account with other accents counts only where no account is written like the organisation, nor an organisation like the account.
_HITS = """
    CREATE TABLE hits AS
    WITH folded AS (
        SELECT o.company, t.row_id, bool_or(t.name_key = o.name_key) AS alike
        FROM organisations o JOIN organisation_lists l USING (name_key) JOIN there t USING (folded) WHERE len(o.list_ids) > 0 GROUP BY ALL),
    named AS (
        SELECT company, row_id FROM folded
        QUALIFY alike OR NOT (bool_or(alike) OVER (PARTITION BY company) OR bool_or(alike) OVER (PARTITION BY row_id)))
    SELECT company, list(DISTINCT row_id ORDER BY row_id) AS ids FROM (
        SELECT company, row_id FROM named
        UNION ALL SELECT o.company, t.row_id FROM organisations o JOIN there t ON t.domain = o.name WHERE len(o.list_ids) = 0)
    GROUP BY company
"""

_ROWS = """
    CREATE TABLE rows AS
    WITH matched AS (
        SELECT l.*, o.row_id AS own_id, o.origin AS own_origin, o.applied_hash, g.row_id AS given_id,
               x.row_id IS NOT NULL AND o.row_id IS NULL AS gone,
               CASE WHEN o.row_id IS NULL THEN coalesce(h.ids, []) ELSE [] END AS ids,
               coalesce(a.choice = 'new' OR (a.choice = 'row' AND list_contains(h.ids, replace(a.named, 'account:', ''))), false) AS firm,
               coalesce(a.choice IN ('again', 'new') AND a.fresh, false) AS again, a.named
        FROM landed l LEFT JOIN answers a ON a.source_id = l.source_id
        LEFT JOIN own o ON o.company = l.source_id LEFT JOIN hits h ON h.company = l.source_id
        LEFT JOIN xw g ON g.source_id = l.source_id AND g."table" = 'account' AND g.role = '' AND NOT g.alias AND g.origin = 'created'
        LEFT JOIN xw x ON x.source_id = l.source_id AND x."table" = 'account' AND x.role = '' AND NOT x.alias
             AND x.state IN ('present', 'kept')),
    settled AS (
        SELECT *, len(left_over) AS hits, left_over[1] AS hit
        FROM (SELECT *, CASE WHEN firm THEN list_filter(ids, lambda id: named = 'account:' || id) ELSE ids END AS left_over FROM matched))
    SELECT position, source_id, company, name, domain, created_ms,
           coalesce(own_id, CASE WHEN hits = 1 THEN hit END, given_id, new_id(source_id, created_ms)) AS row_id,
           coalesce(own_origin, CASE WHEN hits = 1 THEN 'matched' ELSE 'created' END) AS origin,
           own_id IS NOT NULL AS present, coalesce(applied_hash, '') AS applied_hash,
           CASE WHEN company = '' THEN 'company.name_blank'
                WHEN hits > 1 THEN 'match.several'
                WHEN hits = 1 AND (count(*) FILTER (hits = 1 AND firm) OVER (PARTITION BY hit) > 1 OR hit IN (SELECT row_id FROM own)
                     OR (NOT firm AND count(*) FILTER (hits = 1) OVER (PARTITION BY hit) > 1)) THEN 'match.shared'
                WHEN gone AND hits = 0 AND source_id = company AND NOT again THEN 'match.removed' END AS problem,
           (firm AND len(ids) > 0) OR (gone AND again) AS answered,
           list_transform(ids, lambda id: 'account:' || id) AS fitting
    FROM settled ORDER BY position
"""


_ANSWERED = """
    SELECT r.row_id, a.source_id, a.choice, a.named FROM rows r JOIN answers a USING (source_id) WHERE r.answered AND r.problem IS NULL
"""
_NAMED = "SELECT source_id, problem IS NOT NULL AS waits FROM rows"
_GIVEN = """
    SELECT a.source_id, 'account' AS "table", '' AS role, r.row_id
    FROM landed a JOIN rows r ON r.source_id = a.company WHERE r.problem IS NULL
"""


def _given(con: duckdb.DuckDBPyConnection) -> Iterator[Given]:
    """Ids of the companies that will have a row, and of their further lists as aliases."""
    cursor = con.cursor()
    cursor.execute("""
        SELECT a.source_id, r.row_id, r.origin, a.source_id <> r.source_id
        FROM landed a JOIN rows r ON r.source_id = a.company WHERE r.problem IS NULL ORDER BY a.position
    """)
    while batch := cursor.fetchmany(crosswalk.BATCH):
        yield from (Given(source_id, TABLE, row_id, "", origin, alias) for source_id, row_id, origin, alias in batch)


def _decided(con: duckdb.DuckDBPyConnection) -> Iterator[tuple]:
    cursor = con.cursor()
    cursor.execute(
        """SELECT position, source_id, company, name, domain, r.row_id, origin, present, applied_hash, problem, fitting,
                  origin = 'matched' AND coalesce(NOT e.open, false) AS inactive
           FROM rows r LEFT JOIN (SELECT row_id, open FROM everyone) e ON e.row_id = r.row_id ORDER BY position"""
    )
    while batch := cursor.fetchmany(2_000):
        yield from batch


def _stage_one(context: StagingContext, quality: Quality, row: tuple, dispositions: phases.Dispositions, writer: TableWriter) -> None:
    position, source_id, company, name, domain, row_id, origin, present, applied_hash, problem, fitting, inactive = row
    if problem:
        why = reason(problem, field="name", detail=answers.told(problem, fitting))
        disposition = "rejected" if why["severity"] == "reject" else "held"
        disposition, reasons, _ = quality.settle(source_id, disposition, [why], [], [])
        dispositions.add(position, source_id, disposition, TABLE, "", reasons)
    elif company != source_id:
        dispositions.add(position, source_id, "merged", TABLE, company)
    else:
        values, issues = _values(context, source_id, name, domain)
        noted = [Issue("match.inactive", "", f"{TABLE} {row_id}", "note")] if inactive else []
        draft = Draft(
            row_id=row_id,
            source_id=source_id,
            position=position,
            main_table=TABLE,
            origin=origin,
            present=present,
            applied_hash=applied_hash,
            values=values,
            lossy=[issue.field for issue in issues],
            source=lambda: {"name": name, "websiteurl": domain},
        )
        disposition, reasons, issues = quality.settle(source_id, "planned", [], [(TABLE, draft)], [*issues, *noted])
        dispositions.add(position, source_id, disposition, TABLE, "", [*reasons, *(issue.as_dict() for issue in issues)])
        if disposition == "planned":
            writer.add(draft)


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

"""People: matched with what is at the destination, given their ids, split into contacts and leads, and staged."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import duckdb
import orjson

from connectors import landing
from connectors.store import database
from loads import crosswalk
from loads.crosswalk import Given
from loads.staging import companies, deciding, existing, phases
from loads.staging.context import StagingContext
from loads.staging.people_rows import PersonRows
from loads.staging.rows import TableWriter
from mapping.consent import MEDIA
from mapping.issues import EXPLANATIONS
from mapping.people import milliseconds
from mapping.rowids import row_ids

OBJECT = "user"
TABLES = ("contact", "lead")
DETAILS = {
    **EXPLANATIONS,
    **deciding.HOLDS,
    **deciding.REJECTS,
    **deciding.SKIPS,
    "record.unreadable": "The line is not one JSON object.",
    "match.several": "Several rows of one table at the destination have this e-mail address; a person must say which one it is.",
    "match.shared": "Another person fits the same row at the destination; a person must say who it is.",
    "parent.held": "The person's company is held, so that its people wait with it.",
    "parent.rejected": "The person's company can't load, so that its people wait with it.",
}


class Decision(NamedTuple):
    """What staging decided of one record; see `_DECISIONS`."""

    position: int
    source_id: str
    disposition: str
    table: str
    into_id: str
    codes: list[str]
    row_id: str
    origin: str
    present: bool
    applied_hash: str
    lead_id: str | None
    lead_hash: str
    lead_refused: list[str]
    untouched_lead: str | None
    company_row: str | None
    company_name: str | None
    ambiguous_company: bool
    owner: str
    email: str
    created: str
    suppressed: bool
    no_mail: bool
    consent_noted: bool
    consent: list[int]


def stage(context: StagingContext) -> None:
    """Stage every person of the run's dataset."""
    with database() as con:
        deciding.decide(con, context)
        existing.load_crosswalk(con, context.crosswalk_rows(OBJECT))
        existing.load_people(con, context.destination)
        _load_companies(con, context)
        _match(con)
        _decide_all(con, context)
        _give_ids(con, context)
        with ExitStack() as stack:
            tally = stack.enter_context(phases.Tally(context.run, OBJECT))
            writers = {table: stack.enter_context(TableWriter(context, OBJECT, table)) for table in TABLES}
            _write(con, context, tally, writers)
    phases.record(context.run, tally, [*TABLES, ""], context.worker)


def _load_companies(con: duckdb.DuckDBPyConnection, context: StagingContext) -> None:
    """Table `parents`: per person's position the company, its row and its disposition."""
    from loads import staged  # noqa: PLC0415

    path = str(staged.dispositions_path(context.run, companies.OBJECT))
    rows = ((row[0], row[3]) for row in context.crosswalk_rows(companies.OBJECT) if row[1] == companies.TABLE)
    existing.insert(con, "company_rows", COMPANY_ROWS, rows)
    landed = landing.scan(context.dataset(companies.OBJECT))
    names = ((item.source_id, orjson.loads(item.raw)["name"]) for item in landed)  # derived by us: always objects
    existing.insert(con, "company_names", COMPANY_NAMES, names)
    con.execute(
        """
        CREATE TABLE parents AS
        SELECT a.position, a.company, a.ambiguous, d.disposition, r.row_id, n.name
        FROM read_parquet(?) a LEFT JOIN read_parquet(?) d ON d.source_id = a.company
        LEFT JOIN company_rows r ON r.source_id = a.company LEFT JOIN company_names n ON n.source_id = a.company
        """,
        [str(context.path(companies.ASSIGNED)), path],
    )


COMPANY_ROWS = existing.pa.schema([("source_id", existing.pa.string()), ("row_id", existing.pa.string())])
COMPANY_NAMES = existing.pa.schema([("source_id", existing.pa.string()), ("name", existing.pa.string())])


def _match(con: duckdb.DuckDBPyConnection) -> None:
    """Table `found`, per person that may load: the rows that are theirs already, by the crosswalk or by e-mail.

    Own rows: the survivor's, else those of another record of the cluster (a new survivor updates them).
    """
    con.execute("""
        CREATE TABLE persons AS SELECT d.*, k.email FROM decided d JOIN keys k USING (position) WHERE d.disposition = 'planned'
    """)
    con.execute("""
        CREATE TABLE own AS
        SELECT p.cluster, x."table", arg_min(x, (x.alias, x.source_id <> p.source_id, x.source_id)) AS x
        FROM persons p JOIN decided d USING (cluster) JOIN xw x ON x.source_id = d.source_id AND x.role = ''
        GROUP BY p.cluster, x."table"
    """)
    con.execute("""
        CREATE TABLE hits AS
        SELECT p.cluster, t."table", list(DISTINCT t.row_id ORDER BY t.row_id) AS ids
        FROM persons p JOIN there t USING (email) GROUP BY p.cluster, t."table"
    """)
    con.execute("""
        CREATE TABLE found AS
        SELECT p.cluster, p.outcome,
               oc.x AS own_contact, ol.x AS own_lead,
               CASE WHEN oc.x IS NULL THEN coalesce(hc.ids, []) ELSE [] END AS contacts,
               CASE WHEN ol.x IS NULL THEN coalesce(hl.ids, []) ELSE [] END AS leads
        FROM persons p
        LEFT JOIN own oc ON oc.cluster = p.cluster AND oc."table" = 'contact'
        LEFT JOIN own ol ON ol.cluster = p.cluster AND ol."table" = 'lead'
        LEFT JOIN hits hc ON hc.cluster = p.cluster AND hc."table" = 'contact'
        LEFT JOIN hits hl ON hl.cluster = p.cluster AND hl."table" = 'lead'
    """)
    con.execute("""
        CREATE TABLE claimed AS
        SELECT id, count(DISTINCT cluster) AS clusters FROM (
            SELECT cluster, unnest(contacts) AS id FROM found UNION ALL SELECT cluster, unnest(leads) AS id FROM found) GROUP BY id
    """)


def _decide_all(con: duckdb.DuckDBPyConnection, context: StagingContext) -> None:
    """Table `decisions`: every record with its final disposition, table and row."""
    slug = context.engagement.slug
    give = {table: row_ids(slug, OBJECT, table) for table in TABLES}
    con.create_function("new_id", lambda table, source_id, created: give[table](source_id, milliseconds(created)), ["VARCHAR"] * 3, "VARCHAR")
    con.execute(_PLACED)
    con.execute(_DECISIONS)


_PLACED = """
    CREATE TABLE placed AS
    SELECT f.cluster,
           CASE WHEN f.own_contact IS NOT NULL OR len(f.contacts) > 0 THEN 'contact' ELSE f.outcome END AS "table",
           CASE WHEN len(f.contacts) > 1 OR len(f.leads) > 1 THEN 'match.several'
                WHEN EXISTS (SELECT 1 FROM claimed c WHERE c.clusters > 1 AND (list_contains(f.contacts, c.id) OR list_contains(f.leads, c.id)))
                THEN 'match.shared' END AS problem,
           f.own_contact, f.own_lead, f.contacts[1] AS contact, f.leads[1] AS lead
    FROM found f
"""

# lead_id: an open lead that becomes history of the person's new contact. untouched_lead: an open lead beside an existing contact.
_DECISIONS = f"""
    CREATE TABLE decisions AS
    WITH judged AS (
        SELECT d.*, p."table", k.owner, k.email, k.created, k.consent_noted, k.source_id AS key_source,
               CASE WHEN d.disposition = 'planned' THEN list_filter([
                        p.problem,
                        CASE WHEN a.disposition IN ('held', 'rejected') THEN 'parent.' || a.disposition END
                    ], lambda code: code IS NOT NULL) ELSE d.codes END AS reasons,
               p.own_contact, p.own_lead, p.contact, p.lead, a.row_id AS company_row, a.name AS company_name,
               coalesce(a.ambiguous, false) AS ambiguous_company,
               CASE WHEN p."table" = 'contact' THEN p.own_contact ELSE p.own_lead END AS own,
               CASE WHEN p."table" = 'contact' THEN p.contact ELSE p.lead END AS hit,
               c.suppressed, c.no_mail, {", ".join(f"c.consent_{medium}" for medium in MEDIA)}
        FROM decided d JOIN keys k USING (position)
        LEFT JOIN placed p ON p.cluster = d.cluster AND d.survives AND d.disposition = 'planned'
        LEFT JOIN parents a USING (position)
        LEFT JOIN clusters c ON c.cluster = d.cluster)
    SELECT j.position, j.source_id,
           CASE WHEN j.disposition = 'planned' AND len(j.reasons) > 0 THEN 'held' ELSE j.disposition END AS disposition,
           coalesce(j."table", CASE WHEN j.disposition = 'merged' THEN s."table" END, j.outcome) AS "table",
           CASE WHEN j.disposition = 'merged' THEN j.into_id ELSE '' END AS into_id, j.reasons AS codes,
           coalesce(j.own.row_id, j.hit, CASE WHEN j."table" IS NOT NULL THEN new_id(j."table", j.source_id, j.created) END, '') AS row_id,
           coalesce(j.own.origin, CASE WHEN j.hit IS NOT NULL THEN 'matched' ELSE 'created' END) AS origin,
           coalesce(j.own.state = 'present', false) AS present,
           coalesce(j.own.applied_hash, '') AS applied_hash,
           CASE WHEN j."table" = 'contact' AND j.contact IS NULL AND (j.own_contact IS NULL OR j.own_lead IS NOT NULL)
                THEN coalesce(j.own_lead.row_id, j.lead) END AS lead_id,
           coalesce(j.own_lead.applied_hash, '') AS lead_hash,
           coalesce(e.refused, []) AS lead_refused,
           CASE WHEN j."table" = 'contact' AND (j.contact IS NOT NULL OR (j.own_contact IS NOT NULL AND j.own_lead IS NULL)) THEN j.lead END AS untouched_lead,
           j.company_row, j.company_name, j.ambiguous_company, j.owner, coalesce(j.email, '') AS email, j.created,
           coalesce(j.suppressed, false) AS suppressed, coalesce(j.no_mail, false) AS no_mail, j.consent_noted,
           [{", ".join(f"j.consent_{medium}" for medium in MEDIA)}] AS consent
    FROM judged j LEFT JOIN placed s ON s.cluster = j.cluster
    LEFT JOIN everyone e ON e."table" = 'lead' AND e.row_id = coalesce(j.own_lead.row_id, j.lead)
    ORDER BY j.position
"""  # noqa: S608 - names of our own


def _give_ids(con: duckdb.DuckDBPyConnection, context: StagingContext) -> None:
    """Insert or keep the ids of everyone who will have a row; all ids and e-mails of a cluster point to the one row."""
    environment = context.run.environment
    crosswalk.give(environment, OBJECT, _rows(con, "SELECT source_id, \"table\", row_id, origin, false FROM decisions WHERE disposition = 'planned'"))
    crosswalk.give(
        environment, OBJECT, _rows(con, "SELECT source_id, 'lead', lead_id, 'matched', false FROM decisions WHERE disposition = 'planned' AND lead_id IS NOT NULL")
    )
    crosswalk.follow(environment, OBJECT, _rows(con, _ALIASES))


# The other records of a cluster, and the e-mail of people who have a user id.
_ALIASES = """
    WITH named AS (
        SELECT d.source_id AS name, p."table", p.row_id, p.source_id, p.origin FROM decisions p
        JOIN decided o ON o.position = p.position JOIN decided d ON d.cluster = o.cluster WHERE p.disposition = 'planned'
        UNION SELECT p.email, p."table", p.row_id, p.source_id, p.origin FROM decisions p WHERE p.disposition = 'planned' AND p.email <> '')
    SELECT DISTINCT name, "table", row_id, origin, true FROM named WHERE name <> source_id
"""


def _rows(con: duckdb.DuckDBPyConnection, query: str) -> Iterator[Given]:
    cursor = con.cursor()
    cursor.execute(query)
    while batch := cursor.fetchmany(crosswalk.BATCH):
        for source_id, table, row_id, origin, alias in batch:
            yield Given(source_id, table, row_id, "", origin, alias)


def _write(con: duckdb.DuckDBPyConnection, context: StagingContext, tally: phases.Tally, writers: Mapping[str, TableWriter]) -> None:
    """One pass over the raw records in the export's order, beside the decisions in the same order."""
    rows = PersonRows(context)
    decisions = _decisions(con)
    for landed in landing.scan(context.dataset(OBJECT)):
        decision = next(decisions)
        if decision.position != landed.position:
            raise AssertionError(f"Decision {decision.position} met record {landed.position}.")
        record = landing.parse(landed.raw)[0] if landed.problem is None else None
        _write_one(rows, decision, record, landed.problem, tally, writers)
        if not landed.position % 5_000:
            context.beat()


def _decisions(con: duckdb.DuckDBPyConnection) -> Iterator[Decision]:
    cursor = con.cursor()
    cursor.execute("SELECT * FROM decisions ORDER BY position")
    while batch := cursor.fetchmany(2_000):
        yield from (Decision(*row) for row in batch)


def _write_one(
    rows: PersonRows, decision: Decision, record: dict[str, Any] | None, problem: str | None, tally: phases.Tally, writers: Mapping[str, TableWriter]
) -> None:
    reasons = [reason(code, problem or "") for code in decision.codes]
    disposition = decision.disposition
    if record is not None and disposition in ("planned", "held", "rejected"):
        draft, issues = rows.person(record, decision)
        rejecting = [issue.as_dict() for issue in issues if issue.severity == "reject"]
        if disposition == "planned" and rejecting:
            disposition = "rejected"
        if disposition == "planned":
            writers[decision.table].add(draft)
            if decision.lead_id:
                writers["lead"].add(rows.former_lead(decision))
        listed = {entry["code"] for entry in reasons}
        worth = ("loss", "note") if disposition == "planned" else ("hold", "loss")
        reasons += rejecting + [issue.as_dict() for issue in issues if issue.severity in worth and issue.code not in listed]
    tally.add(decision.position, decision.source_id, disposition, decision.table, decision.into_id, reasons)


def reason(code: str, detail: str = "") -> dict[str, str]:
    """A reason as the ledger keeps it."""
    severity = "reject" if code in deciding.REJECTS or code == "record.unreadable" else "hold"
    return {"code": code, "field": "", "detail": detail or DETAILS.get(code, ""), "severity": severity}


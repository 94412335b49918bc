"""Where people go: which rows are theirs already, by the crosswalk or by e-mail, and which row each will have."""

import duckdb

from connectors.store import function
from loads.staging.context import StagingContext
from mapping.consent import MEDIA
from mapping.people import milliseconds
from mapping.rowids import row_ids

OBJECT = "user"
TABLES = ("contact", "lead")


def place(con: duckdb.DuckDBPyConnection, context: StagingContext) -> None:
    """Table `decisions`: every record with its final disposition, table and row.

    Needs `keys`, `clusters`, `decided` (deciding), `xw`, `everyone`, `there` (existing), `parents` (companies) and `answers`.
    """
    give = {table: row_ids(context.engagement.slug, OBJECT, table) for table in TABLES}

    def new_id(table: str, source_id: str, created: str) -> str:
        return give[table](source_id, milliseconds(created))

    with function(con, "new_id", new_id, ["VARCHAR"] * 3):
        for statement in (_PERSONS, _OWN, _GONE, _HITS, _ANSWERED, _FOUND, _CLAIMED, _PLACED, _DECISIONS):
            con.execute(statement)


_PERSONS = "CREATE TABLE persons AS SELECT d.*, k.email FROM decided d JOIN keys k USING (position) WHERE d.disposition = 'planned'"

# A person's own row in a table: the survivor's, else that of another record of the cluster, which the survivor takes over, else the one
# that an address of theirs leads to: a profile that had no id of its own gets one. A row that several clusters have a name for belongs to
# the one whose id isn't an alias; an address that the row no longer has leads nowhere, unless it is what its record was known by. Rows
# that aren't at the destination are nobody's.
_OWN = """
    CREATE TABLE own AS
    WITH named AS (
        SELECT p.cluster, p.source_id AS survivor, d.source_id AS name, CAST(NULL AS VARCHAR) AS email
        FROM persons p JOIN decided d USING (cluster)
        UNION SELECT p.cluster, p.source_id, k.email, k.email
        FROM persons p JOIN decided d USING (cluster) JOIN keys k ON k.position = d.position WHERE k.email IS NOT NULL),
    claims AS (
        SELECT n.cluster, x."table", x.row_id, x.origin, x.applied_hash, x.alias, n.email IS NOT NULL AS by_email,
               x.source_id <> n.survivor AS taken_over, x.source_id
        FROM named n JOIN xw x ON x.source_id = n.name AND x.role = ''
        JOIN everyone e ON e."table" = x."table" AND e.row_id = x.row_id
        WHERE n.email IS NULL OR NOT x.alias OR e.email = n.email
        QUALIFY row_number() OVER (
            PARTITION BY x."table", x.row_id ORDER BY by_email, x.alias, taken_over, n.cluster, x.source_id) = 1)
    SELECT * FROM claims
    QUALIFY row_number() OVER (PARTITION BY cluster, "table" ORDER BY by_email, alias, taken_over, source_id) = 1
"""

# Rows of ours that a person removed at the destination since they were loaded.
_GONE = """
    CREATE TABLE gone AS
    SELECT p.cluster, x."table" FROM (SELECT cluster, source_id FROM persons UNION SELECT cluster, email FROM persons) p
    JOIN xw x ON x.source_id = p.source_id AND x.role = '' AND NOT x.alias AND x.state IN ('present', 'kept')
    WHERE NOT EXISTS (SELECT 1 FROM everyone e WHERE e."table" = x."table" AND e.row_id = x.row_id)
"""

_HITS = """
    CREATE TABLE hits AS
    SELECT p.cluster, t."table", list(DISTINCT t.row_id ORDER BY t.row_id) AS ids
    FROM persons p JOIN decided d USING (cluster) JOIN keys k ON k.position = d.position JOIN there t ON t.email = k.email
    GROUP BY p.cluster, t."table"
"""

# What somebody said about a person's rows, by any of the person's records, that of the surviving one first.
_ANSWERED = """
    CREATE TABLE answered AS
    SELECT p.cluster, arg_min(a, (d.source_id <> p.source_id, d.source_id)) AS said
    FROM answers a JOIN decided d ON d.source_id = a.source_id JOIN persons p ON p.cluster = d.cluster GROUP BY p.cluster
"""

# Of the rows that fit the one that was named is left, or none where there is to be a new one. fitting: all of them, "table:id".
_FOUND = """
    CREATE TABLE found AS
    WITH sought AS (
        SELECT p.cluster, p.outcome, oc AS own_contact, ol AS own_lead, a.said,
               CASE WHEN oc.cluster IS NULL THEN coalesce(hc.ids, []) ELSE [] END AS contacts,
               CASE WHEN ol.cluster IS NULL THEN coalesce(hl.ids, []) ELSE [] END AS leads
        FROM persons p
        LEFT JOIN own oc ON oc.cluster = p.cluster AND oc."table" = 'contact'
        LEFT JOIN own ol ON ol.cluster = p.cluster AND ol."table" = 'lead'
        LEFT JOIN hits hc ON hc.cluster = p.cluster AND hc."table" = 'contact'
        LEFT JOIN hits hl ON hl.cluster = p.cluster AND hl."table" = 'lead'
        LEFT JOIN answered a ON a.cluster = p.cluster),
    named AS (
        SELECT *, list_concat(list_transform(contacts, lambda id: 'contact:' || id),
                              list_transform(leads, lambda id: 'lead:' || id)) AS fitting FROM sought),
    settled AS (
        SELECT *, coalesce(said.choice = 'new' OR (said.choice = 'row' AND list_contains(fitting, said.named)), false) AS firm FROM named)
    SELECT cluster, outcome, own_contact, own_lead, fitting, firm, coalesce(said.choice IN ('again', 'new') AND said.fresh, false) AS again,
           CASE WHEN firm THEN list_filter(contacts, lambda id: said.named = 'contact:' || id) ELSE contacts END AS contacts,
           CASE WHEN firm THEN list_filter(leads, lambda id: said.named = 'lead:' || id) ELSE leads END AS leads
    FROM settled
"""

# Rows that several people fit, and those of them that are somebody's already, or by what somebody said, more than once.
_CLAIMED = """
    CREATE TABLE claimed AS
    SELECT id, count(DISTINCT cluster) FILTER (firm) > 1 AS twice FROM (
        SELECT cluster, unnest(contacts) AS id, firm FROM found UNION ALL SELECT cluster, unnest(leads), firm FROM found
        UNION ALL SELECT cluster, row_id, true FROM own)
    GROUP BY id HAVING count(DISTINCT cluster) > 1
"""

_PLACED = """
    CREATE TABLE placed AS
    SELECT f.cluster, (f.firm AND len(f.fitting) > 0) OR (f.again AND g.cluster IS NOT NULL) AS answered,
           f.own_contact, f.own_lead, f.contacts[1] AS contact, f.leads[1] AS lead,
           CASE WHEN f.own_contact.row_id IS NOT NULL OR len(f.contacts) > 0 THEN 'contact' ELSE f.outcome END AS "table",
           f.fitting,
           CASE WHEN len(f.contacts) > 1 OR len(f.leads) > 1 THEN 'match.several'
                WHEN cc.twice OR cl.twice OR (NOT f.firm AND (cc.id IS NOT NULL OR cl.id IS NOT NULL)) THEN 'match.shared'
                WHEN g.cluster IS NOT NULL AND f.own_contact.row_id IS NULL AND f.own_lead.row_id IS NULL
                     AND len(f.contacts) = 0 AND len(f.leads) = 0 AND NOT f.again THEN 'match.removed' END AS problem
    FROM found f LEFT JOIN (SELECT DISTINCT cluster FROM gone) g USING (cluster)
    LEFT JOIN claimed cc ON cc.id = f.contacts[1] LEFT JOIN claimed cl ON cl.id = f.leads[1]
"""

# lead_id: an open lead that becomes history of the person's new contact. untouched_lead: an open lead beside an existing contact.
# An id that was given and never landed stays the id of the row that it was given for.
_DECISIONS = f"""
    CREATE TABLE decisions AS
    WITH judged AS (
        SELECT d.*, p."table", p.fitting, k.owner, k.email, k.created, k.consent_noted,
               CASE WHEN d.disposition = 'planned' THEN list_filter([
                        p.problem,
                        CASE WHEN a.removed THEN 'parent.removed' WHEN a.disposition = 'held' THEN 'parent.held'
                             WHEN a.disposition = 'rejected' THEN 'parent.rejected' END
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
           coalesce(j.own.row_id, j.hit, g.row_id, CASE WHEN j."table" IS NOT NULL THEN new_id(j."table", j.source_id, j.created) END, '')
           AS row_id,
           coalesce(j.own.origin, CASE WHEN j.hit IS NOT NULL THEN 'matched' ELSE 'created' END) AS origin,
           j.own.row_id IS NOT NULL AS present,
           coalesce(j.own.applied_hash, '') AS applied_hash,
           e.row_id AS lead_id,
           coalesce(j.own_lead.origin, 'matched') AS lead_origin,
           coalesce(j.own_lead.applied_hash, '') AS lead_hash,
           coalesce(e.refused, []) AS lead_refused,
           CASE WHEN j."table" = 'contact' AND e.row_id IS NULL THEN j.lead END AS untouched_lead,
           j.company_row, j.company_name, j.ambiguous_company, j.owner, coalesce(j.email, '') AS email, j.created,
           coalesce(j.suppressed, false) AS suppressed, coalesce(j.no_mail, false) AS no_mail, j.consent_noted,
           [{", ".join(f"j.consent_{medium}" for medium in MEDIA)}] AS consent,
           coalesce(j.fitting, CASE WHEN j.disposition = 'held' AND j.into_id IS NOT NULL THEN [j.into_id] END, []) AS fitting,
           coalesce(NOT i.open, false) AS inactive
    FROM judged j LEFT JOIN placed s ON s.cluster = j.cluster
    LEFT JOIN xw g ON g.source_id = j.source_id AND g."table" = j."table" AND g.role = '' AND NOT g.alias AND g.origin = 'created'
    LEFT JOIN everyone i ON i."table" = 'contact' AND j."table" = 'contact' AND i.row_id = coalesce(j.own.row_id, j.hit)
         AND (j.hit IS NOT NULL OR j.own.origin = 'matched')
    LEFT JOIN everyone e ON e."table" = 'lead' AND e.open AND j."table" = 'contact' AND j.contact IS NULL
         AND (j.own_contact.row_id IS NULL OR j.own_lead.row_id IS NOT NULL) AND e.row_id = coalesce(j.own_lead.row_id, j.lead)
    ORDER BY j.position
"""  # noqa: S608 - names of our own

# All records of a cluster, and all their e-mails, point to the person's row; the survivor's own id is no alias.
IDS = """
    WITH planned AS (SELECT * FROM decisions WHERE disposition = 'planned'),
    named AS (
        SELECT p.source_id AS name, p."table", p.row_id, p.origin, false AS alias, true AS current FROM planned p
        UNION ALL SELECT p.source_id, 'lead', p.lead_id, p.lead_origin, false, false FROM planned p WHERE p.lead_id IS NOT NULL
        UNION ALL SELECT d.source_id, p."table", p.row_id, p.origin, true, true FROM planned p
            JOIN decided o ON o.position = p.position JOIN decided d ON d.cluster = o.cluster WHERE d.source_id <> p.source_id
        UNION ALL SELECT DISTINCT k.email, p."table", p.row_id, p.origin, true, true FROM planned p
            JOIN decided o ON o.position = p.position JOIN decided d ON d.cluster = o.cluster JOIN keys k ON k.position = d.position
            WHERE k.email <> p.source_id)
    SELECT name, "table", row_id, origin, alias, current FROM named
    QUALIFY row_number() OVER (PARTITION BY name, "table" ORDER BY alias, row_id) = 1
"""

# Rows that are as they are by an answer: which row a person's is, by which records they are one person, or where they go.
ANSWERED = """
    WITH planned AS (SELECT d.row_id, o.cluster FROM decisions d JOIN decided o USING (position) WHERE d.disposition = 'planned')
    SELECT p.row_id, a.said.source_id AS source_id, a.said.choice AS choice, a.said.named AS named
    FROM planned p JOIN placed l USING (cluster) JOIN answered a USING (cluster) WHERE l.answered
    UNION ALL SELECT p.row_id, k.source_id, s.choice, ''
    FROM (SELECT position, source_id, left(sha256(source_id), 24) AS record FROM keys WHERE (SELECT count(*) FROM plan_answers) > 0) k
    JOIN plan_answers s USING (record) JOIN members m USING (position) JOIN planned p USING (cluster)
"""

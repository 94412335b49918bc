"""Who loads: each person's record gets its disposition by the signed plan, before anything is looked up at the destination."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import duckdb
import pyarrow as pa

from connectors.store import fill
from loads.staging.context import StagingContext
from mapping import clusters, plan
from mapping.people import keys_of
from mapping.quality.remedies import ONE, QUESTION_OF, SEVERAL
from mapping.side_keys import members_of, purchases_of
from mapping.split import matrix_from_content


def decide(con: duckdb.DuckDBPyConnection, context: StagingContext) -> None:
    """Read the keys of the people, with the dynamic lists that they are on, and judge them by the plan parts as signed; see `judge`."""
    clusters.load_keys(con, keys_of(context.dataset("user"), context.person_rules, beat=context.beat))
    for rule in context.playbook.members:
        if rule.object in context.run.datasets:
            members = members_of(context.dataset(rule.object), rule)
            clusters.add_memberships(con, members, context.contents["companies"]["lists"])
    split = context.contents["split"]
    owners, purchases = context.contents["owners"]["answers"], _purchases(context, split["purchasers"]["leads"])
    judge(con, matrix_from_content(split), owners, purchases, answers=_answers(context))


def _answers(context: StagingContext) -> dict[str, list[str]]:
    """Answer -> digests of the people whom it was given about, as the plan has them."""
    found: dict[str, list[str]] = {}
    people = {name for name in context.objects if context.kind_of(name) == "person"}
    for entry in context.contents["quality"].get("remedies", ()):
        if entry["object_name"] in people and entry["choice"] in QUESTION_OF:
            found.setdefault(entry["choice"], []).extend(entry["records"])
    return found


def _purchases(context: StagingContext, rule: str) -> Path | None:
    """Who bought, where the signed purchaser rule makes contacts of leads who did and purchases load."""
    for buyers in context.playbook.buyers if rule == "contact" else ():
        if buyers.object in context.run.datasets:
            return purchases_of(context.dataset(buyers.object), buyers, plan.names_of(context.engagement))
    return None


def judge(
    con: duckdb.DuckDBPyConnection,
    matrix: Mapping[str, str],
    owners: Iterable[str],
    purchases: Path | None = None,
    *,
    answers: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """Tables `members`, `clusters` and `decided`, one row per record of `keys`. owners: those that were answered.

    purchases: a file of mapping.side_keys.PURCHASES; who is in it and would be a lead becomes a contact. answers: to what is asked about
    people, see `mapping.quality.remedies`, with digests of the records; what was said of one of a person's records holds for the person.

    decided: position, source_id, cluster, survives, into_id, disposition (planned, merged, skipped, rejected, held), outcome
    (lead, contact or '' where the matrix doesn't place the record), codes (why, the deciding one first).
    """
    clusters.cluster(con, one=answers.get(ONE, ()), several=answers.get(SEVERAL, ()))
    if purchases is None:
        con.execute("CREATE TABLE bought (number BIGINT, cluster BIGINT)")
    else:
        clusters.load_buyers(con, purchases)
    fill(con, "matrix", STAGES, matrix.items())
    fill(con, "owners", OWNERS, ((owner,) for owner in owners))
    fill(con, "plan_answers", SAID, ((record, choice) for choice, records in answers.items() for record in records))
    con.execute(_SAID)
    con.execute(_REASONED)
    con.execute(_DECIDED)


STAGES = pa.schema([("stage", pa.string()), ("outcome", pa.string())])
OWNERS = pa.schema([("owner", pa.string())])
SAID = pa.schema([("record", pa.string()), ("choice", pa.string())])

# Where people go of whom the matrix, or their address, left it to somebody; what was said of the surviving record comes first.
_SAID = """
    CREATE TABLE said AS
    SELECT m.cluster, arg_min(a.choice, (c.survivor <> m.position, m.position)) AS choice
    FROM (SELECT position, left(sha256(source_id), 24) AS record FROM keys WHERE (SELECT count(*) FROM plan_answers) > 0) k
    JOIN plan_answers a USING (record) JOIN members m USING (position) JOIN clusters c USING (cluster)
    WHERE a.choice IN ('contact', 'lead', 'matrix') GROUP BY m.cluster
"""

# The order of codes is the order in which they decide; their words stand in `loads.reasons`.
_REASONED = """
    CREATE TABLE reasoned AS
    WITH signed AS (
        SELECT k.position, k.source_id, k.problem, k.forgotten, k.email_issue, k.role_address, k.stage, k.owner, m.cluster,
               c.survivor = k.position AS survives, s.source_id AS into_id, coalesce(c.names, 0) > 1 AS differ, t.choice,
               CASE WHEN t.choice IN ('lead', 'contact') AND (x.outcome <> 'skip' OR (x.outcome IS NULL AND k.stage = '')) THEN t.choice
                    ELSE x.outcome END AS outcome
        FROM keys k
        LEFT JOIN members m USING (position)
        LEFT JOIN clusters c ON c.cluster = m.cluster
        LEFT JOIN keys s ON s.position = c.survivor
        LEFT JOIN matrix x ON x.stage = CASE WHEN coalesce(c.names, 0) > 1 THEN k.stage ELSE coalesce(s.stage, k.stage) END
        LEFT JOIN said t ON t.cluster = m.cluster)
    SELECT position, source_id, problem, cluster, survives, into_id, forgotten, differ,
           CASE WHEN outcome = 'lead' AND cluster IN (SELECT cluster FROM bought) THEN 'contact' ELSE outcome END AS outcome,
           list_filter([
               CASE WHEN outcome = 'skip' THEN 'split.skip' END,
               CASE WHEN email_issue = 'email.too_long' THEN 'email.too_long' END,
               CASE WHEN differ THEN 'cluster.last_names_differ' END,
               CASE WHEN email_issue IN ('email.missing', 'email.invalid') THEN email_issue END,
               CASE WHEN role_address AND choice IS NULL THEN 'email.role_address' END,
               CASE WHEN outcome = 'review' THEN 'split.review'
                    WHEN outcome IS NULL THEN CASE WHEN stage = '' THEN 'split.stage_blank' ELSE 'split.stage_not_signed' END END,
               CASE WHEN o.owner IS NULL THEN 'owner.not_answered' END
           ], lambda code: code IS NOT NULL) AS codes
    FROM signed LEFT JOIN owners o ON o.owner = signed.owner
"""

_DECIDED = """
    CREATE TABLE decided AS
    SELECT position, source_id, cluster, coalesce(survives, false) AS survives, into_id,
           CASE WHEN outcome IN ('lead', 'contact') AND problem IS NULL THEN outcome ELSE '' END AS outcome,
           CASE WHEN problem IS NOT NULL THEN ['record.unreadable']
                WHEN forgotten THEN ['person.forgotten']
                WHEN NOT differ AND NOT survives THEN []
                ELSE codes END AS codes,
           CASE WHEN problem IS NOT NULL THEN 'rejected'
                WHEN forgotten THEN 'skipped'
                WHEN NOT differ AND NOT survives THEN 'merged'
                WHEN list_contains(codes, 'split.skip') THEN 'skipped'
                WHEN list_contains(codes, 'email.too_long') THEN 'rejected'
                WHEN len(codes) > 0 THEN 'held'
                ELSE 'planned' END AS disposition
    FROM reasoned ORDER BY position
"""

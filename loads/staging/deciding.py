"""Who loads: each person's record gets its disposition by the signed plan, before anything is looked up at the destination."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from connectors.store import fill
from loads.staging.context import StagingContext
from mapping import clusters, plan
from mapping.people import keys_of
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
    judge(con, matrix_from_content(split), context.contents["owners"]["answers"], _purchases(context, split["purchasers"]["leads"]))


def _purchases(context: StagingContext, rule: str) -> Path | None:
    """Who bought, where the signed purchaser rule makes contacts of leads who did and purchases load."""
    for buyers in context.playbook.buyers if rule == "contact" else ():
        if buyers.object in context.run.datasets:
            return purchases_of(context.dataset(buyers.object), buyers, plan.names_of(context.engagement))
    return None


def judge(con: duckdb.DuckDBPyConnection, matrix: Mapping[str, str], owners: Iterable[str], purchases: Path | None = None) -> None:
    """Tables `members`, `clusters` and `decided`, one row per record of `keys`. owners: those that were answered.

    purchases: a file of mapping.side_keys.PURCHASES; who is in it and would be a lead becomes a contact.

    decided: position, source_id, cluster, survives, into_id, disposition (planned, merged, skipped, rejected, held), outcome
    (lead, contact or '' where the matrix doesn't place the record), codes (why, the deciding one first).
    """
    clusters.cluster(con)
    if purchases is None:
        con.execute("CREATE TABLE bought (number BIGINT, cluster BIGINT)")
    else:
        clusters.load_buyers(con, purchases)
    fill(con, "matrix", MATRIX, matrix.items())
    fill(con, "owners", OWNERS, ((owner,) for owner in owners))
    con.execute(_REASONED)
    con.execute(_DECIDED)


MATRIX = pa.schema([("stage", pa.string()), ("outcome", pa.string())])
OWNERS = pa.schema([("owner", pa.string())])

# The order of codes is the order in which they decide; their words stand in `loads.reasons`.
_REASONED = """
    CREATE TABLE reasoned AS
    SELECT k.position, k.source_id, k.problem, m.cluster, c.survivor = k.position AS survives, s.source_id AS into_id, k.forgotten,
           coalesce(c.names, 0) > 1 AS differ,
           CASE WHEN x.outcome = 'lead' AND m.cluster IN (SELECT cluster FROM bought) THEN 'contact' ELSE x.outcome END AS outcome,
           list_filter([
               CASE WHEN x.outcome = 'skip' THEN 'split.skip' END,
               CASE WHEN k.email_issue = 'email.too_long' THEN 'email.too_long' END,
               CASE WHEN c.names > 1 THEN 'cluster.last_names_differ' END,
               CASE WHEN k.email_issue IN ('email.missing', 'email.invalid') THEN k.email_issue END,
               CASE WHEN k.role_address THEN 'email.role_address' END,
               CASE WHEN x.outcome = 'review' THEN 'split.review'
                    WHEN x.outcome IS NULL THEN CASE WHEN k.stage = '' THEN 'split.stage_blank' ELSE 'split.stage_not_signed' END END,
               CASE WHEN o.owner IS NULL THEN 'owner.not_answered' END
           ], lambda code: code IS NOT NULL) AS codes
    FROM keys k
    LEFT JOIN members m USING (position)
    LEFT JOIN clusters c ON c.cluster = m.cluster
    LEFT JOIN keys s ON s.position = c.survivor
    LEFT JOIN matrix x ON x.stage = CASE WHEN coalesce(c.names, 0) > 1 THEN k.stage ELSE coalesce(s.stage, k.stage) END
    LEFT JOIN owners o ON o.owner = k.owner
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

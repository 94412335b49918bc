"""What the customer signs as the split matrix: stages and outcomes with counts and sample people, and the company rule."""

from collections.abc import Mapping
from typing import Any

import duckdb

from connectors import landing, store
from connectors.models import Dataset
from mapping import plan
from mapping.buyers import who_bought
from mapping.clusters import add_memberships, assign_companies, cluster, load_keys, load_organisations
from mapping.discovery.keys import ready_files
from mapping.models import OrganisationList, SplitRule
from mapping.playbooks import load_playbook
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement

SAMPLES = 3
SHOWN_LISTS = 200


class NotDiscovered(WorkbenchError):
    """There is no discovery data to show the matrix on."""

    remedy = "An engineer starts the discovery on the engagement's page."


class BeingPrepared(WorkbenchError):
    """The people's keys are being read anew, since the rules by which they are read changed."""

    remedy = "Open the page again in a minute. If it stays so, start the discovery again."


def matrix_content(engagement: Engagement) -> dict[str, Any]:
    """What the matrix sign-off shows, on discovery data; counts are people, after merging. Raises NotDiscovered, BeingPrepared."""
    dataset = landing.latest(engagement, "user", Dataset.Purpose.DISCOVERY)
    if dataset is None:
        raise NotDiscovered(f"{engagement} has no discovery data yet.")
    files = ready_files(engagement, Dataset.Purpose.DISCOVERY)
    if files is None:
        raise BeingPrepared("The preview is being prepared.")
    split, companies_part = plan.BUILDERS["split"](engagement), plan.BUILDERS["companies"](engagement)
    with store.database() as con:
        load_keys(con, files.people)
        for path in files.members:
            add_memberships(con, path, companies_part["lists"])
        cluster(con)
        [(people,)] = con.execute("SELECT count(*) FROM clusters").fetchall()
        companies = company_preview(con, engagement, companies_part, split["matrix"])
        purchases = who_bought(con, files.purchases, split)
        stages, buyers = _stages(con, split["matrix"], moved=purchases is not None and purchases["rule"] == "contact")
    current = {part: version for part, version in plan.current(engagement).items() if part in plan.MATRIX_PARTS}
    rules = SplitRule.objects.filter(engagement=engagement)
    rows = [_row(rule.stage, rule.outcome, stages) for rule in rules]
    return {
        "engagement": engagement.name,
        "stage_field": split["stage_field"],
        "people": people,
        "rows": sorted(rows, key=lambda row: (row["outcome"], -row["count"], row["stage"])),
        "buyers": [_row(stage, "contact", buyers) for stage in sorted(buyers)],
        "companies": companies,
        "purchases": purchases,
        "fill_rule": split["fill_rule"],
        "parts": plan.covers(current.values()),
    }


Stages = dict[str, tuple[int, list[dict[str, str]]]]  # stage -> people of it, and a few of them


def _row(stage: str, outcome: str, stages: Stages) -> dict[str, Any]:
    count, samples = stages.get(stage, (0, []))
    return {"stage": stage, "outcome": outcome, "count": count, "samples": samples}


def _stages(con: duckdb.DuckDBPyConnection, matrix: Mapping[str, str], *, moved: bool) -> tuple[Stages, Stages]:
    """People by stage; and apart from them, where the purchaser rule makes contacts of leads who bought, those people."""
    buyers = "c.cluster IN (SELECT cluster FROM bought)" if moved else "false"
    counted = f"""
        SELECT k.stage, k.stage IN (SELECT unnest($leads::VARCHAR[])) AND {buyers} AS moves, count(*),
               list({{name: k.shown_name, email: coalesce(k.email, '')}} ORDER BY k.position)[:{SAMPLES}]
        FROM clusters c JOIN keys k ON k.position = c.survivor GROUP BY 1, 2
    """  # noqa: S608 - text of our own
    rows = con.execute(counted, {"leads": [stage for stage, outcome in matrix.items() if outcome == "lead"]}).fetchall()
    stages, apart = ({stage: (count, list(samples)) for stage, moves, count, samples in rows if moves is of} for of in (False, True))
    return stages, apart


def company_preview(
    con: duckdb.DuckDBPyConnection, engagement: Engagement, content: dict[str, Any], matrix: dict[str, str]
) -> dict[str, Any]:
    """What the company rule makes of the people: companies by where they come from, people without one, and the lists.

    con: with the tables that mapping.clusters.cluster leaves. content: the `companies` plan part.
    """
    load_organisations(con, content["lists"], load_playbook(engagement.platform).free_mail_domains)
    con.execute("CREATE TABLE placed (stage VARCHAR)")
    stages = [(stage,) for stage, outcome in matrix.items() if outcome in ("lead", "contact")]
    if stages:
        con.executemany("INSERT INTO placed VALUES (?)", stages)
    con.execute("""
        CREATE TABLE wanted AS SELECT c.cluster FROM clusters c JOIN keys k ON k.position = c.survivor JOIN placed USING (stage)
        WHERE k.email IS NOT NULL AND NOT k.role_address AND c.names <= 1
    """)
    assign_companies(con, by_domain=content["domain_when_no_list"])
    members = dict(con.execute("SELECT l.list_id, count(*) FROM clusters c, unnest(c.lists) AS l(list_id) GROUP BY 1").fetchall())
    lists = OrganisationList.objects.filter(engagement=engagement, confirmed=True)
    [(listed, domains, without, ambiguous)] = con.execute("""
        SELECT (SELECT count(*) FROM organisations WHERE company LIKE 'list:%'),
                (SELECT count(*) FROM organisations WHERE company LIKE 'domain:%'),
               (SELECT count(*) FROM wanted WHERE cluster NOT IN (SELECT cluster FROM assigned WHERE company IS NOT NULL)),
               (SELECT count(*) FROM assigned WHERE ambiguous)
    """).fetchall()
    return {
        "prefix": content["prefix"],
        "list_count": listed,
        "lists": [
            {"list": row.list_name, "organisation": row.organisation, "members": members.get(row.list_id, 0)} for row in lists[:SHOWN_LISTS]
        ],
        "domains": domains,
        "without": without,
        "ambiguous": ambiguous,
    }

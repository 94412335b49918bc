"""Lists: a campaign for each, tied to a static list of contacts and one of leads; and who is on them.

Organisation lists become accounts and suppression lists consent; neither becomes a marketing list. A list holds one type of member, so one
with both becomes two, told apart by their role. Source: the service's createdfromcode, 2 contact, 4 lead.
"""

from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa

from connectors.extraction import land_answers
from connectors.models import Dataset
from connectors.store import database, fill
from loads.models import Phase
from loads.staging import index, leaving
from loads.staging.context import StagingContext
from loads.staging.decisions import Built, Decision, Kind, Late
from loads.staging.record_rows import RecordRows, TableRows, Values, first_text
from loads.staging.rows import Draft
from mapping.issues import Issue
from mapping.names import shorten
from mapping.people import keys_path
from mapping.rowids import row_id
from mapping.transforms import cut, utf16_length

MEMBER_CODES = {"contact": 2, "lead": 4}
TIES = "campaignitem"
ACTIVE = "Active"
DYNAMIC = pa.schema([("list_id", pa.string()), ("user", pa.string())])
SETTLED = pa.schema([("list_id", pa.string()), ("code", pa.string())])


def load_memberships(con: duckdb.DuckDBPyConnection, context: StagingContext) -> None:
    """Table `memberships` (list_id, "user"): static ones from the profiles, those of dynamic lists as they were at the extraction."""
    members = (context.dataset("listMember"),) if "listMember" in context.run.datasets else ()
    rows = ((str(row.get("list")), str(row.get("user"))) for dataset in members for row in context.records(dataset))
    fill(con, "dynamic_members", DYNAMIC, rows)
    con.execute(
        """CREATE TABLE memberships AS
           SELECT DISTINCT l.list_id, k.source_id AS "user" FROM read_parquet(?) k, unnest(k.lists) AS l(list_id)
           UNION SELECT list_id, "user" FROM dynamic_members""",
        [str(keys_path(context.dataset("user"), context.person_rules))],
    )


def _settled(context: StagingContext) -> Iterator[tuple[str, str]]:
    """Lists that become something else, with the code that says what."""
    organisations = context.contents["companies"]["lists"]
    suppressing = set(map(str, context.person_rules.consent.suppression_lists))
    yield from ((key, "list.organisation") for key in organisations)
    yield from ((key, "list.suppression") for key in suppressing - set(organisations))


def _judge_lists(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str) -> None:
    fill(con, "settled", SETTLED, _settled(context))
    con.execute("INSERT INTO codes SELECT i.position, s.code, 'skipped' FROM ided i JOIN settled s ON s.list_id = i.source_id")
    load_memberships(con, context)
    index.load_index(con, context, "user")
    con.execute("""
        CREATE TABLE member_roles AS SELECT m.list_id, x."table" AS role
        FROM memberships m JOIN index_user x ON x.name = m."user" WHERE x.row_id IS NOT NULL GROUP BY ALL
    """)


def _targets(context: StagingContext, object_name: str) -> str:
    """A campaign, and a list per type of member; an empty list is one of contacts."""
    return """SELECT position, 'campaign' AS "table", '' AS role FROM judged
              UNION ALL SELECT j.position, 'list', coalesce(r.role, 'contact')
              FROM judged j LEFT JOIN member_roles r ON r.list_id = j.source_id"""


class ListRows(RecordRows):
    """A list's campaign and marketing lists."""

    def build(self, record: dict[str, Any], decision: Decision) -> Built:
        """The campaign, each list, the ties between them, and the inactive state of a list that the source says is inactive."""
        record, built = self.whole(record), Built([], [], [])
        for row in decision.rows:
            built.drafts.append((row.table, self.draft(record, decision, row, row.table, built.issues)))
        if not decision.rows:
            self.draft(record, decision, None, self.tables[0], built.issues)
        campaign = next((row.row_id for row in decision.rows if row.table == "campaign"), None)
        for row in decision.rows:
            if row.table == "list":
                built.late.append(tie(self.context, self.object_name, decision.source_id, row.row_id, str(campaign), row.role))
        for table, draft in built.drafts:
            draft.state = self.state(record) if table == "list" else None
        return built

    def finish(self, record: dict[str, Any], decision: Decision, of: TableRows, values: Values, issues: list[Issue]) -> None:
        """What tells lists of one source list apart, and the campaign of a list from a send."""
        status = f"{self.prefix}_list_status"
        if of.has(status):
            values[status] = cut(first_text(record, ["listStatus"]) or ACTIVE, 100)
        if of.table.name == "campaign" and of.has(f"{self.prefix}_source_kind"):
            values[f"{self.prefix}_source_kind"] = "List"
        if first_text(record, ["listType"]).casefold() == "dynamic":
            issues.append(Issue("list.snapshot", "listType", "", "note"))

    def draft(self, record: dict[str, Any], decision: Decision, row: Any, table: str, issues: list[Issue]) -> Draft:
        """A static list of one type of member; leads are told in the name."""
        draft = super().draft(record, decision, row, table, issues)
        if table == "list":
            role = row.role if row else "contact"
            draft.values |= {"createdfromcode": MEMBER_CODES[role], "type": False}
            if sum(one.table == "list" for one in decision.rows) > 1:
                self._ended(draft, f" ({role}s)", issues)
        return draft

    def _ended(self, draft: Draft, ending: str, issues: list[Issue]) -> None:
        """The list's name with an ending for which room is made; what that takes from the name is told once."""
        name, room = self.rows["list"].name, self.rows["list"].name_limit - len(ending)
        short, whole = shorten(draft.values[name], room)
        draft.values[name] = short + ending
        if whole is None:
            return
        draft.lossy = sorted({*draft.lossy, name})
        if ("text.shortened", name) not in {(issue.code, issue.field) for issue in issues}:
            issues.append(Issue("text.shortened", name, f"{utf16_length(whole)} of {room}", "loss"))


def tie(context: StagingContext, object_name: str, source_id: str, list_row: str, campaign: str, role: str) -> Late:
    """What ties a list to a campaign; known by both, so that it is done once."""
    key = row_id(context.engagement.slug, object_name, f"{source_id}|{list_row}", TIES)
    parents = [f"list:{list_row}", f"campaign:{campaign}"]
    return Late(Phase.Kind.TIES, TIES, key, {"list": list_row, "campaign": campaign}, parents, role[:30])


class CampaignRows(RecordRows):
    """A send; the marketing lists of its recipients are tied to it."""

    def __init__(self, context: StagingContext, object_name: str) -> None:
        """Know the lists' rows."""
        super().__init__(context, object_name)
        self.lists = leaving.list_rows(context) if "list" in context.objects else {}

    def build(self, record: dict[str, Any], decision: Decision) -> Built:
        """With a tie per list that has a row; others are noted."""
        built = super().build(record, decision)
        ids = record.get("listIds")
        for list_id in dict.fromkeys(str(one) for one in ids[:1_000] if isinstance(one, (int, str))) if isinstance(ids, list) else ():
            if list_id not in self.lists:
                built.issues.append(Issue("list.not_tied", "listIds", list_id[:50], "note"))
            for role, row in self.lists.get(list_id, {}).items():
                campaign = built.drafts[0][1].row_id
                built.late.append(tie(self.context, self.object_name, decision.source_id, row, campaign, f"{list_id[:20]}:{role}"))
        return built


def _land_memberships(context: StagingContext, object_name: str) -> Dataset:
    """The derived dataset: one record per list and person's record, list by list."""
    with database() as con:
        load_memberships(con, context)
        return land_answers(
            engagement=context.engagement,
            object_name=object_name,
            purpose=Dataset.Purpose.LOAD,
            answers=_memberships(con),
            identify=lambda record: record["id"],
            derived=True,
        )


def _memberships(con: duckdb.DuckDBPyConnection) -> Iterator[dict[str, str]]:
    cursor = con.cursor()
    cursor.execute('SELECT list_id, "user" FROM memberships ORDER BY try_cast(list_id AS BIGINT), list_id, "user"')
    while batch := cursor.fetchmany(2_000):
        yield from ({"id": f"{list_id}:{user}", "listId": list_id, "user": user} for list_id, user in batch)


def _judge_memberships(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str) -> None:
    """Several records of one person on one list are one member."""
    con.execute("""
        INSERT INTO merges SELECT position, first FROM (
            SELECT i.position, first_value(i.source_id) OVER same AS first, row_number() OVER same AS place
            FROM ided i JOIN resolved l ON l.position = i.position AND l.number = 1 AND l.row_id IS NOT NULL
            JOIN resolved m ON m.position = i.position AND m.number = 2 AND m.row_id IS NOT NULL
            WINDOW same AS (PARTITION BY l.source_id, m.row_id ORDER BY i.position))
        WHERE place > 1
    """)


class MemberRows:
    """Members of marketing lists: no rows of their own, but added to a list by its message."""

    def __init__(self, context: StagingContext, object_name: str) -> None:
        """Know the lists' rows."""
        self.lists, self.table = leaving.list_rows(context), context.tables_of(object_name)[0]

    def build(self, record: dict[str, Any], decision: Decision) -> Built:
        """One member of the list of its type."""
        of_list, member = decision.parent("listid"), decision.parent("entityid")
        target = self.lists.get(str(of_list.source_id), {}).get(str(member.table)) if of_list and member else None
        if not (decision.rows and member and target):
            return Built([], [], [])
        values = {"list": target, "member": member.row_id, "table": member.table}
        parents = [f"list:{target}", f"{member.table}:{member.row_id}"]
        return Built([], [Late(Phase.Kind.MEMBERS, self.table, decision.rows[0].row_id, values, parents)], [])


LISTS = Kind(
    ListRows, tables=("campaign", "list"), late=((TIES, Phase.Kind.TIES), ("list", Phase.Kind.STATES)), judge=_judge_lists, targets=_targets
)
CAMPAIGNS = Kind(CampaignRows, late=((TIES, Phase.Kind.TIES), ("campaign", Phase.Kind.STATES)))
MEMBERSHIPS = Kind(
    MemberRows,
    tables=(),
    late=(("listmember", Phase.Kind.MEMBERS),),
    dataset=_land_memberships,
    judge=_judge_memberships,
    gone=leaving.keep,
)

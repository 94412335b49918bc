"""Who left a list: a member that we put on it is taken from it, one that somebody else put there stays; each is listed.

A membership has no id that leads to it at the destination. It is known by what the newest run that filled lists staged: a list's row and a
member's. It is gone where no record of the source stands for the two any more. Left alone are the members of lists that are gone
themselves, of lists whose members the source withholds, and of people of whom a membership waits.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import duckdb
import pyarrow as pa

from connectors import store
from loads import staged
from loads.delta.models import Departed
from loads.membership import who_added
from loads.models import Crosswalk, Phase, Run
from loads.staging import departed
from loads.staging.context import StagingContext
from loads.staging.rows import LateWriter

LISTS = pa.schema([("source_id", pa.string()), ("role", pa.string()), ("row_id", pa.string())])
NAMES = pa.schema([("row_id", pa.string()), ("name", pa.string())])
DYNAMIC, PERSON = "listMember", "user"
BATCH = 500


class Leaver(NamedTuple):
    """Who seems to have left. row_id: of the membership, as the run that staged it knows it."""

    source_id: str
    row_id: str
    list_id: str
    member: str
    table: str
    cause: str


def list_rows(context: StagingContext) -> Mapping[str, dict[str, str]]:
    """Source id of each list -> role -> row id; lists are few."""
    found: dict[str, dict[str, str]] = {}
    for row in staged.identities(staged.parts(context.run, "list", "list")):
        found.setdefault(row["source_id"], {})[row["role"]] = row["row_id"]
    return found


def keep(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str) -> None:
    """Keep who left, and stage that they are taken from the lists; safe to repeat. Needs `resolved` and `decisions` of the memberships."""
    table = context.tables_of(object_name)[0]
    settled = list(_settled(con, context, object_name, table))  # read before anything is written
    departed.record(context, object_name, ((one.source_id, table, one.row_id, one.cause, deed) for one, deed in settled))


def _settled(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str, table: str) -> Iterator[tuple[Leaver, str]]:
    """Each who left and is on the list still, with what becomes of it."""
    with ExitStack() as stack:
        writer: LateWriter | None = None
        for one, is_ours in _on_lists(context, _leavers(con, context, object_name)):
            if is_ours and not context.run.is_sample:  # a sample loads, and does nothing else
                writer = writer or stack.enter_context(LateWriter(context, object_name, table, Phase.Kind.LEFT))
                writer.add(one.row_id, one.source_id, 0, "", {"list": one.list_id, "member": one.member, "table": one.table}, ())
                yield one, Departed.Deed.REMOVED
            else:
                yield one, Departed.Deed.LEFT


def _on_lists(context: StagingContext, leavers: Iterator[Leaver]) -> Iterator[tuple[Leaver, bool]]:
    """Those who are on their list still, and whether we put them there. leavers: list by list."""
    for list_id, of_list in groupby(leavers, key=attrgetter("list_id")):
        for together in store.batched(of_list, BATCH):
            added_by = who_added(context.destination.client, list_id, [one.member for one in together])
            yield from ((one, added_by[one.member] in context.destination.user_ids) for one in together if one.member in added_by)
            context.beat()


def _leavers(con: duckdb.DuckDBPyConnection, context: StagingContext, object_name: str) -> Iterator[Leaver]:
    if not (paths := _staged_before(context, object_name)):
        return
    store.fill(con, "list_rows", LISTS, _lists(context))
    con.execute(_LEAVING, {"before": paths, "people": str(context.decisions(PERSON))})
    store.fill(con, "member_names", NAMES, _names(con, context))
    con.execute(_WAITING)
    cursor, register = con.cursor().execute(_LEAVERS), context.person_rules.forgotten
    while batch := cursor.fetchmany(BATCH):
        for source_id, row_id, list_id, member, table, cause, names in batch:
            is_to_be = register.has(*names)  # whom the source doesn't export any more it has forgotten already
            yield Leaver(source_id, row_id, list_id, member, table, Departed.Cause.FORGOTTEN if is_to_be else cause)


def _lists(context: StagingContext) -> Iterator[tuple[str, str, str]]:
    """The rows that lists which load have or had; a list that has no leads on it any more has no row of leads in this run."""
    withheld = {finding.get("subject") for finding in context.dataset(DYNAMIC).findings} if DYNAMIC in context.run.datasets else set()
    known = list_rows(context).keys() - withheld
    rows = Crosswalk.objects.filter(environment=context.run.environment, object_name="list", table="list", alias=False)
    yield from (
        (source_id, role, str(row_id)) for source_id, role, row_id in rows.values_list("source_id", "role", "row_id") if source_id in known
    )


def _staged_before(context: StagingContext, object_name: str) -> list[str]:
    """What the newest run that filled the lists staged: members, and those who left, of whom some may not have been taken from them."""
    done = Phase.objects.filter(
        run__environment=context.run.environment, run_id__lt=context.run.pk, object_name=object_name, kind=Phase.Kind.MEMBERS,
        state=Phase.State.BALANCED, undoes=None,
    ).exclude(run__kind=Run.Kind.SAMPLE)  # fmt: skip
    newest = done.select_related("run__engagement").order_by("-run_id").first()
    if newest is None:
        return []
    kinds = (Phase.Kind.MEMBERS, Phase.Kind.LEFT)
    return [str(path) for kind in kinds for path in staged.parts(newest.run, object_name, staged.kind_of(newest.table, kind))]


def _names(con: duckdb.DuckDBPyConnection, context: StagingContext) -> Iterator[tuple[str, str]]:
    """The names at the source that lead to the rows of those who seem to have left."""
    cursor = con.cursor().execute('SELECT DISTINCT "table", member FROM leaving')
    while batch := cursor.fetchmany(BATCH):
        rows = Crosswalk.objects.filter(environment=context.run.environment, row_id__in=[member for _, member in batch])
        yield from ((str(row_id), name) for row_id, name in rows.values_list("row_id", "source_id"))


# A membership stands for a list's row and a member's, whatever became of its record, where it leads to both. A record that waits keeps
# the member that it had; a lead who became a contact stays on the leads' list beside being on the contacts', as its history does.
_LEAVING = """
    CREATE TABLE leaving AS
    WITH before AS (SELECT DISTINCT ON (row_id) row_id, source_id, decode("values") AS said FROM read_parquet($before)),
    earlier AS (SELECT row_id, source_id, said->>'$.list' AS list, said->>'$.member' AS member, said->>'$.table' AS "table" FROM before),
    forgotten AS (SELECT source_id FROM read_parquet($people) WHERE list_contains(codes, 'person.forgotten')),
    ends AS (
        SELECT d.source_id, f.source_id IS NOT NULL AS forgotten, NOT forgotten AND d.disposition NOT IN ('planned', 'merged') AS waits,
               l.row_id AS list, m.row_id AS member, m."table"
        FROM decisions d
        LEFT JOIN resolved a ON a.position = d.position AND a.number = 1
        LEFT JOIN resolved m ON m.position = d.position AND m.number = 2
        LEFT JOIN forgotten f ON f.source_id = m.source_id
        LEFT JOIN list_rows l ON l.source_id = a.source_id AND l.role = m."table"),
    records AS (
        SELECT source_id, bool_or(waits) AS waits, bool_or(forgotten) AS forgotten, list("table") AS tables FROM ends GROUP BY source_id)
    SELECT e.*, CASE WHEN r.forgotten THEN 'forgotten' WHEN r.source_id IS NULL THEN 'left' ELSE 'merged' END AS cause
    FROM earlier e LEFT JOIN records r ON r.source_id = e.source_id
    WHERE e.list IN (SELECT row_id FROM list_rows)
      AND NOT EXISTS (SELECT 1 FROM ends n WHERE n.list = e.list AND n.member = e.member)
      AND (r.source_id IS NULL OR r.forgotten OR (NOT r.waits AND list_contains(r.tables, e."table")))
"""
_LEAVERS = """
    SELECT l.source_id, l.row_id, l.list, l.member, l."table", l.cause, coalesce(list(n.name) FILTER (n.name IS NOT NULL), [])
    FROM leaving l LEFT JOIN member_names n ON n.row_id = l.member GROUP BY ALL ORDER BY l.list, l.member, l.source_id
"""
# Another record of the same person on the same list waits: whose member it is isn't known yet.
_WAITING = """
    DELETE FROM leaving l WHERE EXISTS (
        SELECT 1 FROM member_names n JOIN list_rows r ON r.row_id = l.list JOIN decisions d ON d.source_id = r.source_id || ':' || n.name
        WHERE n.row_id = l.member AND d.disposition NOT IN ('planned', 'merged', 'skipped'))
"""

"""Rows that somebody removes while a run loads: what belongs to them waits, and hangs under a placeholder or loads without them.

One engagement: a run in whose middle a company and a person are removed, the re-run of what waited, and a run after it.
"""

from types import SimpleNamespace

import pytest

from loads.desk import groups
from loads.models import Chunk, Phase, Run
from tests import database, folders
from tests.folders import user
from tests.playing import OTHERS, engagement_on
from tests.spine.test_exceptions_desk import give, open_quietly
from tests.spine.test_leaving import Played
from tests.spine.test_meanwhile import until
from tests.spine.test_objects_again import MORNING, purchase

pytestmark = [pytest.mark.database, pytest.mark.django_db]
REMOVED = "parent.removed"
LEAVE = tuple(name for name in OTHERS if name not in ("customEvent", "purchase", "purchaseLine"))


def folder(path):
    people = [user("u-1", "ada@gmail.com"), user("u-2", "leo@south.example")]
    logins = [{"userId": "u-1", "eventName": "login", "createdAt": MORNING}]
    return folders.write(path, people, more={"export/customEvent.ndjson": logins, "export/purchase.ndjson": [purchase(1)]})


@pytest.fixture(scope="module")
def played(django_db_setup, django_db_blocker, tmp_path_factory):
    with django_db_blocker.unblock():
        source, work = folder(tmp_path_factory.mktemp("source")), tmp_path_factory.mktemp("work")
        try:
            with engagement_on(source, work) as (engagement, cast, servers):
                yield play(Played(engagement, cast, servers, LEAVE))
        finally:
            database.empty()


def play(played: Played) -> SimpleNamespace:
    first, sent = played.finish_staging(), Chunk.State.DONE
    until(first, "company", "account", Phase.Kind.ROWS, sent)
    played.call("DELETE", f"accounts({played.dump('account')[0]['accountid']})")
    until(first, "user", "contact", Phase.Kind.ROWS, sent)
    lost = played.row("contact", "user:u-1")["contactid"]
    played.call("DELETE", f"contacts({lost})")
    played.finish(first)
    told = {group.table: group for group in groups.groups(first) if group.code == REMOVED}
    for table, choice in (("contact", "apart"), ("opportunity", "parent"), ("task", "apart")):
        give(first, REMOVED, choice, played.cast, table=table)
    again = played.finish(open_quietly(first, list(told.values()), played.cast))
    found = SimpleNamespace(runs=[first, again], lost=lost, told=told, rows=rows(played))
    found.runs.append(played.finish(played.open()))
    found.after = rows(played)
    return found


def rows(played: Played) -> dict[str, dict[str, dict]]:
    """Rows of ours by table and source id."""
    return {table: {row["mwb_sourceid"]: row for row in played.dump(table) if row.get("mwb_sourceid")} for table in TABLES}


TABLES = ("account", "contact", "opportunity", "task")


def test_every_run_balances(played):
    assert [(run.state, run.message) for run in played.runs] == [(Run.State.DONE, "")] * 3


def test_what_belongs_to_a_removed_row_is_asked_about_and_not_taken_for_something_that_only_waits(played):
    assert {table: (group.records, group.follows) for table, group in played.told.items()} == dict.fromkeys(TABLES[1:], (1, False))


def test_a_placeholder_under_the_id_of_the_removed_row_stands_for_it_until_its_record_takes_it_over(played):
    [placeholder] = [row for row in played.rows["contact"].values() if row["contactid"] == played.lost]
    assert placeholder["lastname"] == "Placeholder for user u-1"
    assert played.rows["opportunity"]["purchase:pu-1"]["_customerid_value"] == played.lost
    after = played.after["contact"]["user:u-1"]
    assert (after["contactid"], after["lastname"], after["emailaddress1"]) == (played.lost, "Lind", "ada@gmail.com")
    assert played.after["opportunity"]["purchase:pu-1"]["_customerid_value"] == played.lost


def test_a_record_loads_without_the_row_that_was_removed_where_somebody_says_so(played):
    assert played.rows["account"] == {}
    assert played.rows["contact"]["user:u-2"]["_parentcustomerid_value"] is None
    [task] = played.rows["task"].values()
    assert task["_regardingobjectid_value"] is None

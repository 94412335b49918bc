"""What people do to rows while a run loads: it stands, is asked about or held, and stops nothing. Looked at at the destination.

One engagement: a run that people meddle with between sending, reading back and counting, and a further run after a decision.
"""

from pathlib import Path
from types import SimpleNamespace

import pytest

from connectors.dataverse.client import NS
from loads import engine
from loads.acceptance import everything_content
from loads.delta import conflicts
from loads.delta.models import Conflict
from loads.dispositions import lookup
from loads.models import Chunk, Phase, Run, VerifiedRow
from tests import database, folders
from tests.folders import organisation_list, user
from tests.playing import engagement_on
from tests.spine.test_leaving import NEWS, Played
from tests.spine.test_second_run import SELLER, edit

pytestmark = [pytest.mark.database, pytest.mark.django_db]
PEOPLE = ("u-renamed", "u-open", "u-unmarked", "u-removed", "u-removed-later", "u-listed")


def folder(path: Path) -> Path:
    seller = {"systemuserid": SELLER, "fullname": "Sam Seller", "internalemailaddress": "sam@customer.example"}
    rows = {"dataverse/systemuser": [seller | {"isdisabled": False, "accessmode": 0}]}
    bought = {"id": "pu-1", "userId": "u-open", "total": 20, "createdAt": "2024-03-05 09:10:11 +00:00", "shoppingCartItems": []}
    logins = [{"userId": "u-open", "eventName": "login", "createdAt": "2024-03-05 09:10:11 +00:00"}]
    more = {"export/purchase.ndjson": [bought, {**bought, "id": "pu-2"}], "export/customEvent.ndjson": logins}
    people = [user(name, f"{name}@north.example", emailListIds=[NEWS], lastName="Lovelace") for name in PEOPLE]
    return folders.write(path, people, lists=[organisation_list(NEWS, "News")], rows=rows, more=more)


@pytest.fixture(scope="module")
def played(django_db_setup, django_db_blocker, tmp_path_factory):
    with django_db_blocker.unblock():
        source, work = folder(tmp_path_factory.mktemp("source")), tmp_path_factory.mktemp("work")
        try:
            with engagement_on(source, work) as (engagement, cast, servers):
                yield play(Played(engagement, cast, servers, leave=()))
        finally:
            database.empty()


def until(run: Run, name: str, table: str, kind: str, state: str) -> None:
    """Work until each chunk of a phase is in this state."""
    destination, chunks = engine.Destination(run.environment), run.phases.get(object_name=name, table=table, kind=kind).chunks
    while chunks.exclude(state=state).exists():
        run.refresh_from_db()
        assert run.state == Run.State.LOADING, run.message
        engine.step(run, destination, "tests")


def lose(played: Played, deal: str) -> None:
    """Somebody closes a deal as lost."""
    close = {"@odata.type": f"{NS}.opportunityclose", "subject": "Lost", "opportunityid@odata.bind": f"/opportunities({deal})"}
    client = engine.Destination(played.sandbox).client
    client.post("LoseOpportunity", {"Status": 4, "OpportunityClose": close}, {"MSCRMCallerID": SELLER})


def play(played: Played) -> SimpleNamespace:
    run, sent = played.finish_staging(), Chunk.State.DONE
    until(run, "user", "contact", Phase.Kind.ROWS, sent)
    ids = {name: played.row("contact", f"user:{name}")["contactid"] for name in PEOPLE}
    for name, values in (("u-renamed", {}), ("u-open", {}), ("u-unmarked", {"mwb_runid": None})):
        edit(played.servers, "contact", ids[name], {"lastname": "Byron", **values})
    played.call("DELETE", f"contacts({ids['u-removed']})")
    until(run, "user", "contact", Phase.Kind.ROWS, Chunk.State.CHECKED)
    played.call("DELETE", f"contacts({ids['u-removed-later']})")
    until(run, "listMembership", "listmember", Phase.Kind.MEMBERS, sent)
    played.change(played.list_of(NEWS, 2), "RemoveMemberList", ids["u-listed"])
    until(run, "customEvent", "task", Phase.Kind.ROWS, Chunk.State.CHECKED)
    edit(played.servers, "task", played.dump("task")[0]["activityid"], {"statecode": 2, "statuscode": 6})
    until(run, "purchase", "opportunity", Phase.Kind.ROWS, Chunk.State.CHECKED)
    lost = played.row("opportunity", "purchase:pu-2")["opportunityid"]
    lose(played, lost)
    until(run, "purchase", "opportunity", Phase.Kind.CLOSE, sent)
    deal = played.row("opportunity", "purchase:pu-1")["opportunityid"]
    edit(played.servers, "opportunity", deal, {"statecode": 0, "statuscode": 1})
    played.finish(run)
    found = SimpleNamespace(first=run, state=run.state, message=run.message)
    found.phases = {(phase.table, phase.kind): phase for phase in run.phases.all()}
    found.edited = {(row.phase.table, row.phase.kind, row.source_id) for row in VerifiedRow.objects.filter(run=run, verdict="edited")}
    found.wrong, found.everything = VerifiedRow.objects.filter(run=run, verdict="wrong").count(), everything_content([run])
    found.conflicts = {one.source_id: one for one in Conflict.objects.all()}
    found.deals = {row["mwb_sourceid"]: row["statecode"] for row in played.dump("opportunity")}
    found.tasks = [(row["statecode"], row["statuscode"]) for row in played.dump("task")]
    found.held = {name: lookup(run, "user", name)[0] for name in PEOPLE}
    chosen = Conflict.objects.filter(source_id="u-renamed")
    conflicts.decide_many(played.engagement, chosen, "overwrite", user=played.cast.engineer)
    found.second = played.load()
    found.contacts = {row["mwb_sourceid"].partition(":")[2]: row["lastname"] for row in played.dump("contact")}
    found.states = {one.source_id: one.state for one in Conflict.objects.all()}
    found.again = {name: lookup(found.second, "user", name)[0] for name in PEOPLE}
    return found


def test_nothing_that_people_do_meanwhile_stops_the_run(played):
    assert (played.state, played.message, played.wrong) == (Run.State.DONE, "", 0)
    assert all(phase.balanced for phase in played.phases.values())
    contacts = played.phases["contact", Phase.Kind.ROWS]
    assert (contacts.created, contacts.refused, contacts.at_destination) == (4, 2, 4)
    assert (contacts.verified["rows"], contacts.verified["edited_rows"], contacts.verified["wrong_rows"]) == (4, 3, 0)


def test_what_others_changed_is_counted_by_itself_and_listed_and_what_they_undid_too(played):
    contacts, closed = ("contact", Phase.Kind.ROWS), ("opportunity", Phase.Kind.CLOSE, "pu-1")
    assert played.edited == {(*contacts, name) for name in ("u-renamed", "u-open", "u-unmarked")} | {closed}
    assert (played.everything["edited_rows"], played.everything["redone"], played.everything["wrong"]) == (3, 1, 0)


def test_an_edited_row_is_asked_about_field_by_field_with_what_stands_there_proposed(played):
    asked = played.conflicts["u-renamed"]
    [field] = asked.fields
    assert field == {"column": "lastname", "last": "Lovelace", "now": "Byron", "new": "Lovelace", "proposed": "keep"}
    assert (asked.state, asked.edited_by, asked.run) == ("open", SELLER, played.first)
    assert set(played.conflicts) == {"u-renamed", "u-open", "u-unmarked"}


def test_a_further_run_writes_what_was_decided_and_leaves_the_rest_to_be_asked(played):
    assert {name: played.contacts[name] for name in ("u-renamed", "u-open", "u-listed")} == {
        "u-renamed": "Lovelace", "u-open": "Byron", "u-listed": "Lovelace"
    }  # fmt: skip
    assert played.states == {"u-renamed": "applied", "u-open": "open", "u-unmarked": "open"}
    phase = played.second.phases.get(table="contact", kind=Phase.Kind.ROWS)
    assert (phase.created, phase.updated, phase.equal) == (0, 1, 3)


def test_a_state_that_somebody_gave_a_row_meanwhile_is_not_written_over(played):
    assert played.tasks == [(2, 6)]
    assert played.deals == {"purchase:pu-1": 0, "purchase:pu-2": 2}
    for name, kind in (("customEvent", Phase.Kind.STATES), ("purchase", Phase.Kind.CLOSE)):
        assert [entry.code for entry in played.first.phases.get(object_name=name, kind=kind).ledger.all()] == ["conflict.edited"]


@pytest.mark.parametrize("name", ["u-removed", "u-removed-later"])
def test_a_row_that_somebody_removed_is_held_and_not_made_again_unasked(played, name):
    for told in (played.held[name], played.again[name]):
        assert (told["disposition"], told["reasons"][0]["code"]) == ("held", "match.removed")
    assert name not in played.contacts


def test_members_of_a_list_wait_for_rows_that_are_gone_and_one_taken_from_it_is_held(played):
    members = played.phases["listmember", Phase.Kind.MEMBERS]
    assert (members.planned, members.created, members.waiting, members.refused) == (6, 3, 2, 1)
    codes = {entry.source_id.partition(":")[2]: entry.code for entry in members.ledger.all()}
    assert codes == {"u-removed": "parent.not_loaded", "u-removed-later": "parent.not_loaded", "u-listed": "match.removed"}

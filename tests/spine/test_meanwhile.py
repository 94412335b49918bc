"""What people do to rows while a run loads: it stands, is asked about or held, and stops nothing. Looked at at the destination.

One engagement: a run that people meddle with between sending, reading back and counting, a re-run of what belongs to rows that they
removed, and two further runs after decisions.
"""

from pathlib import Path
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from connectors.dataverse.client import NS
from loads import engine, runs
from loads.acceptance import everything_content
from loads.delta import conflicts, unlinked
from loads.delta.models import Conflict
from loads.desk import groups, remedying
from loads.dispositions import lookup
from loads.models import Chunk, Phase, Rehearsal, Run, VerifiedRow
from tests import folders
from tests.folders import organisation_list, user
from tests.spine.going_on import Played, Twice
from tests.spine.test_exceptions_desk import give, open_quietly
from tests.spine.test_leaving import NEWS
from tests.spine.test_load_engine import unqueued
from tests.spine.test_objects_again import purchase
from tests.spine.test_second_run import SELLER, edit

pytestmark = [pytest.mark.database, pytest.mark.django_db]
AGAIN, AWAY = f"{NEWS}:u-listed-again", f"{NEWS}:u-listed"
AT_ONCE = (Phase.Kind.ROWS, *unlinked.KINDS)  # kinds of what isn't done late
LEAVE = ("campaign", "catalogItem", "subscriptionEvent")
PEOPLE = ("u-renamed", "u-open", "u-unmarked", "u-removed", "u-removed-later", "u-listed", "u-listed-again")

OURS = {*PEOPLE, "u-lost", "u-alone", AGAIN, AWAY, "pu-reopened", "pu-closed", "pu-lost"}

OTHERS = 11 + 8  # contacts of test_leaving and test_delta


def folder(path: Path) -> Path:
    seller = {"systemuserid": SELLER, "fullname": "Sam Seller", "internalemailaddress": "sam@customer.example"}
    rows = {"dataverse/systemuser": [seller | {"isdisabled": False, "accessmode": 0}]}
    bought = {"id": "pu-reopened", "userId": "u-open", "total": 20, "createdAt": "2024-03-05 09:10:11 +00:00", "shoppingCartItems": []}
    logins = [{"userId": "u-open", "eventName": "login", "createdAt": "2024-03-05 09:10:11 +00:00"}]
    logins.append({**logins[0], "userId": "u-lost"})
    sold = purchase("lost", userId="u-lost")
    more = {"export/purchase.ndjson": [bought, {**bought, "id": "pu-closed"}, sold], "export/customEvent.ndjson": logins}
    people = [user(name, f"{name}@north.example", emailListIds=[NEWS], lastName="Lovelace") for name in PEOPLE]
    people += [user("u-lost", "lost@gmail.com"), user("u-alone", "alone@alone.example")]
    return folders.write(path, people, lists=[organisation_list(NEWS, "News")], rows=rows, more=more)


@pytest.fixture(scope="module")
def played(decided):
    return went_on(decided, decided.decided[__name__])


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


def reopen(played: Played, name: str) -> None:
    """Somebody reopens a deal that was closed."""
    deal = played.row("opportunity", f"purchase:pu-{name}")["opportunityid"]
    edit(played.servers, "opportunity", deal, {"statecode": 0, "statuscode": 1})


def conflicts_of_ours() -> QuerySet[Conflict]:
    return Conflict.objects.filter(Q(source_id__in=OURS) | Q(table="task"))


def our_task(played: Played) -> dict:
    """The event of u-open."""
    contact = played.row("contact", "user:u-open")["contactid"]
    return next(row for row in played.dump("task") if row["_regardingobjectid_value"] == contact)


def during(played: Played, run: Run) -> None:
    """What people do while the first run loads."""
    sent = Chunk.State.DONE
    until(run, "company", "account", Phase.Kind.ROWS, sent)
    played.call("DELETE", f"accounts({played.row('account', 'company:domain:alone.example')['accountid']})")
    until(run, "user", "contact", Phase.Kind.ROWS, sent)
    ids = {name: played.row("contact", f"user:{name}")["contactid"] for name in (*PEOPLE, "u-lost")}
    played.lost = ids["u-lost"]
    played.call("DELETE", f"contacts({played.lost})")
    for name, values in (("u-renamed", {}), ("u-open", {}), ("u-unmarked", {"mwb_runid": None})):
        edit(played.servers, "contact", ids[name], {"lastname": "Byron", **values})
    played.call("DELETE", f"contacts({ids['u-removed']})")
    until(run, "user", "contact", Phase.Kind.ROWS, Chunk.State.CHECKED)
    played.call("DELETE", f"contacts({ids['u-removed-later']})")
    until(run, "listMembership", "listmember", Phase.Kind.MEMBERS, sent)
    for name in ("u-listed", "u-listed-again"):
        played.change(played.list_of(NEWS, 2), "RemoveMemberList", ids[name])
    until(run, "customEvent", "task", Phase.Kind.ROWS, Chunk.State.CHECKED)
    edit(played.servers, "task", our_task(played)["activityid"], {"statecode": 2, "statuscode": 6})
    until(run, "purchase", "opportunity", Phase.Kind.ROWS, Chunk.State.CHECKED)
    lose(played, played.row("opportunity", "purchase:pu-closed")["opportunityid"])
    until(run, "purchase", "opportunity", Phase.Kind.CLOSE, sent)
    reopen(played, "reopened")


def between(played: Played, run: Run) -> SimpleNamespace:
    """What came of it; what belongs to removed rows is loaded again, and some of what is asked decided."""
    found = SimpleNamespace(first=run, state=run.state, message=run.message)
    found.phases = {(phase.table, phase.kind): phase for phase in run.phases.all()}
    found.edited = {(row.phase.table, row.phase.kind, row.source_id) for row in VerifiedRow.objects.filter(run=run, verdict="edited")}
    found.wrong, found.everything = VerifiedRow.objects.filter(run=run, verdict="wrong").count(), everything_content([run])
    found.conflicts = {one.source_id: one for one in Conflict.objects.filter(kind__in=AT_ONCE)}
    found.deals = deals(played)
    found.task = our_task(played)
    found.held = {name: lookup(run, "user", name)[0] for name in PEOPLE}
    found.lost, found.parents = played.lost, stand_in(played, run)
    reopen(played, "lost")
    chosen = Conflict.objects.filter(source_id__in=["u-renamed", AGAIN])
    conflicts.decide_many(played.engagement, chosen, "overwrite", user=played.cast.engineer)
    return found


def decide(played: Twice) -> SimpleNamespace:
    """What the second run left; what it asked is decided."""
    found = played.seen[__name__]
    found.second = played.runs[1]
    found.contacts = {row["mwb_sourceid"].partition(":")[2]: row["lastname"] for row in played.dump("contact") if row["mwb_sourceid"]}
    found.parents.after = rows(played)
    found.members = {name for *_, name in played.members()} & {*PEOPLE}
    found.states = {one.source_id: one.state for one in conflicts_of_ours().filter(kind__in=AT_ONCE)}
    found.again = {name: lookup(found.second, "user", name)[0] for name in PEOPLE}
    [found.member_of_removed] = lookup(found.second, "listMembership", f"{NEWS}:u-removed-later")
    answer_late(played, found)
    answer(found.second, "u-removed-later", "leave", played.cast.engineer)
    return found


def went_on(played: Twice, found: SimpleNamespace) -> SimpleNamespace:
    """What the run after that left."""
    found.third = played.runs[2]
    found.answered = lookup(found.third, "user", "u-removed-later")[0]
    found.after = {table: played.dump(table) for table in ("contact", "task")}
    found.late_states = {one.source_id: one.state for one in conflicts_of_ours().exclude(kind__in=AT_ONCE)}
    found.decided = deals(played)
    return found


def deals(played: Played) -> dict[str, int]:
    """Each of our deals' state."""
    ours = {f"purchase:{name}" for name in OURS}
    return {row["mwb_sourceid"].partition(":")[2]: row["statecode"] for row in played.dump("opportunity") if row["mwb_sourceid"] in ours}


def stand_in(played: Played, run: Run) -> SimpleNamespace:
    """What belongs to removed rows loads again, under a placeholder or without them, and one of these too, which then goes once more."""
    told = {group.table: group for group in groups.groups(run) if group.code == "parent.removed"}
    for table, choice in (("contact", "apart"), ("opportunity", "parent"), ("task", "apart")):
        give(run, "parent.removed", choice, played.cast, table=table)
    removed = answer(run, "u-removed", "again", played.cast.engineer)
    found = SimpleNamespace(told=told, run=loaded_again(played, run, [*told.values(), removed]), rows=rows(played))
    played.call("DELETE", f"contacts({found.rows['contact']['user:u-removed']['contactid']})")
    return found


def loaded_again(played: Played, run: Run, chosen: list[groups.Group]) -> Run:
    """A re-run of these groups; its rehearsal foretells what stays away, since people took links away in test_leaving."""
    again = played.finish(open_quietly(run, chosen, played.cast))
    assert "would be refused" in again.message
    with unqueued():
        runs.resume(again, played.cast.engineer)
    return played.finish(again)


def rows(played: Played) -> dict[str, dict[str, dict]]:
    """Rows of ours by table and source id."""
    tables = ("account", "contact", "opportunity", "task")
    return {table: {row["mwb_sourceid"]: row for row in played.dump(table) if row.get("mwb_sourceid")} for table in tables}


def answer(run: Run, name: str, choice: str, engineer: User) -> groups.Group:
    """What becomes of a person whose row was removed; the group that they are in."""
    [removed] = [group for group in groups.groups(run) if (group.code, group.table) == ("match.removed", "contact")]
    given = {entry.pk: (choice, "") for entry in groups.entries(run, [removed.place]) if entry.source_id == name}
    remedying.give(run, remedying.for_records(run, removed, given), user=engineer, subject="removed")
    return removed


def answer_late(played: Played, found: SimpleNamespace) -> None:
    """The late conflicts are decided."""
    asked = {one.source_id: one for one in conflicts_of_ours().exclude(kind__in=AT_ONCE)}
    found.late = {name: (one.kind, one.state, one.fields) for name, one in asked.items()}
    for name in ("task", "pu-closed"):
        one = next(one for one in asked.values() if name in (one.table, one.source_id))
        conflicts.decide_many(played.engagement, Conflict.objects.filter(pk=one.pk), "overwrite", user=played.cast.engineer)
    kept = Conflict.objects.filter(pk__in=[asked[name].pk for name in ("pu-reopened", "pu-lost")])
    conflicts.decide_many(played.engagement, kept, "keep", user=played.cast.engineer)


def test_a_rehearsal_foretells_what_is_left_to_those_who_edited_it_and_about_which_nobody_decided(played):
    told = next(one for one in Rehearsal.objects.get(run=played.second).score["reasons"] if one["code"] == "conflict.edited")
    assert told["predicted"] == told["hit"] == 3 + 4  # of the other modules
    assert told["missed"] == ["pu-lost"]  # reopened since: nobody was asked about it before


def test_nothing_that_people_do_meanwhile_stops_the_run(played):
    assert (played.state, played.message, played.wrong) == (Run.State.DONE, "", 0)
    assert all(phase.balanced for phase in played.phases.values())
    contacts = played.phases["contact", Phase.Kind.ROWS]
    assert (contacts.created, contacts.refused, contacts.at_destination) == (5 + OTHERS, 3, 5 + OTHERS)
    assert (contacts.verified["rows"], contacts.verified["edited_rows"], contacts.verified["wrong_rows"]) == (5 + OTHERS, 3, 0)


def test_what_others_changed_is_counted_by_itself_and_listed_and_what_they_undid_too(played):
    contacts, closed = ("contact", Phase.Kind.ROWS), ("opportunity", Phase.Kind.CLOSE, "pu-reopened")
    assert played.edited == {(*contacts, name) for name in ("u-renamed", "u-open", "u-unmarked")} | {closed}
    assert (played.everything["edited_rows"], played.everything["redone"], played.everything["wrong"]) == (3, 1, 0)


def test_an_edited_row_is_asked_about_field_by_field_with_what_stands_there_proposed(played):
    asked = played.conflicts["u-renamed"]
    [field] = asked.fields
    assert field == {"column": "lastname", "last": "Lovelace", "now": "Byron", "new": "Lovelace", "proposed": "keep"}
    assert (asked.state, asked.edited_by, asked.run) == ("open", SELLER, played.first)
    assert set(played.conflicts) == {"u-renamed", "u-open", "u-unmarked", AGAIN, AWAY}


def test_a_further_run_writes_what_was_decided_and_leaves_the_rest_to_be_asked(played):
    assert {name: played.contacts[name] for name in ("u-renamed", "u-open", "u-listed")} == {
        "u-renamed": "Lovelace", "u-open": "Byron", "u-listed": "Lovelace"
    }  # fmt: skip
    assert played.states == {"u-renamed": "applied", "u-open": "open", "u-unmarked": "open", AGAIN: "applied", AWAY: "open"}
    phase = played.second.phases.get(table="contact", kind=Phase.Kind.ROWS)
    assert (phase.created, phase.updated, phase.equal) == (0 + 3, 2 + 6, 5 + 4)  # of the other modules; u-lost takes its placeholder over


def test_a_state_that_somebody_gave_a_row_meanwhile_is_not_written_over(played):
    assert (played.task["statecode"], played.task["statuscode"]) == (2, 6)
    assert played.deals == {"pu-reopened": 0, "pu-closed": 2}
    for name, kind in (("customEvent", Phase.Kind.STATES), ("purchase", Phase.Kind.CLOSE)):
        codes = [entry.code for entry in played.first.phases.get(object_name=name, kind=kind).ledger.all()]
        assert [code for code in codes if code != "parent.not_loaded"] == ["conflict.edited"]


def test_a_row_that_somebody_removed_is_held_and_not_made_again_unasked(played):
    for told in (played.held["u-removed"], played.held["u-removed-later"], played.again["u-removed-later"]):
        assert (told["disposition"], told["reasons"][0]["code"]) == ("held", "match.removed")
    assert "u-removed-later" not in played.contacts
    told = played.member_of_removed
    assert (told["disposition"], told["reasons"][0]["code"]) == ("held", "parent.removed")


def test_members_of_a_list_wait_for_rows_that_are_gone_and_one_taken_from_it_is_held(played):
    members = played.phases["listmember", Phase.Kind.MEMBERS]
    assert (members.planned, members.created, members.waiting, members.refused) == (7 + 13, 3 + 13, 2, 2)  # of test_leaving
    codes = {entry.source_id.partition(":")[2]: entry.code for entry in members.ledger.all()}
    assert codes == {
        "u-removed": "parent.not_loaded", "u-removed-later": "parent.not_loaded",
        "u-listed": "match.removed", "u-listed-again": "match.removed",
    }  # fmt: skip


def test_a_state_that_was_not_set_is_asked_about_on_the_page_of_edited_rows(played):
    [task] = [one for name, one in played.late.items() if not name.startswith("pu-")]
    kind, state, fields = task
    assert (kind, state, {one["column"]: (one["now"], one["new"], one["proposed"]) for one in fields}) == (
        "states", "open", {"statecode": (2, 1, "keep"), "statuscode": (6, 5, "keep")},
    )  # fmt: skip
    assert [played.late[name][:2] for name in ("pu-reopened", "pu-closed")] == [("close", "open")] * 2


def test_a_further_run_ends_rows_as_was_decided_and_keeps_the_rest(played):
    assert (played.third.state, played.third.message) == (Run.State.DONE, "")
    assert [(row["statecode"], row["statuscode"]) for row in played.after["task"]] == [(1, 5)] * (2 + 2)  # of test_delta
    states = {"pu-reopened": 0, "pu-closed": 1, "pu-lost": 0}
    assert played.decided == states
    assert set(played.late_states.values()) == {"applied"}
    for name, kind in (("customEvent", Phase.Kind.STATES), ("purchase", Phase.Kind.CLOSE)):
        assert not played.third.phases.get(object_name=name, kind=kind).ledger.exclude(source_id="pu-1").exists()  # of test_leaving


def test_a_removed_row_is_made_again_where_somebody_says_so_and_stays_away_where_they_say_that(played):
    made = played.parents.rows["contact"]["user:u-removed"]
    assert (made["lastname"], made["statecode"]) == ("Lovelace", 0)
    assert not [row for row in played.after["contact"] if row["mwb_sourceid"] == "user:u-removed-later"]
    told = played.answered
    assert (told["disposition"], [one["code"] for one in told["reasons"]]) == ("skipped", ["remedy.skipped", "match.removed"])


def test_a_row_that_is_removed_once_more_is_asked_about_once_more(played):
    told = played.again["u-removed"]
    assert (told["disposition"], told["reasons"][0]["code"]) == ("held", "match.removed")


def test_who_was_taken_from_a_list_is_put_on_it_again_only_where_somebody_decides_so(played):
    assert played.members == {"u-renamed", "u-open", "u-unmarked", "u-listed-again"}
    [entry] = played.second.phases.get(kind=Phase.Kind.MEMBERS).ledger.filter(row_id__isnull=False, source_id__in=OURS)
    assert (entry.source_id, entry.code, entry.held) == (AWAY, "conflict.removed", True)


def test_what_belongs_to_a_removed_row_is_asked_about_and_not_taken_for_something_that_only_waits(played):
    told = {table: (group.records, group.follows) for table, group in played.parents.told.items()}
    assert told == dict.fromkeys(("contact", "opportunity", "task"), (1, False))
    assert [(run.state, run.message) for run in (played.parents.run, played.second)] == [(Run.State.DONE, "")] * 2


def test_a_placeholder_under_the_id_of_the_removed_row_stands_for_it_until_its_record_takes_it_over(played):
    rows, after = played.parents.rows, played.parents.after
    [placeholder] = [row for row in rows["contact"].values() if row["contactid"] == played.lost]
    assert placeholder["lastname"] == "Placeholder for user u-lost"
    assert rows["opportunity"]["purchase:pu-lost"]["_customerid_value"] == played.lost
    contact = after["contact"]["user:u-lost"]
    assert (contact["contactid"], contact["lastname"], contact["emailaddress1"]) == (played.lost, "Lind", "lost@gmail.com")
    assert after["opportunity"]["purchase:pu-lost"]["_customerid_value"] == played.lost


def test_a_record_loads_without_the_row_that_was_removed_where_somebody_says_so(played):
    rows = played.parents.rows
    assert "company:domain:alone.example" not in rows["account"]
    assert rows["contact"]["user:u-alone"]["_parentcustomerid_value"] is None
    assert None in [task["_regardingobjectid_value"] for task in rows["task"].values()]

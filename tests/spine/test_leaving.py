"""Who left a list at the source, or is to be forgotten there, and what `verify` notices of lists, ties and deals after a run."""

import json
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db.models import QuerySet

from loads import rollback
from loads.delta import unlinked
from loads.delta.models import Conflict, Departed
from loads.models import Phase, Run
from loads.rehearsal import scoring
from loads.rollback.scope import Scope
from tests import folders
from tests.folders import organisation_list, user
from tests.spine.going_on import Played, Twice
from tests.spine.taking_back import held
from tests.spine.test_second_run import SELLER, edit

pytestmark = [pytest.mark.database, pytest.mark.django_db]
LATER = "2026-01-01 00:00:00 +00:00"
NEWS, GONE = 7, 8
TAKEN_OFF = {(str(NEWS), "contact", name) for name in ("u-stays", "u-parted-1")}  # by a person
LEAVE = ("campaign", "catalogItem", "customEvent", "subscriptionEvent")


def on(user_id: str, *lists: int, **fields) -> dict:
    return user(user_id, f"{user_id}@north.example", emailListIds=list(lists), **fields)


def one_of(name: str, number: int) -> dict:
    """One of two records of a person, the first of which survives while it is there."""
    changed = f"202{5 - number}-01-01 00:00:00 +00:00"
    return user(f"u-{name}-{number}", f"{name}@north.example", emailListIds=[NEWS], firstName="Pair", profileUpdatedAt=changed)


FIRST = [
    on("u-stays", NEWS, GONE),
    on("u-left", NEWS),
    on("u-left-lead", NEWS, lifecycleStage="lead"),
    on("u-deleted", NEWS),
    on("u-by-hand", NEWS),
    on("u-crossed", NEWS, lifecycleStage="lead"),
    on("u-back", NEWS),
    on("u-forgotten", NEWS),
    on("u-erased", NEWS),
    on("u-edited-forgotten"),
    *(one_of(name, number) for name in ("twin", "heir", "parted") for number in (1, 2)),
]
SECOND = [
    on("u-stays", NEWS, profileUpdatedAt=LATER),
    on("u-left"),
    on("u-left-lead", lifecycleStage="lead"),
    on("u-by-hand"),
    on("u-crossed", NEWS, lifecycleStage="customer", profileUpdatedAt=LATER),
    on("u-back", NEWS, lifecycleStage="lead", profileUpdatedAt=LATER),
    on("u-forgotten", NEWS),
    on("u-edited-forgotten"),
    one_of("twin", 1),
    *(one_of(name, 2) for name in ("heir", "parted")),
]
FORGOTTEN = [sha256(f"{name}@north.example".encode()).hexdigest() for name in ("u-forgotten", "u-erased", "u-edited-forgotten")]


def folder(path: Path) -> Path:
    seller = {"systemuserid": SELLER, "fullname": "Sam Seller", "internalemailaddress": "sam@customer.example"}
    rows = {"dataverse/systemuser": [seller | {"isdisabled": False, "accessmode": 0}]}
    bought = {"id": "pu-1", "userId": "u-stays", "total": 20, "createdAt": "2024-03-05 09:10:11 +00:00", "shoppingCartItems": []}
    lists = [organisation_list(NEWS, "News"), organisation_list(GONE, "Autumn")]
    folders.write(path, FIRST, lists=lists, rows=rows, more={"export/purchase.ndjson": [bought]})
    later = path / "later" / "iterable"
    (later / "export").mkdir(parents=True)
    (later / "users").mkdir()
    (later / "export" / "user.ndjson").write_text("".join(json.dumps(one) + "\n" for one in SECOND))
    (later / "lists.json").write_text(json.dumps({"lists": lists[:1]}))
    (later / "users" / "forgotten.json").write_text(json.dumps({"hashedEmails": FORGOTTEN}))
    return path


@pytest.fixture(scope="module")
def played(loaded_twice):
    return play(loaded_twice)


def of_ours(found: QuerySet) -> QuerySet:
    """But for what is of test_meanwhile."""
    return found.exclude(source_id__contains="u-listed")


def between(played: Played, first: Run) -> SimpleNamespace:
    seen = SimpleNamespace(whole=played.verify(first), first=played.members())
    meddle(played)
    seen.meddled = played.verify(first)
    edit(played.servers, "contact", played.row("contact", "user:u-edited-forgotten")["contactid"], {"jobtitle": "Director"})
    by_hand, news = played.row("contact", "user:u-by-hand")["contactid"], played.list_of(NEWS, 2)
    played.change(news, "RemoveMemberList", by_hand)
    played.change(news, "AddMemberList", by_hand, SELLER)
    return seen


def play(played: Twice) -> SimpleNamespace:
    (first, second), found, news = played.runs, played.seen[__name__], played.list_of(NEWS, 2)
    found.tied = {of_list for _, of_list in played.ties()}
    found.on_list = [row["_entityid_value"] for row in played.dump("listmember") if row["_listid_value"] == news]
    found.heirs = {name: played.row("contact", f"user:u-{name}-2")["contactid"] for name in ("heir", "parted")}
    found.second, found.phases = played.members(), {(one.table, one.kind): one for one in second.phases.all()}
    found.refused = set(of_ours(second.ledger.filter(code="conflict.removed")).values_list("phase__kind", "source_id"))
    found.score = {one["code"]: one for one in scoring.score(second)["reasons"]}
    found.departed = {(one.table, one.source_id): (one.cause, one.deed) for one in Departed.objects.filter(run=second)}
    found.people = {row.get("mwb_sourceid"): (row["statecode"], row["donotbulkemail"]) for row in played.dump("contact")}
    found.since, found.again = played.verify(first), played.verify(second)
    found.after = played.after[-1]
    with held():
        planned = rollback.open_rollback(second, played.cast.engineer, Scope())
    played.work(planned)
    with held():
        rollback.agree(planned, played.cast.engineer)
    assert played.work(planned).state == Run.State.DONE, planned.message
    found.back = played.members()
    found.heir_is_back = [row["_entityid_value"] for row in played.dump("listmember") if row["_listid_value"] == news]
    return found


def meddle(played: Played) -> None:
    """A member is taken from a list, a tie is cut, a deal is reopened: what no row of ours shows."""
    campaign, news = played.row("campaign", f"list:{NEWS}")["campaignid"], played.list_of(NEWS, 2)
    played.change(news, "RemoveMemberList", played.row("contact", "user:u-stays")["contactid"])
    played.change(news, "RemoveMemberList", played.row("contact", "user:u-parted-1")["contactid"])
    played.call("DELETE", f"campaigns({campaign})/campaignlist_association({news})/$ref")
    edit(played.servers, "opportunity", played.row("opportunity", "purchase:pu-1")["opportunityid"], {"statecode": 0, "statuscode": 1})


def test_verification_after_a_run_counts_all_that_was_done_beside_the_rows(played):
    assert "rows are as they were sent" in played.whole
    for words in ("members of lists: 16 rows", "lists tied to campaigns: 3 rows", "deals closed: 2 rows"):
        assert words in played.whole


def test_verification_notices_a_member_removed_a_tie_cut_and_a_deal_reopened_and_names_them(played):
    assert f"    {NEWS}:u-stays: it isn't there\n" in played.meddled
    assert f"    {NEWS}: it isn't there\n" in played.meddled
    deal = next(line for line in played.meddled.splitlines() if line.startswith("    pu-1: ") and "statecode" in line)
    assert {"statecode", "statuscode"} <= set(deal.partition(": ")[2].split(", "))
    assert played.meddled.count("it isn't there") == 3


def test_who_left_a_list_is_taken_from_it_where_we_put_them_there(played):
    gone = {(str(NEWS), "contact", "u-left"), (str(NEWS), "lead", "u-left-lead"), (str(NEWS), "contact", "u-deleted")}
    gone |= {(str(NEWS), "contact", "u-forgotten"), (str(NEWS), "contact", "u-erased")}
    assert gone <= played.first
    assert played.first - played.second == gone | TAKEN_OFF | {(str(NEWS), "contact", "u-heir-1")}  # the row is the other record's by now
    phase = played.phases["listmember", Phase.Kind.LEFT]
    assert (phase.planned, phase.updated + phase.created, phase.balanced, phase.at_destination) == (5, 5, True, 5)
    assert {key[1] for key, told in played.departed.items() if told == ("left", "removed")} == {
        f"{NEWS}:u-left", f"{NEWS}:u-left-lead", f"{NEWS}:u-deleted"
    }  # fmt: skip


def test_a_member_whom_a_person_put_on_the_list_stays_and_is_listed(played):
    assert (str(NEWS), "contact", "u-by-hand") in played.second
    assert played.departed["listmember", f"{NEWS}:u-by-hand"] == ("left", "left")


def test_a_member_stays_one_where_another_record_stands_for_the_person_and_stays_away_where_a_person_took_them_off(played):
    told = [
        (of_list.count(played.heirs["heir"]), of_list.count(played.heirs["parted"])) for of_list in (played.on_list, played.heir_is_back)
    ]
    assert told == [(1, 0), (1, 0)]


def test_members_of_a_list_that_is_gone_and_of_whom_another_record_stands_there_stay(played):
    assert (str(GONE), "contact", "u-stays") in played.second
    assert sum(name.startswith("u-twin") for *_, name in played.second) == 1
    assert {(str(NEWS), "lead", "u-crossed"), (str(NEWS), "contact", "u-crossed")} <= played.second


def test_a_contact_who_would_be_a_lead_by_now_stays_one_row_and_one_member(played):
    assert [one for one in played.second if one[2] == "u-back"] == [(str(NEWS), "contact", "u-back")]
    assert not [row for row in played.after.rows("lead", "sandbox") if row["mwb_sourceid"] == "user:u-back"]


def test_people_who_are_to_be_forgotten_are_listed_opted_out_and_deactivated_unless_edited(played):
    told = {key[1]: value for key, value in played.departed.items() if key[0] == "contact"}
    assert told["u-forgotten"] == told["u-erased"] == ("forgotten", "deactivated")
    assert told["u-edited-forgotten"] == ("forgotten", "opted_out")
    assert told["u-deleted"] == ("deleted", "deactivated")
    states = {name: (played.people[f"user:{name}"]) for name in ("u-forgotten", "u-edited-forgotten", "u-deleted", "u-stays")}
    assert states == {"u-forgotten": (1, True), "u-edited-forgotten": (0, True), "u-deleted": (1, False), "u-stays": (0, False)}
    members = {played.departed["listmember", f"{NEWS}:{name}"] for name in ("u-forgotten", "u-erased")}
    assert members == {("forgotten", "removed")}


def test_verification_of_an_earlier_run_leaves_to_the_later_one_what_that_took_up(played):
    assert "rows are as they were sent" in played.again
    assert f"{NEWS}:u-left: it isn't there" not in played.since
    for left_to_a_person in (f"    {NEWS}:u-stays: it isn't there\n", "    pu-1: "):
        assert left_to_a_person in played.since


def test_a_rollback_puts_members_on_the_lists_again(played):
    assert played.first - played.back == TAKEN_OFF


def test_a_member_whom_a_person_took_off_and_a_tie_that_a_person_cut_stay_away_and_are_listed(played):
    assert (str(NEWS), "contact", "u-stays") not in played.second
    assert played.tied == {(f"list:{NEWS}", 4), (f"list:{GONE}", 2)}
    asked = of_ours(Conflict.objects.filter(kind__in=unlinked.KINDS))
    conflicts = {(one.table, one.source_id): (one.state, one.fields[0]["proposed"]) for one in asked}
    names = [("listmember", f"{NEWS}:u-stays"), ("listmember", f"{NEWS}:u-parted-2"), ("campaignitem", str(NEWS))]
    assert conflicts == dict.fromkeys(names, ("open", "keep"))
    assert played.refused == {(Phase.Kind.TIES if table == "campaignitem" else Phase.Kind.MEMBERS, name) for table, name in names}
    predicted = played.score["conflict.removed"]
    assert (predicted["predicted"], predicted["hit"], predicted["unfounded"]) == (3 + 1, 3 + 1, [])

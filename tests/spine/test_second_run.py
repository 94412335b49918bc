"""A second extraction and run, after source and destination changed: ids stay, nothing doubles, nobody's edit is lost."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from loads.models import Crosswalk, Run
from tests import folders
from tests.folders import organisation_list, user
from tests.playing import OTHERS, collect

pytestmark = [pytest.mark.database, pytest.mark.django_db]
SELLER = "00000000-0000-0000-0000-00000000005e"
LEAVE = OTHERS
LATER = "2026-01-01 00:00:00 +00:00"


def first_users() -> list[dict]:
    return [
        user("u-same", "same@northpine.example"),
        user("u-apart-1", "apart@northpine.example", lastName="Apart"),
        user("u-apart-2", "apart@northpine.example", lastName="Apart", profileUpdatedAt="2024-01-01 00:00:00 +00:00"),
        user("u-turn-1", "turn@northpine.example", firstName="One"),
        user("u-turn-2", "turn@northpine.example", firstName="Two", profileUpdatedAt="2024-01-01 00:00:00 +00:00"),
        user("u-moved", "moved@northpine.example", lastName="Moved"),
        user("u-cross", "cross@northpine.example", "lead"),
        user("u-gone", "gone@northpine.example"),
        user("u-edited", "edited@northpine.example", jobTitle="Clerk"),
        user("u-refused", "refused@northpine.example", jobTitle="Clerk"),
        user(None, "unnamed@gmail.com"),
        user("u-emptied", "emptied@gmail.com", jobTitle="Clerk", emailListIds=[9]),
        user("u-emptied-lead", "emptied-lead@gmail.com", "lead", emailListIds=[9]),
        user("u-emptied-edited", "emptied-edited@gmail.com", jobTitle="Clerk"),
    ]


def later_users() -> list[dict]:
    return [
        user("u-same", "same@northpine.example"),
        user("u-apart-1", "apart@northpine.example", lastName="Apart"),
        user("u-apart-2", "own@northpine.example", lastName="Apart", profileUpdatedAt=LATER),
        user("u-turn-1", "turn@northpine.example", firstName="One"),
        user("u-turn-2", "turn@northpine.example", firstName="Two", profileUpdatedAt=LATER),
        user("u-moved", "elsewhere@northpine.example", lastName="Moved", profileUpdatedAt=LATER),
        user(None, "moved@northpine.example", lastName="Newcomer", profileUpdatedAt=LATER),
        user("u-cross", "cross@northpine.example", "customer", profileUpdatedAt=LATER),
        user("u-gone", "gone@northpine.example"),
        user("u-edited", "edited@northpine.example", jobTitle="Head clerk", profileUpdatedAt=LATER),
        user("u-refused", "refused@northpine.example", jobTitle="Head clerk", profileUpdatedAt=LATER),
        user("u-named", "Unnamed@gmail.com", profileUpdatedAt=LATER),
        user("u-emptied", "emptied@gmail.com", firstName=None, profileUpdatedAt=LATER),
        user("u-emptied-lead", "emptied-lead@gmail.com", "lead", profileUpdatedAt=LATER),
        user("u-emptied-edited", "emptied-edited@gmail.com", profileUpdatedAt=LATER),
    ]


def folder(path: Path) -> Path:
    seller = {
        "systemuserid": SELLER,
        "fullname": "Sam Seller",
        "internalemailaddress": "sam@customer.example",
        "isdisabled": False,
        "accessmode": 0,
    }
    lists = [organisation_list(9, "Company: Eastgate")]
    folders.write(path, first_users(), lists=lists, rows={"dataverse/systemuser": [seller]})
    later = path / "later" / "iterable"
    (later / "export").mkdir(parents=True)
    (later / "export" / "user.ndjson").write_text("".join(json.dumps(one) + "\n" for one in later_users()))
    lists = [organisation_list(9, "Company: Eastgate"), organisation_list(10, "Company: Eastgate")]
    (later / "lists.json").write_text(json.dumps({"lists": lists}))
    return path


def edit(servers, table: str, row_id: str, values: dict) -> None:
    """Another user changes a row of the sandbox."""
    body = {"table": table, "id": row_id, "values": values, "user": SELLER}
    with requests.Session() as session:
        session.trust_env = False
        assert session.post(f"{servers.dataverse_sandbox}/_simulator/edit", json=body, timeout=10).ok


@pytest.fixture(scope="module")
def twice(told):
    """Rows after the first and after the second run."""
    return told


def story(prepared, first):
    before = collect(prepared.engagement, prepared.servers)
    row = {source_id: before.row("contact", f"user:{source_id}", "sandbox") for source_id in ("u-gone", "u-edited", "u-emptied-edited")}
    prepared.call("DELETE", f"contacts({row['u-gone']['contactid']})")
    for source_id in ("u-edited", "u-emptied-edited"):
        edit(prepared.servers, "contact", row[source_id]["contactid"], {"jobtitle": "Director"})
    second = yield
    crosswalk = {
        (one.source_id, one.table): (str(one.row_id), one.alias, one.current)
        for one in Crosswalk.objects.filter(environment=prepared.sandbox)
    }
    after = collect(prepared.engagement, prepared.servers)
    yield SimpleNamespace(before=before, after=after, crosswalk=crosswalk, state=second.state, message=second.message)


def ids(played, source_id: str, table: str = "contact") -> str:
    return played.row(table, f"user:{source_id}", "sandbox")[f"{table}id"]


def test_the_second_run_balances(twice):
    assert twice.state == Run.State.DONE, twice.message


def test_records_that_were_one_person_and_part_get_a_row_each_and_the_first_keeps_its_own(twice):
    assert ids(twice.after, "u-apart-1") == ids(twice.before, "u-apart-1")
    assert ids(twice.after, "u-apart-2") != ids(twice.after, "u-apart-1")
    assert twice.crosswalk["u-apart-2", "contact"] == (ids(twice.after, "u-apart-2"), False, True)


def test_a_new_survivor_updates_the_row_of_its_cluster(twice):
    assert ids(twice.after, "u-turn-2") == ids(twice.before, "u-turn-1")
    row = twice.after.row("contact", "user:u-turn-2", "sandbox")
    assert row["firstname"] == "Two"
    assert twice.crosswalk["u-turn-1", "contact"][1] is True
    assert twice.crosswalk["u-turn-2", "contact"][1] is False


def test_a_newcomer_with_somebodys_former_address_is_somebody_else(twice):
    moved, newcomer = (twice.after.row("contact", f"user:{one}", "sandbox") for one in ("u-moved", "moved@northpine.example"))
    assert moved["contactid"] == ids(twice.before, "u-moved")
    assert newcomer["contactid"] != moved["contactid"]
    assert (moved["lastname"], newcomer["lastname"]) == ("Moved", "Newcomer")


def test_a_person_without_an_id_who_gets_one_keeps_the_row_of_the_address(twice):
    assert ids(twice.after, "u-named") == ids(twice.before, "unnamed@gmail.com")
    assert len([row for row in twice.after.rows("contact", "sandbox") if row["emailaddress1"] == "unnamed@gmail.com"]) == 1


def test_what_the_source_says_no_more_is_emptied(twice):
    contact, lead = (twice.after.row(*of, "sandbox") for of in (("contact", "user:u-emptied"), ("lead", "user:u-emptied-lead")))
    assert [contact.get(name) for name in ("jobtitle", "firstname", "_parentcustomerid_value")] == [None] * 3
    assert [lead.get(name) for name in ("companyname", "_parentaccountid_value")] == [None] * 2


def test_what_a_person_wrote_in_place_of_what_the_source_says_no_more_stands_until_somebody_decides(twice):
    assert twice.after.row("contact", "user:u-emptied-edited", "sandbox")["jobtitle"] == "Director"
    assert "conflict.edited" in twice.after.reasons("u-emptied-edited", environment="sandbox")


def test_a_lead_that_became_a_customer_gets_a_contact_and_keeps_its_history(twice):
    contact = twice.after.row("contact", "user:u-cross", "sandbox")
    lead = twice.after.row("lead", "user:u-cross", "sandbox")
    assert lead["leadid"] == ids(twice.before, "u-cross", "lead")
    assert (lead["_parentcontactid_value"], lead["statecode"], lead["statuscode"]) == (contact["contactid"], 1, 3)
    assert contact["_originatingleadid_value"] == lead["leadid"]
    assert (twice.crosswalk["u-cross", "lead"][2], twice.crosswalk["u-cross", "contact"][2]) == (False, True)


def test_a_row_that_a_person_removed_is_not_made_again_unasked(twice):
    assert "match.removed" in twice.after.reasons("u-gone", environment="sandbox")
    assert not [row for row in twice.after.rows("contact", "sandbox") if row.get("mwb_sourceid") == "user:u-gone"]


def test_a_row_that_a_person_edited_is_not_written_over(twice):
    assert twice.after.row("contact", "user:u-edited", "sandbox")["jobtitle"] == "Director"
    assert "conflict.edited" in twice.after.reasons("u-edited", environment="sandbox")
    assert twice.after.row("contact", "user:u-refused", "sandbox")["jobtitle"] == "Head clerk"


def test_a_further_list_of_an_organisation_is_the_same_account(twice):
    accounts = [row for row in twice.after.rows("account", "sandbox") if row["name"] == "Eastgate"]
    assert [row["mwb_sourceid"] for row in accounts] == ["company:list:9"]
    assert twice.crosswalk["list:10", "account"][:2] == (accounts[0]["accountid"], True)


def test_what_is_unchanged_is_equal_and_not_sent(twice):
    unchanged = twice.after.row("contact", "user:u-same", "sandbox")
    assert unchanged == twice.before.row("contact", "user:u-same", "sandbox")

"""Lists, campaigns, events and subscriptions of an Iterable project, as they stand at the destination."""

import json
from collections import Counter

import pytest

from tests import folders
from tests.folders import organisation_list, user

pytestmark = pytest.mark.django_db

MORNING = "2024-03-05 09:10:11 +00:00"
MORNING_UTC = "2024-03-05T09:10:11Z"
MS = 1_700_000_000_000
DOCUMENTS = True
OPTIONS = {"whole": True}
ASK = {
    "customEvent": [],
    "list": ["4301", "7"],
    "listMembership": ["50:u-c", "4301:u-c"],
}


NEWSLETTER = "Newsletter" + "\N{GRINNING FACE}" * 56  # 66 characters that the service counts as 122
EVENTS = [
    {"userId": "u-c", "email": "ada@north.example", "eventName": "demoRequested", "createdAt": MORNING}
    | {"seats": 5, "plan": {"tier": "pro"}},
    {"userId": "u-c", "eventName": "demoRequested", "createdAt": MORNING, "seats": "ten", "plan": {"tier": "pro"}},
    {"email": "LEO@south.example", "eventName": "demoRequested", "createdAt": MORNING, "seats": 7, "deep": {"a": {"b": {"c": 1}}}},
    {"userId": "u-c2", "eventName": "login", "createdAt": MORNING, "steps": [{"name": "x"}]},
    {"userId": "u-c", "eventName": "login", "createdAt": MORNING, "n": 1},
    {"userId": "u-c", "eventName": "login", "createdAt": MORNING, "n": 1},
    {"userId": "u-unknown", "eventName": "login", "createdAt": MORNING},
    {"userId": "u-review", "eventName": "login", "createdAt": MORNING},
    {"eventName": "login", "createdAt": MORNING},
    {"userId": "u-c", "eventName": "  ", "createdAt": "not a date"},
    *({"userId": "u-c2", "eventName": "demoRequested", "createdAt": MORNING, "seats": seats} for seats in range(100, 120)),
]
CAMPAIGN = {
    "id": 71, "name": "Spring", "type": "Blast", "campaignState": "Finished", "messageMedium": "Email", "createdAt": MS,
    "createdByUserId": "ida@corp.example", "updatedAt": MS, "startAt": MS + 1000, "endedAt": MS + 9000, "listIds": [7, 50],
    "suppressionListIds": [], "labels": [],
}  # fmt: skip
METRICS = (
    "id,Total Email Sends,Unique Emails Delivered,Unique Email Opens,Unique Email Clicks\n"
    "71,200,180,90,9\n"
)  # fmt: skip


def folder(path):
    users = [
        user("u-c", "ada@north.example", "customer", firstName="Ada", emailListIds=[50, 7, 4301]),
        user("u-c2", "eva@north.example", "sql", firstName="Eva", emailListIds=[7, 4999]),
        user("u-l", "leo@south.example", "lead", firstName="Leo", emailListIds=[7]),
        user("u-free", "lea@gmail.com", "lead", firstName="Lea"),
        user("u-review", "rev@south.example", "nobody knows", emailListIds=[7]),
        user("u-c-old", "ADA@north.example", "lead", profileUpdatedAt="2020-01-01 00:00:00 +00:00", emailListIds=[7]),
    ]
    lists = [
        organisation_list(50, "Company: North"),
        organisation_list(7, NEWSLETTER, description="Everybody"),
        organisation_list(8, "Active lately", listType="Dynamic"),
        organisation_list(9, "Nobody " + "x" * 200),
        organisation_list(4301, "Do not mail", listType="Suppression"),
    ]
    archived = {**CAMPAIGN, "id": 72, "name": " ", "campaignState": "Archived", "listIds": []}
    more = {
        "lists/8.txt": "u-l\nu-c\nu-gone\n",
        "campaigns.json": {"campaigns": [CAMPAIGN, archived], "totalCampaignsCount": 2},
        "campaigns/metrics.csv": METRICS,
        "export/customEvent.ndjson": EVENTS,
        "export/emailUnSubscribe.ndjson": [{"userId": "u-c", "createdAt": MORNING, "messageTypeIds": [901]}],
        "export/emailSubscribe.ndjson": [{"email": "leo@south.example", "createdAt": MORNING, "emailListIds": [7]}],
    }
    return folders.write(path, users, lists=lists, more=more)


def lists_named(played, name):
    return {row["createdfromcode"]: row for row in played.of_source("list", "list") if row["listname"].startswith(name)}


def test_every_phase_balances_in_both_environments(played):
    assert all(phase["balanced"] for phase in played.summary["phases"])
    assert {phase["environment"] for phase in played.summary["phases"]} == {"sandbox", "production", None}


def test_the_summary_says_how_many_rows_went_in_a_call_and_why_of_every_kind_of_call(played):
    [told] = [run["tables"] for run in played.summary["tuning"] if run["environment"] == "production"]
    sizes = {(one["table"], one["calls"]): one["rows_per_call"] for one in told}
    assert sizes["contact", "rows created"] == 200
    assert sizes["opportunity", "deals closed"] == sizes["campaignitem", "lists tied to campaigns"] == 50
    assert sizes["listmember", "members of lists"] == 500
    assert all("to begin with" in one["said"] for one in told)


def counted(played):
    """Object -> records that its phases in production count."""
    found = Counter()
    for phase in played.summary["phases"]:
        if phase["environment"] == "production":
            found[phase["object"]] += phase["extracted"]
    return found


def test_a_record_is_counted_in_one_phase_only(played):
    found = counted(played)
    assert found["customEvent"] == len(EVENTS)
    assert found["list"] == len(json.loads((played.source / "iterable" / "lists.json").read_text())["lists"])
    assert (found["campaign"], found["subscriptionEvent"]) == (2, 2)


def test_a_list_is_a_campaign_with_a_list_of_contacts_and_one_of_leads(played):
    newsletter = lists_named(played, "Newsletter")
    assert set(newsletter) == {2, 4}
    campaign = played.row("campaign", "list:7")
    assert (campaign["name"], campaign["description"], campaign["mwb_source_kind"]) == (NEWSLETTER, "Everybody", "List")
    tied = {row["entityid"] for row in played.rows("campaignitem") if row["_campaignid_value"] == campaign["campaignid"]}
    assert tied == {row["listid"] for row in newsletter.values()}


def test_members_are_on_the_list_of_their_type_once(played):
    newsletter, contact = lists_named(played, "Newsletter"), played.row("contact", "user:u-c")
    members = {code: [row["_entityid_value"] for row in played.rows("listmember") if row["_listid_value"] == one["listid"]]
               for code, one in newsletter.items()}  # fmt: skip
    assert members[4] == [played.row("lead", "user:u-l")["leadid"]]
    assert sorted(members[2]) == sorted([contact["contactid"], played.row("contact", "user:u-c2")["contactid"]])


def test_a_dynamic_list_arrives_as_a_snapshot(played):
    dynamic = lists_named(played, "Active lately")
    assert set(dynamic) == {2, 4}
    assert not dynamic[2]["type"]
    assert dynamic[2]["mwb_list_type"] == "Dynamic"
    assert played.reasons("8:u-gone", "listMembership") == ["parent.not_in_source"]


def test_organisation_and_suppression_lists_become_no_marketing_list(played):
    assert not lists_named(played, "Company")
    assert not lists_named(played, "Do not mail")
    [told] = played.dispositions["4301"]
    assert (told["disposition"], told["reasons"][0]["code"]) == ("skipped", "list.suppression")
    for number in (50, 4301):
        [member] = played.dispositions[f"{number}:u-c"]
        assert (member["disposition"], [one["code"] for one in member["reasons"]]) == ("skipped", ["parent.skipped"])
    assert played.reasons("4999:u-c2", "listMembership") == ["parent.not_in_source"]


def test_the_two_lists_of_one_name_are_told_apart_within_what_the_column_takes(played):
    names = sorted(row["listname"] for row in lists_named(played, "Newsletter").values())
    assert [len(name.encode("utf-16-le")) // 2 for name in names] == [127, 128]
    assert [name.rpartition(" ")[2] for name in names] == ["(contacts)", "(leads)"]
    [told] = played.dispositions["7"]
    assert [one["detail"] for one in told["reasons"] if (one["code"], one["field"]) == ("text.shortened", "listname")] == ["122 of 117"]


def test_a_long_list_name_is_cut_and_kept_whole(played):
    campaign = played.row("campaign", "list:9")
    assert len(campaign["name"]) == 128
    assert "x" * 200 in campaign["mwb_original_values"]


def test_a_campaign_has_state_dates_and_metrics_and_the_lists_of_its_recipients(played):
    spring = played.row("campaign", "campaign:71")
    assert (spring["statecode"], spring["statuscode"], spring["mwb_source_kind"]) == (0, 3, "Campaign")
    assert (spring["mwb_sends"], spring["mwb_open_rate"], spring["mwb_click_rate"]) == (200, 50.0, 5.0)
    assert spring["mwb_metrics_date"]
    assert spring["mwb_original_author"] == "ida@corp.example"
    assert spring["actualstart"] == "2023-11-14T22:13:21Z"
    tied = [row["entityid"] for row in played.rows("campaignitem") if row["_campaignid_value"] == spring["campaignid"]]
    assert sorted(tied) == sorted(row["listid"] for row in lists_named(played, "Newsletter").values())
    archived = played.row("campaign", "campaign:72")
    assert (archived["statecode"], archived["statuscode"], archived["name"]) == (1, 6, "Campaign without a name")


def events(played):
    return played.of_source("task", "customEvent")


def test_an_event_is_a_completed_task_of_its_person_at_its_own_time(played):
    contact, lead = played.row("contact", "user:u-c"), played.row("lead", "user:u-l")
    first = next(row for row in events(played) if row.get("mwb_seats") == 5)
    assert (first["subject"], first["mwb_event_name"], first["mwb_activity_source"]) == ("demoRequested", "demoRequested", "IterableEvent")
    assert first["_regardingobjectid_value"] == contact["contactid"]
    assert {first[key] for key in ("createdon", "sortdate", "actualend", "mwb_original_timestamp")} == {MORNING_UTC}
    assert (first["statecode"], first["statuscode"]) == (1, 5)
    assert json.loads(first["mwb_event_payload"]) == {"seats": 5, "plan": {"tier": "pro"}}
    assert any(row["_regardingobjectid_value"] == lead["leadid"] for row in events(played))
    assert all(row["_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] in ("team", "systemuser") for row in events(played))


def test_a_payload_that_cannot_be_flattened_loads_whole_with_its_column_empty(played):
    ten = next(row for row in events(played) if json.loads(row["mwb_event_payload"]).get("seats") == "ten")
    assert ten.get("mwb_seats") is None
    [report] = [report for report in played.reports if report.get("environment") == "production" and "remarks" in report]
    remarks = {(one["object"], one["code"]): one["count"] for one in report["remarks"]}
    assert remarks.get(("customEvent", "payload.not_of_type")) == 1
    assert remarks.get(("customEvent", "payload.too_deep")) == 1
    assert remarks.get(("customEvent", "payload.array_of_objects")) == 1


def test_equal_events_are_two_and_events_of_nobody_are_held(played):
    assert len([row for row in events(played) if '"n":1' in row["mwb_event_payload"]]) == 2
    phase = played.phase("customEvent", "task")
    assert (phase["loaded"], phase["held"], phase["rejected"]) == (27, 3, 0)
    codes = sorted(reason["code"] for one in played.exceptions if one["object"] == "customEvent" and one["environment"] == "production"
                   for reason in one["reasons"])  # fmt: skip
    assert codes == ["parent.held", "parent.not_in_source", "parent.unnamed"]


def test_an_event_without_a_name_or_a_time_still_loads(played):
    odd = next(row for row in events(played) if row["subject"] == "Event without a name")
    assert odd.get("mwb_original_timestamp") is None
    assert odd["statecode"] == 1


def test_subscription_history_is_kept_as_tasks(played):
    rows = {row["mwb_event_name"]: row for row in played.of_source("task", "subscriptionEvent")}
    assert set(rows) == {"emailSubscribe", "emailUnSubscribe"}
    assert json.loads(rows["emailUnSubscribe"]["mwb_event_payload"]) == {"messageTypeIds": [901]}
    assert rows["emailSubscribe"]["sortdate"] == MORNING_UTC

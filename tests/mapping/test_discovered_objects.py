"""What discovery keeps of the objects beside people: profiles, event types, summaries and findings."""

import pytest
from django.test import override_settings

from connectors import landing
from connectors.base import Finding
from connectors.extraction import land_answers
from connectors.models import Dataset
from mapping.discovery.event_types import MOST_KEYS, SHOWN_KEYS, Seen, _row
from mapping.discovery.source import answer_id, discover, profile_object
from mapping.models import DiscoveryFinding, EventType, SourceField, SourceObject
from mapping.playbooks import load_playbook
from tests import database
from tests.pages import cast

pytestmark = [pytest.mark.database, pytest.mark.django_db]

MS = 1_700_000_000_000
MORNING = "2024-03-05 09:10:11 +00:00"


def event(name: str, **payload):
    return {"userId": "u-1", "eventName": name, "createdAt": MORNING, **payload}


OBJECTS = {
    "listMember": [{"id": f"8:u-{n}", "list": 8, "user": f"u-{n}"} for n in range(3)],
    "campaign": [
        {"id": 71, "name": "Spring", "type": "Blast", "campaignState": "Finished", "messageMedium": "Email", "listIds": [7, 4999]}
        | {"templateId": 81, "createdAt": MS, "startAt": MS, "sendSize": 10},
        {"id": 72, "name": "Welcome 1", "type": "Triggered", "campaignState": "Running", "messageMedium": "Email", "workflowId": 55}
        | {"templateId": 99, "createdAt": MS + 86_400_000, "listIds": None, "sendSize": None},
    ],
    "campaignMetric": [{"id": "71", "Total Email Sends": "10"}, {"id": "999", "Total Email Sends": "0"}],
    "journey": [{"id": 55, "name": "Welcome", "enabled": True, "triggerEventNames": ["signup"]}, {"id": 56, "isArchived": True}],
    "template": [{"templateId": 81, "name": "Spring", "messageMedium": "Email", "templateType": "Blast", "messageTypeId": 977}],
    "catalogItem": [
        {"catalogName": "stores", "itemId": "1", "lastModified": MS, "value": {"city": "Oslo"}},
        {"catalogName": "stores", "itemId": "2", "lastModified": MS, "value": {}},
    ],
    "customEvent": [
        event("pageView", url="/a", plan={"tier": "pro"}), event("pageView", url="/b", plan={"tier": 3}), event("page view"),
        event("cart", items=[{"id": 1}], deep={"a": {"b": {"c": 1}}}, empty={}), event("cart", items=[]),
    ],
    "purchase": [
        {"id": "pu-1", "userId": "u-1", "total": 10, "currency": "EUR", "orderId": "A-1"},
        {"id": "pu-2", "userId": "u-1", "total": "12.5", "currency": "eur", "orderId": " "},
        {"id": "pu-3", "userId": "u-1", "total": "99,90", "orderId": 4711},
    ],
}  # fmt: skip
LISTS = [
    {"id": 7, "name": "Newsletter", "listType": "Standard", "createdAt": MS},
    {"id": 8, "name": "Active", "listType": "Dynamic", "createdAt": MS},
    {"id": 9, "name": "Nobody\x00\ud800", "listType": "Standard", "createdAt": MS},
]
PEOPLE = [cast.person(1, emailListIds=[7]), cast.person(2, emailListIds=[7, 7, 5000], unsubscribedMessageTypeIds=[978]), cast.person(3)]


@pytest.fixture(scope="module", autouse=True)
def northwind(django_db_setup, django_db_blocker, tmp_path_factory):
    """One discovery for all tests of the module."""
    with django_db_blocker.unblock(), override_settings(STORE_URL=str(tmp_path_factory.mktemp("store"))):
        engagement = cast.make_engagement("Northwind")
        cast.make_discovered(engagement, PEOPLE, LISTS, OBJECTS)
        yield engagement
        database.empty()


def rows(name: str, title: str) -> list:
    summary = SourceObject.objects.get(engagement__name="Northwind", object_name=name)
    return next(table["rows"] for table in summary.content["tables"] if table["title"] == title)


def finding(check: str) -> str:
    return DiscoveryFinding.objects.get(engagement__name="Northwind", check_name=check).evidence


def test_an_event_type_has_its_exact_count_and_the_keys_of_its_payloads():
    view = EventType.objects.get(name="pageView")
    assert (view.count, view.share, view.samples, view.unflattenable) == (2, 0.4, 2, 0)
    assert f"{view.first_at:%Y-%m-%d %H:%M}" == "2024-03-05 09:10"
    assert {key["name"]: (key["samples"], key["types"], key["depth"], key["problem"]) for key in view.keys} == {
        "url": (2, {"string": 2}, 1, ""), "plan.tier": (2, {"string": 1, "integer": 1}, 2, "values of several types")
    }  # fmt: skip


def test_keys_that_no_column_can_hold_are_told_and_their_share_is_a_finding():
    cart = EventType.objects.get(name="cart")
    problems = {key["name"]: key["problem"] for key in cart.keys}
    assert problems == {"items": "an array of objects", "deep.a.b": "deeper than three levels", "empty": ""}
    assert cart.unflattenable == 1
    assert "20.0% of 5 events" in finding("unflattenable_payloads")


def test_of_payloads_whose_keys_have_no_end_some_are_shown_and_the_rest_counted(northwind):
    seen, keys = Seen(), {f"key {n:04}": n for n in range(MOST_KEYS + 500)}
    seen.add(keys)
    seen.add(keys)
    rule, dataset = load_playbook("iterable").dataset("customEvent"), landing.latest(northwind, "customEvent", Dataset.Purpose.DISCOVERY)
    view = _row(dataset, rule, "data", {"count": 2, "first": "", "last": ""}, seen, total=2)
    assert [(key["name"], key["samples"]) for key in view.keys] == [(name, 2) for name in list(keys)[:SHOWN_KEYS]]
    assert view.keys_left_out == MOST_KEYS - SHOWN_KEYS + 2 * 500


def test_event_names_that_are_nearly_equal_are_a_finding():
    assert "pageView (2) and page view (1)" in finding("event_names_alike")


def test_discovery_lands_nothing_that_can_be_loaded(northwind):
    assert not Dataset.objects.filter(purpose=Dataset.Purpose.LOAD).exists()
    assert landing.latest(northwind, "purchase", Dataset.Purpose.DISCOVERY).rows == 3


def test_every_landed_object_has_profiles_of_its_fields():
    assert SourceField.objects.get(object_name="campaign", name="sendSize").filled == 1
    assert SourceField.objects.get(object_name="customEvent", name="plan.tier").rows == 5
    assert {"listMember", "journey", "catalogItem"} <= set(SourceField.objects.values_list("object_name", flat=True))


def test_profiles_are_made_again_only_of_records_that_are_not_those_of_before(northwind):
    def profiled(records: list[dict]) -> tuple[int, int, int]:
        named = {"object_name": "campaign", "purpose": Dataset.Purpose.DISCOVERY}
        dataset = land_answers(engagement=northwind, answers=records, identify=answer_id, **named)
        profile_object(northwind, "campaign", {"campaign": dataset}, again=False)
        one = SourceField.objects.get(object_name="campaign", name="id")
        return one.pk, one.dataset_id - dataset.pk, one.rows

    first, again, fewer = profiled(OBJECTS["campaign"]), profiled(OBJECTS["campaign"]), profiled(OBJECTS["campaign"][:1])
    assert again == first == (first[0], 0, 2)
    assert fewer == (fewer[0], 0, 1)


def test_lists_are_told_by_size_whether_static_or_dynamic():
    assert [(row[1], row[3]) for row in rows("list", "Lists by size")] == [("Active", 3), ("Newsletter", 2), ("Nobody\ufffd\ufffd", 0)]


def test_campaigns_journeys_and_templates_are_told_with_what_hangs_together():
    assert [row[:2] for row in rows("campaign", "By state")] == [["Running", 1], ["Finished", 1]]
    assert [row[1] for row in rows("campaign", "Newest first")] == ["Welcome 1", "Spring"]
    assert rows("journey", "Journeys")[0][:5] == ["55", "Welcome", "Running", "signup", 1]
    assert rows("template", "By medium and type")[0] == ["Email", 0, 1, 0, 0]
    assert rows("catalogItem", "Fields") == [["stores", "city", 1, 0.5]]


def test_money_is_counted_per_currency():
    assert rows("purchase", "By currency") == [["EUR", 2, "22.50"], ["(none)", 1, "0.00"]]


@pytest.mark.parametrize(
    ("check", "evidence"),
    [
        ("dynamic_snapshots", "Dynamic lists that arrive as snapshots: 1, with 3 memberships"), ("lists_without_members", "Nobody"),
        ("campaign_lists_gone", "4999"), ("campaign_templates_gone", "99"), ("people_lists_gone", "5000. Memberships: 1."),
        ("unknown_message_types", "977, 978. Answers of people: 1."), ("orphaned_metrics", "999"), ("metrics_lag", "they lag a day"),
        ("purchases_without_order", "1 of 3"), ("purchases_without_currency", "1 of 3"), ("purchases_without_total", "1 of 3"),
    ],
)  # fmt: skip
def test_what_a_person_should_know_of_the_objects_is_a_finding(check, evidence):
    assert evidence in finding(check)


def test_a_source_without_further_objects_has_empty_summaries_and_no_findings_of_them():
    engagement = cast.make_engagement("Empty")
    cast.make_discovered(engagement)
    assert not engagement.event_types.exists()
    assert {row.records for row in engagement.source_objects.all()} == {0}
    names = set(engagement.findings.values_list("check_name", flat=True))
    assert not names & {"event_names_alike", "unflattenable_payloads", "metrics_lag", "purchases_without_order", "dynamic_snapshots"}


class Withholding(cast.GivenSource):
    """A source that doesn't give one object's records."""

    def read(self, object_name, piece, reading=None):
        if object_name == "listMember":
            reading.findings.append(Finding("list members withheld", "warning", "List 8 is too big.", subject="8"))
        return super().read(object_name, piece, reading)


def test_what_a_source_withholds_while_it_is_landed_is_a_finding_once():
    engagement = cast.make_engagement("Withheld")
    for _ in range(2):
        discover(engagement, Withholding(PEOPLE), actor="discovery", progress=lambda words: None)
    found = engagement.findings.filter(check_name="list members withheld")
    assert [row.evidence for row in found] == ["List 8 is too big."]

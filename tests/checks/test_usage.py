"""What is hardly used is put to the customer, and what they say is carried out in the maps."""

import pytest

from mapping import plan
from mapping.checks import gating
from mapping.checks.deciding import MayNotDecide, decide
from mapping.checks.usage import BACK, LEFT
from mapping.discovery import lines
from mapping.models import DiscoveryFinding, FieldMap, ObjectMap
from mapping.workshop import decisions
from reports.scope import scope_content
from tests.pages import cast
from workbench.engagements import gates

pytestmark = [pytest.mark.django_db, pytest.mark.database]
FULL = ({"plan": "gold"},) * 39
RARE = {"plan": "gold", "shoeSize": 38, "faxNumber": "1", "itblInternal": {"x": 1}, "signupDate": "2024-01-01", "kept": {"why": "x"}}


def discover(engagement) -> None:
    """Forty people, one of whom has more fields than the others; the events of one name, each with a key of its own."""
    people = [cast.person(n, **fields) for n, fields in enumerate([*FULL, RARE])]
    events = [{"eventName": "seen", "userId": "u-1", "createdAt": "2024-01-01 00:00:00 +00:00", f"key{n}": n} for n in range(30)]
    cast.make_discovered(engagement, people, objects={"customEvent": events})
    lines.propose(engagement, {"contact": {}, "lead": {}, "task": {}})


@pytest.fixture
def northwind():
    engagement = cast.make_engagement("Northwind")
    discover(engagement)
    return engagement


@pytest.fixture
def people(northwind):
    return cast.make_cast(northwind)


def found(northwind, check):
    return {row.subject: row for row in DiscoveryFinding.objects.filter(engagement=northwind, check_name=check)}


def answer(people, check, subject, choice):
    assert decide(DiscoveryFinding.objects.filter(check_name=check, subject=subject), choice, user=people.approver) == 1


def fates(northwind, source):
    return {(row.table, row.state, row.reason) for row in FieldMap.objects.filter(engagement=northwind, source=source)}


def test_fields_that_under_one_in_twenty_fills_are_asked_about_unless_rules_read_them_or_nothing_of_them_moves(northwind):
    asked = found(northwind, "sparse_fields")
    assert set(asked) == {"user.shoeSize", "user.faxNumber", "user.kept.why"}
    assert asked["user.shoeSize"].evidence == "Filled in 1 of 40 records, 2.5 %."


def test_the_load_waits_for_the_customer_in_the_sandbox_too_and_nobody_else_may_answer(northwind, people):
    said = list(gating.undecided("load", northwind, northwind.environments.get(kind="sandbox")))
    [fields] = [one for one in said if one[0].startswith("Fields that few records fill: 3 undecided: user.faxNumber")]
    assert fields[1] == "approver"
    with pytest.raises(MayNotDecide):
        decide(DiscoveryFinding.objects.filter(subject="user.shoeSize"), "leave", user=people.engineer)


def test_what_the_customer_leaves_is_left_in_the_maps_with_that_reason_and_proposed_again_when_they_want_it_after_all(northwind, people):
    answer(people, "sparse_fields", "user.shoeSize", "leave")
    assert fates(northwind, "shoeSize") == {(table, "left", LEFT) for table in ("contact", "lead")}
    told = [row for row in plan.current(northwind)["maps"].content["fields"] if row["source"] == "shoeSize"]
    assert {row["reason"] for row in told} == {LEFT}
    usage = scope_content(northwind)["usage"]
    assert (usage["fields"], usage["fields_left"], usage["open"]) == (3, 1, 2 + usage["objects"])
    discover(northwind)
    assert found(northwind, "sparse_fields")["user.shoeSize"].decision == "leave"
    answer(people, "sparse_fields", "user.shoeSize", "keep")
    assert fates(northwind, "shoeSize") == {(table, "proposed", BACK) for table in ("contact", "lead")}
    assert any(one.gate == "every field decided" for one in gates.missing("load", northwind))


def test_a_field_that_people_left_for_another_reason_is_not_asked_about(northwind, people):
    decisions.decide(FieldMap.objects.filter(source="shoeSize"), "left", user=people.engineer, reason="A joke of the last agency.")
    discover(northwind)
    assert "user.shoeSize" not in found(northwind, "sparse_fields")


def test_an_object_without_records_is_left_out_and_taken_in_again_as_the_customer_says(northwind, people):
    asked = found(northwind, "unused_objects")
    assert {"campaign", "catalogItem", "purchase", "purchaseLine"} < set(asked)
    assert not {"user", "company", "customEvent"} & set(asked)
    answer(people, "unused_objects", "campaign", "leave")
    assert ObjectMap.objects.get(object_name="campaign").tables == []
    discover(northwind)
    answer(people, "unused_objects", "campaign", "keep")
    assert ObjectMap.objects.get(object_name="campaign").tables == ["campaign"]
    ObjectMap.objects.filter(object_name="purchase").update(tables=[])  # an engineer's own edit, which no answer takes back
    answer(people, "unused_objects", "purchase", "keep")
    assert ObjectMap.objects.get(object_name="purchase").tables == []

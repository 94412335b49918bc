"""The page of the plan's rules: what an answer would do is shown in counts before it is saved; a saved one makes new versions."""

import pytest

from mapping import plan
from mapping.discovery.lines import propose
from mapping.models import EventType, FieldMap, ObjectMap, SourceField
from mapping.preview import matrix_content
from mapping.workshop import decisions
from mapping.workshop.tables import Known
from tests.pages import cast
from tests.pages.cast import person
from workbench.engagements import signoffs
from workbench.engagements.models import AuditEntry

pytestmark = pytest.mark.django_db
AS_IT_IS = {
    "purchasing_leads": "account", "consent_unknown": "out", "unflattenable": "payload", "event_budget": "40", "event_volume": "250000",
    "events_become": "activities", "purchases_become": "deals",
    "departed": "leave",
}  # fmt: skip


def page(engagement):
    return f"/admin/engagements/engagement/{engagement.pk}/rules/"


@pytest.fixture
def discovered(northwind, people):
    cast.make_discovered(northwind, [person(1, suppressed=True), person(2, "subscriber"), person(3, "subscriber")])
    return northwind


def test_counts_are_shown_for_answers_that_nobody_saved_yet(discovered, people, as_user):
    dataset = discovered.datasets.first()
    given = {"engagement": discovered, "dataset": dataset, "object_name": "customEvent"}
    EventType.objects.create(name="login", count=300_000, share=0.6, samples=1_000, unflattenable=100, **given)
    EventType.objects.create(name="unseen", count=200_000, share=0.4, samples=0, **given)
    client = as_user(people.engineer)
    before = client.get(page(discovered)).context
    [events, _] = before["preview"]["events"]
    assert (events["events"], events["types"], events["lost"], events["held"], events["above"]) == (500_000, 2, 30_000, False, True)
    answer = client.post(page(discovered), {**AS_IT_IS, "unflattenable": "hold", "event_volume": "600000", "do": "preview"})
    [events, _] = answer.context["preview"]["events"]
    assert (events["held"], events["above"]) == (True, False)
    assert "Not saved yet" in answer.content.decode()
    discovered.refresh_from_db()
    assert discovered.options == {}


def test_who_said_nothing_arrives_as_the_rule_says(discovered, people, as_user):
    client = as_user(people.engineer)
    [email, *_] = client.get(page(discovered)).context["preview"]["people"]["consent"]
    answer = client.post(page(discovered), {**AS_IT_IS, "consent_unknown": "in", "do": "preview"})
    [other, *_] = answer.context["preview"]["people"]["consent"]
    assert email["in"] + email["out"] + email["unknown"] == 3
    assert (email["opted_out"] - other["opted_out"], other["opted_out"]) == (email["unknown"], email["out"])


def test_saving_makes_new_versions_and_an_entry_of_the_history(discovered, people, as_user):
    versions = {part: version.version for part, version in plan.current(discovered).items()}
    sent = {**AS_IT_IS, "purchasing_leads": "contact", "consent_unknown": "in", "do": "save"}
    text = as_user(people.engineer).post(page(discovered), sent, follow=True).content.decode()
    assert "Saved. New versions: consent, split." in text
    now = plan.current(discovered)
    assert now["split"].content["purchasers"] == {"leads": "contact"}
    assert now["consent"].content["unknown"] == "in"
    assert {part for part, version in now.items() if version.version != versions[part]} == {"split", "consent"}
    told = AuditEntry.objects.get(engagement=discovered, action="changed rules").detail
    assert told == {"consent_unknown": {"was": "out", "is": "in"}, "purchasing_leads": {"was": "account", "is": "contact"}}


def test_a_wrong_answer_is_said_and_nothing_saved(discovered, people, as_user):
    answer = as_user(people.engineer).post(page(discovered), {**AS_IT_IS, "event_budget": "-1", "unflattenable": "x", "do": "save"})
    assert "is-bad" in answer.content.decode()
    assert not AuditEntry.objects.filter(action="changed rules").exists()


def test_only_the_engagements_engineers_have_the_page(discovered, people, as_user):
    other = cast.make_cast(cast.make_engagement("Southwind"))
    assert as_user(other.engineer).get(page(discovered)).status_code == 404
    assert as_user(people.approver).get(page(discovered)).status_code == 302


def test_without_a_discovery_the_page_says_so(northwind, people, as_user):
    cast.make_planned(northwind)
    FieldMap.objects.filter(engagement=northwind).delete()
    text = as_user(people.engineer).get(page(northwind)).content.decode()
    assert "discovery does it" in text


@pytest.fixture
def with_events(northwind, people):
    """An engagement with events whose lines are decided: one new column, one built-in one, one reason to leave the field behind."""
    events = [{"id": f"e-{number}", "userId": "u-1", "eventName": "login", "createdAt": "2024-03-05", "plan": "a", "seats": number}
              for number in range(30)]  # fmt: skip
    cast.make_discovered(northwind, [person(1)], objects={"customEvent": events})
    given = {"engagement": northwind, "object_name": "customEvent", "table": "task"}
    shape = {"name": "mwb_seats", "kind": "Integer", "display_name": "seats"}
    FieldMap.objects.create(source="seats", column="mwb_seats", transform="integer", new_column=shape, state="confirmed", **given)
    FieldMap.objects.create(source="plan", column="category", transform="text", state="confirmed", **given)
    FieldMap.objects.create(source="createdAt", state="left", reason="The customer doesn't want it.", **given)
    ObjectMap.objects.filter(engagement=northwind).update(confirmed=True)
    return northwind


def lines(engagement):
    found = FieldMap.objects.filter(engagement=engagement, object_name="customEvent")
    return {line.source: (line.table, line.column, line.state) for line in found}


def test_events_go_to_a_table_of_their_own_and_their_decisions_go_along(with_events, people, as_user):
    client = as_user(people.engineer)
    text = client.post(page(with_events), {**AS_IT_IS, "events_become": "own_table", "do": "save"}, follow=True).content.decode()
    assert "events, maps" in text
    found = lines(with_events)
    assert found["seats"] == ("mwb_iterable_event", "mwb_seats", "confirmed")
    assert found["createdAt"][::2] == ("mwb_iterable_event", "left")
    assert found["plan"][::2] == ("mwb_iterable_event", "proposed")  # a task's own column isn't there
    maps = plan.current(with_events)["maps"].content
    assert maps["objects"]["customEvent"]["tables"] == ["mwb_iterable_event"]
    assert list(maps["tables"]) == ["mwb_iterable_event"]
    columns = {column["name"]: column for column in maps["columns"]["mwb_iterable_event"]}
    assert columns["mwb_contactid"]["target"] == "contact"
    assert columns["mwb_seats"]["kind"] == "Integer"
    entry = AuditEntry.objects.get(engagement=with_events, action="chose tables")
    assert entry.detail["customEvent"] == {"was": ["task"], "is": ["mwb_iterable_event"]}

    client.post(page(with_events), {**AS_IT_IS, "do": "save"})
    assert lines(with_events)["seats"] == ("task", "mwb_seats", "confirmed")
    assert plan.current(with_events)["maps"].content["tables"] == {}


def test_an_object_that_is_documented_only_stays_so(with_events, people, as_user):
    ObjectMap.objects.filter(engagement=with_events, object_name="customEvent").update(tables=[])
    as_user(people.engineer).post(page(with_events), {**AS_IT_IS, "events_become": "own_table", "do": "save"})
    tables = dict(ObjectMap.objects.filter(engagement=with_events).values_list("object_name", "tables"))
    assert (tables["customEvent"], tables["subscriptionEvent"]) == ([], ["mwb_iterable_event"])


def test_a_changed_budget_proposes_the_open_keys_anew_and_leaves_decided_ones(with_events, people, as_user):
    given = {"engagement": with_events, "dataset": with_events.datasets.first(), "object_name": "customEvent"}
    for source in ("tier", "kind"):
        SourceField.objects.create(name=source, declared_type="string", rows=30, filled=20, types={"string": 20}, max_length=9, **given)
    propose(with_events, {"task": Known(with_events)("task")})
    assert {source: lines(with_events)[source][2] for source in ("tier", "kind")} == {"tier": "proposed", "kind": "proposed"}
    as_user(people.engineer).post(page(with_events), {**AS_IT_IS, "event_budget": "1", "do": "save"})
    found = lines(with_events)
    assert found["seats"] == ("task", "mwb_seats", "confirmed")
    assert {found[source][2] for source in ("tier", "kind")} == {"left"}
    as_user(people.engineer).post(page(with_events), {**AS_IT_IS, "event_budget": "3", "do": "save"})
    found = lines(with_events)
    assert sorted(found[source][2] for source in ("tier", "kind")) == ["left", "proposed"]


def test_the_objects_of_one_table_share_its_budget_and_columns_that_are_there_take_nothing_of_it(with_events, people, as_user):
    given = {"engagement": with_events, "dataset": with_events.datasets.first(), "declared_type": "string", "rows": 60, "max_length": 9}
    for name, source, filled in (("customEvent", "tier", 40), ("customEvent", "kind", 40), ("subscriptionEvent", "origin", 50)):
        SourceField.objects.create(object_name=name, name=source, filled=filled, types={"string": 60}, **given)
    FieldMap.objects.filter(source="plan").update(state="proposed")
    decisions.decide(FieldMap.objects.filter(source="plan"), "confirmed", user=people.engineer)
    propose(with_events, {"task": Known(with_events)("task")})
    client = as_user(people.engineer)
    client.post(page(with_events), {**AS_IT_IS, "event_budget": "3", "do": "save"})
    states = dict(FieldMap.objects.filter(engagement=with_events).values_list("source", "state"))
    assert [states[source] for source in ("plan", "seats", "origin", "kind", "tier")] == [
        "confirmed",
        "confirmed",
        "proposed",
        "proposed",
        "left",
    ]
    shown = client.get(page(with_events)).context["preview"]["events"]
    assert [(row["columns"], row["on_table"], row["budget"]) for row in shown] == [(2, 3, 3), (1, 3, 3)]


def test_the_customer_reads_the_rules_with_what_they_do_and_how_they_stand(with_events, people, as_user):
    client = as_user(people.viewer)
    text = client.get("/engagements/northwind/rules/").content.decode()
    assert "Their account becomes the customer; without one the purchase is held" in text
    assert "seats → <code>mwb_seats</code>" in text
    assert "1 of at most 40 new columns on task" in text
    assert (text.count("Proposed"), text.count("Being edited")) == (3, 2)  # lines were decided since their parts were made
    assert not cast.INLINE_CODE.search(text)
    plan.confirm(with_events, plan.PARTS, user=people.engineer)
    matrix = matrix_content(with_events)
    signoffs.sign(
        engagement=with_events, kind="matrix", covers=matrix["parts"], content=matrix, user=people.approver,
        shown_sha256=signoffs.content_hash(matrix), address=None,
    )  # fmt: skip
    shown = {part.title: (part.confirmed, bool(part.signoff)) for part in client.get("/engagements/northwind/rules/").context["standings"]}
    assert shown["Companies"] == shown["Leads who bought"] == (True, True)
    assert shown["Consent"] == shown["Payloads of events"] == (True, False)
    other = cast.make_cast(cast.make_engagement("Southwind"))
    assert as_user(other.approver).get("/engagements/northwind/rules/").status_code == 404

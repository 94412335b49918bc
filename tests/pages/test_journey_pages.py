"""Journeys in the admin: the inventory with its definition file, steps entered by hand, and who may do it."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from mapping.journeys.definition import FORMAT
from mapping.journeys.models import EnteredJourney, JourneyDefinition
from tests.pages import cast
from workbench.engagements.models import AuditEntry

pytestmark = pytest.mark.django_db
PAGE = "/admin/reports/document/journeys/"
ADD = "/admin/mapping/enteredjourney/add/"
MARKUP = "<script>alert(1)</script>"
WELCOME = {"id": 55, "name": MARKUP, "complete": True, "steps": [{"id": "a", "kind": "send", "channel": "email"}]}


@pytest.fixture
def client(northwind, people, as_user):
    cast.make_discovered(northwind, objects={"journey": [{"id": 55, "name": MARKUP, "enabled": True, "triggerEventNames": ["signup"]}]})
    return as_user(people.engineer)


def file(*journeys, **more):
    return SimpleUploadedFile("journeys.json", json.dumps({"format": FORMAT, "journeys": journeys, **more}).encode())


def form(engagement, *steps, **fields):
    """What the form of an entered journey posts, with these rows of steps."""
    rows = {f"steps-{n}-{name}": value for n, step in enumerate(steps) for name, value in step.items()}
    known = sum("id" in step for step in steps)
    frame = {"steps-TOTAL_FORMS": len(steps), "steps-INITIAL_FORMS": known, "steps-MIN_NUM_FORMS": 0, "steps-MAX_NUM_FORMS": 1000}
    return {"engagement": engagement.pk, "journey_id": "55", "name": "", "names": "", "note": "", **fields, **frame, **rows}


def test_the_page_shows_the_inventory_as_text_and_takes_a_definition_file(client, northwind):
    text = client.get(PAGE).content.decode()
    assert MARKUP not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "Nobody entered the edition" in text
    assert f"{ADD}?engagement={northwind.pk}&amp;journey_id=55" in text
    answer = client.post(PAGE, {"engagement": northwind.pk, "file": file(WELCOME)}, follow=True)
    assert "Version 1 counts now: 1 journey with 1 step." in answer.content.decode()
    assert "Definition file" in answer.content.decode()
    kept = JourneyDefinition.objects.get()
    sent = client.get(reverse("admin:mapping_journeydefinition_file", args=[kept.pk]))
    assert json.loads(b"".join(sent.streaming_content))["journeys"][0]["name"] == MARKUP
    assert sent["Content-Disposition"] == 'attachment; filename="northwind-journey-definitions-1.json"'


def test_many_journeys_stand_on_pages_and_are_found_by_name_tool_and_conflict(northwind, people, as_user):
    journeys = [{"id": n, "name": f"Journey {n}", "enabled": True, "triggerEventNames": ["signup"]} for n in range(45)]
    cast.make_discovered(northwind, objects={"journey": journeys})
    client = as_user(people.engineer)
    text = client.get(PAGE).content.decode()
    assert [f"<strong>Journey {n}</strong>" in text for n in (0, 19, 20)] == [True, True, False]
    assert "Page 1 of 3" in text
    last = client.get(PAGE, {"page": 3}).content.decode()
    assert [f"<strong>Journey {n}</strong>" in last for n in (39, 40, 44)] == [False, True, True]
    found = client.get(PAGE, {"q": "journey 31"}).content.decode()
    assert found.count("<strong>Journey") == 1
    assert "1 of 45" in found
    for nothing in ({"q": MARKUP}, {"tool": "Nobody"}, {"conflicts": "1"}):
        text = client.get(PAGE, nothing).content.decode()
        assert "No journey is like that." in text
        assert MARKUP not in text


def test_the_mistakes_of_a_file_are_named_with_their_places_and_nothing_is_taken(client, northwind):
    answer = client.post(PAGE, {"engagement": northwind.pk, "file": file({"id": 1, MARKUP: 2}, platform=MARKUP)})
    text = answer.content.decode()
    assert answer.status_code == 400
    assert MARKUP not in text
    for words in ("Mistakes in the file (3)", "journeys[0].name", "is missing", "isn&#x27;t known; known are id, name"):
        assert words in text
    assert not JourneyDefinition.objects.exists()
    assert "Choose the definition file" in client.post(PAGE, {"engagement": northwind.pk}, follow=True).content.decode()


def test_the_inventory_is_written_and_downloaded_from_the_page(client, northwind):
    answer = client.post(PAGE, {"engagement": northwind.pk, "write": "1"}, follow=True)
    assert b"".join(answer.streaming_content).startswith(b"PK")
    assert answer["Content-Disposition"] == 'attachment; filename="northwind-journeys.xlsx"'
    assert sorted(northwind.documents.values_list("kind", "format")) == [("journeys", "json"), ("journeys", "xlsx")]


def test_another_engagement_is_out_of_reach(client, northwind):
    contoso = cast.make_engagement("Contoso")
    assert client.get(PAGE, {"engagement": contoso.pk}).status_code == 404
    assert client.post(PAGE, {"engagement": contoso.pk, "file": file(WELCOME)}).status_code == 404
    assert "Contoso" not in client.get(PAGE).content.decode()
    answer = client.post(ADD, form(contoso))
    assert answer.status_code == 200
    assert not EnteredJourney.objects.exists()
    theirs = JourneyDefinition.objects.create(engagement=contoso, version=1, sha256="0" * 64, size=1, journeys=1, steps=1, given_by="x")
    assert client.get(reverse("admin:mapping_journeydefinition_file", args=[theirs.pk])).status_code == 404


@pytest.mark.parametrize("role", ["approver", "viewer", "admin"])
def test_the_customers_people_do_not_reach_the_page(northwind, people, as_user, role):
    assert as_user(getattr(people, role)).get(PAGE).status_code == 302


def test_steps_are_entered_in_their_order_with_each_change_in_the_history(client, northwind, people):
    steps = [
        {"number": 2, "kind": "branch", "condition": "opened", "target": "end"},
        {"number": 2, "kind": "branch", "condition": "else", "target": "3"},
        {"number": 1, "kind": "send", "channel": "email", "campaign": "71"},
        {"number": 3, "kind": "wait", "wait": "3 days"},
    ]
    assert client.post(ADD, form(northwind, *steps, complete="on", trigger="event")).status_code == 302
    row = EnteredJourney.objects.get()
    assert [(step.number, step.kind, step.condition) for step in row.steps.all()] == [
        (1, "send", ""), (2, "branch", "opened"), (2, "branch", "else"), (3, "wait", ""),
    ]  # fmt: skip
    assert {entry.actor for entry in AuditEntry.objects.filter(action="added step")} == {str(people.engineer)}
    assert AuditEntry.objects.filter(action="added step").count() == 4
    assert "Entered steps" in client.get(PAGE).content.decode()

    change = reverse("admin:mapping_enteredjourney_change", args=[row.pk])
    wait = row.steps.get(kind="wait")
    kept = [{"id": step.pk, "number": step.number, "kind": step.kind, "channel": step.channel, "campaign": step.campaign,
             "condition": step.condition, "target": step.target, "wait": step.wait} for step in row.steps.all()]  # fmt: skip
    kept[-1]["wait"] = "5 days"
    kept[1]["target"] = "3"
    client.post(change, form(northwind, *kept, complete="on", trigger="event"))
    wait.refresh_from_db()
    assert wait.wait == "5 days"
    changes = AuditEntry.objects.filter(action="changed step").values_list("detail", flat=True)
    assert {"changes": {"wait": {"from": "3 days", "to": "5 days"}}} in list(changes)


def test_rows_that_nobody_filled_in_are_no_steps(client, northwind):
    empty = client.get(ADD).context["inline_admin_formsets"][0].formset.forms[0]
    untouched = {name: next(iter(empty.fields[name].choices))[0] for name in ("kind", "channel")}  # as a browser sends it
    assert client.post(ADD, form(northwind, {"number": 1, "kind": "update"}, untouched, untouched)).status_code == 302
    assert EnteredJourney.objects.get().steps.count() == 1


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([{"number": 1, "kind": "branch", "condition": "opened", "target": "7"}], "Step 1 leads to no step: &#x27;7&#x27;."),
        ([{"number": 1, "kind": "send"}], "Step 1 sends a message and has no channel."),
        ([{"number": 1, "kind": "wait"}], "Step 1 waits and doesn&#x27;t say how long."),
        ([{"number": 1, "kind": "update"}] * 2, "Step 1 is there 2 times"),
        ([{"number": 1, "kind": "update", "condition": MARKUP}], "Step 1 has branches and is of the kind update."),
        ([{"number": 1, "kind": "update", "item": "P-1"}], "Step 1 names an item and no catalog."),
        ([{"number": 0, "kind": "update"}], "greater than or equal to 1"),
    ],
)
def test_steps_that_do_not_fit_together_are_refused_with_the_steps_number(client, northwind, steps, words):
    text = client.post(ADD, form(northwind, *steps)).content.decode()
    assert words in text
    assert MARKUP not in text
    assert not EnteredJourney.objects.exists()

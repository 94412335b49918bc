"""The scope as data: every count computed, decisions and estimate in it, and written as a document."""

import json

import openpyxl
import pytest

from connectors import store
from connectors.base import Finding
from connectors.models import Dataset
from mapping.checks.deciding import decide
from mapping.checks.keeping import keep
from mapping.models import DiscoveryFinding, ObjectMap
from reports import measures
from reports.scope import scope_content, write_scope, write_workbook
from tests.pages import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def northwind():
    engagement = cast.make_engagement("Northwind")
    cast.make_planned(engagement)
    ObjectMap.objects.create(engagement=engagement, object_name="company", tables=["account"], cardinality="1:1", confirmed=True)
    for name, rows in (("journey", 12), ("campaign", 40), ("channel", 3)):
        Dataset.objects.create(engagement=engagement, object_name=name, purpose="discovery", state="sealed", rows=rows)
    return engagement


@pytest.fixture
def people(northwind):
    return cast.make_cast(northwind)


def test_objects_are_counted_as_x_of_y(northwind):
    objects = scope_content(northwind)["objects"]
    assert (objects["moving"], objects["of"], objects["exact"], objects["documented"], objects["confirmed"]) == (2, 3, 2, 1, 2)
    assert {row["object"]: row["cardinality"] for row in objects["rows"]} == {"user": "1:1", "company": "1:1", "journey": "documented"}


def test_what_only_completes_another_object_is_not_counted(northwind):
    counted = {row["object"]: row["records"] for row in scope_content(northwind)["counts"]}
    assert counted == {"campaign": 40, "journey": 12, "company": 1}
    assert measures.inputs(northwind)["records"].value == 41  # journeys are documented


def test_decisions_stand_in_the_scope_with_what_they_mean(northwind, people):
    production = northwind.environments.get(kind="production")
    steps = [Finding("quiet_plugin_steps", "warning", "Runs.", subject=name) for name in ("One", "Two")]
    keep(northwind, production, steps, actor="discovery")
    decide(DiscoveryFinding.objects.filter(subject="One"), "off", user=people.admin, comment="Writes e-mails.")
    decisions = scope_content(northwind)["decisions"]
    assert (decisions["open"], decisions["taken"]) == (1, 1)
    one = decisions["rows"][0]
    assert (one["answer"], one["who"], one["where"], one["comment"]) == (
        "Off for the window",
        "Customer's Dynamics admin",
        "production",
        "Writes e-mails.",
    )
    assert measures.inputs(northwind)["set_off"].value == 2


def test_the_estimate_shows_its_inputs_and_rules_and_the_assumptions_what_nobody_entered(northwind):
    content = scope_content(northwind)
    assert {rule["input"] for rule in content["grade"]["rules"]} <= {one["name"] for one in content["grade"]["inputs"]}
    assert content["timeline"]["weeks"] > 0
    assert content["effort"]["days"].keys() == {"customer", "engineer"}
    assert any("nobody entered the licences" in words for words in content["assumptions"])


def test_the_scope_of_an_empty_engagement_can_be_computed():
    content = scope_content(cast.make_engagement("Empty"))
    assert (content["objects"]["moving"], content["decisions"]["open"], content["flattening"]) == (0, 0, None)


def test_the_document_is_the_same_as_long_as_nothing_changes(northwind):
    first, second = write_scope(northwind), write_scope(northwind)
    assert (first.kind, first.sha256) == ("scope", second.sha256)
    assert json.loads((store.root() / first.path).read_text()) == json.loads(json.dumps(scope_content(northwind)))


def test_the_workbook_says_what_the_scope_says(northwind, people):
    keep(northwind, None, [Finding("quiet_plugin_steps", "warning", "=1+1", subject="One")], actor=people.engineer)
    told, path = scope_content(northwind), store.root() / write_workbook(northwind).path
    sheets = {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in openpyxl.load_workbook(path).worksheets}
    assert [row[:3] for row in sheets["What is there"][1:]] == [(one["object"], one["title"], one["records"]) for one in told["counts"]]
    assert [row[:2] for row in sheets["What moves where"][1:]] == [(one["object"], one["title"]) for one in told["objects"]["rows"]]
    assert [row[2] for row in sheets["Effort"][1:]] == [one["days"] for one in told["effort"]["rows"]]
    assert [row[0] for row in sheets["Assumptions"][1:]] == told["assumptions"]
    assert [row[5] for row in sheets["Findings"][1:]] == ["=1+1"]
    assert ("Weeks on the calendar", told["timeline"]["weeks"]) in sheets["Scope"]


def test_the_scope_page_of_the_admin_is_its_engineers_only(northwind, people, as_user):
    page = f"/admin/engagements/engagement/{northwind.pk}/scope/"
    assert "What moves where" in as_user(people.engineer).get(page).content.decode()
    other = cast.make_cast(cast.make_engagement("Tailspin"))
    assert as_user(other.engineer).get(page).status_code == 404

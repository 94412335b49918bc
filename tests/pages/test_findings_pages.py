"""The findings in the admin: read, filtered, decided in place and many at once."""

import pytest
from django.urls import reverse

from connectors.base import Finding
from mapping.checks.keeping import keep
from mapping.models import DiscoveryFinding
from tests.pages import cast

pytestmark = pytest.mark.django_db
LIST = "/admin/mapping/discoveryfinding/"


@pytest.fixture
def late(northwind):
    """A decision of the engineer."""
    keep(northwind, None, [Finding("iterable.late_rows", "warning", "Rows come late.")], actor="discovery")
    return DiscoveryFinding.objects.get()


@pytest.fixture
def client(people, as_user):
    return as_user(people.engineer)


def in_place(finding, decision):
    forms = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-0-id": finding.pk, "form-0-decision": decision, "_save": "Save"}
    return forms


def test_a_decision_is_taken_in_the_list(client, late, people):
    client.post(LIST, in_place(late, "week"))
    late.refresh_from_db()
    assert (late.decision, late.decided_by) == ("week", str(people.engineer))


def test_a_decision_of_the_customer_can_not_be_taken_in_the_list(client, northwind):
    keep(northwind, None, [Finding("iterable.journeys_without_steps", "warning", "No steps.")], actor="discovery")
    finding = DiscoveryFinding.objects.get()
    assert "Customer approver&#x27;s decision" in client.get(LIST).content.decode()
    client.post(LIST, in_place(finding, "inventory"))
    finding.refresh_from_db()
    assert finding.decision == ""


def test_a_findings_page_offers_its_answers_with_what_they_mean(client, late):
    page = reverse("admin:mapping_discoveryfinding_change", args=[late.pk])
    assert "The delta reads a week once more" in client.get(page).content.decode()
    client.post(page, {"decision": "week", "comment": "They import in bulk.", "_save": "Save"})
    late.refresh_from_db()
    assert (late.decision, late.comment) == ("week", "They import in bulk.")


def test_many_are_decided_after_the_page_has_shown_which(client, late, northwind):
    other = cast.make_engagement("Tailspin")
    keep(other, None, [Finding("iterable.late_rows", "warning", "Rows come late.")], actor="discovery")
    strange = DiscoveryFinding.objects.get(engagement=other)
    page = client.post(LIST, {"action": "decide_selected", "_selected_action": [late.pk, strange.pk]})
    assert "1 finding would be decided" in page.content.decode()
    client.post(f"{LIST}decide/", {"ids": f"{late.pk},{strange.pk}", "decision": "two_days", "comment": "as agreed"})
    decided = DiscoveryFinding.objects.exclude(decision="")
    assert [row.engagement for row in decided] == [northwind]


@pytest.mark.parametrize(("query", "shown"), [("decided=open", 1), ("decided=taken", 0), ("side=source", 1), ("side=production", 0)])
def test_the_list_is_filtered_by_decision_and_side(client, late, query, shown):
    assert client.get(f"{LIST}?{query}").context["cl"].result_count == shown

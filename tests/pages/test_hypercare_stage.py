"""Hypercare at the end of an engagement's way: which day it is, what is open, what is late, and whose move it is."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from workbench.hypercare import tickets
from workbench.hypercare.models import HypercareCalendar, Ticket
from workbench.hypercare.tickets import Side
from workbench.pipeline.way import way

pytestmark = pytest.mark.django_db


def raised(engagement, people, **fields):
    given = {"title": "Ada is missing", "text": "She was in Iterable.", "kind": "missing", **fields}
    return tickets.raise_ticket(engagement, by=people.approver, side=Side.CUSTOMER, **given)


def hypercare(engagement):
    *_, last = way(engagement)
    return last


def handed_off(engagement, days_ago: int):
    day = timezone.now().date() - timedelta(days=days_ago)
    HypercareCalendar.objects.update_or_create(engagement=engagement, defaults={"handed_off_on": day})


def test_it_waits_for_the_hand_off_runs_for_its_window_and_is_done_after_it(northwind):
    stage = hypercare(northwind)
    assert (stage.state, stage.after) == ("waiting", ("Handoff documents",))
    handed_off(northwind, 1)
    stage = hypercare(northwind)
    assert (stage.state, stage.missing, stage.after) == ("running", [], ())
    assert " until " in stage.says
    handed_off(northwind, 30)
    stage = hypercare(northwind)
    assert stage.state == "done"
    assert stage.says.startswith("Ended on ")


def test_open_tickets_keep_it_open_and_say_whose_move_it_is(northwind, people):
    handed_off(northwind, 30)
    late, ours, theirs = (raised(northwind, people) for _ in range(3))
    Ticket.objects.filter(pk=ours.pk).update(due_at="2099-05-04T10:00Z")
    Ticket.objects.filter(pk=theirs.pk).update(due_at="2024-01-01T00:00Z")
    tickets.say(theirs, by=people.engineer, side=Side.ENGINEER, text="Which Ada?", asks=True)
    assert hypercare(northwind).state == "ready"
    Ticket.objects.filter(pk=late.pk).update(due_at="2024-01-01T00:00Z")
    stage = hypercare(northwind)
    assert stage.state == "failed"
    assert [(item.says.split(",")[0], item.move) for item in stage.missing] == [
        ("Past the deadline: ticket 1.", "engineer"),
        ("To be answered: ticket 2", "engineer"),
        ("Waiting for the customer's answer: ticket 3.", "approver"),
    ]


def test_both_sides_read_it_on_their_page_of_the_engagement(northwind, people, as_user):
    handed_off(northwind, 1)
    raised(northwind, people)
    portal = as_user(people.viewer).get("/engagements/northwind/").content.decode()
    admin = as_user(people.engineer).get(reverse("admin:engagements_engagement_change", args=[northwind.pk])).content.decode()
    for text in (portal, admin):
        assert "To be answered: ticket 1, by " in text
        assert "Engineer's move" in text
    assert '<a href="/engagements/northwind/tickets/">Hypercare</a>' in portal

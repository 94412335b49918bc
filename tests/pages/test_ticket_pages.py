"""Tickets in the portal and in the admin: who reads, who raises, who answers, and what each side sees of it."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from tests.pages import cast
from workbench.engagements.models import AuditEntry
from workbench.hypercare import references, tickets
from workbench.hypercare.models import HypercareCalendar, Ticket
from workbench.hypercare.tickets import MOVES, Side

pytestmark = pytest.mark.django_db
LIST, RAISE = "/engagements/northwind/tickets/", "/engagements/northwind/tickets/raise/"
MARKUP = "<b>=HYPERLINK()</b>"
GIVEN = {"title": "Ada is missing", "text": "She was in Iterable.", "kind": "missing", "severity": "high"}


@pytest.fixture
def ticket(northwind, people):
    return raised(northwind, people)


def raised(engagement, people, **fields):
    return tickets.raise_ticket(engagement, by=people.approver, side=Side.CUSTOMER, **{**GIVEN, **fields})


def answered(ticket, people):
    tickets.triage(ticket, by=people.engineer, cause="bug", severity="high", assignee=people.engineer)
    tickets.make(ticket, MOVES["answer"], by=people.engineer, side=Side.ENGINEER, text="She is there now.")
    ticket.refresh_from_db()
    return ticket


def act(client, ticket, **fields):
    return client.post(reverse("admin:hypercare_ticket_act", args=[ticket.pk]), fields, follow=True)


@pytest.mark.parametrize("role", ["approver", "admin"])
def test_the_customer_raises_a_ticket_about_records_and_sees_it(northwind, people, as_user, role):
    client = as_user(getattr(people, role))
    given = {**GIVEN, "title": MARKUP, "about": "user:u-118\ncontact 0f8fad5b-d9cb-469f-a165-70867728950e"}
    answer = client.post(RAISE, given, follow=True)
    text = answer.content.decode()
    assert "Ticket 1 is raised." in text
    assert "No run into production had a record with this id." in text
    assert MARKUP not in text
    assert not cast.INLINE_CODE.search(text)
    [ticket] = Ticket.objects.all()
    assert (ticket.raised_by, ticket.state, ticket.records.count()) == (getattr(people, role), "open", 2)


def test_a_form_that_names_no_record_comes_back_with_what_was_written(northwind, people, as_user):
    answer = as_user(people.approver).post(RAISE, {**GIVEN, "about": "https://evil.example/?etn=contact"})
    assert answer.status_code == 400
    text = answer.content.decode()
    assert "isn&#x27;t one of this engagement&#x27;s environments" in text
    assert "She was in Iterable." in text
    assert not Ticket.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "engineer"])
def test_others_read_in_the_portal_and_write_nothing(ticket, people, as_user, role):
    client, page = as_user(getattr(people, role)), f"{LIST}{ticket.number}/"
    assert "Raise a ticket" not in client.get(LIST).content.decode()
    shown = client.get(page).content.decode()
    assert "She was in Iterable." in shown
    assert 'name="do"' not in shown
    assert (client.get(RAISE).status_code, client.post(RAISE, GIVEN).status_code) == (403, 403)
    assert client.post(page, {"do": "comment", "text": "Hello"}).status_code == 403
    assert client.post(page, {"do": "close"}).status_code == 403
    assert (Ticket.objects.get().state, ticket.entries.count()) == ("open", 0)


def test_somebody_of_another_customer_finds_no_ticket(ticket, people, as_user):
    other = cast.make_cast(cast.make_engagement("Southwind"))
    for client in (as_user(other.approver), as_user(other.engineer)):
        for page in (LIST, RAISE, f"{LIST}{ticket.number}/", f"/engagements/southwind/tickets/{ticket.number}/"):
            assert client.get(page).status_code == 404
        assert client.post(f"{LIST}{ticket.number}/", {"do": "comment", "text": "Hello"}).status_code == 404
    assert (
        as_user(other.engineer).post(reverse("admin:hypercare_ticket_act", args=[ticket.pk]), {"do": "comment", "text": "Hi"}).status_code
        == 404
    )
    assert not ticket.entries.exists()


def test_an_engineer_triages_works_and_answers_and_the_customer_reopens_and_closes(ticket, people, as_user):
    engineer, customer, page = as_user(people.engineer), as_user(people.approver), f"{LIST}{ticket.number}/"
    act(engineer, ticket, do="triage", cause="bug", severity="critical", assignee=people.engineer.pk, text="We look at it.")
    act(engineer, ticket, do="start")
    act(engineer, ticket, do="answer", text="She is there now.")
    assert "1 ticket waits for your answer." in customer.get("/").content.decode()
    shown = customer.get(page).content.decode()
    assert "She is there now." in shown
    assert "Severity: High: work is hampered → <strong>Critical: work stands still</strong>" in shown
    customer.post(page, {"do": "reopen", "text": "No, she isn't."})
    act(engineer, ticket, do="answer", text="Now?")
    answer = customer.post(page, {"do": "close", "text": ""}, follow=True)
    assert "The ticket is closed." in answer.content.decode()
    ticket.refresh_from_db()
    assert (ticket.state, ticket.severity, ticket.assignee) == ("closed", "critical", people.engineer)


def test_reopening_without_a_reason_and_moves_that_came_too_late_say_so(ticket, people, as_user):
    answered(ticket, people)
    client, page = as_user(people.approver), f"{LIST}{ticket.number}/"
    answer = client.post(page, {"do": "reopen", "text": " "})
    assert answer.status_code == 400
    assert "needs a text" in answer.content.decode()
    client.post(page, {"do": "close"})
    late = client.post(page, {"do": "close", "text": "My words"})
    assert late.status_code == 409
    assert "My words" in late.content.decode()
    assert client.post(page, {"do": "nonsense", "text": "x"}).status_code == 400


def test_a_note_is_seen_by_engineers_alone(ticket, people, as_user):
    act(as_user(people.engineer), ticket, do="note", text="Their own import did it.")
    assert "Their own import did it." in as_user(people.engineer).get(f"/admin/hypercare/ticket/{ticket.pk}/change/").content.decode()
    for role in ("approver", "viewer", "admin", "engineer"):
        assert "Their own import" not in as_user(getattr(people, role)).get(f"{LIST}{ticket.number}/").content.decode()


def test_whose_ticket_it_is_stays_among_engineers(ticket, people, as_user):
    tickets.triage(ticket, by=people.engineer, cause="bug", severity="high", assignee=people.engineer)
    assert "Assignee" not in as_user(people.approver).get(f"{LIST}{ticket.number}/").content.decode()


def test_asking_the_customer_stops_the_clock_until_they_answer(ticket, people, as_user):
    customer, page = as_user(people.approver), f"{LIST}{ticket.number}/"
    act(as_user(people.engineer), ticket, do="ask", text="Which Ada?")
    assert "Waits for you" in customer.get(page).content.decode()
    assert [key for key, _, count in customer.get(LIST).context["tabs"] if count] == ["open", "yours", ""]
    customer.post(page, {"do": "comment", "text": "Lovelace."})
    assert "Waits for you" not in customer.get(page).content.decode()


def test_the_list_is_searched_by_title_number_and_source_id(northwind, people, as_user):
    raised(northwind, people, title="Nothing to see")
    raised(northwind, people, title="Ada again", about=references.read(northwind, "user:u-118"))
    client = as_user(people.viewer)
    for text, found in (("ada", [2]), ("1", [1]), ("u-118", [2]), ("unheard", []), (MARKUP, [])):
        answer = client.get(LIST, {"q": text})
        assert [ticket.number for ticket in answer.context["page"]] == found
        assert MARKUP not in answer.content.decode()


def test_the_list_costs_the_same_for_many_tickets(northwind, people, as_user, django_assert_max_num_queries):
    for n in range(30):
        raised(northwind, people, title=f"Ticket {n} {'long ' * 30}")
    client = as_user(people.viewer)
    with django_assert_max_num_queries(20):
        answer = client.get(LIST)
    assert "Page 1 of 2" in answer.content.decode()


def test_the_window_is_shown(northwind, people, as_user):
    client = as_user(people.viewer)
    assert "Hypercare begins with the hand-off" in client.get(LIST).content.decode()
    calendar = HypercareCalendar.objects.create(engagement=northwind, handed_off_on=timezone.now().date())
    assert "It lasts until the end of" in client.get(LIST).content.decode()
    calendar.handed_off_on = "2024-01-01"
    calendar.save()
    assert "Hypercare ended on 9 January 2024" in client.get(LIST).content.decode()


def test_an_engineer_raises_a_ticket_in_the_admin_for_their_own_engagement(northwind, people, as_user):
    contoso, client = cast.make_engagement("Contoso"), as_user(people.engineer)
    page = reverse("admin:hypercare_ticket_add")
    assert 'name="_save"' in client.get(page).content.decode()
    client.post(page, {**GIVEN, "engagement": contoso.pk, "about": ""})
    assert not Ticket.objects.exists()
    assert "names no record" in client.post(page, {**GIVEN, "engagement": northwind.pk, "about": "words"}).content.decode()
    client.post(page, {**GIVEN, "engagement": northwind.pk, "about": "user:u-118"})
    [ticket] = Ticket.objects.all()
    assert (ticket.raised_by, [str(record) for record in ticket.records.all()]) == (people.engineer, ["user:u-118"])
    assert AuditEntry.objects.get(action="raised ticket").detail["side"] == "engineer"


@pytest.mark.parametrize(("clock", "found"), [("overdue", [1]), ("ours", [1, 2]), ("customer", [3]), ("closed", [4])])
def test_the_admins_list_is_filtered_by_the_clock(northwind, people, as_user, clock, found):
    late, _, waiting, done = (raised(northwind, people) for _ in range(4))
    Ticket.objects.filter(pk=late.pk).update(due_at="2024-01-01T00:00Z")
    answered(waiting, people)
    tickets.make(done, MOVES["close"], by=people.approver, side=Side.CUSTOMER)
    answer = as_user(people.engineer).get(reverse("admin:hypercare_ticket_changelist"), {"clock": clock})
    assert sorted(ticket.number for ticket in answer.context["cl"].result_list) == found


def test_many_triaged_tickets_are_taken_into_work_at_once_and_the_others_say_why_not(northwind, people, as_user):
    ready, untriaged = raised(northwind, people), raised(northwind, people)
    tickets.triage(ready, by=people.engineer, cause="training", severity="low", assignee=None)
    given = {"action": "take_on", "_selected_action": [ready.pk, untriaged.pk]}
    answer = as_user(people.engineer).post(reverse("admin:hypercare_ticket_changelist"), given, follow=True)
    text = answer.content.decode()
    assert "1 taken into work." in text
    assert "done with a ticket that is open" in text
    ready.refresh_from_db()
    assert (ready.state, ready.assignee) == ("in_work", people.engineer)


def test_holidays_are_entered_a_date_a_line_and_move_deadlines(northwind, people, as_user, ticket):
    page, due = reverse("admin:hypercare_hypercarecalendar_add"), ticket.due_at
    client = as_user(people.engineer)
    wrong = client.post(page, {"engagement": northwind.pk, "holidays": "2026-13-01"})
    assert "is no date" in wrong.content.decode()
    day = timezone.now().date()
    days = "\n".join(str(day + timedelta(days=n)) for n in range(30))
    client.post(page, {"engagement": northwind.pk, "holidays": days})
    ticket.refresh_from_db()
    assert ticket.due_at > due + timedelta(days=20)

"""Tickets: who may do what from which state, what it does to the deadline, and what the history keeps of it."""

from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

import pytest
from django.utils import timezone

from tests.pages import cast
from workbench.engagements import history
from workbench.engagements.errors import BadInput
from workbench.engagements.models import AuditEntry, Membership, Role
from workbench.hypercare import clock, tickets
from workbench.hypercare.models import HypercareCalendar, Ticket
from workbench.hypercare.tickets import MOVES, MayNotAct, NotFromHere, Side
from workbench.pipeline.models import Step

pytestmark = [pytest.mark.django_db, pytest.mark.database]
CUSTOMER, ENGINEER = Side.CUSTOMER, Side.ENGINEER
WEDNESDAY = datetime(2026, 3, 25, 14, tzinfo=UTC)  # 15:00 in Berlin; the clocks go forward on Sunday


@pytest.fixture
def at(monkeypatch):
    """Set what time it is."""

    def set_time(moment):
        monkeypatch.setattr(timezone, "now", lambda: moment)

    set_time(WEDNESDAY)
    return set_time


def raised(engagement, people, severity="high", **fields):
    given = {"title": "Ada is missing", "text": "She was in Iterable.", "kind": "missing", **fields}
    return tickets.raise_ticket(engagement, by=people.approver, side=CUSTOMER, severity=severity, **given)


def triaged(engagement, people, severity="high"):
    ticket = raised(engagement, people, severity)
    tickets.triage(ticket, by=people.engineer, cause="bug", severity=severity, assignee=people.engineer)
    return now_is(ticket)


def move(ticket, name, by, side=ENGINEER, text="Because."):
    tickets.make(ticket, MOVES[name], by=by, side=side, text=text)
    return now_is(ticket)


def now_is(ticket):
    ticket.refresh_from_db()
    return ticket


def test_a_ticket_goes_from_open_to_closed_and_back_with_every_change_in_the_history(northwind, people):
    ticket = triaged(northwind, people)
    for name, by, side in (
        ("start", people.engineer, ENGINEER),
        ("answer", people.engineer, ENGINEER),
        ("reopen", people.approver, CUSTOMER),
        ("answer", people.engineer, ENGINEER),
        ("close", people.admin, CUSTOMER),
    ):
        move(ticket, name, by, side)
    assert ticket.state == "closed"
    actions = list(AuditEntry.objects.filter(engagement=northwind).values_list("action", "actor"))
    assert actions == [
        ("raised ticket", str(people.approver)),
        ("triaged ticket", str(people.engineer)),
        ("took into work ticket", str(people.engineer)),
        ("answered ticket", str(people.engineer)),
        ("reopened ticket", str(people.approver)),
        ("answered ticket", str(people.engineer)),
        ("closed ticket", str(people.admin)),
    ]
    assert not list(history.breaks(northwind))


def test_the_history_proves_what_was_said_without_keeping_it(northwind, people):
    tickets.say(raised(northwind, people), by=people.approver, side=CUSTOMER, text="Ada Lovelace, ada@example.test")
    entry = AuditEntry.objects.latest("number")
    assert entry.detail["text_sha256"] == sha256(b"Ada Lovelace, ada@example.test").hexdigest()
    assert "Ada" not in str(AuditEntry.objects.values_list("detail", "subject"))


@pytest.mark.parametrize(
    ("name", "state"), [("start", "open"), ("answer", "open"), ("reopen", "in_work"), ("close", "in_work"), ("start", "closed")]
)
def test_a_move_from_another_state_is_refused(northwind, people, name, state):
    ticket = triaged(northwind, people)
    Ticket.objects.filter(pk=ticket.pk).update(state=state)
    with pytest.raises(NotFromHere):
        move(ticket, name, people.engineer)
    assert now_is(ticket).state == state


@pytest.mark.parametrize("state", ["in_work", "answered", "closed"])
def test_what_is_under_way_or_settled_is_not_triaged(northwind, people, state):
    ticket = triaged(northwind, people)
    Ticket.objects.filter(pk=ticket.pk).update(state=state)
    with pytest.raises(NotFromHere):
        tickets.triage(ticket, by=people.engineer, cause="change", severity="low", assignee=None)
    assert (now_is(ticket).state, ticket.cause) == (state, "bug")


def test_an_old_page_does_not_undo_what_somebody_else_did_meanwhile(northwind, people):
    ticket = triaged(northwind, people)
    old = Ticket.objects.get(pk=ticket.pk)
    move(ticket, "answer", people.engineer)
    with pytest.raises(NotFromHere):
        tickets.make(old, MOVES["start"], by=people.engineer, side=ENGINEER)
    assert now_is(ticket).state == "answered"


@pytest.mark.parametrize("role", ["viewer", "engineer"])
def test_others_than_approver_and_dynamics_admin_do_not_speak_for_the_customer(northwind, people, role):
    user, ticket = getattr(people, role), raised(northwind, people)
    for tried in (
        lambda: tickets.say(ticket, by=user, side=CUSTOMER, text="Hello"),
        lambda: tickets.make(ticket, MOVES["close"], by=user, side=CUSTOMER),
        lambda: tickets.raise_ticket(northwind, by=user, side=CUSTOMER, title="x", text="x", kind="other"),
    ):
        with pytest.raises(MayNotAct):
            tried()
    assert Ticket.objects.count() == 1
    assert not ticket.entries.exists()


def test_somebody_of_another_engagement_acts_for_neither_side(northwind, people):
    ticket, others = raised(northwind, people), cast.make_cast(cast.make_engagement("Contoso"))
    for user, side in ((others.approver, CUSTOMER), (others.engineer, ENGINEER), (people.approver, ENGINEER)):
        with pytest.raises(MayNotAct):
            tickets.say(ticket, by=user, side=side, text="Hello")


def test_tickets_are_numbered_per_engagement(northwind, people):
    contoso = cast.make_engagement("Contoso")
    Membership.objects.create(engagement=contoso, user=people.approver, role=Role.APPROVER)
    assert [raised(northwind, people).number, raised(contoso, people).number, raised(northwind, people).number] == [1, 1, 2]


@pytest.mark.parametrize("fields", [{"title": " "}, {"title": "x" * 201}, {"text": ""}, {"text": "x" * 10_001}, {"kind": "?"}])
def test_a_ticket_without_title_text_or_kind_is_refused(northwind, people, fields):
    with pytest.raises(BadInput):
        raised(northwind, people, **fields)


@pytest.mark.parametrize(("severity", "month", "day"), [("critical", 3, 26), ("high", 3, 27), ("normal", 3, 30), ("low", 4, 1)])
def test_an_answer_is_due_within_working_days_by_severity_in_the_engagements_zone(northwind, people, at, severity, month, day):
    ticket = raised(northwind, people, "normal")
    tickets.triage(ticket, by=people.engineer, cause="bug", severity=severity, assignee=None)
    berlin = clock.workdays_of(northwind).zone
    assert now_is(ticket).due_at == datetime(2026, month, day, 15, tzinfo=berlin)


def test_the_clock_stands_still_while_the_customer_is_waited_for(northwind, people, at):
    ticket = triaged(northwind, people)  # due on Friday at 15:00 in Berlin
    at(WEDNESDAY + timedelta(hours=4))
    tickets.say(ticket, by=people.engineer, side=ENGINEER, text="Which Ada?", asks=True)
    at(WEDNESDAY + timedelta(days=7))
    assert not now_is(ticket).is_overdue(timezone.now())
    assert list(Ticket.objects.with_customer()) == [ticket]
    assert not Ticket.objects.overdue(timezone.now())
    tickets.say(ticket, by=people.approver, side=CUSTOMER, text="Lovelace.")
    berlin = clock.workdays_of(northwind).zone
    # Wednesday 19:00 until Wednesday 16:00 (it is summer time by now) are 4 working days and 21 hours.
    assert now_is(ticket).due_at == datetime(2026, 4, 3, 12, tzinfo=berlin)
    assert ticket.paused_at is None


def test_a_ticket_is_overdue_after_its_deadline_until_it_is_answered(northwind, people, at):
    ticket = triaged(northwind, people, "critical")
    late = WEDNESDAY + timedelta(days=1, minutes=1)
    assert list(Ticket.objects.overdue(late)) == [ticket]
    at(late)
    assert not move(ticket, "answer", people.engineer).is_overdue(late)
    assert not Ticket.objects.overdue(late)


def test_a_closed_ticket_that_is_reopened_has_its_whole_time_again_and_an_answered_one_the_rest(northwind, people, at):
    ticket = move(triaged(northwind, people), "answer", people.engineer)
    before = ticket.due_at
    move(ticket, "reopen", people.approver, CUSTOMER)
    assert ticket.due_at == before
    at(WEDNESDAY + timedelta(days=1))
    move(ticket, "close", people.approver, CUSTOMER)
    move(ticket, "reopen", people.approver, CUSTOMER)
    assert ticket.due_at == clock.workdays_of(northwind).after(WEDNESDAY + timedelta(days=1), timedelta(days=2))


def test_holidays_and_another_zone_move_the_deadlines_of_open_tickets(northwind, people, at):
    ticket, closed = raised(northwind, people), raised(northwind, people)
    move(closed, "close", people.approver, CUSTOMER)
    due = ticket.due_at
    HypercareCalendar.objects.create(engagement=northwind, holidays=["2026-03-26"])
    clock.reckon_anew(northwind)
    assert (now_is(ticket).due_at, now_is(closed).due_at) == (clock.workdays_of(northwind).after(WEDNESDAY, timedelta(days=2)), due)
    northwind.options = {"day_zone": "Pacific/Auckland"}
    northwind.save()
    assert now_is(ticket).due_at == clock.workdays_of(northwind).after(WEDNESDAY, timedelta(days=2)) != due


def test_hypercare_begins_with_the_first_hand_off_after_production(northwind, people):
    def hand_off(moment):
        Step.objects.create(engagement=northwind, name="handoff", state="done", requested_by="ada", finished_at=moment)

    hand_off(WEDNESDAY - timedelta(days=3))  # before production: a look at the documents
    assert clock.window_of(northwind) is None
    cast.make_run(northwind, people.engineer, "production", finished_at=WEDNESDAY)
    assert clock.window_of(northwind) is None
    hand_off(WEDNESDAY + timedelta(hours=1))
    hand_off(WEDNESDAY + timedelta(days=20))
    window = clock.window_of(northwind)
    assert (window.days[0], window.days[-1]) == (date(2026, 3, 26), date(2026, 4, 1))
    HypercareCalendar.objects.create(engagement=northwind, handed_off_on=date(2026, 4, 2), holidays=["2026-04-03", "2026-04-06"])
    assert clock.window_of(northwind).days[0] == date(2026, 4, 7)


def test_only_engineers_are_given_a_ticket(northwind, people):
    with pytest.raises(BadInput, match="isn't an engineer"):
        tickets.triage(raised(northwind, people), by=people.engineer, cause="bug", severity="low", assignee=people.approver)


def test_a_note_leaves_no_trace_that_the_customer_sees(northwind, people):
    ticket = raised(northwind, people)
    before = ticket.changed_at
    tickets.say(ticket, by=people.engineer, side=ENGINEER, text="They did it themselves.", internal=True)
    assert now_is(ticket).changed_at == before
    with pytest.raises(BadInput):
        tickets.say(ticket, by=people.approver, side=CUSTOMER, text="Psst", internal=True)

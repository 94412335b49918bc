"""Raising tickets and what is done with them: who may, from which state to which, what it does to the clock, and the history of it all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from workbench.engagements import gates, history
from workbench.engagements.access import roles_of, workable_by
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement, Role
from workbench.hypercare import clock
from workbench.hypercare.models import Ticket, TicketEntry, TicketRecord
from workbench.hypercare.references import Reference
from workbench.hypercare.workdays import WorkDays

State = Ticket.State
CUSTOMERS = frozenset({Role.APPROVER.value, Role.DYNAMICS_ADMIN.value})
TEXT_LIMIT, TITLE_LIMIT = 10_000, 200


class Side(StrEnum):
    """On whose behalf somebody acts: the portal is the customer's door, the admin the engineers'."""

    CUSTOMER = "customer"
    ENGINEER = "engineer"


class MayNotAct(WorkbenchError):
    """The person doesn't speak for this side of the engagement."""

    remedy = "The customer's approver and Dynamics admin raise and answer tickets in the portal, the engineers in the admin."


class NotFromHere(WorkbenchError):
    """The ticket is in another state than the one that this is done from; somebody else was faster, or the page is old."""

    remedy = "Read the ticket again: it is shown as it is now."


@dataclass(frozen=True, slots=True)
class Move:
    """A change of state. engineers, customers: the states from which each side makes it."""

    name: str
    label: str
    to: State
    engineers: frozenset[State] = frozenset()
    customers: frozenset[State] = frozenset()
    needs_text: bool = False
    needs_cause: bool = False

    def starts(self, ticket: Ticket, side: Side) -> bool:
        """Whether the side makes it from where the ticket is."""
        states = self.engineers if side == Side.ENGINEER else self.customers
        return ticket.state in states and bool(ticket.cause or not self.needs_cause)


UNDER_WAY = frozenset({State.OPEN, State.TRIAGED, State.IN_WORK, State.REOPENED})
SETTLED = frozenset({State.ANSWERED, State.CLOSED})
TRIAGE = Move("triage", "Triage", State.TRIAGED, engineers=frozenset({State.OPEN, State.REOPENED, State.TRIAGED}))
MOVES: Mapping[str, Move] = {
    move.name: move
    for move in (
        Move("start", "Take into work", State.IN_WORK, engineers=frozenset({State.TRIAGED, State.REOPENED}), needs_cause=True),
        Move("answer", "Answer", State.ANSWERED, engineers=UNDER_WAY - {State.OPEN}, needs_text=True, needs_cause=True),
        Move("close", "Close", State.CLOSED, engineers=frozenset({State.ANSWERED}), customers=UNDER_WAY | {State.ANSWERED}),
        Move("reopen", "Reopen", State.REOPENED, engineers=SETTLED, customers=SETTLED, needs_text=True),
    )
}


def moves_of(ticket: Ticket, side: Side) -> list[Move]:
    """The moves that a side can make now, triage apart."""
    return [move for move in MOVES.values() if move.starts(ticket, side)]


def speaks_for(user: User, engagement: Engagement, side: Side) -> bool:
    """Whether a person may act for a side."""
    if side == Side.ENGINEER:
        return workable_by(user).filter(pk=engagement.pk).exists()
    return user.is_active and bool(roles_of(user, engagement) & CUSTOMERS)


def _require(user: User, engagement: Engagement, side: Side) -> None:
    if not speaks_for(user, engagement, side):
        raise MayNotAct(f"{user} can't do this as {side} of {engagement}.")


@transaction.atomic
def raise_ticket(
    engagement: Engagement,
    *,
    by: User,
    side: Side,
    title: str,
    text: str,
    kind: str,
    severity: str = Ticket.Severity.NORMAL,
    about: Sequence[Reference] = (),
) -> Ticket:
    """A new ticket with the records that it is about; its clock starts. Raises MayNotAct, BadInput."""
    _require(by, engagement, side)
    gates.require("ticket", engagement)
    title, text = " ".join(title.split()), _checked(text)
    if not title or len(title) > TITLE_LIMIT or not text:
        raise BadInput("A ticket needs a title of one line and a text.", remedy="Say what you see and what you expect.")
    if kind not in Ticket.Kind.values or severity not in Ticket.Severity.values:
        raise BadInput("Kind or severity is unknown.", remedy="Choose one of those offered.")
    Engagement.objects.select_for_update().get(pk=engagement.pk)  # one number each
    last = Ticket.objects.filter(engagement=engagement).aggregate(last=Max("number"))["last"] or 0
    now = timezone.now()
    ticket = Ticket(engagement=engagement, number=last + 1, title=title, text=text, kind=kind, severity=severity, raised_by=by)
    ticket.raised_at = ticket.changed_at = now
    clock.start(ticket, now, clock.workdays_of(engagement))
    ticket.save()
    TicketRecord.objects.bulk_create(reference.of(ticket) for reference in about)
    detail = {"kind": kind, "severity": severity, "side": str(side), "records": len(about), "text_sha256": _digest(text)}
    history.record(engagement, actor=by, action="raised ticket", subject=f"Ticket {ticket.number}", detail=detail)
    return ticket


@transaction.atomic
def triage(ticket: Ticket, *, by: User, cause: str, severity: str, assignee: User | None, text: str = "") -> TicketEntry:
    """Say what it is, how severe, and whose; the deadline follows the severity. Raises MayNotAct, NotFromHere, BadInput."""
    _require(by, ticket.engagement, Side.ENGINEER)
    if cause not in Ticket.Cause.values or severity not in Ticket.Severity.values:
        raise BadInput("It has to be a bug, training or a change request, and of a known severity.", remedy="Choose one of those offered.")
    if assignee is not None and not speaks_for(assignee, ticket.engagement, Side.ENGINEER):
        raise BadInput(f"{assignee} isn't an engineer of this engagement.", remedy="Choose another person.")

    def change(locked: Ticket, now: datetime, workdays: WorkDays) -> None:
        _start(locked, TRIAGE, Side.ENGINEER)
        locked.cause, locked.severity, locked.assignee = cause, severity, assignee
        clock.set_due(locked, workdays)

    return _changed(ticket, change, by=by, side=Side.ENGINEER, text=text, action="triaged ticket")


@transaction.atomic
def make(ticket: Ticket, move: Move, *, by: User, side: Side, text: str = "") -> TicketEntry:
    """Move a ticket to another state. Raises MayNotAct, NotFromHere, BadInput where the move needs a text."""
    _require(by, ticket.engagement, side)
    if move.needs_text and not text.strip():
        raise BadInput(f"“{move.label}” needs a text.", remedy="Write what the other side has to know.")

    def change(locked: Ticket, now: datetime, workdays: WorkDays) -> None:
        was = locked.state
        _start(locked, move, side)
        if move.to == State.ANSWERED:
            clock.pause(locked, now)
        elif move.to == State.REOPENED and was == State.CLOSED:
            clock.start(locked, now, workdays)
        elif move.to == State.REOPENED:
            clock.resume(locked, now, workdays)

    return _changed(ticket, change, by=by, side=side, text=text, action=f"{PAST[move.to]} ticket")


PAST = {State.IN_WORK: "took into work", State.ANSWERED: "answered", State.CLOSED: "closed", State.REOPENED: "reopened"}


@transaction.atomic
def say(ticket: Ticket, *, by: User, side: Side, text: str, internal: bool = False, asks: bool = False) -> TicketEntry:
    """A comment, or a note that engineers alone see. Raises MayNotAct, BadInput.

    asks: the engineers wait for the customer's answer, so that the clock stands still until they say something.
    """
    _require(by, ticket.engagement, side)
    if not text.strip():
        raise BadInput("There is nothing to say.", remedy="Write something.")
    if internal and (side == Side.CUSTOMER or asks):
        raise BadInput("A note is for engineers only and asks the customer nothing.", remedy="Write a comment instead.")

    def change(locked: Ticket, now: datetime, workdays: WorkDays) -> None:
        if side == Side.CUSTOMER:
            clock.resume(locked, now, workdays)
        elif asks and not locked.is_closed:
            clock.pause(locked, now)

    action = "noted on ticket" if internal else "commented on ticket"
    return _changed(ticket, change, by=by, side=side, text=text, action=action, internal=internal)


def _start(ticket: Ticket, move: Move, side: Side) -> None:
    if not move.starts(ticket, side):
        raise NotFromHere(f"“{move.label}” can't be done with a ticket that is {ticket.get_state_display().lower()}.")
    ticket.state = move.to


TOLD = ("state", "cause", "severity", "assignee")


def _changed(
    ticket: Ticket,
    change: Callable[[Ticket, datetime, WorkDays], None],
    *,
    by: User,
    side: Side,
    text: str,
    action: str,
    internal: bool = False,
) -> TicketEntry:
    """Change the ticket as it is stored now, and write down what was changed and said."""
    text, now = _checked(text), timezone.now()
    locked = Ticket.objects.select_for_update().select_related("engagement").get(pk=ticket.pk)
    before = _told(locked)
    change(locked, now, clock.workdays_of(locked.engagement))
    locked.changed_at = locked.changed_at if internal else now  # the customer sees no trace of a note
    locked.save()
    changes = {name: [before[name], after] for name, after in _told(locked).items() if after != before[name]}
    entry = TicketEntry.objects.create(
        ticket=locked, at=now, author=by, by_customer=side == Side.CUSTOMER, internal=internal, text=text, change=changes
    )
    detail = {"side": str(side), "changes": changes, "entry": entry.pk, "text_sha256": _digest(text)}
    history.record(locked.engagement, actor=by, action=action, subject=f"Ticket {locked.number}", detail=detail)
    return entry


def _told(ticket: Ticket) -> dict[str, Any]:
    """What the history tells of a ticket; whether its clock stands still as a word."""
    values = {name: str(getattr(ticket, name) or "") for name in TOLD}
    return {**values, "clock": "paused" if ticket.paused_at else ""}


def _checked(text: str) -> str:
    text = text.strip()
    if len(text) > TEXT_LIMIT:
        raise BadInput(f"The text is longer than {TEXT_LIMIT:,} characters.", remedy="Shorten it.")
    return text


def _digest(text: str) -> str:
    """Proves in the history what was said, without keeping it there; '' where nothing was."""
    return sha256(text.encode()).hexdigest() if text else ""

"""Hypercare as the last stage of an engagement's way: which day it is, what is open, what is late, and whose move it is."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from django.utils import timezone
from django.utils.dateformat import format as written

from workbench.engagements.gates import Missing
from workbench.engagements.models import Engagement, Role
from workbench.hypercare import clock
from workbench.hypercare.models import Ticket
from workbench.hypercare.workdays import Window, WorkDays
from workbench.pipeline.way import DONE, FAILED, READY, RUNNING, WAITING, Stage

KEY, TITLE, AFTER = "hypercare", "Hypercare", "Handoff documents"
DAY, MOMENT = "l j F Y", "l j F, H:i"


def stage(engagement: Engagement) -> Stage:
    """The stage. Tickets that were raised before the hand-off are told too; it is done when the window is over and nothing is open."""
    now, workdays, window = timezone.now(), clock.workdays_of(engagement), clock.window_of(engagement)
    tickets = list(Ticket.objects.filter(engagement=engagement).unresolved().order_by("due_at"))
    ours = [ticket for ticket in tickets if not ticket.is_with_customer]
    theirs = [ticket for ticket in tickets if ticket.is_with_customer]
    late = [ticket for ticket in ours if ticket.is_overdue(now)]
    missing = list(_moves(ours, theirs, late, workdays))
    after = () if window else (AFTER,)
    return Stage(KEY, TITLE, _state(window, now, tickets, late), says=_words(window, now, workdays), missing=missing, after=after)


def _state(window: Window | None, now: datetime, tickets: Sequence[Ticket], late: Sequence[Ticket]) -> str:
    if late:
        return FAILED
    if tickets:
        return READY
    if window is None:
        return WAITING
    return DONE if window.is_over(now) else RUNNING


def _words(window: Window | None, now: datetime, workdays: WorkDays) -> str:
    if window is None:
        return ""
    if window.is_over(now):
        return f"Ended on {written(window.days[-1], DAY)}."
    number, last = window.day_number(workdays.day_of(now)), written(window.days[-1], DAY)
    return f"Day {number} of {len(window.days)}, until {last}." if number else f"From {written(window.days[0], DAY)} until {last}."


def _moves(ours: Sequence[Ticket], theirs: Sequence[Ticket], late: Sequence[Ticket], workdays: WorkDays) -> Iterator[Missing]:
    """What waits for the engineers, and for the customer. ours, late: by deadline."""
    if late:
        yield Missing(KEY, f"Past the deadline: {_named(late)}.", Role.ENGINEER)
    if waiting := ours[len(late) :]:
        due = waiting[0].due_at.astimezone(workdays.zone)
        when = f"{'the first ' if len(waiting) > 1 else ''}by {written(due, MOMENT)} ({workdays.zone.key})"
        yield Missing(KEY, f"To be answered: {_named(waiting)}, {when}.", Role.ENGINEER)
    if theirs:
        yield Missing(KEY, f"Waiting for the customer's answer: {_named(theirs)}.", Role.APPROVER)


def _named(tickets: Sequence[Ticket], at_most: int = 5) -> str:
    """ticket 7; tickets 3, 4 and 9; tickets 1, 2, 3, 4, 5 and 12 more."""
    names = [str(ticket.number) for ticket in tickets[:at_most]]
    if len(tickets) > at_most:
        names.append(f"{len(tickets) - at_most} more")
    return f"ticket {names[0]}" if len(names) == 1 else f"tickets {', '.join(names[:-1])} and {names[-1]}"

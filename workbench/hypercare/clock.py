"""The clock of hypercare: the window after the hand-off, and each ticket's deadline in working time.

A deadline counts working days since the ticket was raised, and stands still while the customer is waited for.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from loads.models import Run
from mapping import plan
from mapping.transforms import TimeRules
from workbench.engagements.models import Engagement, Environment
from workbench.hypercare.models import DAYS, HypercareCalendar, Ticket
from workbench.hypercare.workdays import DAY, Window, WorkDays
from workbench.pipeline.models import Step

# Working days until an answer is due.
WITHIN: Mapping[str, timedelta] = {
    Ticket.Severity.CRITICAL: DAY,
    Ticket.Severity.HIGH: 2 * DAY,
    Ticket.Severity.NORMAL: 3 * DAY,
    Ticket.Severity.LOW: 5 * DAY,
}


def workdays_of(engagement: Engagement) -> WorkDays:
    """The working days of an engagement, in the zone of its days."""
    calendar = HypercareCalendar.objects.filter(engagement=engagement).first()
    _, zone = TimeRules.from_content({"day_zone": plan.names_of(engagement)["day_zone"]}).zones()
    return WorkDays(zone, frozenset(date.fromisoformat(text) for text in calendar.holidays) if calendar else frozenset())


def window_of(engagement: Engagement) -> Window | None:
    """The five working days after the hand-off; None before it."""
    workdays = workdays_of(engagement)
    opened = _handed_off(engagement, workdays)
    return workdays.window(opened, DAYS) if opened else None


def _handed_off(engagement: Engagement, workdays: WorkDays) -> datetime | None:
    """The day that was entered, else the end of the first hand-off after the first whole run into production."""
    entered = HypercareCalendar.objects.filter(engagement=engagement).values_list("handed_off_on", flat=True).first()
    if entered:
        return datetime.combine(entered, time(), workdays.zone).astimezone(UTC)
    runs = Run.objects.loads().filter(engagement=engagement, environment__kind=Environment.Kind.PRODUCTION, state=Run.State.DONE)
    loaded = runs.exclude(finished_at=None).order_by("finished_at").values_list("finished_at", flat=True).first()
    if loaded is None:
        return None
    steps = Step.objects.filter(engagement=engagement, name=Step.Name.HANDOFF, state=Step.State.DONE, finished_at__gte=loaded)
    return steps.order_by("finished_at").values_list("finished_at", flat=True).first()


def start(ticket: Ticket, now: datetime, workdays: WorkDays) -> None:
    """Count from now, as for a new ticket."""
    ticket.clock_from, ticket.paused_at, ticket.paused_for = now, None, timedelta()
    set_due(ticket, workdays)


def pause(ticket: Ticket, now: datetime) -> None:
    """The customer is waited for."""
    ticket.paused_at = ticket.paused_at or now


def resume(ticket: Ticket, now: datetime, workdays: WorkDays) -> None:
    """The customer said something: what they took of the working time is added to the deadline."""
    if ticket.paused_at is not None:
        ticket.paused_for += workdays.between(ticket.paused_at, now)
        ticket.paused_at = None
        set_due(ticket, workdays)


def set_due(ticket: Ticket, workdays: WorkDays) -> None:
    """The deadline by severity and pauses."""
    ticket.due_at = workdays.after(ticket.clock_from, WITHIN[ticket.severity] + ticket.paused_for)


def reckon_anew(engagement: Engagement) -> None:
    """New deadlines of all tickets that aren't closed, once the zone or the holidays have changed."""
    tickets = list(Ticket.objects.filter(engagement=engagement).unresolved())
    if not tickets:
        return
    workdays = workdays_of(engagement)
    for ticket in tickets:
        set_due(ticket, workdays)
    Ticket.objects.bulk_update(tickets, ["due_at"], batch_size=200)

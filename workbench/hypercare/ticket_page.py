"""What the page of a ticket shows, to engineers in the admin and, without their notes, to the customer in the portal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from workbench.engagements.errors import WorkbenchError
from workbench.hypercare import clock, tickets
from workbench.hypercare.forgetting import Register
from workbench.hypercare.models import Ticket, TicketEntry, TicketRecord
from workbench.hypercare.story import Story, is_forgotten, story_of
from workbench.hypercare.tickets import Side

FORGOTTEN = "A person who was forgotten"
LABELS = {"state": dict(Ticket.State.choices), "cause": dict(Ticket.Cause.choices), "severity": dict(Ticket.Severity.choices)}
FIELDS = {"cause": "triaged as", "clock": "clock"}
CLOCKS = {"paused": "waits for the customer", "": "runs"}


@dataclass(frozen=True, slots=True)
class Told:
    """An entry with its changes in words: (what, before, after)."""

    entry: TicketEntry
    changes: Sequence[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Clock:
    """Where a ticket's deadline stands, in words; state: running, overdue, paused or closed."""

    state: str
    says: str


def clock_of(ticket: Ticket, now: datetime) -> Clock:
    """The clock of a ticket."""
    if ticket.is_closed:
        return Clock("closed", "Closed")
    if ticket.is_with_customer:
        return Clock("paused", "Waits for the customer")
    return Clock("overdue", "Overdue") if ticket.is_overdue(now) else Clock("running", "Runs")


def page_of(ticket: Ticket, user: User, side: Side, chosen: str = "") -> dict[str, Any]:
    """Everything that the page shows to a side. chosen: id of the record whose story is told; the first one without."""
    now, workdays = timezone.now(), clock.workdays_of(ticket.engagement)
    records = list(ticket.records.select_related("environment__connection").defer("environment__connection__secret"))
    record = next((row for row in records if str(row.pk) == chosen), records[0] if records else None)
    speaks = tickets.speaks_for(user, ticket.engagement, side)
    register = Register(ticket.engagement) if records else None
    story, problem = _told(lambda: story_of(record, register)) if record and register else (None, "")
    return {
        "ticket": ticket,
        "clock": clock_of(ticket, now),
        "due": ticket.due_at.astimezone(workdays.zone),
        "zone": workdays.zone.key,
        "window": clock.window_of(ticket.engagement),
        "today": workdays.day_of(now),
        "told": told_of(ticket, side),
        "records": [(row, _label(row, register, story if row == record else None)) for row in records],
        "record": record,
        "story": story,
        "story_problem": problem,
        "speaks": speaks,
        "moves": tickets.moves_of(ticket, side) if speaks else [],
    }


def _told(tell: Callable[[], Story]) -> tuple[Story | None, str]:
    try:
        return tell(), ""
    except WorkbenchError as error:
        return None, f"{error} {error.remedy}"


def _label(record: TicketRecord, register: Register | None, story: Story | None) -> str:
    """What the record is called; of somebody who was forgotten not even that. A record whose plan can't be read keeps its name."""
    try:
        forgotten = story.forgotten if story else register is not None and is_forgotten(record, register)
    except WorkbenchError:
        forgotten = False
    return FORGOTTEN if forgotten else str(record)


def told_of(ticket: Ticket, side: Side) -> list[Told]:
    """The entries that a side may read, the oldest first; whose ticket it is stays among engineers."""
    entries = ticket.entries.select_related("author")
    if side == Side.CUSTOMER:
        entries = entries.filter(internal=False)
    told = [Told(entry, list(_changes(entry, side))) for entry in entries]
    return [one for one in told if one.entry.text or one.changes]


def _changes(entry: TicketEntry, side: Side) -> Any:
    for name, (before, after) in entry.change.items():
        if name == "assignee" and side == Side.CUSTOMER:
            continue
        yield FIELDS.get(name, name), _word(name, before), _word(name, after)


def _word(name: str, value: str) -> str:
    if name == "clock":
        return CLOCKS.get(value, value)
    if name in LABELS and value:
        return str(LABELS[name][value])
    return value or "nothing"

"""Tickets, what they are about, what was said, and the working days that their deadlines are reckoned in."""

from datetime import date, datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from workbench.engagements.models import Engagement, Environment

HOLIDAYS_AT_MOST = 400
DAYS = 5  # working days of hypercare


def valid_holidays(value: object) -> None:
    """A list of dates as YYYY-MM-DD."""
    if not isinstance(value, list) or len(value) > HOLIDAYS_AT_MOST:
        raise ValidationError(f"Give at most {HOLIDAYS_AT_MOST} dates.")
    for text in value:
        try:
            date.fromisoformat(text)
        except (TypeError, ValueError) as error:
            raise ValidationError(f"{text} is no date. Write it as 2026-12-25.") from error


class HypercareCalendar(models.Model):
    """When hypercare is: the engagement's public holidays, and the day of the hand-off where another one counts than was recorded."""

    engagement = models.OneToOneField(Engagement, on_delete=models.CASCADE, related_name="hypercare_calendar")
    handed_off_on = models.DateField(
        "handed off on", null=True, blank=True, help_text="Only where another day counts than that of the first hand-off after production."
    )
    holidays = models.JSONField("public holidays", default=list, blank=True, validators=[valid_holidays])

    class Meta:
        ordering = ["engagement__name"]
        verbose_name = "hypercare calendar"

    def __str__(self) -> str:
        return f"Hypercare of {self.engagement}"


class TicketQuerySet(models.QuerySet["Ticket"]):
    """Tickets."""

    def visible_to(self, user: User | AnonymousUser) -> "TicketQuerySet":
        """Those of the engagements that `user` may see."""
        return self.filter(engagement__in=Engagement.objects.visible_to(user))

    def unresolved(self) -> "TicketQuerySet":
        """Those that aren't closed."""
        return self.exclude(state=Ticket.State.CLOSED)

    def with_customer(self) -> "TicketQuerySet":
        """Those that wait for the customer: answered, or asked something."""
        return self.unresolved().filter(paused_at__isnull=False)

    def overdue(self, now: datetime) -> "TicketQuerySet":
        """Those whose deadline has passed while they waited for the engineers."""
        return self.unresolved().filter(paused_at=None, due_at__lt=now)


class Ticket(models.Model):
    """Something that isn't right after the hand-off, or only looks so.

    The clock: working time since `clock_from`, without `paused_for` (working time that the customer was waited for); `due_at` follows from
    them and the severity, and is kept so that lists can be filtered by it. It stands still since `paused_at`.
    """

    class Kind(models.TextChoices):
        MISSING = "missing", "Missing record"
        WRONG = "wrong", "Wrong value"
        DUPLICATE = "duplicate", "Duplicate"
        OWNER = "owner", "Owner"
        CONSENT = "consent", "Consent"
        OTHER = "other", "Something else"

    class Severity(models.TextChoices):
        CRITICAL = "critical", "Critical: work stands still"
        HIGH = "high", "High: work is hampered"
        NORMAL = "normal", "Normal"
        LOW = "low", "Low: a question or a wish"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        TRIAGED = "triaged", "Triaged"
        IN_WORK = "in_work", "In work"
        ANSWERED = "answered", "Answered"
        CLOSED = "closed", "Closed"
        REOPENED = "reopened", "Reopened"

    class Cause(models.TextChoices):
        BUG = "bug", "Bug"
        TRAINING = "training", "Training"
        CHANGE = "change", "Change request"

    engagement = models.ForeignKey(Engagement, on_delete=models.PROTECT, related_name="tickets")
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=200)
    text = models.TextField(max_length=10_000)
    kind = models.CharField(max_length=10, choices=Kind)
    severity = models.CharField(max_length=8, choices=Severity, default=Severity.NORMAL)
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    cause = models.CharField("triaged as", max_length=8, choices=Cause, blank=True)
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    raised_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    raised_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)
    clock_from = models.DateTimeField(default=timezone.now)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_for = models.DurationField(default=timedelta)
    due_at = models.DateTimeField("due")

    objects = TicketQuerySet.as_manager()

    class Meta:
        ordering = ["-raised_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["engagement", "number"], name="ticket_number_once"),
            models.CheckConstraint(
                condition=~models.Q(state__in=["triaged", "in_work", "answered"]) | ~models.Q(cause=""), name="ticket_triaged_with_cause"
            ),
        ]
        indexes = [models.Index(fields=["engagement", "state", "due_at"])]

    def __str__(self) -> str:
        return f"Ticket {self.number} of {self.engagement}"

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is to be done."""
        return self.state == self.State.CLOSED

    @property
    def is_with_customer(self) -> bool:
        """Whether it waits for the customer, so that its clock stands still."""
        return self.paused_at is not None and not self.is_closed

    def is_overdue(self, now: datetime) -> bool:
        """Whether its deadline has passed while it waited for the engineers."""
        return not self.is_closed and self.paused_at is None and self.due_at < now


class TicketRecord(models.Model):
    """A record that a ticket is about: by source id, by its row at the destination, or by both, where the one was found by the other."""

    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="records")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+")
    object_name = models.CharField("object", max_length=60, blank=True)
    source_id = models.CharField(max_length=330, blank=True)
    table = models.CharField(max_length=100, blank=True)
    row_id = models.UUIDField(null=True, blank=True)

    class Meta:
        ordering = ["ticket_id", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(object_name__gt="", source_id__gt="") | models.Q(table__gt="", row_id__isnull=False),
                name="ticket_record_named",
            )
        ]

    def __str__(self) -> str:
        return f"{self.object_name}:{self.source_id}" if self.source_id else f"{self.table} {self.row_id}"


class TicketEntry(models.Model):
    """One thing that was said or done. `change`: {field: [before, after]}, empty where something was only said.

    The history holds who, when, the change and the SHA-256 of the text; the text itself stands here alone, so that it can be erased.
    """

    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="entries")
    at = models.DateTimeField(default=timezone.now)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    by_customer = models.BooleanField()
    internal = models.BooleanField(default=False, help_text="Seen by engineers only.")
    text = models.TextField(blank=True, max_length=10_000)
    change = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["ticket_id", "pk"]
        verbose_name_plural = "ticket entries"
        constraints = [
            models.CheckConstraint(condition=models.Q(internal=False) | models.Q(by_customer=False), name="ticket_note_of_engineers")
        ]

    def __str__(self) -> str:
        return f"{self.author} on {self.at:%Y-%m-%d %H:%M}"

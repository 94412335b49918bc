"""What is known of owners: those at the source with their answers, and who could own in each environment, as it was last read."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from workbench.engagements.models import Engagement, Environment

# The owner of activities that no source owner answers for, such as events: a migration team, never a seller, whose lists they would flood.
ACTIVITIES = "@activities"
RESERVED = {"": "(no owner)", ACTIVITIES: "Activities (migration team)"}


class OwnerMatchQuerySet(models.QuerySet["OwnerMatch"]):
    """Owners at the source."""

    def in_state(self, state: str) -> "OwnerMatchQuerySet":
        """Those that are open, answered, or answered with a problem; all where the state is none of these."""
        answered = self.exclude(kind=OwnerMatch.Kind.OPEN)
        chosen = {
            OwnerMatch.State.OPEN: self.filter(kind=OwnerMatch.Kind.OPEN),
            OwnerMatch.State.PROBLEM: answered.exclude(problems={}),
            OwnerMatch.State.ANSWERED: answered.filter(problems={}),
        }
        return chosen.get(OwnerMatch.State(state), self) if state in OwnerMatch.State.values else self

    def in_order(self) -> "OwnerMatchQuerySet":
        """Rows without an owner and activities first, then by records."""
        first = models.Case(models.When(source_owner__in=list(RESERVED), then=0), default=1)
        return self.order_by(first, "-records", "source_owner", "pk")

    def beside(self, match: "OwnerMatch") -> "OwnerMatchQuerySet":
        """Other owners at the source with the same answer: several names of one person, or people who share a successor or a team."""
        same = self.filter(engagement=match.engagement_id, answer__iexact=match.answer).exclude(pk=match.pk).exclude(kind=match.Kind.OPEN)
        return same if match.answer else self.none()

    def sought(self, text: str) -> "OwnerMatchQuerySet":
        """Those whose name at the source, or whose answer, contains the text."""
        words = text.strip()
        return self.filter(models.Q(source_owner__icontains=words.lower()) | models.Q(answer__icontains=words)) if words else self


class OwnerMatch(models.Model):
    """Who owns the rows of a source owner. '' stands for rows without one, ACTIVITIES for activities that no owner answers for.

    answer: an e-mail or domain name of a user, or a team's name; it is bound to a row id per environment.
    problems: {environment kind: why the answer can't own rows there}, as of the last look at the environments.
    """

    class Kind(models.TextChoices):
        OPEN = "open", "No answer yet"
        USER = "user", "User"
        SUCCESSOR = "successor", "Successor: another user"
        TEAM = "team", "Owner team"
        STUB = "stub", "Disabled user, on purpose"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        PROBLEM = "problem", "Problem"
        ANSWERED = "answered", "Answered"

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="owner_matches")
    source_owner = models.CharField(max_length=320, blank=True)
    records = models.PositiveBigIntegerField(default=0)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.OPEN)
    answer = models.CharField(max_length=320, blank=True)
    note = models.TextField(blank=True)
    problems = models.JSONField(default=dict, blank=True, editable=False)
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    due_on = models.DateField("due", null=True, blank=True)
    signed_by = models.CharField(
        max_length=150, blank=True, editable=False, help_text="Who of the customer stands for rows that a disabled user owns."
    )

    objects = OwnerMatchQuerySet.as_manager()

    class Meta:
        ordering = ["-records", "source_owner"]
        verbose_name_plural = "owner matches"
        constraints = [
            models.UniqueConstraint(fields=["engagement", "source_owner"], name="owner_match_once"),
            models.CheckConstraint(condition=models.Q(kind="open") | ~models.Q(answer=""), name="owner_answered"),
            models.CheckConstraint(
                condition=~models.Q(kind="stub") | ~models.Q(signed_by=""),
                name="owner_stub_signed",
                violation_error_message="A disabled user owns rows only where somebody of the customer signs for it, in the portal.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source_owner or '(no owner)'} to {self.answer or 'nobody yet'}"

    @property
    def shown(self) -> str:
        """The source owner as pages show it."""
        return RESERVED.get(self.source_owner, self.source_owner)

    @property
    def state(self) -> "OwnerMatch.State":
        """Open, answered, or answered with a problem in some environment."""
        if self.kind == self.Kind.OPEN:
            return self.State.OPEN
        return self.State.PROBLEM if self.problems else self.State.ANSWERED

    def content(self) -> dict[str, str]:
        """The answer as the plan keeps it; `as` tells a successor and a disabled user from the same person's own user."""
        bound = {"kind": "team" if self.kind == self.Kind.TEAM else "user", "name": self.answer}
        if self.kind in (self.Kind.SUCCESSOR, self.Kind.STUB):
            bound["as"] = self.kind
        return bound | ({"signed_by": self.signed_by} if self.kind == self.Kind.STUB else {})


class OwnerAnswer(models.Model):
    """An answer that was given, beside what it replaced; what was given in one go has one `batch`."""

    match = models.ForeignKey(OwnerMatch, on_delete=models.CASCADE, related_name="answers")
    batch = models.UUIDField(default=uuid.uuid4, db_index=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    given_by = models.CharField(max_length=150)
    given_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.after.get('answer') or 'no answer'}, {self.given_at:%Y-%m-%d %H:%M}"


class OwnerDirectory(models.Model):
    """When an environment's users and teams were last read, and against what they were judged.

    tables: [{"name", "activity"}], the user-owned tables of the plan that are there. unit: the one in or below which owners must lie.
    """

    environment = models.OneToOneField(Environment, on_delete=models.CASCADE, related_name="owner_directory")
    tables = models.JSONField(default=list)
    unit = models.CharField(max_length=160, blank=True)
    read_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "owner directories"

    def __str__(self) -> str:
        return f"users and teams of {self.environment}"


class Principal(models.Model):
    """A user or team of an environment, as it was last read.

    barred: why it can never own, such as an application user; empty otherwise. unread: tables of the plan that its roles don't read.
    The *_key columns hold the names in the form in which they are compared.
    """

    KINDS = [("user", "User"), ("team", "Team")]

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="principals")
    kind = models.CharField(max_length=4, choices=KINDS)
    row_id = models.UUIDField()
    name = models.CharField(max_length=320, blank=True)
    email = models.CharField(max_length=320, blank=True)
    domain_name = models.CharField(max_length=1024, blank=True)
    name_key = models.CharField(max_length=320, blank=True)
    email_key = models.CharField(max_length=320, blank=True)
    domain_key = models.CharField(max_length=1024, blank=True)
    unit = models.CharField(max_length=160, blank=True)
    unit_fits = models.BooleanField(default=True)
    disabled = models.BooleanField(default=False)
    barred = models.CharField(max_length=120, blank=True)
    unread = models.JSONField(default=list)

    class Meta:
        ordering = ["kind", "name", "pk"]
        constraints = [models.UniqueConstraint(fields=["environment", "kind", "row_id"], name="principal_once")]
        indexes = [
            models.Index(fields=["environment", "kind", "name_key"]),
            models.Index(fields=["environment", "email_key"]),
        ]

    def __str__(self) -> str:
        return self.name or self.email or self.domain_name or str(self.row_id)

    def why_not(self, tables: Any, *, stub: bool = False) -> str:
        """Why it can't own rows of these tables, in words; empty where it can. stub: a disabled user is wanted."""
        what = "user" if self.kind == "user" else "team"
        if self.barred:
            return self.barred
        if self.disabled and not stub:
            return "The user is disabled."
        if not self.unit_fits:
            return f"The {what} is in the business unit {self.unit or '(none)'}, outside the one that owners must lie in."
        if lacking := sorted(set(self.unread) & set(tables)):
            return f"The {what}'s roles don't read {', '.join(lacking)}."
        return ""

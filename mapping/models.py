"""The working plan that people edit, what discovery saw, and the frozen versions that are confirmed and signed."""

from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from connectors.models import Dataset
from mapping.journeys.models import EnteredJourney, EnteredStep, JourneyDefinition
from mapping.owners.models import OwnerAnswer, OwnerDirectory, OwnerMatch, Principal
from mapping.quality.models import QualityDecision, QualityDuty, Remedy
from mapping.workshop.models import DestinationTable, FieldMap, FieldMapChange
from workbench.engagements.models import AppendOnly, Engagement, Environment, Redactable


class SourceField(models.Model):
    """What a profile says of one field of a source object; `top` is [[value, count], ...], at most ten, exact."""

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="source_fields")
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="+")
    object_name = models.CharField("object", max_length=60)
    name = models.CharField(max_length=300)
    declared_type = models.CharField(max_length=40, blank=True)
    rows = models.PositiveBigIntegerField(default=0)
    filled = models.PositiveBigIntegerField(default=0)
    distinct = models.PositiveBigIntegerField(default=0)
    top = models.JSONField(default=list)
    types = models.JSONField(default=dict)
    max_length = models.PositiveIntegerField(null=True)
    minimum = models.CharField(max_length=60, blank=True)
    maximum = models.CharField(max_length=60, blank=True)
    decimals = models.PositiveSmallIntegerField(default=0)
    first_seen_at = models.DateTimeField(default=timezone.now, help_text="When a profile first had it; new profiles keep it.")

    class Meta:
        ordering = ["object_name", "name"]
        constraints = [models.UniqueConstraint(fields=["engagement", "object_name", "name"], name="source_field_once")]

    def __str__(self) -> str:
        return f"{self.object_name}.{self.name}"

    @property
    def fill(self) -> float:
        """Share of records that hold a value, 0 to 1."""
        return self.filled / self.rows if self.rows else 0.0


class SourceObject(models.Model):
    """What discovery saw of one object, for people to read: see connectors.inventories.Summary."""

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="source_objects")
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="+")
    object_name = models.CharField("object", max_length=60)
    title = models.CharField(max_length=100)
    records = models.PositiveBigIntegerField(default=0, help_text="Records at the source, those that were only counted too.")
    content = models.JSONField(default=dict)

    class Meta:
        ordering = ["engagement_id", "pk"]
        constraints = [models.UniqueConstraint(fields=["engagement", "object_name"], name="source_object_once")]

    def __str__(self) -> str:
        return self.title


class EventType(models.Model):
    """Events of one name: how many, since when, and what their payloads hold, as samples of them show.

    keys: [{"name", "samples", "types": {JSON type: samples}, "depth", "problem"}], the commonest first; nested ones by dotted names.
    problem: why the key can't become a typed column, or ''. keys_left_out: further keys that aren't listed. unflattenable: samples
    with a key of such a problem.
    """

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="event_types")
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="+")
    object_name = models.CharField("object", max_length=60)
    name = models.CharField(max_length=200, blank=True)
    count = models.PositiveBigIntegerField("events", default=0)
    share = models.FloatField(default=0, help_text="Of all events of the object, 0 to 1.")
    first_at = models.DateTimeField("first", null=True, blank=True)
    last_at = models.DateTimeField("last", null=True, blank=True)
    samples = models.PositiveIntegerField(default=0)
    unflattenable = models.PositiveIntegerField(default=0)
    keys = models.JSONField(default=list)
    keys_left_out = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["object_name", "-count", "name"]
        constraints = [models.UniqueConstraint(fields=["engagement", "object_name", "name"], name="event_type_once")]

    def __str__(self) -> str:
        return self.name.strip() or ("(blank)" if self.name else "(no name)")


class FindingQuerySet(models.QuerySet["DiscoveryFinding"]):
    """Findings."""

    def undecided(self) -> "FindingQuerySet":
        """Those that ask for a decision which nobody has taken."""
        return self.filter(asks=True, decision="")

    def for_environment(self, environment: Environment | None) -> "FindingQuerySet":
        """Those of the source and of the environment in question."""
        return self.filter(models.Q(environment=None) | models.Q(environment=environment))


class DiscoveryFinding(models.Model):
    """What a named check found in the source or in an environment, and what was decided about it.

    key: the check's name and the subject, the same in every environment and every discovery; so a decision outlasts a new discovery.
    basis: a hash of what the decision rests on; where it changes, the decision no longer applies.
    """

    class Severity(models.TextChoices):
        INFO = "info", "Information"
        WARNING = "warning", "Warning"
        BLOCKER = "blocker", "Blocker"

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="findings")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    check_name = models.CharField("check", max_length=80)
    subject = models.CharField(max_length=300, blank=True)
    key = models.CharField(max_length=200, default="", editable=False)
    severity = models.CharField(max_length=10, choices=Severity)
    evidence = models.TextField()
    remedy = models.TextField(blank=True)
    facts = models.JSONField(default=dict, editable=False, help_text="What acting on the decision needs, such as row ids.")
    basis = models.CharField(max_length=64, blank=True, editable=False)
    found_at = models.DateTimeField(default=timezone.now)
    asks = models.BooleanField("asks for a decision", default=False, editable=False)
    choices = models.JSONField(default=list, editable=False, help_text="Names of the choices that fit here.")
    proposed = models.CharField(max_length=30, blank=True, editable=False, help_text="The choice that is proposed.")
    decision = models.CharField(max_length=30, blank=True)
    decided_by = models.CharField(max_length=150, blank=True, editable=False)
    decided_at = models.DateTimeField(null=True, blank=True, editable=False)
    comment = models.TextField(blank=True)
    gone_at = models.DateTimeField(null=True, editable=False, help_text="No longer found since; kept while it is to be put back.")
    off_at = models.DateTimeField(null=True, editable=False, help_text="Switched off for the window.")
    back_at = models.DateTimeField(null=True, editable=False, help_text="Put back after it.")

    objects = FindingQuerySet.as_manager()

    class Meta:
        ordering = ["environment", "check_name", "subject", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "key"], condition=~models.Q(environment=None), name="finding_once"),
            models.UniqueConstraint(fields=["engagement", "key"], condition=models.Q(environment=None), name="source_finding_once"),
            models.CheckConstraint(condition=models.Q(decision="") | models.Q(decided_at__isnull=False), name="finding_decided_at"),
        ]
        indexes = [models.Index(fields=["engagement", "asks", "decision"])]

    def __str__(self) -> str:
        return f"{self.check_name}: {self.subject or self.get_severity_display()}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """A finding made without a key gets the one that follows from its check and subject."""
        self.key = self.key or finding_key(self.check_name, self.subject)
        super().save(*args, **kwargs)


def finding_key(check: str, subject: str) -> str:
    """The key of a finding, at most 200 characters; a long subject is cut, with a hash for what was cut off."""
    key = f"{check}:{subject}"
    return key if len(key) <= 200 else f"{key[:159]}~{sha256(key.encode()).hexdigest()[:40]}"


class ObjectMap(models.Model):
    """Which tables a source object becomes."""

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="object_maps")
    object_name = models.CharField("object", max_length=60)
    tables = models.JSONField(default=list, blank=True, help_text='Logical names, such as ["contact", "lead"]; [] is documented only.')
    cardinality = models.CharField(max_length=20, default="1:1")
    note = models.TextField(blank=True)
    confirmed = models.BooleanField(default=False)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["engagement", "object_name"], name="object_map_once")]

    def __str__(self) -> str:
        return f"{self.object_name} to {', '.join(self.tables) or 'nothing'}"


class SplitRule(models.Model):
    """One line of the split matrix: where people of a lifecycle stage go. A blank stage is a line of its own.

    A stage first seen after the signature is an open question: it stays outside the signed version until it is answered.
    """

    class Outcome(models.TextChoices):
        OPEN = "", "No answer yet"
        LEAD = "lead", "Lead"
        CONTACT = "contact", "Contact"
        REVIEW = "review", "Review"
        SKIP = "skip", "Leave out"

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="split_rules")
    stage = models.CharField(max_length=200, blank=True, help_text="Trimmed and case-folded; empty for people without a stage.")
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.OPEN, blank=True)
    observed = models.PositiveBigIntegerField(default=0, help_text="People with this stage in the discovery data.")

    class Meta:
        ordering = ["-observed", "stage"]
        constraints = [models.UniqueConstraint(fields=["engagement", "stage"], name="split_rule_once")]

    def __str__(self) -> str:
        return f"{self.stage or '(blank)'} to {self.outcome}"


class OrganisationList(models.Model):
    """A list that the rule takes for an organisation; it becomes an account once a person confirms it."""

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="organisation_lists")
    list_id = models.CharField(max_length=200)
    list_name = models.TextField()
    organisation = models.TextField(blank=True)
    confirmed = models.BooleanField(default=False)

    class Meta:
        ordering = ["organisation"]
        constraints = [models.UniqueConstraint(fields=["engagement", "list_id"], name="organisation_list_once")]

    def __str__(self) -> str:
        return self.organisation or self.list_name


class PlanVersion(Redactable):
    """A frozen version of a plan part; neutral of environments. Confirming it is a row of its own (`PlanConfirmation`)."""

    OF_PEOPLE = ("content",)

    PARTS = ["split", "companies", "consent", "events", "time", "owners", "maps", "quality"]

    engagement = models.ForeignKey(Engagement, on_delete=models.PROTECT, related_name="plan_versions")
    part = models.CharField(max_length=12, choices=[(part, part.capitalize()) for part in PARTS])
    version = models.PositiveIntegerField()
    content = models.JSONField()
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=150)

    class Meta:
        ordering = ["part", "-version"]
        constraints = [models.UniqueConstraint(fields=["engagement", "part", "version"], name="plan_version_once")]

    def __str__(self) -> str:
        return f"{self.part} version {self.version}"


class PlanConfirmation(AppendOnly):
    """A person says that a plan version may run."""

    plan_version = models.OneToOneField(PlanVersion, on_delete=models.PROTECT, related_name="confirmation")
    confirmed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    confirmed_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.plan_version} confirmed"


__all__ = [
    "DestinationTable",
    "DiscoveryFinding",
    "EnteredJourney",
    "EnteredStep",
    "FieldMap",
    "FieldMapChange",
    "JourneyDefinition",
    "ObjectMap",
    "OrganisationList",
    "OwnerAnswer",
    "OwnerDirectory",
    "OwnerMatch",
    "PlanConfirmation",
    "PlanVersion",
    "Principal",
    "QualityDecision",
    "QualityDuty",
    "Remedy",
    "SourceField",
    "SplitRule",
]

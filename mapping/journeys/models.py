"""Definition files as they were given, and journeys as engineers entered them."""

from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from connectors.journeys import CHANNELS
from mapping.journeys.words import END, KINDS, REENTRY, TRIGGERS
from workbench.engagements.models import AppendOnly, Engagement


class JourneyDefinition(AppendOnly):
    """A definition file that the customer gave, kept in the store as it came. The newest version counts; earlier ones stay.

    file_name: what it was called where it came from; shown only, never a path of ours. sha256: of the file's bytes, its name in the store.
    """

    engagement = models.ForeignKey(Engagement, on_delete=models.PROTECT, related_name="journey_definitions")
    version = models.PositiveIntegerField()
    file_name = models.CharField("file", max_length=200, blank=True)
    sha256 = models.CharField("SHA-256", max_length=64)
    size = models.PositiveBigIntegerField("bytes")
    journeys = models.PositiveIntegerField()
    steps = models.PositiveIntegerField()
    given_by = models.CharField(max_length=150)
    given_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["engagement_id", "-version"]
        constraints = [models.UniqueConstraint(fields=["engagement", "version"], name="journey_definition_once")]

    def __str__(self) -> str:
        return f"journey definitions version {self.version}"


class EnteredJourney(models.Model):
    """A journey as an engineer entered it, from what the platform's own pages show. Empty fields say nothing.

    Its steps take the place of those of the definition file.
    """

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="entered_journeys")
    journey_id = models.CharField("journey's id", max_length=200, help_text="Its id at the source, as the inventory shows it.")
    name = models.CharField(max_length=500, blank=True)
    trigger = models.CharField("started by", max_length=10, choices=TRIGGERS.items(), blank=True)
    names = models.TextField("events, lists or segments", blank=True, help_text="That start it, one a line.")
    reentry = models.CharField("re-entry", max_length=10, choices=REENTRY.items(), blank=True)
    lifetime = models.PositiveIntegerField(
        "entries at all",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Of one person; empty: no limit.",
    )
    at_once = models.PositiveIntegerField(
        "entries at one time",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Of one person.",
    )
    complete = models.BooleanField("these are all its steps", default=False)
    note = models.TextField(blank=True)

    class Meta:
        ordering = ["engagement_id", "journey_id"]
        verbose_name = "entered journey"
        constraints = [models.UniqueConstraint(fields=["engagement", "journey_id"], name="entered_journey_once")]

    def __str__(self) -> str:
        return f"{self.journey_id} {self.name}".strip()


class EnteredStep(models.Model):
    """One step. Rows with one number are the paths of one step: only they have a condition each.

    target: the number of the step that a path leads to, or END; empty for the next step.
    """

    journey = models.ForeignKey(EnteredJourney, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveSmallIntegerField(validators=[MinValueValidator(1)], help_text="Its place; the paths of one step share it.")
    kind = models.CharField(max_length=10, choices=KINDS.items())
    channel = models.CharField(max_length=10, choices=CHANNELS.items(), blank=True)
    campaign = models.CharField("campaign's id", max_length=200, blank=True)
    template = models.CharField("template's id", max_length=200, blank=True)
    catalog = models.CharField(max_length=255, blank=True)
    item = models.CharField("catalog item", max_length=255, blank=True)
    wait = models.CharField(max_length=500, blank=True, help_text="3 days, or until when.")
    condition = models.CharField(max_length=500, blank=True)
    target = models.CharField("leads to", max_length=10, blank=True, help_text=f"A number, or {END}; empty: the next step.")
    note = models.CharField(max_length=1_000, blank=True)

    class Meta:
        ordering = ["journey_id", "number", "pk"]
        verbose_name = "step"
        constraints = [models.CheckConstraint(condition=models.Q(number__gte=1), name="entered_step_number")]

    def __str__(self) -> str:
        return f"step {self.number}: {self.get_kind_display()}"

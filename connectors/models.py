"""What has been landed: one dataset per engagement, object and extraction, never changed once sealed."""

from django.db import models
from django.utils import timezone

from workbench.engagements.models import Engagement


class Dataset(models.Model):
    """Raw records of one object as the source said them, in the store.

    purpose `discovery` feeds audit, profiles and previews and can never be loaded; `load` needs the matrix sign-off.
    """

    class Purpose(models.TextChoices):
        DISCOVERY = "discovery", "Discovery"
        LOAD = "load", "Load"

    class State(models.TextChoices):
        OPEN = "open", "Being landed"
        SEALED = "sealed", "Sealed"

    engagement = models.ForeignKey(Engagement, on_delete=models.PROTECT, related_name="datasets")
    object_name = models.CharField("object", max_length=60)
    purpose = models.CharField(max_length=10, choices=Purpose)
    derived = models.BooleanField(default=False, help_text="Made from other datasets, as companies are from lists and domains.")
    base = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The complete dataset whose unchanged records were carried over; empty where everything was asked for.",
    )
    origin = models.CharField(
        max_length=40, blank=True, editable=False, help_text="Hash of where it came from and how records get their ids."
    )
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    started_at = models.DateTimeField(default=timezone.now, help_text="The boundary of the extraction window.")
    sealed_at = models.DateTimeField(null=True, blank=True)
    rows = models.PositiveBigIntegerField(default=0)
    bad_rows = models.PositiveBigIntegerField(
        default=0, help_text="Lines that are not one JSON object; kept, and rejected with their reason."
    )
    repeated_rows = models.PositiveBigIntegerField(default=0, help_text="Equal records from overlapping slices, which count once.")
    size = models.PositiveBigIntegerField("bytes", default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    memory = models.JSONField(default=dict, editable=False, help_text="What the next task must know to go on landing.")
    findings = models.JSONField(default=list, editable=False, help_text="What the source couldn't give, as it was read.")
    counts = models.JSONField(default=list, editable=False, help_text="Of samples: how many records there are per value, exactly.")
    remembered = ""  # the memory as this process kept it last

    class Meta:
        ordering = ["-started_at", "-pk"]
        indexes = [models.Index(fields=["engagement", "object_name", "purpose"])]

    def __str__(self) -> str:
        return f"{self.object_name} ({self.get_purpose_display().lower()}, {self.started_at:%Y-%m-%d %H:%M})"


class Piece(models.Model):
    """A slice of an extraction that is complete in the store: the checkpoint that a second try goes on from."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="pieces")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=80)
    rows = models.PositiveBigIntegerField()
    bad_rows = models.PositiveBigIntegerField()
    seconds = models.FloatField(default=0)
    newest_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="The greatest moment that the source filters by, not after the boundary.",
    )

    class Meta:
        ordering = ["dataset_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "name"], name="piece_once"),
            models.UniqueConstraint(fields=["dataset", "number"], name="piece_alone_in_its_file"),
        ]

    def __str__(self) -> str:
        return self.name


class ServiceUser(models.Model):
    """An application user of an environment as all workers know its pace, see `connectors.dataverse.board`.

    name: a digest of the environment's address and the application's id. learned: limit -> what a window of it holds.
    """

    name = models.CharField(max_length=24, unique=True)
    held_until = models.DateTimeField(null=True, blank=True, help_text="The service asked it to wait until then.")
    learned = models.JSONField(default=dict)
    learned_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

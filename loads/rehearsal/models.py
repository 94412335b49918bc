"""What a rehearsal predicted, and how right it was."""

from django.db import models
from django.utils import timezone


class Rehearsal(models.Model):
    """The prediction of one run, made before its first row is sent; the rows themselves stand beside the staged files.

    reasons, remarks: [{"object", "table", "kind", "outcome", "code", "column", "rows", "examples": [source id]}], most rows first.
    remarks: what the service takes but not as it is meant. score: see `loads.rehearsal.scoring`; empty until the run ends.
    """

    run = models.OneToOneField("loads.Run", on_delete=models.CASCADE, related_name="rehearsal")
    begun_at = models.DateTimeField(default=timezone.now)
    made_at = models.DateTimeField(null=True, blank=True, help_text="Empty while it goes on.")
    seconds = models.FloatField(default=0)
    rows = models.PositiveBigIntegerField(default=0, help_text="Rows and messages that were looked at.")
    refused = models.PositiveBigIntegerField(default=0)
    waiting = models.PositiveBigIntegerField(default=0)
    reasons = models.JSONField(default=list)
    remarks = models.JSONField(default=list)
    asked = models.BooleanField(default=False, editable=False, help_text="A re-run waited for a person to look at it.")
    problem = models.TextField(blank=True, help_text="Why there is no prediction.")
    score = models.JSONField(default=dict)

    class Meta:
        ordering = ["-run"]

    def __str__(self) -> str:
        return f"Rehearsal of {self.run}"

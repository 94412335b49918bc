"""Field maps with what was proposed for them, every change of one, and the destination's columns as they were last read."""

from django.db import models
from django.utils import timezone

from workbench.engagements.models import AuditEntry, Engagement, Environment


class FieldMap(models.Model):
    """Where one source field goes in one table. Nothing proposed or deferred moves: only what is decided reaches a plan version.

    score: the chance that the proposed column is right, 0 to 1; empty where nothing was proposed by likeness. candidates: what was
    proposed, best first, as `mapping.propose.Alternative.as_dict` gives it; edits and undone decisions leave it as it is. comment: of who
    decided last.
    """

    class State(models.TextChoices):
        PROPOSED = "proposed", "Proposed"
        CONFIRMED = "confirmed", "Confirmed"
        LEFT = "left", "Left behind"
        DEFERRED = "deferred", "Deferred"

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="field_maps")
    object_name = models.CharField("object", max_length=60)
    source = models.CharField("source field", max_length=300)
    table = models.CharField(max_length=60, help_text="Logical name of the destination table.")
    column = models.CharField(max_length=60, blank=True, help_text="Logical name of the destination column.")
    transform = models.CharField(max_length=30, default="text")
    options = models.JSONField(default=dict, blank=True, help_text="What the transform needs, such as a value map.")
    new_column = models.JSONField(null=True, blank=True, help_text="The column to make, where it doesn't exist yet.")
    alias = models.CharField(max_length=80, blank=True, help_text="The name that the offer used for this column.")
    state = models.CharField(max_length=10, choices=State, default=State.PROPOSED)
    reason = models.TextField(blank=True, help_text="Why it goes there, or why it is left behind.")
    score = models.FloatField(null=True, editable=False)
    candidates = models.JSONField(default=list, editable=False)
    decided_by = models.CharField(max_length=150, blank=True, editable=False)
    decided_at = models.DateTimeField(null=True, editable=False)
    comment = models.TextField(blank=True, help_text="What who decides wants to be read with the decision.")

    class Meta:
        ordering = ["object_name", "source", "table"]
        constraints = [
            models.UniqueConstraint(fields=["engagement", "object_name", "source", "table"], name="field_map_once"),
            models.CheckConstraint(
                condition=~models.Q(state="left", reason="") & ~models.Q(state="confirmed", column=""),
                name="field_map_decided",
                violation_error_message="A field that is left behind needs a reason; a confirmed one needs a column.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.object_name}.{self.source} to {self.table}.{self.column}"


class FieldMapChange(models.Model):
    """Says which entries of the history changed a map; what it was before and after stands in the entry itself."""

    field_map = models.ForeignKey(FieldMap, on_delete=models.PROTECT, related_name="changes")
    entry = models.ForeignKey(AuditEntry, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-entry_id"]
        constraints = [models.UniqueConstraint(fields=["field_map", "entry"], name="field_map_change_once")]

    def __str__(self) -> str:
        return f"{self.field_map}: {self.entry}"


class DestinationTable(models.Model):
    """A table of an environment with its columns as the last discovery read them: logical name -> the column's facts as JSON."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="destination_tables")
    name = models.CharField(max_length=120)
    columns = models.JSONField()
    read_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["environment", "name"]
        constraints = [models.UniqueConstraint(fields=["environment", "name"], name="destination_table_once")]

    def __str__(self) -> str:
        return f"{self.name} of {self.environment}"

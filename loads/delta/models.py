"""Rows that a further run may not simply write: those that a person edited, and those whose source record is gone."""

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.utils import timezone

from loads.models.runs import Phase
from workbench.engagements.models import Environment

KEEP, OVERWRITE = "keep", "overwrite"


class Conflict(models.Model):
    """A row of ours that a person edited: since it was loaded, where the source would change it, or while the run that wrote it loaded.

    kind: of Phase.Kind, what the run would do with the row: write it, set its state or lookups, close or link it once all rows are there.
    fields: [{"column", "last", "now", "new", "proposed"}], as the Web API reads them: what was applied last, what is there, what the source
    says; proposed: `keep` where only the person changed it, `overwrite` where only the source did, else ''. choices: column -> keep or
    overwrite; without them what is there stands. A decision holds for the values that it was taken on; where one of them changes, the row
    is a conflict again. is_clear: no field was changed on both sides, so that every one has a proposal; kept with the fields.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        DECIDED = "decided", "Decided"
        APPLIED = "applied", "Applied"
        GONE = "gone", "No longer a conflict"

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="conflicts", db_index=False)
    run = models.ForeignKey("loads.Run", on_delete=models.CASCADE, related_name="conflicts", help_text="The newest run that met it.")
    object_name = models.CharField("object", max_length=60)
    source_id = models.CharField(max_length=330)
    table = models.CharField(max_length=60)
    kind = models.CharField("what for", max_length=8, default=Phase.Kind.ROWS.value)
    row_id = models.UUIDField()
    fields = models.JSONField(default=list)
    is_clear = models.BooleanField(default=False)
    edited_by = models.CharField(max_length=40, blank=True, help_text="The user who changed the row last.")
    edited_at = models.CharField(max_length=40, blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    choices = models.JSONField(default=dict)
    comment = models.TextField(blank=True)
    decided_by = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    found_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-run", "table", "source_id", "pk"]
        constraints = [models.UniqueConstraint(fields=["environment", "table", "row_id", "kind"], name="conflict_once")]
        indexes = [
            models.Index(fields=["environment", "id"]),
            models.Index(fields=["environment", "source_id"]),
            models.Index(fields=["environment", "state", "is_clear"]),
        ]

    def __str__(self) -> str:
        late = "" if self.kind == Phase.Kind.ROWS else f" ({Phase.Kind(self.kind).label.lower()})"
        return f"{self.object_name}:{self.source_id} as {self.table}{late}"

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """The fields with what was chosen of each."""
        return [{**field, "chosen": self.choices.get(field["column"], "")} for field in self.fields]


class Departed(models.Model):
    """A row of ours that no source record stands for any more: deleted, merged there into another one, or to be forgotten.

    So is a member of a list who isn't on it at the source any more: table listmember, whose row id is the one that the run knows it by.
    """

    class Cause(models.TextChoices):
        DELETED = "deleted", "Deleted at the source"
        MERGED = "merged", "Merged into another record"
        FORGOTTEN = "forgotten", "To be forgotten"
        LEFT = "left", "Left the list"

    class Deed(models.TextChoices):
        LEFT = "left", "Left as it is"
        DEACTIVATED = "deactivated", "Deactivated"
        OPTED_OUT = "opted_out", "Opted out of everything"
        REMOVED = "removed", "Taken from the list"

    run = models.ForeignKey("loads.Run", on_delete=models.CASCADE, related_name="departed", db_index=False)
    object_name = models.CharField("object", max_length=60)
    source_id = models.CharField(max_length=330)
    table = models.CharField(max_length=60)
    row_id = models.UUIDField()
    cause = models.CharField(max_length=9, choices=Cause)
    deed = models.CharField(max_length=12, choices=Deed, default=Deed.LEFT)

    class Meta:
        ordering = ["-run", "table", "source_id", "pk"]
        constraints = [models.UniqueConstraint(fields=["run", "table", "row_id"], name="departed_once")]
        indexes = [models.Index(fields=["run", "id"]), models.Index(fields=["run", "source_id"])]
        verbose_name = "row without a source record"
        verbose_name_plural = "rows without a source record"

    def __str__(self) -> str:
        return f"{self.object_name}:{self.source_id} as {self.table}"

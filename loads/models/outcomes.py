"""What came of records and rows: the crosswalk, the ledger, what was read back, and the groups of the data-quality report."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import models
from django.db.models.functions import RowNumber
from django.utils import timezone

from loads.models.runs import Phase, Run
from workbench.engagements.models import Environment

LONGEST = 300  # characters of a field or cause by which exceptions are grouped


class Crosswalk(models.Model):
    """(environment, object, source id, table, role) -> row id. An id once given stays.

    origin: created by us, matched with a row that was there, or alias of another id of the same cluster.
    """

    class Origin(models.TextChoices):
        CREATED = "created", "Created"
        MATCHED = "matched", "Matched"

    class State(models.TextChoices):
        PLANNED = "planned", "Planned"
        PRESENT = "present", "Present"
        REMOVED = "removed", "Removed"
        KEPT = "kept", "Kept by a person"

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="crosswalk", db_index=False)
    object_name = models.CharField("object", max_length=60)
    source_id = models.CharField(max_length=330)
    table = models.CharField(max_length=60)
    role = models.CharField(max_length=30, blank=True)
    row_id = models.UUIDField()
    alias = models.BooleanField(default=False, help_text="Another id or key of the cluster; the row belongs to its survivor.")
    origin = models.CharField(max_length=8, choices=Origin, default=Origin.CREATED)
    state = models.CharField(max_length=8, choices=State, default=State.PLANNED)
    current = models.BooleanField(default=True, help_text="Where a source id has two rows, new lookups go to the current one.")
    applied_hash = models.CharField(max_length=40, blank=True)
    applied_run = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["environment", "object_name", "source_id", "table", "role"], name="crosswalk_once"),
        ]
        indexes = [models.Index(fields=["environment", "table", "row_id"]), models.Index(fields=["environment", "id"])]
        verbose_name_plural = "crosswalk"

    def __str__(self) -> str:
        return f"{self.object_name}:{self.source_id} as {self.table}"


class LedgerEntry(models.Model):
    """A record or row whose outcome isn't as planned, with every reason at once.

    rejected, held: decided at staging. refused: by the service. waiting: a row that it looks up to is refused or waiting.
    kept: a row that a rollback leaves as it is.
    reasons: [{"code", "field", "detail", "severity"}], the deciding one first; "cause" where the service refused, see reasons.cause_of.
    code, field, cause: of the first reason, by which exceptions are grouped; see `give`.
    """

    class Outcome(models.TextChoices):
        REJECTED = "rejected", "Rejected"
        HELD = "held", "Held"
        REFUSED = "refused", "Refused by the service"
        WAITING = "waiting", "Waiting for another row"
        KEPT = "kept", "Kept by a rollback"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="ledger", db_index=False)
    phase = models.ForeignKey(Phase, on_delete=models.CASCADE, related_name="ledger")
    object_name = models.CharField("object", max_length=60)
    source_id = models.CharField(max_length=330)
    role = models.CharField(max_length=30, blank=True)
    position = models.PositiveBigIntegerField(help_text="The record's place in the dataset.")
    row_id = models.UUIDField(null=True, blank=True)
    main_table = models.CharField(max_length=60, blank=True, help_text="The table in whose phase the record is counted.")
    outcome = models.CharField(max_length=8, choices=Outcome)
    held = models.BooleanField(default=False, help_text="The record waits for an answer or for another row; else it is rejected.")
    code = models.CharField(max_length=80, help_text="The first reason's code.")
    reasons = models.JSONField(default=list)
    field = models.CharField(max_length=LONGEST, blank=True)
    cause = models.CharField(max_length=LONGEST, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-run_id", "phase_id", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["phase", "object_name", "position", "source_id", "role"], condition=models.Q(row_id=None), name="ledger_record_once"
            ),
            # Rows without a record have no position, and a source id may have several of them: two lists of a mixed one.
            models.UniqueConstraint(
                fields=["phase", "row_id", "source_id", "position"], condition=models.Q(row_id__isnull=False), name="ledger_row_once"
            ),
        ]
        indexes = [
            models.Index(fields=["run", "row_id"], condition=models.Q(row_id__isnull=False), name="ledger_row"),
            models.Index(fields=["run", "id"]),
            # Groups are counted in the index alone, and a group's records come out of it in their order.
            models.Index(fields=["run", "code", "outcome", "phase", "field", "cause", "position", "id"], name="ledger_group"),
            models.Index(fields=["phase", "outcome"]),
            models.Index(fields=["run", "source_id"]),
        ]
        verbose_name = "exception"

    def __str__(self) -> str:
        return f"{self.object_name}:{self.source_id} {self.outcome}"

    def give(self, reasons: Sequence[Mapping[str, Any]]) -> None:
        """Keep its reasons, and what exceptions are grouped by; without reasons its outcome is the code."""
        first = reasons[0] if reasons else {}
        self.reasons = [dict(one) for one in reasons]
        self.code = str(first.get("code", self.outcome))[:80]
        self.field, self.cause = (str(first.get(name) or "")[:LONGEST] for name in ("field", "cause"))


class VerifiedRowQuerySet(models.QuerySet["VerifiedRow"]):
    """Rows that were read back."""

    def worst_first(self, *before: str) -> "VerifiedRowQuerySet":
        """Wrong ones first, then those that somebody else changed, then lossy ones; before: what they are ordered by first."""
        return self.order_by(*before, _badness(), "pk")

    def worst_of_each_phase(self, count: int) -> "VerifiedRowQuerySet":
        """The first so many of each phase, as `worst_first` has them, phase by phase."""
        place = models.Window(RowNumber(), partition_by="phase", order_by=[_badness(), models.F("pk").asc()])
        return self.annotate(place=place).filter(place__lte=count).order_by("phase__number", "place")


def _badness() -> models.Case:
    """The place of a row's verdict among VerifiedRow.WORST."""
    return models.Case(*(models.When(verdict=verdict, then=number) for number, verdict in enumerate(VerifiedRow.WORST)), default=9)


class VerifiedRow(models.Model):
    """A row of the sample, a wrong one, or one that somebody else changed before it was read back, compared value by value.

    All other rows are only counted. fields: [{"column", "source", "meant", "found", "verdict": equal|transformed|lossy|wrong|edited}].
    """

    WORST = ("wrong", "edited", "lossy", "equal")

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="verified_rows", db_index=False)
    phase = models.ForeignKey(Phase, on_delete=models.CASCADE, related_name="verified_rows")
    source_id = models.CharField(max_length=330)
    row_id = models.UUIDField()
    verdict = models.CharField(max_length=8, choices=[(verdict, verdict.capitalize()) for verdict in reversed(WORST)])
    fields = models.JSONField(default=list)

    objects = VerifiedRowQuerySet.as_manager()

    class Meta:
        ordering = ["phase_id", "verdict", "source_id"]
        constraints = [models.UniqueConstraint(fields=["phase", "row_id"], name="verified_row_once")]
        indexes = [models.Index(fields=["run", "id"]), models.Index(fields=["run", "source_id"])]

    def __str__(self) -> str:
        return f"{self.source_id}: {self.verdict}"


class QualityGroup(models.Model):
    """The records of one object of a run that have one reason in one field, as staging judged them.

    severity: what the reason does: loss, hold or reject; note where a decision took its edge off. samples: [[source id, detail]].
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="quality_groups")
    object_name = models.CharField("object", max_length=60)
    field = models.CharField(max_length=300, blank=True)
    code = models.CharField(max_length=80)
    severity = models.CharField(max_length=8)
    records = models.PositiveBigIntegerField(default=0)
    samples = models.JSONField(default=list)

    class Meta:
        ordering = ["-run_id", "-records", "object_name", "field", "code"]
        constraints = [models.UniqueConstraint(fields=["run", "object_name", "field", "code"], name="quality_group_once")]

    def __str__(self) -> str:
        return f"{self.object_name} {self.field} {self.code}: {self.records}"

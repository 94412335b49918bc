"""Lossy values of runs, and what the customer said about them."""

from django.db import models

SHORTENED, DEFAULTED, CLEANED, EMPTIED = "shortened", "defaulted", "cleaned", "emptied"


class Loss(models.Model):
    """The values of one column that a phase wrote with less than the source held, for one reason.

    table: the phase's. column: '' where the loss is of no column's value, such as an order's lines. field: at the source. values: how many.
    kept_in: the column of the same row that keeps them whole; '' where none does.
    samples: [{"source_id", "was", "became", "detail"}]; `was`: the whole value where the row keeps it; detail: of the reason.
    """

    KINDS = [
        (SHORTENED, "Shortened or rounded"),
        (DEFAULTED, "Another value taken"),
        (CLEANED, "Characters removed or replaced"),
        (EMPTIED, "Left empty"),
    ]

    run = models.ForeignKey("loads.Run", on_delete=models.CASCADE, related_name="losses")
    phase = models.ForeignKey("loads.Phase", on_delete=models.CASCADE, related_name="losses")
    object_name = models.CharField("object", max_length=60)
    table = models.CharField(max_length=60)
    column = models.CharField(max_length=100, blank=True)
    kind = models.CharField(max_length=10, choices=KINDS)
    code = models.CharField(max_length=80)
    field = models.CharField(max_length=300, blank=True)
    kept_in = models.CharField(max_length=100, blank=True)
    values = models.PositiveBigIntegerField(default=0)
    samples = models.JSONField(default=list)

    class Meta:
        ordering = ["run", "object_name", "table", "column", "kind", "code", "field", "kept_in"]
        constraints = [models.UniqueConstraint(fields=["phase", "column", "code", "field", "kept_in"], name="loss_once")]
        verbose_name_plural = "losses"

    def __str__(self) -> str:
        return f"{self.object_name} {self.table}.{self.column} {self.code}: {self.values}"


class LossDecision(models.Model):
    """What the customer said about all losses of a run as they were shown. The newest one counts; earlier ones stay.

    content: what was shown, with its hash. decided_by: the approver, and who recorded it where it was said elsewhere.
    """

    class Choice(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        REFUSED = "refused", "Refused"

    run = models.ForeignKey("loads.Run", on_delete=models.CASCADE, related_name="loss_decisions")
    choice = models.CharField(max_length=8, choices=Choice)
    content = models.JSONField()
    content_sha256 = models.CharField(max_length=64)
    comment = models.TextField(blank=True)
    decided_by = models.CharField(max_length=150)
    decided_at = models.DateTimeField()
    address = models.GenericIPAddressField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Losses of run {self.run_id} {self.choice}"

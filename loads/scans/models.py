"""What is read of a table, and how far."""

from django.db import models


class Scan(models.Model):
    """A part of a table's rows that one worker at a time reads through.

    name: what a run reads them for; number: which of its parts. wanted: see `loads.scans.reading.Wanted`. phase: whose end waits for it;
    none: all that the run does next.
    following: where the next step begins, a next link or a place in the list of ids; '' at the start. files: what is kept of the rows so
    far, in the run's folder: those that aren't named here were left by a worker that lost the scan.
    """

    run = models.ForeignKey("loads.Run", on_delete=models.CASCADE, related_name="scans")
    phase = models.ForeignKey("loads.Phase", on_delete=models.CASCADE, null=True, blank=True, related_name="scans")
    name = models.CharField(max_length=150)
    number = models.PositiveIntegerField(default=0)
    wanted = models.JSONField()
    following = models.TextField(blank=True)
    files = models.JSONField(default=list)
    rows = models.PositiveBigIntegerField(default=0)
    done = models.BooleanField(default=False)
    worker = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["run", "name", "number"]
        constraints = [models.UniqueConstraint(fields=["run", "name", "number"], name="scan_once")]

    def __str__(self) -> str:
        return f"{self.name}, part {self.number}"

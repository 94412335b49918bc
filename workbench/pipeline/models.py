"""Steps of an engagement that tasks carry out, with their progress, so that pages and commands can show it."""

from datetime import timedelta

from django.db import models
from django.utils import timezone

from workbench.engagements import clock
from workbench.engagements.models import Engagement, Environment

LEASE = timedelta(seconds=60)  # a worker that says nothing for so long has lost its step


class Step(models.Model):
    """One step asked for: queued, running, then done or failed with a message that says what to do."""

    class Name(models.TextChoices):
        DISCOVER = "discover", "Discovery"
        CHECK = "check", "Checks of the environments"
        EXTRACT = "extract", "Extraction"
        DELTA = "delta", "Delta extraction"
        PROVISION = "provision", "Provisioning"
        REMOVE = "remove", "Removal of the schema"
        REFRESH = "refresh", "Look at a refreshed environment"
        SAMPLE = "sample", "Sample"
        LOAD = "load", "Load"
        DOCUMENTS = "documents", "Documents"
        HANDOFF = "handoff", "Handoff"
        ANSWER = "answer", "Answers for many records"
        ERASE = "erase", "Erasure of a person"
        PURGE = "purge", "Purge"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="steps")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    name = models.CharField(max_length=12, choices=Name)
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    progress = models.CharField(max_length=300, blank=True)
    message = models.TextField(blank=True)
    requested_by = models.CharField(max_length=150)
    queued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)

    worker = models.CharField(max_length=120, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False, help_text="Tasks that began since a part was last done.")
    done = models.JSONField(default=list, editable=False, help_text="Names of the parts that are done.")
    kept = models.JSONField(default=dict, editable=False, help_text="What the parts kept for those that follow.")

    class Meta:
        ordering = ["-queued_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.get_name_display()} ({self.get_state_display().lower()})"

    @property
    def is_under_way(self) -> bool:
        """Asked for and not over."""
        return self.state in (self.State.QUEUED, self.State.RUNNING)

    @property
    def is_silent(self) -> bool:
        """Under way, and nothing was heard of it for as long as a lease lasts: it may be taken up again."""
        return self.is_under_way and (self.heartbeat_at or self.queued_at) < clock.now() - LEASE

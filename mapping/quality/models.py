"""Decisions of the data-quality report, and remedies of records that didn't load."""

from django.conf import settings
from django.db import models

from mapping.quality import rules
from workbench.engagements.models import Engagement


class QualityDecision(models.Model):
    """What the customer decided about the records of one object that have one reason in one field; it outlasts extractions and runs.

    severity: of the reason where nobody decides. value: what a default is, as a person wrote it.
    """

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="quality_decisions")
    object_name = models.CharField("object", max_length=60)
    field = models.CharField(max_length=300, blank=True)
    code = models.CharField(max_length=80)
    severity = models.CharField(max_length=8)
    choice = models.CharField(max_length=10, choices=[(name, choice.label) for name, choice in rules.CHOICES.items()])
    value = models.CharField(max_length=2_000, blank=True)
    comment = models.TextField(blank=True)
    decided_by = models.CharField(max_length=150)
    decided_at = models.DateTimeField()

    class Meta:
        ordering = ["object_name", "field", "code"]
        constraints = [models.UniqueConstraint(fields=["engagement", "object_name", "field", "code"], name="quality_decision_once")]

    def __str__(self) -> str:
        return f"{self.object_name} {self.field} {self.code}: {self.get_choice_display()}"

    @property
    def key(self) -> tuple[str, str, str]:
        """Object, field and code."""
        return self.object_name, self.field, self.code


class QualityDuty(models.Model):
    """Who sees to it that the records of one object that have one reason in one field are decided about, and until when.

    Like a decision it outlasts extractions and runs.
    """

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="quality_duties")
    object_name = models.CharField("object", max_length=60)
    field = models.CharField(max_length=300, blank=True)
    code = models.CharField(max_length=80)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    due_on = models.DateField("due on")

    class Meta:
        ordering = ["due_on", "object_name", "field", "code"]
        constraints = [models.UniqueConstraint(fields=["engagement", "object_name", "field", "code"], name="quality_duty_once")]
        verbose_name_plural = "quality duties"

    def __str__(self) -> str:
        return f"{self.object_name} {self.field} {self.code}: {self.owner} until {self.due_on}"

    @property
    def key(self) -> tuple[str, str, str]:
        """Object, field and code."""
        return self.object_name, self.field, self.code

    @property
    def who(self) -> str:
        """The owner's name."""
        return self.owner.get_full_name() or str(self.owner)


class Remedy(models.Model):
    """What is done about one record, or one column of its row, that didn't load; see `mapping.quality.remedies`.

    table, column: empty where the whole record is meant. code: the reason that it answers. value: as a person wrote it.
    question: of QUESTIONS what an answer about the whole record is to; '' of remedies. environment: the kind of the one that an answer
    about its rows is for; '' where it is for all.
    """

    engagement = models.ForeignKey(Engagement, on_delete=models.CASCADE, related_name="remedies")
    object_name = models.CharField("object", max_length=60)
    source_id = models.CharField(max_length=330)
    table = models.CharField(max_length=60, blank=True)
    column = models.CharField(max_length=100, blank=True)
    code = models.CharField(max_length=80)
    question = models.CharField(max_length=6, blank=True)
    environment = models.CharField(max_length=12, blank=True)
    choice = models.CharField(max_length=10)
    value = models.CharField(max_length=2_000, blank=True)
    decided_by = models.CharField(max_length=150)
    decided_at = models.DateTimeField()

    class Meta:
        ordering = ["object_name", "source_id", "table", "column"]
        verbose_name_plural = "remedies"
        constraints = [
            models.UniqueConstraint(
                fields=["engagement", "object_name", "source_id", "table", "column", "question", "environment"], name="remedy_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.object_name}:{self.source_id} {self.column}: {self.choice}"

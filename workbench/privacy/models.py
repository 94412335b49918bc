"""Purges and erasures, with what came of them."""

from collections.abc import Mapping

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.utils import timezone

from workbench.engagements.access import workable_by
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement
from workbench.engagements.secrets import EncryptedTextField


class Purge(models.Model):
    """The purge of an engagement: begun, it can only end; afterwards nothing is read, landed or loaded any more.

    evidence: what was there, as the certificate tells it, taken before anything went, see `evidence.content`. counts: what was done, name
    of a model, folder or kind of document -> rows or files. entry: number of the entry of the history that tells of it.
    """

    engagement = models.OneToOneField(Engagement, on_delete=models.PROTECT, related_name="purge")
    requested_by = models.CharField(max_length=150)
    begun_at = models.DateTimeField(default=timezone.now)
    evidence = models.JSONField(default=dict)
    counts = models.JSONField(default=dict)
    entry = models.PositiveIntegerField(null=True)
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Purge of {self.engagement}"


class Erasure(models.Model):
    """The erasure of one person. person: a pseudonym of what was asked for; names: of all ids and addresses that were found.

    sought: what is looked for, as JSON {"names", "words", "values"}, encrypted; empty once all is done. counts: what was done, by name.
    """

    engagement = models.ForeignKey(Engagement, on_delete=models.PROTECT, related_name="erasures")
    person = models.CharField(max_length=80)
    names = models.JSONField(default=list)
    sought = EncryptedTextField(blank=True, editable=False)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(default=timezone.now)
    counts = models.JSONField(default=dict)
    entry = models.PositiveIntegerField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-requested_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["engagement"], condition=models.Q(finished_at=None), name="one_open_erasure_per_engagement")
        ]

    def __str__(self) -> str:
        return f"Erasure {self.pk} in {self.engagement}"

    def add(self, counts: Mapping[str, int]) -> None:
        """Count what was done; it is kept at once."""
        self.counts = {**self.counts, **{name: self.counts.get(name, 0) + number for name, number in counts.items() if number}}
        type(self).objects.filter(pk=self.pk).update(counts=self.counts)


class NotYours(WorkbenchError):
    """Only engineers of the engagement and superusers purge and erase."""

    remedy = "Ask an engineer of the engagement."


def require_engineer(engagement: Engagement, user: User) -> None:
    """Raise NotYours unless the user works on the engagement in the admin."""
    if not workable_by(user).filter(pk=engagement.pk).exists():
        raise NotYours(f"{user} isn't an engineer of {engagement}.")


def open_erasure(engagement: Engagement) -> Erasure | None:
    """The erasure that isn't done; None where there is none."""
    return Erasure.objects.filter(engagement=engagement, finished_at=None).select_related("engagement").first()


def purge_of(engagement: Engagement) -> Purge | None:
    """The engagement's purge, begun or done."""
    return Purge.objects.filter(engagement=engagement).first()

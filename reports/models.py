"""Documents that were written, each with its hash."""

from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.utils import timezone

from loads.models import Run
from workbench.engagements.models import Engagement


class DocumentQuerySet(models.QuerySet["Document"]):
    """Documents."""

    def visible_to(self, user: User | AnonymousUser) -> "DocumentQuerySet":
        """Those of the engagements that `user` may see."""
        return self.filter(engagement__in=Engagement.objects.visible_to(user))

    def newest(self) -> list["Document"]:
        """The current version of each; earlier ones stay in the store and in the list of documents."""
        return list({(row.kind, row.format, row.run_id): row for row in self.order_by("written_at", "pk")}.values())


class Document(models.Model):
    """A written document; `path` is relative to the store."""

    engagement = models.ForeignKey(Engagement, on_delete=models.PROTECT, related_name="documents")
    run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, blank=True, related_name="documents")
    kind = models.CharField(max_length=30)
    format = models.CharField(max_length=6)
    path = models.CharField(max_length=300)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField("bytes", default=0)
    written_at = models.DateTimeField(default=timezone.now)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        ordering = ["-written_at", "kind"]

    def __str__(self) -> str:
        return f"{self.kind} ({self.format})"

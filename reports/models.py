"""Documents that were written, each with its hash."""

from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.utils import timezone

from loads.models import Run
from workbench.engagements.models import Engagement


class DocumentQuerySet(models.QuerySet["Document"]):
    """Documents."""

    def visible_to(self, user: User | AnonymousUser) -> "DocumentQuerySet":
        """Those of the engagements that `user` may see, but for those whose file was removed."""
        return self.standing().filter(engagement__in=Engagement.objects.visible_to(user))

    def standing(self) -> "DocumentQuerySet":
        """Those whose file wasn't removed since it named people."""
        return self.filter(removed_at=None)

    def newest(self) -> list["Document"]:
        """The current version of each; earlier ones stay in the store and in the list of documents."""
        return list({(row.kind, row.format, row.run_id): row for row in self.standing().order_by("written_at", "pk")}.values())


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
    removed_at = models.DateTimeField(
        "file removed", null=True, blank=True, help_text="Since it named people; hash and size stay, by which a copy can be checked."
    )

    objects = DocumentQuerySet.as_manager()

    class Meta:
        ordering = ["-written_at", "kind"]

    def __str__(self) -> str:
        return f"{self.kind} ({self.format})"

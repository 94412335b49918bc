"""Removals of provisioned schema."""

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from workbench.engagements.models import Environment, SignOff


class SchemaRemoval(models.Model):
    """A plan of what is to be removed of the provisioned schema of an environment, who agreed to it, and what came of it.

    components: [{"kind", "table", "column", "rows", "made", "dependents", "verdict": remove|keep, "reason"}], in the order of removal,
    see `survey.plan_of`. outcomes: name of a component -> {"outcome": removed|kept, "reason"}. signoff: the signature, for production.
    """

    REMOVE, KEEP = "remove", "keep"
    REMOVED, KEPT = "removed", "kept"

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="schema_removals")
    components = models.JSONField(default=list)
    requested_by = models.CharField(max_length=150)
    created_at = models.DateTimeField("planned", default=timezone.now)
    agreed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    agreed_at = models.DateTimeField(null=True, blank=True)
    signoff = models.ForeignKey(SignOff, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    outcomes = models.JSONField(default=dict)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"Removal {self.pk} of the schema of {self.environment}"

    @property
    def to_remove(self) -> list[dict[str, Any]]:
        """The components that were planned to be removed, in order."""
        return [one for one in self.components if one["verdict"] == self.REMOVE]

    @property
    def is_open(self) -> bool:
        """Agreed to and not finished: until then nothing is provisioned or loaded."""
        return self.agreed_at is not None and self.finished_at is None

    def count(self, outcome: str) -> int:
        """Components with this outcome."""
        return sum(one["outcome"] == outcome for one in self.outcomes.values())


def newest(environment: Environment) -> SchemaRemoval | None:
    """The newest plan, which takes the place of those before it."""
    return SchemaRemoval.objects.filter(environment=environment).select_related("environment__engagement").first()

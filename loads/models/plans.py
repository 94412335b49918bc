"""What the plan is in one environment: its schema, and its names as rows."""

from django.db import models
from django.utils import timezone

from mapping.models import PlanVersion
from workbench.engagements.models import Environment


class SchemaPlan(models.Model):
    """The difference between the plan's schema and an environment, and whether it has been provisioned.

    steps: [{"table", "column", "action": create|exists|conflict, "kind", "reason", "spec"}].
    """

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="schema_plans")
    maps = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="+")
    steps = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)
    provisioned_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"Schema of {self.environment} for {self.maps}"

    def count(self, action: str) -> int:
        """Steps with this action."""
        return sum(step["action"] == action for step in self.steps)


class Binding(models.Model):
    """A name of the plan as a row of one environment: an owner's e-mail, a team's name, a currency's code, a unit that a run made."""

    class Kind(models.TextChoices):
        USER = "user", "User"
        TEAM = "team", "Team"
        CURRENCY = "currency", "Currency"
        UNIT = "unit", "Unit"

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="bindings")
    kind = models.CharField(max_length=12, choices=Kind)
    name = models.CharField(max_length=320)
    row_id = models.UUIDField(null=True)
    problem = models.TextField(blank=True, help_text="Why no row fits; with a row id, why another owner stands in.")
    bound_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["environment", "kind", "name"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "kind", "name"], name="binding_once"),
            models.CheckConstraint(condition=models.Q(row_id__isnull=False) | ~models.Q(problem=""), name="binding_row_or_problem"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

"""The hypercare app."""

from typing import Any

from django.apps import AppConfig


class HypercareConfig(AppConfig):
    """Tickets of the first days after the hand-off, each with the story of the records that it is about."""

    name = "workbench.hypercare"
    label = "hypercare"
    verbose_name = "Hypercare"

    def ready(self) -> None:
        """Reckon deadlines anew when the engagement's zone may have changed; stand at the end of an engagement's way."""
        from django.db.models.signals import post_save  # needs the models loaded

        from workbench.engagements.models import Engagement
        from workbench.hypercare.stage import stage
        from workbench.pipeline import way

        post_save.connect(reckon, sender=Engagement, weak=False, dispatch_uid="deadlines of the tickets")
        way.after_handoff(stage)


def reckon(sender: object, instance: Any, created: bool, **kwargs: object) -> None:
    """Deadlines stand in the zone of the engagement's days."""
    from workbench.hypercare.clock import reckon_anew  # needs the models loaded

    if not created:
        reckon_anew(instance)

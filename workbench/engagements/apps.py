"""The engagements app."""

from django.apps import AppConfig


class EngagementsConfig(AppConfig):
    """Engagement, people, environments, gates, signatures, history."""

    name = "workbench.engagements"
    label = "engagements"
    verbose_name = "Engagement"

    def ready(self) -> None:
        """Register the system checks."""
        from workbench.engagements import checks  # noqa: F401 - checks need the apps loaded

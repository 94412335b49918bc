"""The mapping app."""

from django.apps import AppConfig


class MappingConfig(AppConfig):
    """Profiles, maps, split, owners, plan versions."""

    name = "mapping"
    label = "mapping"
    verbose_name = "Plan"

    def ready(self) -> None:
        """Register the plan's gates."""
        from mapping import gates  # noqa: F401 - gates need the models loaded

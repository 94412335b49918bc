"""The loads app."""

from django.apps import AppConfig


class LoadsConfig(AppConfig):
    """Staging, crosswalk, engine, ledger, reconciliation."""

    name = "loads"
    label = "loads"
    verbose_name = "Loading"

    def ready(self) -> None:
        """Register the load's gates."""
        from loads import gates  # noqa: F401 - gates need the models loaded

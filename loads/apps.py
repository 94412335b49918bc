"""The loads app."""

from django.apps import AppConfig


class LoadsConfig(AppConfig):
    """Staging, crosswalk, engine, ledger, reconciliation."""

    name = "loads"
    label = "loads"
    verbose_name = "Loading"

    def ready(self) -> None:
        """Register the load's gates and checks."""
        from loads import checks, gates  # noqa: F401 - they need the models loaded

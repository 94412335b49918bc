"""The privacy app."""

from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    """Purges of engagements, and erasures of single people."""

    name = "workbench.privacy"
    label = "privacy"
    verbose_name = "Privacy"

    def ready(self) -> None:
        """Register the gates that stay closed afterwards, and the steps by the functions that carry them out."""
        from workbench.pipeline import further
        from workbench.pipeline.models import Step
        from workbench.privacy import gates  # noqa: F401 - they need the models loaded

        further.register(Step.Name.PURGE, "workbench.privacy.purging.parts")
        further.register(Step.Name.ERASE, "workbench.privacy.erasing.parts")

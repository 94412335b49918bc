"""The loads app."""

from django.apps import AppConfig


class LoadsConfig(AppConfig):
    """Staging, crosswalk, engine, ledger, reconciliation."""

    name = "loads"
    label = "loads"
    verbose_name = "Loading"

    def ready(self) -> None:
        """Register the load's gates and checks; a new worker process takes up what killed ones were at."""
        from django_q.signals import post_spawn

        from loads import checks, gates  # noqa: F401 - they need the models loaded

        post_spawn.connect(take_up, dispatch_uid="take up")


def take_up(**of_signal: object) -> None:
    """Go on with what killed workers were at."""
    from loads import tasks  # the task cluster alone loads the engine

    tasks.take_up()

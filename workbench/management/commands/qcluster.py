"""`manage.py qcluster`: the workers of the task queue, as django-q2 has them, under a guard that outlives the kill of any of them."""

from importlib import import_module
from typing import Any

from django_q import cluster
from django_q.management.commands.qcluster import Command as QueueCommand

from workbench.engagements.checks import SETTINGS
from workbench.management.guard import Guard

TASKS = ("loads.tasks", "workbench.pipeline.tasks")


class Command(QueueCommand):
    """django-q2's own command, with our guard. It serves no pages, and loads none to check them."""

    requires_system_checks = (SETTINGS,)

    def handle(self, *args: Any, **options: Any) -> None:
        """Work on tasks until a signal comes. Workers are forked: what each would load by itself is loaded before, once for all of them."""
        for name in TASKS:
            import_module(name)
        cluster.Sentinel = Guard  # its one seam: the cluster looks the class up by this name
        super().handle(*args, **options)

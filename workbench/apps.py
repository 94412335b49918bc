"""The project's own app: it holds the management commands."""

from django.apps import AppConfig


class WorkbenchConfig(AppConfig):
    """Commands, settings and addresses."""

    name = "workbench"

"""The reports app."""

from django.apps import AppConfig


class ReportsConfig(AppConfig):
    """Documents."""

    name = "reports"
    label = "reports"
    verbose_name = "Documents"

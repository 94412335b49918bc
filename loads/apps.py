"""The loads app."""

from django.apps import AppConfig


class LoadsConfig(AppConfig):
    """Loading."""

    name = "loads"
    label = "loads"
    verbose_name = "Loading"

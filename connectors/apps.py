"""The connectors app."""

from django.apps import AppConfig


class ConnectorsConfig(AppConfig):
    """Discovery."""

    name = "connectors"
    label = "connectors"
    verbose_name = "Discovery"

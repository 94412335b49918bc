"""The mapping app."""

from django.apps import AppConfig


class MappingConfig(AppConfig):
    """Plan."""

    name = "mapping"
    label = "mapping"
    verbose_name = "Plan"

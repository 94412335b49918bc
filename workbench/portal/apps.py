"""The portal app."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """Portal."""

    name = "workbench.portal"
    label = "portal"
    verbose_name = "Portal"

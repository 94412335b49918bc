"""The portal app."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """Portal."""

    name = "workbench.portal"
    label = "portal"
    verbose_name = "Portal"

    def ready(self) -> None:
        """Sign-in to the admin is slowed like sign-in to the portal."""
        from django.contrib import admin  # forms need the models loaded

        from workbench.portal.forms import EngineerSignInForm

        admin.site.login_form = EngineerSignInForm

"""Addresses: the admin for engineers, everything else is the portal."""

from django.contrib import admin
from django.urls import include, path

from workbench.portal.forms import EngineerSignInForm

admin.autodiscover()
admin.site.login_form = EngineerSignInForm  # sign-in to the admin is slowed like sign-in to the portal

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("workbench.portal.urls")),
]

"""Addresses: the admin for engineers, everything else is the portal."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("workbench.portal.urls")),
]

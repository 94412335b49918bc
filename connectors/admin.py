"""Admin pages of connections and of what has been landed."""

from collections.abc import Callable
from typing import Any

from cryptography.x509 import load_pem_x509_certificates
from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget

from connectors.models import Dataset, Piece
from connectors.pem import one_line_to_pem
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Connection
from workbench.engagements.scoped_admin import EngagementFilter, ReadOnly, ScopedInline, WorkbenchAdmin


class ConnectionForm(forms.ModelForm):
    """A connection; the secret can be written and never read. An empty field leaves the stored one."""

    new_secret = forms.CharField(
        label="Key or client secret",
        required=False,
        strip=True,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}, render_value=False),
    )

    class Meta:
        model = Connection
        fields = ("engagement", "kind", "name", "base_url", "settings", "ca_pem")
        widgets = {"ca_pem": UnfoldAdminTextareaWidget(attrs={"rows": 6, "spellcheck": "false"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Say whether a secret is stored, without reading it."""
        super().__init__(*args, **kwargs)
        stored = self.instance.pk and Connection.objects.filter(pk=self.instance.pk).exclude(secret="").exists()
        kept = "One is stored. Leave this empty to keep it." if stored else "None is stored yet."
        self.fields["new_secret"].help_text = f"{kept} It is stored encrypted and never shown again. A PEM private key may be pasted."

    def clean_new_secret(self) -> str:
        """The secret as it is to be stored; a key pasted into one line gets its lines back."""
        return one_line_to_pem(self.cleaned_data["new_secret"])

    def clean_settings(self) -> dict[str, Any]:
        """Refuse what a connection would fail on."""
        given = self.cleaned_data["settings"]
        if not isinstance(given, dict):
            raise forms.ValidationError('Write one JSON object, such as {"authority": "...", "client_id": "..."}.')
        if odd := sorted(
            name for name in ("authority", "client_id", "certificate_thumbprint") if not isinstance(given.get(name) or "", str)
        ):
            raise forms.ValidationError(f"These must be text: {', '.join(odd)}.")
        return given

    def clean_ca_pem(self) -> str:
        """Refuse what isn't a certificate before a connection fails on it."""
        text = self.cleaned_data["ca_pem"].strip()
        if text and "-----BEGIN CERTIFICATE-----" not in text:
            raise forms.ValidationError("This isn't a certificate in PEM form: it starts with -----BEGIN CERTIFICATE-----.")
        try:
            ends = [one.not_valid_after_utc for one in load_pem_x509_certificates(text.encode())] if text else []
        except ValueError:
            raise forms.ValidationError(
                "This isn't a certificate: it can't be read. Paste the whole file, with its first and last lines."
            ) from None
        if over := [end for end in ends if end < timezone.now()]:
            raise forms.ValidationError(f"A certificate here expired on {min(over):%Y-%m-%d}: paste the one that is valid now.")
        return text

    def save(self, commit: bool = True) -> Connection:
        """Keep the stored secret unless a new one was given."""
        if self.cleaned_data.get("new_secret"):
            self.instance.secret = self.cleaned_data["new_secret"]
        return super().save(commit)


def check_source(connection: Connection) -> str:
    """Ask the source whether it can be read. Raises WorkbenchError with a remedy."""
    from connectors.registry import SOURCES  # the platforms' packages load on first use

    found = SOURCES[connection.kind](connection).check()
    blockers = [f"{finding.evidence} {finding.remedy}" for finding in found if finding.severity == "blocker"]
    if blockers:
        raise WorkbenchError(" ".join(blockers), remedy="Mend this at the source, then check again.")
    return f"{connection.name} answers; {len(found)} checks made."


def check_dataverse(connection: Connection) -> str:
    """Sign in to the environment. Raises WorkbenchError with a remedy."""
    from connectors.dataverse.client import Client  # MSAL loads on first use

    who = Client.from_connection(connection).first_call()
    return f"{connection.name} answers; the application user is {who.get('UserId', 'unknown')}."


def checker(connection: Connection) -> Callable[[Connection], str]:
    """The check for a connection's kind."""
    return check_dataverse if connection.kind == "dataverse" else check_source


@admin.register(Connection)
class ConnectionAdmin(WorkbenchAdmin):
    """Connections: address, settings, and a secret that is only ever written."""

    form = ConnectionForm
    kept_out_of_history = ("new_secret",)
    list_display = ("name", "engagement", "kind", "base_url", "has_secret")
    list_filter = (EngagementFilter, "kind")
    list_select_related = ("engagement",)
    search_fields = ("name", "base_url")
    list_filter_submit = True
    actions_detail = ("check_connection",)
    fieldsets = (
        (None, {"fields": (("engagement", "kind"), ("name", "base_url"), "new_secret")}),
        (
            "Settings",
            {
                "fields": ("settings", "ca_pem"),
                "description": "dataverse: authority, client_id, certificate_thumbprint, limits. iterable: limits.",
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        """Without the secret, which no page reads."""
        stored = models.ExpressionWrapper(~models.Q(secret=""), output_field=models.BooleanField())
        return super().get_queryset(request).defer("secret").annotate(stored=stored)

    def get_readonly_fields(self, request: HttpRequest, obj: Connection | None = None) -> tuple[str, ...]:
        """A connection stays in its engagement."""
        return ("engagement",) if obj else ()

    @display(description="secret", boolean=True)
    def has_secret(self, connection: Any) -> bool:
        """Whether a secret is stored, as the list's query says."""
        return connection.stored

    @action(description="Check connection", icon="network_check", attrs={"title": "Signs in once and reads nothing else"})
    def check_connection(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Sign in at the other end and say what came of it."""
        connection = self.get_object(request, object_id)
        if connection is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        try:
            messages.success(request, checker(connection)(connection))
        except WorkbenchError as error:
            messages.error(request, f"{error} {error.remedy}")
        return redirect(reverse("admin:engagements_connection_change", args=[object_id]))


class PieceInline(ReadOnly, ScopedInline):
    """The complete slices of a dataset."""

    model = Piece
    engagement_path = "dataset__engagement"
    fields = ("number", "name", "rows", "bad_rows", "seconds")
    readonly_fields = fields
    per_page = 50


@admin.register(Dataset)
class DatasetAdmin(ReadOnly, WorkbenchAdmin):
    """Landed datasets."""

    list_display = ("object_name", "engagement", "shown_purpose", "shown_state", "rows", "bad_rows", "repeated_rows", "size", "started_at")
    list_filter = (EngagementFilter, "purpose", "state")
    list_select_related = ("engagement",)
    list_filter_submit = True
    inlines = (PieceInline,)
    fields = (
        ("engagement", "object_name", "purpose"),
        ("state", "derived"),
        ("started_at", "sealed_at"),
        ("rows", "bad_rows", "repeated_rows"),
        ("size", "sha256"),
    )

    @display(description="purpose", label={"discovery": "info", "load": "success"}, ordering="purpose")
    def shown_purpose(self, dataset: Dataset) -> tuple[str, str]:
        """Discovery or load, coloured."""
        return dataset.purpose, dataset.get_purpose_display()

    @display(description="state", label={"open": "warning", "sealed": "success"}, ordering="state")
    def shown_state(self, dataset: Dataset) -> tuple[str, str]:
        """Open or sealed, coloured."""
        return dataset.state, dataset.get_state_display()

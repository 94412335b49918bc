"""Admin pages of engagements: people, environments, signatures and history."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import ForeignKey, ManyToManyField, Q, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from workbench.engagements import (
    invitation_admin,  # noqa: F401 - it registers its pages
    redaction,
)
from workbench.engagements.large_tables import LargeTable, PartFilter
from workbench.engagements.models import AuditEntry, Connection, Engagement, Environment, Membership, Role, SignOff
from workbench.engagements.scoped_admin import EngagementFilter, ReadOnly, ScopedInline, StackedRows, WorkbenchAdmin
from workbench.engagements.signoffs import content_hash

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    """Sign-in names. Only superusers see them all; roles are given on the engagement's page."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    search_fields = ("username", "first_name", "last_name", "email")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers; engineers only through the choice of a member."""
        return super().has_view_permission(request, obj) or (
            obj is None and request.path.endswith("/autocomplete/") and request.user.is_staff
        )


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Groups of users."""


class MembershipInline(ScopedInline):
    """The people of an engagement and their roles."""

    model = Membership
    autocomplete_fields = ("user",)
    verbose_name_plural = "people"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A person may leave an engagement; the history keeps that they were there."""
        return self.has_change_permission(request, obj)


class EnvironmentForm(forms.ModelForm):
    """An environment; its further application users call the same address as the first, each by a connection of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the connections to the address of the environment's own; of a new environment all."""
        super().__init__(*args, **kwargs)
        field = self.fields.get("further_connections")
        if field is not None and self.instance.pk:
            offered = cast(Any, field).queryset.defer("secret")  # one that can't be decrypted is replaced on this page
            first = Connection.objects.defer("secret").get(pk=self.instance.connection_id)
            fitting = [connection.pk for connection in offered if connection != first and _place(connection) == _place(first)]
            cast(Any, field).queryset = offered.filter(pk__in=fitting)
            if not fitting:
                field.help_text = f"There is no other connection to {_place(first)}. Add one per application user; they share the load."

    def clean(self) -> dict[str, Any]:
        """Refuse a further connection that leads elsewhere, or that signs in as another one does."""
        cleaned = super().clean() or self.cleaned_data
        if first := cleaned.get("connection"):
            self._check(first, cleaned.get("further_connections") or ())
        return cleaned

    def _check(self, first: Connection, further: Iterable[Connection]) -> None:
        seen = {_client_id(first): str(first)}
        for connection in further:
            if _place(connection) != _place(first):
                said = f"{connection} leads to {_place(connection)}, not to {_place(first)}."
                self.add_error("further_connections", said)
            elif same := seen.get(_client_id(connection)):
                self.add_error("further_connections", f"{connection} signs in as {same} does: it would share its limits.")
            seen[_client_id(connection)] = str(connection)


def _place(connection: Connection) -> str:
    return urlsplit(connection.base_url.strip()).netloc.lower()


def _client_id(connection: Connection) -> str:
    return str(connection.settings.get("client_id", connection.pk))


class EnvironmentInline(StackedRows):
    """Sandbox and production, each with its connection."""

    model = Environment
    max_num = 2
    form = EnvironmentForm
    fields = (
        ("kind", "connection"),
        "further_connections",
        "daily_requests",
        ("licences", "edition"),
        ("insights_journeys", "free_database_gb"),
        ("free_file_gb", "free_log_gb"),
    )

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> type[forms.BaseInlineFormSet]:
        """Offer the engagement's own Dataverse connections."""
        self.engagement = obj
        return super().get_formset(request, obj, **kwargs)

    def formfield_for_foreignkey(self, db_field: ForeignKey, request: HttpRequest, **kwargs: Any) -> forms.ModelChoiceField | None:
        """Connections of this engagement only."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "connection":
            field.queryset = cast(QuerySet, field.queryset).filter(engagement=self.engagement, kind="dataverse").defer("secret")
        return field

    def formfield_for_manytomany(
        self, db_field: ManyToManyField, request: HttpRequest, **kwargs: Any
    ) -> forms.ModelMultipleChoiceField | None:
        """The same for the further application users, to be ticked."""
        kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget()
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        if field is not None:
            field.queryset = cast(QuerySet, field.queryset).filter(engagement=self.engagement, kind="dataverse").defer("secret")
        return field


class EngagementAdmin(WorkbenchAdmin):
    """Engagements. The pipeline registers it with the steps of the engagement on its page."""

    engagement_path = ""
    list_display = ("name", "platform", "prefix", "people", "created_at")
    list_filter = ("platform",)
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (MembershipInline, EnvironmentInline)
    fieldsets = ((None, {"fields": (("name", "slug"), ("platform", "prefix"), "options")}),)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """With the members at hand."""
        return super().get_queryset(request).prefetch_related("memberships__user")

    def get_readonly_fields(self, request: HttpRequest, obj: Engagement | None = None) -> tuple[str, ...]:
        """The slug is part of every row id, and the prefix of every column name: fixed once a run exists."""
        return ("slug", "prefix", "platform") if obj and obj.runs.exists() else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Engagement | None = None) -> dict[str, Sequence[str]]:
        """Suggest a slug for new engagements only."""
        return {} if obj else self.prepopulated_fields

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Who opens an engagement is its first engineer."""
        super().save_related(request, form, formsets, change)
        if not change:
            Membership.objects.get_or_create(engagement=form.instance, user=cast(User, request.user), role=Role.ENGINEER)

    @display(description="people")
    def people(self, engagement: Engagement) -> str:
        """Names of the members, the first few."""
        names = sorted({str(member.user) for member in engagement.memberships.all()})
        return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


@admin.register(SignOff)
class SignOffAdmin(ReadOnly, WorkbenchAdmin):
    """Signatures: what was signed, by whom, and what the page showed."""

    list_display = ("kind", "engagement", "signed_by", "signed_at", "parts")
    list_filter = (EngagementFilter, "kind")
    list_select_related = ("engagement", "signed_by")
    list_filter_submit = True

    change_form_template = "admin/workbench/signoff.html"

    def page_context(self, request: HttpRequest, obj: SignOff) -> dict[str, Any]:
        """What was signed, and whether it still has its hash."""
        text = json.dumps(obj.content, indent=1, ensure_ascii=False, sort_keys=True)
        holds = redaction.holds(obj, matches=content_hash(obj.content) == obj.content_sha256)
        return {"signoff": obj, "holds": holds, "content_text": text}

    @display(description="covers")
    def parts(self, signoff: SignOff) -> str:
        """The plan parts and versions that the signature covers."""
        return ", ".join(f"{part} v{cover.get('version')}" for part, cover in sorted(signoff.covers.items()))


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, LargeTable):
    """The history of an engagement."""

    part = "engagement"
    search_is_indexed = False
    list_display = ("number", "engagement", "at", "actor", "action", "subject")
    list_filter = (PartFilter,)
    list_select_related = ("engagement",)
    search_fields = ("subject", "actor", "action")
    list_filter_submit = True

    def search(self, rows: QuerySet, text: str) -> QuerySet:
        """Entries with the text in who, what or about what."""
        return rows.filter(Q(subject__icontains=text) | Q(actor__icontains=text) | Q(action__icontains=text))

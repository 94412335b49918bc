"""What every page of the admin shares: only the engineer's own engagements, changes in the history."""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.admin.options import BaseModelAdmin
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.forms import ModelChoiceField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.admin import ModelAdmin, StackedInline, TabularInline
from unfold.contrib.filters.admin import DropdownFilter

from workbench.engagements import history
from workbench.engagements.access import workable_by
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement


class EngagementFilter(DropdownFilter):
    """Filter by engagement, offering only those the engineer works on. A model's path to it stands in `engagement_path` of its admin."""

    title = "engagement"
    parameter_name = "engagement"

    def __init__(self, request: HttpRequest, params: dict[str, list[str]], model: type[models.Model], model_admin: Any) -> None:
        """Keep the path before the choices are made."""
        self.path = model_admin.engagement_path
        super().__init__(request, params, model, model_admin)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[int, str]]:
        """Id and name of the engineer's engagements."""
        return list(workable_by(request.user).values_list("pk", "name"))

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        """Rows of the chosen engagement."""
        value = str(self.value() or "")  # counting beside the choices asks with each choice's own id, a number
        return queryset.filter(**{self.path: value}) if value.isdecimal() else queryset


class Scoped(BaseModelAdmin):
    """Rows and choices of the engineer's own engagements only. Mixed into model admins and inlines."""

    engagement_path = "engagement"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        """Rows whose engagement the engineer works on."""
        rows = super().get_queryset(request)
        return rows if request.user.is_superuser else self.limited(request, rows)

    def limited(self, request: HttpRequest, rows: models.QuerySet) -> models.QuerySet:
        """Those of some rows that are of the engineer's engagements."""
        return rows.filter(**{f"{self.engagement_path or 'pk'}__in": workable_by(request.user).values("pk")})

    def engagement_of(self, row: models.Model) -> Engagement:
        """The engagement that a row belongs to."""
        found: Any = row
        for name in filter(None, self.engagement_path.split("__")):
            found = getattr(found, name)
        return found

    def formfield_for_foreignkey(self, db_field: models.ForeignKey, request: HttpRequest, **kwargs: Any) -> ModelChoiceField | None:
        """Offer only rows that the engineer may see."""
        related = self.admin_site._registry.get(db_field.remote_field.model)
        if isinstance(related, Scoped):
            kwargs.setdefault("queryset", related.get_queryset(request))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def _allowed(self, request: HttpRequest, row: models.Model | None) -> bool:
        if not (request.user.is_active and request.user.is_staff):
            return False
        if row is None or request.user.is_superuser or row.pk is None:
            return True
        owner = row if isinstance(row, Engagement) else self.engagement_of(row)
        return workable_by(request.user).filter(pk=owner.pk).exists()

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Engineers see every part of the admin."""
        return self._allowed(request, None)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Engineers of the engagement."""
        return self._allowed(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Engineers of the engagement."""
        return self._allowed(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Engineers; which engagements they can choose is limited by the form."""
        return self._allowed(request, None)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody, unless a page says otherwise: decisions are changed, not removed."""
        return False


class WorkbenchAdmin(Scoped, ModelAdmin):
    """A page of the admin. Every change goes into the engagement's history with who, what, before and after."""

    kept_out_of_history: tuple[str, ...] = ()
    list_per_page = 50
    compressed_fields = True
    warn_unsaved_form = True

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        """Without the engagement, where the list shows those of one alone."""
        shown = super().get_list_display(request)
        return [name for name in shown if name != "engagement"] if request.GET.get("engagement") else shown

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save, and record what changed."""
        super().save_model(request, obj, form, change)
        self.record(request, obj, form, "changed" if change else "added")

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Save the rows of an inline, and record each."""
        super().save_formset(request, form, formset, change)
        for inline in formset.forms:
            if inline.instance.pk and inline.has_changed() and inline not in formset.deleted_forms:
                self.record(
                    request,
                    inline.instance,
                    inline,
                    "added" if inline.instance in formset.new_objects else "changed",
                    engagement=self.engagement_of(form.instance),
                )
        for removed in formset.deleted_objects:
            self.note(request, self.engagement_of(form.instance), "removed", removed)

    def record(self, request: HttpRequest, obj: Any, form: Any, verb: str, engagement: Engagement | None = None) -> None:
        """Write the form's changes of a row into the history, if there are any."""
        changes = changed_values(form, self.kept_out_of_history)
        if changes or verb == "added":
            self.note(request, engagement or self.engagement_of(obj), verb, obj, changes)

    def note(self, request: HttpRequest, engagement: Engagement, verb: str, obj: Any, changes: dict[str, Any] | None = None) -> None:
        """One entry of the history about a row."""
        history.record(
            engagement, actor=request.user, action=f"{verb} {obj._meta.verbose_name}", subject=str(obj), detail={"changes": changes or {}}
        )

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        """The form, with what the page shows beside it."""
        row = kwargs.get("obj")
        return super().render_change_form(request, context | (self.page_context(request, row) if row else {}), **kwargs)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """What the page of a row shows beside the form."""
        return {}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """A list whose edits are one transaction with what follows from them."""
        return self.saved_whole(request, partial(super().changelist_view, request, extra_context))

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A form whose edit is one transaction with what follows from it."""
        return self.saved_whole(request, partial(super().changeform_view, request, object_id, form_url, extra_context))

    def saved_whole(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        """What the view saves and what follows from it, or neither: an edit that no plan can be made of is refused with its reason.

        Looking at a page takes no transaction: on SQLite that would wait for the writers.
        """
        if request.method != "POST":
            return view()
        try:
            with transaction.atomic():
                response = view()
                self.after_changes(request)
        except WorkbenchError as error:
            messages.error(request, f"Nothing was saved. {error} {error.remedy}")
            return redirect(request.get_full_path())
        return response

    def after_changes(self, request: HttpRequest) -> None:
        """Called once when a list or form has been saved."""


class ReadOnly(BaseModelAdmin):
    """Rows that pages show and nobody edits."""

    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Nobody."""
        return False


class OnAPage(Scoped):
    """Rows of an inline form, limited as everything else is."""

    extra = 0

    def _allowed(self, request: HttpRequest, row: models.Model | None) -> bool:
        """As the page that it stands on, which has checked the row it shows: Django asks an inline about that row, not its own."""
        return super()._allowed(request, None)


class ScopedInline(OnAPage, TabularInline):
    """Rows of an inline form as a table."""


class StackedRows(OnAPage, StackedInline):
    """Rows of an inline form with more fields than a table has room for."""


def changed_values(form: Any, hidden: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Field -> {"from", "to"} of a bound form; hidden fields say only that they changed."""
    found: dict[str, dict[str, Any]] = {}
    for name in form.changed_data:
        if name in hidden:
            found[name] = {"to": "(not shown)"}
        elif name not in ("id", "DELETE"):
            found[name] = {"from": as_text(form.initial.get(name)), "to": as_text(form.cleaned_data.get(name))}
    return {name: change for name, change in found.items() if change.get("from") != change["to"]}


def as_text(value: Any) -> Any:
    """A value as history keeps it: text, yes or no, or nothing; all else as JSON text, so that no number loses digits."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, models.QuerySet | list) and all(isinstance(one, models.Model) for one in value):
        return ", ".join(map(str, value))
    return str(value) if isinstance(value, models.Model) else json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, sort_keys=True)

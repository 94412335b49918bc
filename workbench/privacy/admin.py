"""Admin pages of privacy: a purge that says in counts what goes and what stays, and erasures of single people."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.decorators import display

from reports.models import Document
from workbench.engagements import gates
from workbench.engagements.access import workable_by
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement
from workbench.engagements.scoped_admin import EngagementFilter, ReadOnly, WorkbenchAdmin
from workbench.pipeline.cockpit import live
from workbench.pipeline.models import Step
from workbench.privacy.models import Erasure, Purge, purge_of
from workbench.privacy.survey import FILES, GOES, KEPT, REMOVED, ROWS, survey

LONGEST = 320


class PersonForm(forms.Form):
    """Whom to erase: an id or an e-mail address, not both."""

    email = forms.CharField(
        label="E-mail address",
        required=False,
        max_length=LONGEST,
        widget=forms.TextInput(attrs={"class": "mw-field", "autocomplete": "off"}),
    )
    id = forms.CharField(
        label="Id at the source",
        required=False,
        max_length=LONGEST,
        widget=forms.TextInput(attrs={"class": "mw-field", "autocomplete": "off"}),
    )

    def clean(self) -> dict[str, Any]:
        """One of the two."""
        cleaned = super().clean() or self.cleaned_data
        if bool(cleaned.get("email")) == bool(cleaned.get("id")):
            raise forms.ValidationError("Give the e-mail address or the id.")
        return cleaned

    @property
    def name(self) -> str:
        """What was given."""
        return str(self.cleaned_data["email"] or self.cleaned_data["id"])


def mine(request: HttpRequest, pk: int) -> Engagement:
    """An engagement that the engineer works on. Raises Http404."""
    engagement = workable_by(request.user).filter(pk=pk).first()
    if engagement is None:
        raise Http404("There is no such engagement.")
    return engagement


def under_way(engagement: Engagement, name: str) -> dict[str, Any]:
    """The newest step of a name, with what the page polls while it goes on."""
    return {"step": Step.objects.filter(engagement=engagement, name=name).first(), "live": live(engagement)}


@admin.register(Purge)
class PurgeAdmin(ReadOnly, WorkbenchAdmin):
    """Purges: asked for on a page of their own, which says what would go and what would stay."""

    list_display = ("engagement", "requested_by", "begun_at", "finished_at", "entry")
    list_select_related = ("engagement",)

    def get_urls(self) -> list[URLPattern]:
        """With the page that asks."""
        return [path("of/<int:pk>/", self.admin_site.admin_view(self.ask_view), name="privacy_purge_ask"), *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """A purge is shown on its engagement's page."""
        purge = self.get_object(request, object_id)
        if purge is None:
            return super().change_view(request, object_id, form_url, extra_context)
        return redirect(reverse("admin:privacy_purge_ask", args=[purge.engagement_id]))

    def ask_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What goes and what stays; posted with the slug it is purged."""
        engagement = mine(request, pk)
        if request.method == "POST":
            return self._begin(request, engagement)
        purge, found = purge_of(engagement), survey(engagement)
        context = {**self.admin_site.each_context(request), **under_way(engagement, Step.Name.PURGE)}
        context |= {"title": f"Purge of {engagement}", "engagement": engagement, "purge": purge, "found": found}
        context |= {
            "goes": found.of(*GOES),
            "stays": found.of(KEPT),
            "files": found.total(FILES, REMOVED),
            "rows": found.total(ROWS, *GOES),
        }
        written = Document.objects.visible_to(request.user).filter(engagement=engagement, kind="purge").newest()
        return TemplateResponse(request, "admin/workbench/purge.html", context | {"certificates": written})

    def _begin(self, request: HttpRequest, engagement: Engagement) -> HttpResponse:
        from workbench.privacy import purging  # the steps load every layer

        try:
            if request.POST.get("word", "").strip() != engagement.slug:
                raise BadInput(f"To purge it, write {engagement.slug}.", remedy="Nothing was done.")
            purging.request(engagement, cast(User, request.user))
            messages.success(request, "The purge is queued.")
        except WorkbenchError as error:
            messages.error(request, f"{error} {error.remedy}")
        return redirect(reverse("admin:privacy_purge_ask", args=[engagement.pk]))


@admin.register(Erasure)
class ErasureAdmin(ReadOnly, WorkbenchAdmin):
    """Erasures: whom they were about nobody can tell from them."""

    list_display = ("__str__", "requested_by", "requested_at", "names_found", "finished_at", "entry")
    list_filter = (EngagementFilter,)
    list_select_related = ("engagement", "requested_by")
    fields = ("engagement", "person", "requested_by", "requested_at", "counts", "entry", "finished_at")

    def get_urls(self) -> list[URLPattern]:
        """With the page that asks."""
        return [path("from/<int:pk>/", self.admin_site.admin_view(self.ask_view), name="privacy_erasure_ask"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Without whom is looked for while an erasure goes on."""
        return super().get_queryset(request).defer("sought")

    @display(description="ids and addresses")
    def names_found(self, erasure: Erasure) -> int:
        """How many there were."""
        return len(erasure.names)

    def ask_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Whom to erase; then what is known of them, to be confirmed."""
        engagement = mine(request, pk)
        form = PersonForm(request.POST or None)
        asked = form.is_bound and form.is_valid()
        if asked and request.POST.get("do") == "erase":
            return self._begin(request, engagement, form.name)
        context = {**self.admin_site.each_context(request), **under_way(engagement, Step.Name.ERASE)}
        context |= {"title": f"Erase a person from {engagement}", "engagement": engagement, "form": form, "asked": asked}
        context |= {
            "missing": gates.missing("erase", engagement),
            "erasures": Erasure.objects.filter(engagement=engagement).defer("sought")[:50],
        }
        context |= {"known": _known(engagement, form.name) if asked else None}
        records = Document.objects.visible_to(request.user).filter(engagement=engagement, kind="erasure").order_by("-written_at", "format")
        return TemplateResponse(request, "admin/workbench/erase.html", context | {"records": records[:100]})

    def _begin(self, request: HttpRequest, engagement: Engagement, name: str) -> HttpResponse:
        from workbench.privacy import erasing  # the steps load every layer

        try:
            erasing.request(engagement, name, cast(User, request.user))
            messages.success(request, "The erasure is queued.")
        except WorkbenchError as error:
            messages.error(request, f"{error} {error.remedy}")
        return redirect(reverse("admin:privacy_erasure_ask", args=[engagement.pk]))


def _known(engagement: Engagement, name: str) -> dict[str, Any]:
    """What the crosswalk knows of a name: how many ids and addresses, and rows by environment and table."""
    from workbench.privacy.seeking import known_rows  # DuckDB loads on first use

    return known_rows(engagement, name)

"""What the pages of object maps and organisation lists share: many are confirmed or taken back once their scope was shown, and undone."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path

from mapping.plan_admin import PlanRowAdmin
from mapping.workshop import confirming, recorded
from mapping.workshop.changes import ChangesPages
from mapping.workshop.confirming import Confirmable

VERBS = {True: "Confirm", False: "Take the confirmation back"}


class ConfirmedInBulk(ChangesPages, PlanRowAdmin):
    """Rows with a tick `confirmed`. of: what kind they are."""

    of: Confirmable
    actions = ("confirm_selected", "take_back_selected")
    list_before_template = "admin/workbench/confirmed_list.html"

    def get_urls(self) -> list[URLPattern]:
        """With the page that gives or takes the tick."""
        return [path("confirm/", self.admin_site.admin_view(self.confirm_view), name=self.named("confirm")), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with the way to its changes."""
        return super().changelist_view(request, {"changes": self.address("changes"), "kind": self.kind, **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save a row as a change that can be undone."""
        recorded.change(self.kind, obj, user=request.user)
        request.__dict__.setdefault("touched_engagements", {})[obj.engagement_id] = obj.engagement

    @admin.action(description="Confirm…")
    def confirm_selected(self, request: HttpRequest, rows: QuerySet) -> HttpResponse:
        """Show what confirming these would change."""
        return self.scope_page(request, rows, confirmed=True)

    @admin.action(description="Take the confirmation back…")
    def take_back_selected(self, request: HttpRequest, rows: QuerySet) -> HttpResponse:
        """Show what taking these back would change."""
        return self.scope_page(request, rows, confirmed=False)

    def scope_page(self, request: HttpRequest, rows: QuerySet, *, confirmed: bool) -> HttpResponse:
        """The page that lists what would change, before anything does."""
        found = confirming.scope(self.model._default_manager.filter(pk__in=rows.values("pk")), confirmed=confirmed)
        told = (("Would change", found.changes), ("Stay as they are", found.unchanged))
        groups = [(title, [(row, self.of.becomes(row)) for row in sorted_out]) for title, sorted_out in told]
        context = {
            "scope": found,
            "groups": groups,
            "counted": self.kind.counted(len(found.changes)),
            "verb": VERBS[confirmed],
            "confirmed": confirmed,
            "ids": ",".join(str(pk) for pk in rows.values_list("pk", flat=True)),
            "action": self.address("confirm"),
        }
        return self.shown(request, "confirm_rows", f"{VERBS[confirmed]}: {self.kind.noun}", **context)

    def confirm_view(self, request: HttpRequest) -> HttpResponse:
        """Give or take the tick of exactly the rows that the scope page listed."""
        if request.method == "POST":
            ids, confirmed = (
                [int(pk) for pk in request.POST.get("ids", "").split(",") if pk.isdecimal()],
                request.POST.get("to") == "confirmed",
            )
            mine = self.model._default_manager.filter(pk__in=self.get_queryset(request).filter(pk__in=ids).values("pk"))
            entries = confirming.confirm(self.of, mine, confirmed=confirmed, user=request.user, comment=request.POST.get("comment", ""))
            self.say_changed(request, VERBS[confirmed], entries)
        return redirect(self.address("changelist"))

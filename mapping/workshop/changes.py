"""Pages of what was changed of rows of the plan: the newest changes, one of them with what undoing it would do, and the undoing."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from mapping.workshop import recorded
from mapping.workshop.recorded import Kind
from workbench.engagements.access import workable_by
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import AuditEntry, Engagement

ENTRIES = 100
SHOWN = 1_000  # rows of one entry


class ChangesPages(ModelAdmin):
    """Mixed into the admin of a kind of rows."""

    kind: Kind

    def get_urls(self) -> list[URLPattern]:
        """With the changes and each one's page."""
        pages = {"changes/": (self.changes_view, "changes"), "changes/<int:entry_pk>/": (self.entry_view, "entry")}
        own = [path(place, self.admin_site.admin_view(view), name=self.named(name)) for place, (view, name) in pages.items()]
        return [*own, *super().get_urls()]

    def named(self, page: str) -> str:
        """The name of one of the model's own pages."""
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    def address(self, page: str, *args: object) -> str:
        """Where one of the model's own pages is."""
        return reverse(f"admin:{self.named(page)}", args=args)

    def shown(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        """A page of the admin."""
        whole = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, "list": self.address("changelist"), **context}
        return TemplateResponse(request, f"admin/workbench/{template}.html", whole)

    def entries_of(self, engagements: QuerySet[Engagement]) -> QuerySet[AuditEntry]:
        """The entries of the history that changed rows of the kind."""
        return AuditEntry.objects.filter(engagement__in=engagements, action__in=self.kind.actions)

    def changes_view(self, request: HttpRequest) -> HttpResponse:
        """The newest changes, each with the way to undo it."""
        chosen = request.GET.get("engagement", "")
        mine = workable_by(request.user)
        mine = mine.filter(pk=int(chosen)) if chosen.isdecimal() else mine
        entries = self.entries_of(mine).defer("detail").select_related("engagement").order_by("-pk")[:ENTRIES]
        told = [(entry, self.address("entry", entry.pk)) for entry in entries]
        return self.shown(request, "map_changes", f"Changes of {self.kind.noun}", entries=told, kind=self.kind)

    def entry_view(self, request: HttpRequest, entry_pk: int) -> HttpResponse:
        """One change: what it did, and what undoing it would do; a POST undoes it."""
        entries = self.entries_of(workable_by(request.user)).select_related("engagement")
        entry = get_object_or_404(entries, pk=entry_pk)
        if request.method == "POST":
            return self._undo(request, entry)
        told, scope = list(entry.detail.get(self.kind.key, {}).values()), recorded.undo_scope(self.kind, entry)
        context = {
            "entry": entry,
            "kind": self.kind,
            "changes": [(one["map"], words(one)) for one in told[:SHOWN]],
            "count": len(told),
            "scope": scope,
            "back": self.kind.counted(len(scope.back)),
            "all": f"{self.address('changes')}?engagement={entry.engagement_id}",
        }
        return self.shown(request, "map_entry", str(entry), **context)

    def _undo(self, request: HttpRequest, entry: AuditEntry) -> HttpResponse:
        try:
            undone = recorded.undo(self.kind, entry, user=request.user)
        except WorkbenchError as error:
            messages.error(request, f"Nothing was changed. {error} {error.remedy}")
            return redirect(self.address("entry", entry.pk))
        count = self.kind.counted(len(undone.detail[self.kind.key]) if undone else 0)
        messages.success(request, f"Undone for {count}. What differs in the plan is a new version.")
        return redirect(self.address("entry", undone.pk if undone else entry.pk))

    def say_changed(self, request: HttpRequest, verb: str, entries: Sequence[AuditEntry]) -> None:
        """What was done, with the way to undo it."""
        for entry in entries:
            messages.success(
                request,
                format_html(
                    '{}: {}. <a class="mw-link" href="{}">See or undo it</a>. What differs in the plan is a new version.',
                    verb,
                    self.kind.counted(len(entry.detail[self.kind.key])),
                    self.address("entry", entry.pk),
                ),
            )
        if not entries:
            messages.info(request, f"{verb}: nothing to change.")


def words(change: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What an entry changed of a row: name, before, after; who decided and when stands in the entry itself."""
    before, after = change.get("before", {}), change.get("after", {})
    names = [name for name in after if not name.startswith("decided")]
    return [
        (name.replace("_", " "), before.get(name) or "", after[name] or "") for name in names if (before.get(name) or "") != after[name]
    ]

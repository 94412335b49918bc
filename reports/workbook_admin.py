"""Admin pages of the mapping workbook: exported, sent back, looked at, then applied."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin

from reports import workbook
from reports.models import Document
from reports.sent_book import MOST_BYTES
from workbench.engagements import history
from workbench.engagements.access import workable_by
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement

SHOWN = 2_000
EARLIER = 20


class WorkbookPages(ModelAdmin):
    """Mixed into the admin of documents, whose queryset says which ones a person may see."""

    def get_urls(self) -> list[URLPattern]:
        """With the workbook's pages."""
        return [
            path("workbook/", self.admin_site.admin_view(self.workbook_view), name="reports_workbook"),
            path("workbook/<int:pk>/", self.admin_site.admin_view(self.sent_view), name="reports_workbook_sent"),
            *super().get_urls(),
        ]

    def workbook_view(self, request: HttpRequest) -> HttpResponse:
        """Export the workbook of an engagement, or send one back; below, those of before."""
        mine = workable_by(request.user).order_by("name")
        asked = request.POST.get("engagement") or request.GET.get("engagement") or ""
        chosen = get_object_or_404(mine, pk=int(asked)) if asked.isdecimal() else mine.first()
        if request.method == "POST" and chosen:
            return self._acted(request, chosen)
        kinds = (workbook.KIND, workbook.IMPORT_KIND)
        kept = Document.objects.standing().filter(engagement=chosen, kind__in=kinds)
        documents = kept.order_by("-written_at")[:EARLIER] if chosen else []
        return self._workbook_page(request, "workbook", "Mapping workbook", engagements=mine, chosen=chosen, documents=documents)

    def _acted(self, request: HttpRequest, engagement: Engagement) -> HttpResponse:
        back = f"{reverse('admin:reports_workbook')}?engagement={engagement.pk}"
        file = request.FILES.get("file")
        try:
            if "export" in request.POST:
                document = workbook.write(engagement)
                history.record(engagement, actor=request.user, action="exported a mapping workbook", subject=document.sha256[:12])
                return redirect(reverse("admin:reports_document_download", args=[document.pk]))
            if file is None:
                messages.error(request, "Choose the workbook that was sent back.")
                return redirect(back)
            content = file.read(MOST_BYTES + 1)
            return redirect(reverse("admin:reports_workbook_sent", args=[workbook.keep_sent(engagement, content).pk]))
        except WorkbenchError as error:
            messages.error(request, f"{error} {error.remedy}")
            return redirect(back)

    def sent_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What a sent workbook would change, what it can't; a POST applies exactly that."""
        document = get_object_or_404(self.get_queryset(request).filter(kind=workbook.IMPORT_KIND), pk=pk)
        back = f"{reverse('admin:reports_workbook')}?engagement={document.engagement_id}"
        try:
            if request.method == "POST":
                return self._applied(request, document, back)
            found = workbook.planned(document)
        except WorkbenchError as error:
            messages.error(request, f"Nothing was changed. {error} {error.remedy}")
            return redirect(back if request.method != "POST" else request.path)
        except FileNotFoundError as error:
            raise BadRequest("The file isn't in the store any more.") from error
        context = {"document": document, "plan": found, "changes": found.changes[:SHOWN], "rejected": found.rejected[:SHOWN], "back": back}
        return self._workbook_page(request, "workbook_sent", "A mapping workbook that was sent back", **context)

    def _applied(self, request: HttpRequest, document: Document, back: str) -> HttpResponse:
        count = workbook.apply(document, user=request.user, shown=request.POST.get("shown", ""))
        messages.success(request, f"{count} field maps changed, as one entry of the history that can be undone from there.")
        return redirect(back)

    def _workbook_page(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        shown = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, **context}
        return TemplateResponse(request, f"admin/workbench/{template}.html", shown)

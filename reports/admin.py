"""Admin pages of documents."""

from django.contrib import admin
from django.http import FileResponse, Http404, HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.decorators import display

from reports import downloads
from reports.exceptions_admin import ExceptionPages
from reports.journeys_admin import JourneyPages
from reports.models import Document
from reports.workbook_admin import WorkbookPages
from workbench.engagements.scoped_admin import EngagementFilter, ReadOnly, WorkbenchAdmin


@admin.register(Document)
class DocumentAdmin(WorkbookPages, JourneyPages, ExceptionPages, ReadOnly, WorkbenchAdmin):
    """Documents that were written, to be downloaded."""

    list_display = ("title", "format", "engagement", "run", "shown_size", "written_at", "download")
    list_filter = (EngagementFilter, "kind", "format")
    list_select_related = ("engagement", "run__environment__engagement")
    list_filter_submit = True
    search_fields = ("kind", "sha256")

    def get_urls(self) -> list[URLPattern]:
        """With the download."""
        return [
            path("<int:pk>/download/", self.admin_site.admin_view(self.download_view), name="reports_document_download"),
            *super().get_urls(),
        ]

    @display(description="document", ordering="kind")
    def title(self, document: Document) -> str:
        """What the portal calls it."""
        return downloads.title_of(document.kind).name

    @display(description="size", ordering="size")
    def shown_size(self, document: Document) -> str:
        """For people."""
        return filesizeformat(document.size)

    @display(description="file")
    def download(self, document: Document) -> str:
        """A link to the file."""
        if document.removed_at:
            return f"Removed on {document.removed_at:%Y-%m-%d}, since it named people"
        return format_html('<a href="{}">Download</a>', reverse("admin:reports_document_download", args=[document.pk]))

    def download_view(self, request: HttpRequest, pk: int) -> FileResponse:
        """The file itself, always as a download and never shown in the admin's origin."""
        document = self.get_object(request, str(pk))
        if document is None:
            raise Http404("There is no such document.")
        return downloads.response(document)

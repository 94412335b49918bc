"""The documents of an engagement in the portal, each with its versions, to be read and downloaded by whoever sees the engagement."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from loads.models import Run
from reports import downloads, preview
from reports.models import Document
from reports.versions import Version, versions
from workbench.portal.views import visible


@dataclass(frozen=True, slots=True)
class Listed:
    """One kind of document with its versions, the current one first. readable: what is read where the current one can be."""

    title: downloads.Title
    versions: list[Version]
    readable: Document | None

    @property
    def earlier(self) -> list[Version]:
        """All but the current one."""
        return self.versions[1:]


@dataclass(frozen=True, slots=True)
class Group:
    """The documents of the engagement itself, or of one run."""

    run: Run | None
    listed: list[Listed]


@login_required
@require_GET
def listing(request: HttpRequest, slug: str) -> HttpResponse:
    """Each document, those of the engagement first, then run by run, the latest first."""
    engagement = visible(request, slug)
    rows = Document.objects.visible_to(request.user).filter(engagement=engagement).select_related("run__environment")
    return render(request, "portal/documents.html", {"engagement": engagement, "groups": groups(rows)})


def groups(documents: Iterable[Document]) -> list[Group]:
    """Documents by run and kind."""
    found: dict[int, dict[str, list[Document]]] = {}
    runs: dict[int, Run | None] = {}
    for document in sorted(documents, key=lambda row: downloads.title_of(row.kind).name):
        number = document.run_id or 0
        runs[number] = document.run
        found.setdefault(number, {}).setdefault(document.kind, []).append(document)
    order = sorted(found, key=lambda number: (number != 0, -number))
    return [Group(runs[number], [_listed(kind, rows) for kind, rows in found[number].items()]) for number in order]


def _listed(kind: str, rows: Iterable[Document]) -> Listed:
    known = versions(rows)
    read = known[0].readable
    return Listed(downloads.title_of(kind), known, read if read and preview.path_of(read).is_file() else None)


@login_required
@require_GET
def download(request: HttpRequest, slug: str, pk: int) -> FileResponse:
    """One document as a file."""
    engagement = visible(request, slug)
    mine = Document.objects.visible_to(request.user).filter(engagement=engagement).select_related("engagement", "run__environment")
    return downloads.response(get_object_or_404(mine, pk=pk))

"""A document to be read in the portal: what its PDF says, a page at a time, with its contents, versions and downloads."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from reports import downloads, preview
from reports.models import Document
from reports.preview import Preview
from reports.versions import versions
from workbench.portal.views import visible


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the contents. anchor: of its heading; page: from 1. below: the headings under it that stand on the page that is shown."""

    heading: str
    page: int
    anchor: str
    is_here: bool
    below: Sequence["Entry"] = ()


@login_required
@require_GET
def read(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One version of a document, a page of it."""
    engagement = visible(request, slug)
    mine = Document.objects.visible_to(request.user).filter(engagement=engagement).select_related("engagement", "run__environment")
    document = get_object_or_404(mine, pk=pk)
    shown = preview.of(document)
    if shown is None:
        raise Http404("There is nothing to read of this document.")
    page = _page(request.GET.get("page", "1"), len(shown.pages))
    found = versions(mine.filter(kind=document.kind, run=document.run))
    context = {
        "engagement": engagement,
        "title": downloads.title_of(document.kind),
        "document": document,
        "cover": shown.cover,
        "parts": [_linked(part, shown, piece.number) for part, piece in zip(shown.parts(page), shown.pages[page], strict=True)],
        "contents": list(contents(shown, page)),
        "version": next((one for one in found if document in one.documents), found[0]),
        "versions": found,
        "page": page + 1,
        "pages": len(shown.pages),
    }
    return render(request, "portal/document.html", context)


def _page(asked: str, pages: int) -> int:
    """The page that was asked for, from 0. Raises Http404."""
    if not asked.isdecimal() or not 1 <= int(asked[:9]) <= pages:
        raise Http404("There is no such page.")
    return int(asked) - 1


def contents(shown: Preview, page: int) -> Iterator[Entry]:
    """The chapters, each with the sections of it that stand on a page."""
    chapters = [number for number, place in enumerate(shown.places) if place.level == 1]
    for start, end in zip(chapters, [*chapters[1:], len(shown.places)], strict=True):
        here = [piece.number for piece in shown.pages[page] if start <= piece.number < end]
        below = [_entry(shown, number, True) for number in here if shown.places[number].level == 2]
        yield _entry(shown, start, bool(here), below)


def _entry(shown: Preview, number: int, is_here: bool, below: Sequence[Entry] = ()) -> Entry:
    return Entry(shown.places[number].heading, shown.page_of(number) + 1, f"part{number}", is_here, below)


def _linked(part: dict[str, Any], shown: Preview, number: int) -> dict[str, Any]:
    """A part as the page shows it: with its anchor, and references to other parts as pages with anchors."""
    part["anchor"] = f"part{number}"
    if table := part["table"]:
        whole = sum(column["width"] for column in table["columns"])
        table["columns"] = [column | {"percent": round(100 * column["width"] / whole)} for column in table["columns"]]
        keys = {place.key: at for at, place in enumerate(shown.places) if place.key} if _refers(table) else {}
        table["rows"] = [
            [(column, _cell(value, shown, keys)) for column, value in zip(table["columns"], row, strict=True)] for row in table["rows"]
        ]
    return part


def _refers(table: Mapping[str, Any]) -> bool:
    return any(isinstance(value, dict) and "page" in value for row in table["rows"][:1] for value in row)


def _cell(value: Any, shown: Preview, keys: Mapping[str, int]) -> Any:
    if isinstance(value, dict) and "page" in value:
        number = keys[value["page"]]
        return {"page": shown.page_of(number) + 1, "anchor": f"part{number}"}
    return value

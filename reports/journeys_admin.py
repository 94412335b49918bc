"""Admin page of journeys: the inventory as it stands, where a definition file is given and its mistakes are named."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from unfold.admin import ModelAdmin

from mapping.journeys import keeping
from mapping.journeys.definition import MOST_BYTES, DefinitionMistaken
from mapping.journeys.joining import ORIGINS
from mapping.journeys.models import EnteredJourney, JourneyDefinition
from mapping.journeys.words import CHANNELS
from reports import journey_sheets, journeys
from reports.books.words import counted
from workbench.engagements import history
from workbench.engagements.access import workable_by
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement

SHOWN = 500  # mistakes of a file
PER_PAGE = 20
EARLIER = 10
KNOWN = {journeys.KNOWN: "with all steps", journeys.LOWER: "with some steps", journeys.NOTHING: "without steps"}


class JourneyPages(ModelAdmin):
    """Mixed into the admin of documents."""

    def get_urls(self) -> list[URLPattern]:
        """With the page of journeys."""
        return [path("journeys/", self.admin_site.admin_view(self.journeys_view), name="reports_journeys"), *super().get_urls()]

    def journeys_view(self, request: HttpRequest) -> HttpResponse:
        """The inventory of an engagement; a POST gives a definition file, or writes the documents."""
        mine = workable_by(request.user).order_by("name")
        asked = request.POST.get("engagement") or request.GET.get("engagement") or ""
        chosen = get_object_or_404(mine, pk=int(asked)) if asked.isdecimal() else mine.first()
        if request.method == "POST" and chosen:
            return self._given(request, chosen)
        return self._journeys_page(request, chosen)

    def _given(self, request: HttpRequest, engagement: Engagement) -> HttpResponse:
        back = f"{reverse('admin:reports_journeys')}?engagement={engagement.pk}"
        file = request.FILES.get("file")
        try:
            if "write" in request.POST:
                journeys.write(engagement)
                document = journeys.write_workbook(engagement)
                history.record(engagement, actor=request.user, action="wrote the journey inventory", subject=document.sha256[:12])
                return redirect(reverse("admin:reports_document_download", args=[document.pk]))
            if file is None:
                messages.error(request, "Choose the definition file.")
                return redirect(back)
            kept = keeping.keep(engagement, file.read(MOST_BYTES + 1), file_name=file.name or "", actor=request.user)
        except DefinitionMistaken as mistaken:
            messages.error(request, f"{mistaken.remedy}")
            return self._journeys_page(request, engagement, mistaken)
        except WorkbenchError as error:
            messages.error(request, f"{error} {error.remedy}")
            return redirect(back)
        messages.success(
            request, f"Version {kept.version} counts now: {counted(kept.journeys, 'journey')} with {counted(kept.steps, 'step')}."
        )
        return redirect(back)

    def _journeys_page(self, request: HttpRequest, chosen: Engagement | None, mistaken: DefinitionMistaken | None = None) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Journeys",
            "engagements": workable_by(request.user).order_by("name"),
            "chosen": chosen,
            "mistaken": mistaken,
            "mistakes": mistaken.mistakes[:SHOWN] if mistaken else (),
            **(self._inventory(request, chosen) if chosen else {}),
        }
        return TemplateResponse(request, "admin/workbench/journeys.html", context, status=400 if mistaken else 200)

    def _inventory(self, request: HttpRequest, engagement: Engagement) -> dict[str, Any]:
        """What the page shows of an engagement; where the definition file is gone, that."""
        versions = JourneyDefinition.objects.filter(engagement=engagement)[:EARLIER]
        try:
            told = journeys.content(engagement)
        except WorkbenchError as error:
            messages.error(request, f"{error} {error.remedy}")
            return {"versions": versions, "told": None}
        asked = {name: request.GET.get(name, "") for name in ("q", "tool", "conflicts")}
        page = Paginator(list(_wanted(told["journeys"], **asked)), PER_PAGE).get_page(request.GET.get("page"))
        by_hand = dict(EnteredJourney.objects.filter(engagement=engagement).values_list("journey_id", "pk"))
        rows = [_shown(row, engagement, by_hand) for row in page]
        known = [(words, told["counts"]["steps"].get(name, 0)) for name, words in KNOWN.items()]
        further = urlencode({**asked, "engagement": str(engagement.pk)})
        return {"versions": versions, "told": told, "rows": rows, "known": known, "page": page, "asked": asked, "further": further}


def _wanted(rows: Iterable[Mapping[str, Any]], q: str, tool: str, conflicts: str) -> Iterator[Mapping[str, Any]]:
    """Those whose name or id holds q, that are rebuilt with a tool, and with conflicts alone; what isn't given leaves nothing out."""
    for row in rows:
        named = f"{row['name']['value'] or ''}\n{row['id']}".casefold()
        if q.strip().casefold() in named and tool in ("", row["recommendation"]["title"]) and (row["conflicts"] or not conflicts):
            yield row


def _shown(row: Mapping[str, Any], engagement: Engagement, by_hand: Mapping[str, int]) -> dict[str, Any]:
    """A journey as the page shows it, with where its steps are entered."""
    if row["id"] in by_hand:
        address = reverse("admin:mapping_enteredjourney_change", args=[by_hand[row["id"]]])
    else:
        address = f"{reverse('admin:mapping_enteredjourney_add')}?{urlencode({'engagement': engagement.pk, 'journey_id': row['id']})}"
    steps = sorted({one["origin"] for one in row["steps"]["rows"]})
    return {
        **row,
        "state_words": journey_sheets.STATES[row["state"]["value"]],
        "started": journey_sheets.started(row),
        "channel_words": journey_sheets.in_words(row["channels"], CHANNELS),
        "effort_words": journey_sheets.effort_words(row["recommendation"]["effort"]),
        "step_origins": ", ".join(ORIGINS[origin] for origin in steps),
        "address": address,
        "is_entered": row["id"] in by_hand,
    }

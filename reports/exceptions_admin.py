"""Admin pages of the exceptions desk: a run's exceptions in groups, a remedy for a group, the workbook, and a run of some alone."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from unfold.admin import ModelAdmin

from loads.desk import asking, groups, remedying, reruns
from loads.desk.groups import Group
from loads.models import Run
from mapping.quality.rules import TEXT
from mapping.workshop.tables import Known
from reports import exceptions
from reports.models import Document
from reports.sent_book import MOST_BYTES
from workbench.engagements import gates, history
from workbench.engagements.access import workable_by
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import AuditEntry

KEPT_IN = "kept_in"  # of the form: the column that keeps a value as text
PER_PAGE, SHOWN, BAD_SHOWN, EARLIER = 50, 50, 500, 15
DEEDS = ("gave remedies", "took remedies back", reruns.OPENED, "exported exceptions")


class ExceptionPages(ModelAdmin):
    """Mixed into the admin of documents, whose queryset says which ones a person may see."""

    def get_urls(self) -> list[URLPattern]:
        """With the desk's pages."""
        view = self.admin_site.admin_view
        return [
            path("exceptions/<int:pk>/", view(self.desk_view), name="reports_exceptions"),
            path("exceptions/<int:pk>/rerun/", view(self.rerun_view), name="reports_exceptions_rerun"),
            path("exceptions/<int:pk>/<slug:key>/", view(self.group_view), name="reports_exceptions_group"),
            path("exceptions/sent/<int:pk>/", view(self.sent_exceptions_view), name="reports_exceptions_sent"),
            *super().get_urls(),
        ]

    def desk_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The groups of a run; a POST exports the workbook, or takes one that was sent back."""
        run = _run(request, pk)
        if request.method == "POST":
            return self._workbook(request, run)
        found = groups.groups(run)
        pages = Paginator(found, PER_PAGE)
        known = Known(run.engagement, run.environment)
        page = pages.get_page(request.GET.get("page"))
        return self._desk_page(
            request,
            "exceptions",
            "Exceptions desk",
            run=run,
            page=page,
            lines=[(group, groups.offered(group, known), _mending(run, group)) for group in page],
            totals=_totals(found),
            reruns=run.reruns.order_by("-pk"),
            entries=AuditEntry.objects.filter(engagement=run.engagement, action__in=DEEDS).order_by("-number")[:EARLIER],
            documents=Document.objects.standing()
            .filter(run=run, kind__in=(exceptions.KIND, exceptions.SENT_KIND))
            .order_by("-written_at")[:EARLIER],
        )

    def _workbook(self, request: HttpRequest, run: Run) -> HttpResponse:
        file = request.FILES.get("file")
        try:
            if "export" in request.POST:
                document = exceptions.write(run)
                history.record(run.engagement, actor=request.user, action="exported exceptions", subject=f"{run}: {document.sha256[:12]}")
                return redirect(reverse("admin:reports_document_download", args=[document.pk]))
            if file is None:
                messages.error(request, "Choose the workbook that was sent back.")
                return redirect(_desk(run))
            document = exceptions.keep_sent(run, file.read(MOST_BYTES + 1))
            return redirect(reverse("admin:reports_exceptions_sent", args=[document.pk]))
        except WorkbenchError as error:
            messages.error(request, f"{error} {error.remedy}")
            return redirect(_desk(run))

    def group_view(self, request: HttpRequest, pk: int, key: str) -> HttpResponse:
        """What a remedy would be given to; a POST gives it, or takes what was given back."""
        run = _run(request, pk)
        group = groups.find(run, key)
        if group is None:
            messages.error(request, "The run has no such group any more.")
            return redirect(_desk(run))
        choice = request.POST.get("remedy", "")
        value, known = request.POST.get(KEPT_IN if choice == TEXT else "value", ""), Known(run.engagement, run.environment)
        if request.method == "POST":
            try:
                messages.success(request, self._remedied(request, run, group, choice, value))
                return redirect(_desk(run))
            except WorkbenchError as error:
                messages.error(request, f"Nothing was changed. {error} {error.remedy}")
        found = groups.entries(run, [group.place])
        page = asking.page_of(run, group, request.GET.get("page")) if group.asks else None
        return self._desk_page(
            request,
            "exceptions_group",
            "A remedy for a group",
            run=run,
            group=group,
            asked=page,
            choices=page.for_all if page else groups.offered(group, known),
            fallbacks=groups.fallbacks(group, known),
            given={"remedy": choice, "value": value},
            entries=[] if page else [(entry, entry.reasons[0] if entry.reasons else {}) for entry in found[:SHOWN]],
            links=_mending(run, group),
        )

    def _remedied(self, request: HttpRequest, run: Run, group: Group, choice: str, value: str) -> str:
        user = cast(User, request.user)
        if "take_back" in request.POST:
            return f"{remedying.take_back(run, group, user=user):,} remedies were taken back."
        comment = request.POST.get("comment", "")
        if "each" in request.POST:
            count = remedying.answer(run, group, asking.answers(request.POST.dict()), user=user, comment=comment)
            return _given(count, "an answer")
        given = remedying.give_all(run, group, choice, value, user=user, comment=comment)
        if given is None:
            return f"{group.records:,} records get it, so many at a time. The engagement's steps say how far it is."
        return f"{_given(given, 'a remedy')} The plan's quality part has a new version."

    def rerun_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What a run of the ticked groups alone would send; a POST opens it."""
        run = _run(request, pk)
        keys = set((request.POST if request.method == "POST" else request.GET).getlist("group"))
        found = groups.groups(run)
        chosen = [group for group in found if group.key in keys and not group.follows]
        if request.method == "POST":
            try:
                opened = reruns.open_rerun(run, chosen, cast(User, request.user))
                messages.success(request, f"{opened} is opened: it stages, rehearses, and sends these records alone.")
                return redirect(reverse("admin:loads_run_change", args=[opened.pk]))
            except WorkbenchError as error:
                messages.error(request, f"Nothing was opened. {error} {error.remedy}")
        return self._desk_page(
            request,
            "exceptions_rerun",
            "Load these records again, and no others",
            run=run,
            chosen=chosen,
            records=sum(group.records for group in chosen),
            followers=sum(group.records for group in found if group.follows),
            kept=sum(group.records for group in found if not group.follows and group.key not in keys),
            missing=gates.missing("load", run.engagement, run.environment),
        )

    def sent_exceptions_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What a sent workbook asks for and which lines can't be taken; a POST applies exactly that."""
        document = get_object_or_404(self.get_queryset(request).filter(kind=exceptions.SENT_KIND), pk=pk)
        run = _run(request, document.run_id or 0)
        try:
            if request.method == "POST":
                count = exceptions.apply(document, user=request.user, shown=request.POST.get("shown", ""))
                messages.success(request, _given(count, "a remedy"))
                return redirect(_desk(run))
            sent = exceptions.read(document)
        except WorkbenchError as error:
            messages.error(request, f"Nothing was changed. {error} {error.remedy}")
            return redirect(_desk(run) if request.method != "POST" else request.path)
        except FileNotFoundError as error:
            raise BadRequest("The file isn't in the store any more.") from error
        context = {"run": run, "document": document, "sent": sent, "bad": sent.bad[:BAD_SHOWN]}
        return self._desk_page(request, "exceptions_sent", "A workbook of exceptions that was sent back", **context)

    def _desk_page(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        shown = {**self.admin_site.each_context(request), "opts": Run._meta, "title": title, **context}
        return TemplateResponse(request, f"admin/workbench/{template}.html", shown)


def _run(request: HttpRequest, pk: int) -> Run:
    mine = Run.objects.select_related("engagement", "environment__engagement")
    return get_object_or_404(mine.filter(engagement__in=workable_by(request.user)), pk=pk)


def _given(count: int, what: str) -> str:
    return f"{count:,} {'record has' if count == 1 else 'records have'} {what}; a re-run carries it out."


def _desk(run: Run) -> str:
    return reverse("admin:reports_exceptions", args=[run.pk])


def _totals(found: Sequence[Group]) -> Mapping[str, int]:
    return {
        "groups": len(found),
        "records": sum(group.records for group in found),
        "remedied": sum(group.remedied for group in found),
        "following": sum(group.records for group in found if group.follows),
    }


def _mending(run: Run, group: Group) -> list[tuple[str, str]]:
    """(label, address) of the pages where the plan itself is mended for such records."""
    named = group.column or group.field
    wanted: dict[str, tuple[str, dict[str, str] | None]] = {
        "fieldmap": ("Field and value map", {"q": named} if named and named != "ownerid" else None),
        "ownermatch": ("Owners", {} if named == "ownerid" or group.code.startswith("owner.") else None),
        "splitrule": ("Split matrix", {} if group.code.startswith("split.") else None),
    }
    found = [
        (label, f"{reverse(f'admin:mapping_{page}_changelist')}?{urlencode({'engagement': str(run.engagement_id), **query})}")
        for page, (label, query) in wanted.items()
        if query is not None
    ]
    edited = ("Edited rows, field by field", f"{reverse('admin:loads_conflict_changelist')}?run__id__exact={run.pk}")
    return [edited, *found] if group.code == "conflict.edited" else found

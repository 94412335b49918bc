"""Admin page of a run: live counts, reconciliation, exceptions, the verified sample, and where a record went."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import F, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.decorators import display

from loads import progress, quality, resampling, rollback_admin
from loads.acceptance import everything_content
from loads.callers import calls_of, users_content
from loads.guidance import guidance
from loads.losses import recording
from loads.models import Run, VerifiedRow
from loads.rehearsal import scoring
from loads.scans import watching
from loads.sums import UNSTAGED, differences
from workbench.engagements import clock
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.scoped_admin import EngagementFilter, ReadOnly, WorkbenchAdmin

if TYPE_CHECKING:
    from loads.quality_choosing import Chosen

STATES = {
    "queued": "info",
    "staging": "info",
    "loading": "info",
    "paused": "warning",
    "stopped": "danger",
    "failed": "danger",
    "done": "success",
}
SAMPLE = 25


@admin.register(Run)
class RunAdmin(ReadOnly, WorkbenchAdmin):
    """Runs."""

    list_display = ("__str__", "engagement", "shown_state", "balances", "created_at", "requested_by")
    list_filter = (EngagementFilter, "environment__kind", "kind", "state")
    list_select_related = ("engagement", "environment__engagement", "requested_by")
    list_filter_submit = True
    search_fields = ("key__exact", "engagement__name")
    change_form_template = "admin/workbench/run.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """With the phases, which are few."""
        return super().get_queryset(request).prefetch_related("phases")

    def get_urls(self) -> list[URLPattern]:
        """With the live figures and the buttons."""
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/live/", view(self.live_view), name="loads_run_live"),
            path("<int:pk>/pause/", view(require_POST(self.pause_view)), name="loads_run_pause"),
            path("<int:pk>/resume/", view(require_POST(self.resume_view)), name="loads_run_resume"),
            path("<int:pk>/stop/", view(require_POST(self.stop_view)), name="loads_run_stop"),
            path("<int:pk>/quality/", view(self.quality_view), name="loads_run_quality"),
            path("<int:pk>/quality/duty/", view(self.duty_view), name="loads_run_duty"),
            path("<int:pk>/losses/", view(self.losses_view), name="loads_run_losses"),
            path("<int:pk>/rollback/", view(self.rollback_view), name="loads_run_rollback"),
            path("<int:pk>/begin/", view(require_POST(self.begin_view)), name="loads_run_begin"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, obj: Run) -> dict[str, Any]:
        """The run instead of a form."""
        return run_page(obj, request) | (rollback_admin.page(obj) if obj.is_rollback else {})

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        """A rollback has a page of its own."""
        response = super().render_change_form(request, context, **kwargs)
        run = kwargs.get("obj")
        if run is not None and run.is_rollback and isinstance(response, TemplateResponse):
            response.template_name = rollback_admin.PAGE
        return response

    def _run(self, request: HttpRequest, pk: int) -> Run:
        run = self.get_object(request, str(pk))
        if run is None:
            raise Http404("There is no such run.")
        return run

    def live_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """What changes on the page while the run goes on."""
        return JsonResponse(live(self._run(request, pk)))

    def pause_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Stop sending after the chunks in hand."""
        from loads.runs import pause  # the engine loads on first use

        return self._do(request, pk, pause, "The run pauses after the chunks in hand.")

    def resume_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Go on where it was."""
        from loads.runs import resume  # the engine loads on first use

        return self._do(request, pk, resume, "The run goes on where it was.")

    def stop_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """End it when the phase in hand is complete."""
        from loads.runs import stop  # the engine loads on first use

        return self._do(request, pk, stop, "The run ends at the next safe point: when the phase in hand is complete.")

    def quality_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Record what the customer decided about the chosen groups of the report: their scope first."""
        from loads import quality_admin  # the engine loads on first use

        def record(found: "Chosen") -> str:
            changed = quality_admin.record(request, found)
            return f"Recorded for {changed} group{'s' * (changed != 1)}, with who said it and when."

        page = partial(quality_admin.page, request)
        return self._of_groups(request, pk, record, page, ("decide_quality", "Record the customer's decision"))

    def duty_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give the chosen groups of the report an owner and a day."""
        from loads import quality_duties  # the engine loads on first use

        def record(found: "Chosen") -> str:
            return f"{quality_duties.said(quality_duties.assign(request, found))}."

        page = partial(quality_duties.page, request)
        return self._of_groups(request, pk, record, page, ("quality_duty", "Owner and day of a decision"))

    def _of_groups(
        self,
        request: HttpRequest,
        pk: int,
        record: "Callable[[Chosen], str]",
        page: "Callable[[Chosen], Mapping[str, Any]]",
        shown: tuple[str, str],
    ) -> HttpResponse:
        """A form about groups of the report that were ticked. shown: the page's template and title."""
        from loads import quality_choosing  # the engine loads on first use

        run, given = self._run(request, pk), request.POST or request.GET
        here = f"{reverse('admin:loads_run_change', args=[run.pk])}#quality"
        try:
            found = quality_choosing.chosen(run, given)
        except WorkbenchError as nothing:
            messages.error(request, f"{nothing} {nothing.remedy}")
            return redirect(here)
        return self._record(request, here, lambda: record(found), lambda: page(found), *shown)

    def losses_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Record what the customer said about the losses of a run."""
        run = self._run(request, pk)
        here = f"{reverse('admin:loads_run_change', args=[run.pk])}#losses"

        def record() -> str:
            said = recording.record(request, run).get_choice_display().lower()
            return f"Recorded: {said}, with who said it and when."

        page = partial(recording.page, request, run)
        return self._record(request, here, record, page, "decide_losses", "Record the customer's decision")

    def _record(
        self, request: HttpRequest, here: str, record: Callable[[], str], page: Callable[[], Mapping[str, Any]], template: str, title: str
    ) -> HttpResponse:
        """A form on which an engineer records something. record: does it, and says what was recorded."""
        error = ""
        if request.method == "POST":
            try:
                messages.success(request, record())
                return redirect(here)
            except WorkbenchError as refused:
                error = f"{refused} {refused.remedy}"
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.opts}
        context |= {**page(), "error": error}
        return TemplateResponse(request, f"admin/workbench/{template}.html", context, status=400 if error else 200)

    def rollback_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask what of a load is to be taken back, and plan it."""
        return rollback_admin.ask(request, self._run(request, pk), self.admin_site)

    def begin_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Let a planned rollback begin."""
        return self._do(request, pk, lambda run, user: rollback_admin.begin(run, request), "The rollback goes on until all is taken back.")

    def _do(self, request: HttpRequest, pk: int, service: Callable[..., Any], said: str) -> HttpResponse:
        run = self._run(request, pk)
        try:
            service(run, request.user)
            messages.success(request, said)
        except WorkbenchError as error:
            messages.error(request, f"{error} {error.remedy}")
        return redirect(reverse("admin:loads_run_change", args=[run.pk]))

    @display(description="state", label=STATES, ordering="state")
    def shown_state(self, run: Run) -> tuple[str, str]:
        """State, coloured."""
        return run.state, run.get_state_display()

    @display(description="phases balanced")
    def balances(self, run: Run) -> str:
        """How many phases balance."""
        phases = list(run.phases.all())
        return f"{sum(phase.balanced for phase in phases)} of {len(phases)}" if phases else "none yet"


def run_page(run: Run, request: HttpRequest) -> dict[str, Any]:
    """Everything that the run's page shows."""
    now = clock.now()
    phases, totals = progress.phases(run, now), progress.totals(run)
    going = run.state in (Run.State.QUEUED, Run.State.STAGING, Run.State.LOADING)
    stands = run.state == Run.State.PAUSED and any(item.phase.is_parked for item in phases)
    return {
        "run": run,
        "phases": phases,
        "readings": watching.readings(run),
        "totals": totals,
        "record_totals": [totals[name] for name in ("extracted", *progress.RECORD_COUNTS)],
        "row_totals": [totals[name] for name in ("planned", *progress.ROW_COUNTS)],
        "live": live(run),
        "can_pause": going or run.resume_at is not None,
        "can_stop": (going and not run.stop_asked) or stands,
        "guidance": guidance(run, phases, now),
        "tuning": users_content(run),
        "calls": _calls(phases),
        "requests": requests_of_a_day(run) if going or run.resume_at else None,
        **_taking_back(run),
        "can_resume": can_resume(run) and run.state != Run.State.DONE and bool(progress.standstill(run, now)),
        "took": progress.shown_seconds((run.finished_at - run.started_at).total_seconds()) if run.started_at and run.finished_at else "",
        "balanced": sum(item.phase.balanced for item in phases),
        "open": run.state not in Run.FINISHED,
        "exceptions": progress.exceptions_by_code(run),
        "sample": list(resampling.with_before(run, _of_sample(run))),
        "before": resampling.before(run),
        "verdicts": verdicts(run),
        "everything": everything_content([run]),
        "objects": sorted({item.phase.object_name for item in phases}),
        "find": find(run, request),
        "documents": run.documents.newest(),
        "changes": run.changes,
        "conflicts": run.conflicts.count(),
        "departed": run.departed.count(),
        "quality": (lines := [] if run.is_rollback else quality.lines(run)),
        "unstaged": UNSTAGED,
        "unexplained": differences(run.sums),
        "records_decisions": any(line.asks for line in lines) and quality.newest(run.engagement) == run,
        "rehearsal": scoring.content(run),
        **recording.panel(run),
    }


def _of_sample(run: Run) -> QuerySet[VerifiedRow]:
    return VerifiedRow.objects.filter(run=run).select_related("phase").worst_first()[:SAMPLE]


def can_roll_back(run: Run) -> bool:
    """Whether something of a load was sent and it is at rest."""
    return not run.is_rollback and run.state in (*Run.FINISHED, Run.State.PAUSED) and quality.has_begun(run)


def _taking_back(run: Run) -> dict[str, Any]:
    """Whether a load may be rolled back; the rollback that took it back whole, and how many rows that one left."""
    back = run.taken_back_by
    left = back.phases.aggregate(left=Sum(F("kept") + F("refused")))["left"] or 0 if back else 0
    return {"can_roll_back": can_roll_back(run) and (back is None or left > 0), "taken_back_by": back, "left": left}


def can_resume(run: Run) -> bool:
    """A planned rollback is begun, not resumed; what an environment was before it was copied anew is over."""
    return not (run.is_rollback and run.measured_at and not run.agreed_at) and not run.is_of_before_refresh


def _calls(phases: list[progress.Progress]) -> dict[str, list[str]]:
    """Why rows go in calls of their number -> of which phases that is said."""
    found: dict[str, list[str]] = {}
    for item in phases:
        for kind, tuned in item.phase.tuning.items():
            of = f"{item.phase.object_name} → {item.phase.table}, {calls_of(item.phase, kind)}"
            found.setdefault(tuned["said"], []).append(of)
    return found


def requests_of_a_day(run: Run) -> dict[str, int]:
    """Requests of the last 24 hours, and what the load may use."""
    from loads import budget, forecast  # the engine loads on first use

    return {"used": budget.used(run), "allowed": forecast.pool(run.environment)}


def verdicts(run: Run) -> dict[str, int]:
    """Verified rows per verdict."""
    rows = VerifiedRow.objects.filter(run=run)
    return {verdict: rows.filter(verdict=verdict).count() for verdict in reversed(VerifiedRow.WORST)}


def find(run: Run, request: HttpRequest) -> dict[str, Any] | None:
    """Where a source record went, if the page was asked; `error` says why it can't be told."""
    source_id, object_name = request.GET.get("source_id", "").strip(), request.GET.get("object", "")
    if not source_id:
        return None
    asked = {"source_id": source_id, "object": object_name}
    # A phase's object and nothing else: the name becomes part of a path in the store.
    if not run.phases.filter(object_name=object_name).exists():
        return asked | {"found": []}
    from loads.dispositions import lookup  # reads staged files; loads on first use

    try:
        return asked | {"found": lookup(run, object_name, source_id)}
    except WorkbenchError as error:
        return asked | {"error": f"{error} {error.remedy}"}


def live(run: Run) -> dict[str, Any]:
    """The figures that the page polls. texts: element name -> text; bars: element name -> 0 to 100; a new stamp asks for a fresh page."""
    now = clock.now()
    phases = progress.phases(run, now)
    texts: dict[str, str] = {
        "state": run.get_state_display(),
        "standstill": progress.standstill(run, now),
        "heartbeat": _ago(run.heartbeat_at, now),
    }
    said = guidance(run, phases, now)
    texts |= {"happened": said.happened, "safe": said.safe, "press": said.press, "waits": said.waits}
    users = users_content(run)
    for number, user in enumerate(users):
        texts |= {f"user-{number}-{name}": _shown(user[name]) for name in ("at_once", "hint", "refused", "said")}
    bars: dict[str, int] = {"run": _percent(phases)}
    for item in phases:
        name = item.name
        bars[name] = item.percent
        texts |= {f"{name}-{count}": f"{value:,}" for count, value in item.rows.items()}
        texts |= {f"{name}-done": f"{item.done:,} of {item.planned:,}", f"{name}-rate": item.rate_text, f"{name}-read": item.read_text}
        texts |= {f"{name}-left": item.pace.left_text, f"{name}-tuning": item.tuning_text}
    reads = watching.readings(run)
    for reading in reads:
        bars[reading.name] = reading.percent
        texts |= {f"{reading.name}-rows": reading.text, f"{reading.name}-parts": reading.parts_text}
    states = (*(phase.phase.state for phase in phases), *(reading.table for reading in reads))
    stamp = "|".join([run.state, run.stop_asked, str(len(users)), *states])
    pace = progress.of_run(phases if run.state == Run.State.LOADING else [], now)
    left = progress.staging(run, now).left_text if run.state == Run.State.STAGING else pace.left_text
    texts |= {"rate": pace.rate_text, "left": left}
    return {"stamp": stamp, "finished": run.state in Run.FINISHED, "texts": texts, "bars": bars}


def _shown(value: object) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _percent(phases: list[progress.Progress]) -> int:
    planned = sum(item.planned for item in phases)
    done = sum(item.done for item in phases)
    if phases and all(item.percent == 100 for item in phases):
        return 100
    return min(99, 100 * done // planned) if planned else 0


def _ago(moment: datetime | None, now: datetime) -> str:
    return f"{progress.shown_seconds((now - moment).total_seconds())} ago" if moment else "none yet"

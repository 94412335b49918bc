"""The engagement's page: its stages with what is missing and whose move it is, buttons that start steps, and live progress."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Count, Field, Q, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from loads.delta.models import Conflict
from loads.desk import asking
from loads.models import Phase, Run
from loads.progress import SILENT_AFTER, shown_seconds
from loads.removal.models import newest
from mapping import plan, playbooks
from mapping.checks import switching
from mapping.finding_admin import open_decisions
from mapping.models import DiscoveryFinding, FieldMap, OrganisationList, OwnerMatch, SourceField, SplitRule
from mapping.rule_previews import misunderstood, preview
from mapping.transforms import TimeRules
from reports.scope import scope_content
from workbench.engagements import clock
from workbench.engagements.admin import EngagementAdmin
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import PLATFORMS, Engagement
from workbench.pipeline.models import Step
from workbench.pipeline.rules_page import RulesForm
from workbench.pipeline.rules_page import save as save_rules
from workbench.pipeline.way import latest_steps, way

# What the page has no button for: what begins elsewhere with words of its own, such as a purge, or by itself.
NOT_FROM_HERE = (Step.Name.PURGE, Step.Name.ERASE, Step.Name.ANSWER, Step.Name.DECIDE, Step.Name.DOCUMENTS)
ACTIVE = (Step.State.QUEUED, Step.State.RUNNING)


class EngagementForm(forms.ModelForm):
    """An engagement whose names and zones can be used as they are written."""

    def clean(self) -> dict[str, Any]:
        """Names that the platform's playbook knows, as text; zones that exist."""
        cleaned = super().clean() or {}
        platform = cleaned.get("platform") or self.instance.platform
        if "options" in cleaned and platform in playbooks.platforms():
            for problem in wrong_names(cleaned["options"], playbooks.load_playbook(platform).settings):
                self.add_error("options", problem)
        return cleaned


def wrong_names(options: Any, known: Collection[str]) -> Iterator[str]:
    """What is wrong with an engagement's names and zones."""
    if not isinstance(options, dict):
        yield 'Write one JSON object, such as {"lifecycle_field": "stage"}.'
        return
    if unknown := sorted(set(options) - (set(known) - {"prefix"})):
        yield f"Unknown: {', '.join(unknown)}. Known are {', '.join(sorted(set(known) - {'prefix'}))}."
    for name, value in options.items():
        if not isinstance(value, str):
            yield f"{name} isn't text."
        elif name.endswith("_zone"):
            try:
                TimeRules(value, value).zones()
            except BadInput as error:
                yield f"{error} {error.remedy}"
    yield from misunderstood(options)


class CockpitAdmin(EngagementAdmin):
    """The engagement's page as the place to work from."""

    form = EngagementForm
    change_form_template = "admin/workbench/engagement.html"

    def get_urls(self) -> list[URLPattern]:
        """With starting steps, confirming the plan, and live progress."""
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/live/", view(self.live_view), name="engagements_engagement_live"),
            path("<int:pk>/start/", view(require_POST(self.start_view)), name="engagements_engagement_start"),
            path("<int:pk>/scope/", view(self.scope_view), name="engagements_engagement_scope"),
            path("<int:pk>/rules/", view(self.rules_view), name="engagements_engagement_rules"),
            path("<int:pk>/switch/", view(require_POST(self.switch_view)), name="engagements_engagement_switch"),
            path("<int:pk>/confirm/", view(self.confirm_view), name="engagements_engagement_confirm"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, obj: Engagement) -> dict[str, Any]:
        """The stages above the form."""
        context = {"stages": way(obj), "parts": plan_parts(obj), "figures": figures(obj), "runs": latest_runs(obj), "live": live(obj)}
        decisions = open_decisions(DiscoveryFinding.objects.filter(engagement=obj))
        steps = latest_steps(obj)
        context |= {"decisions": decisions, "switches": switches(obj), "refreshes": refreshes(obj, steps), "removals": removals(obj, steps)}
        return context | {"looking": steps.get((Step.Name.CHECK, None))}

    def after_changes(self, request: HttpRequest) -> None:
        """A change of names, zones or the prefix makes new versions of the parts that it touches."""
        engagement = request.__dict__.pop("changed_engagement", None)
        if engagement is None:
            return
        parts = {"time", *plan.current(engagement)} & set(plan.changed_since(engagement))
        for version in plan.revise(engagement, sorted(parts), actor=request.user):
            now = f"is now version {version.version}, which nobody has confirmed or signed yet."
            messages.info(request, f"Plan part '{version.part}' {now}")

    def formfield_for_choice_field(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> forms.TypedChoiceField | None:
        """Only the platforms that have a playbook: an engagement of another one could do nothing."""
        if db_field.name == "platform":
            kwargs["choices"] = [choice for choice in PLATFORMS if choice[0] in playbooks.platforms()]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Engagement, form: Any, change: bool) -> None:
        """Remember whose plan may have changed."""
        super().save_model(request, obj, form, change)
        if change and {"options", "prefix", "platform"} & set(form.changed_data):
            request.__dict__["changed_engagement"] = obj

    def _engagement(self, request: HttpRequest, pk: int) -> Engagement:
        engagement = self.get_object(request, str(pk))
        if engagement is None:
            raise Http404("There is no such engagement.")
        return engagement

    def live_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """What changes on the page while steps run."""
        return JsonResponse(live(self._engagement(request, pk)))

    def start_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a step."""
        from workbench.pipeline.steps import request as request_step  # the steps load every layer

        engagement = self._engagement(request, pk)
        name, environment_id = request.POST.get("step", ""), request.POST.get("environment", "")
        environment = engagement.environments.filter(pk=environment_id).first() if environment_id.isdecimal() else None
        if name not in Step.Name.values or name in NOT_FROM_HERE or bool(environment_id) != bool(environment):
            raise BadRequest("Unknown step or environment.")
        try:
            step = request_step(engagement, name, environment=environment, user=cast(User, request.user))
            messages.success(request, f"{step.get_name_display()} is queued.")
        except WorkbenchError as error:
            messages.error(request, f"{error} {error.remedy}")
        return redirect(reverse("admin:engagements_engagement_change", args=[engagement.pk]))

    def rules_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The plan's rules with what each answer would do; nothing is saved before somebody says so."""
        engagement = self._engagement(request, pk)
        if not self.has_change_permission(request, engagement):
            raise PermissionDenied
        known = plan.names_of(engagement)
        form = RulesForm(request.POST) if request.method == "POST" else RulesForm(initial=known)
        valid = form.is_bound and form.is_valid()
        if valid and request.POST.get("do") == "save":
            parts = save_rules(engagement, form.names(), cast(User, request.user))
            said = f"Saved. New versions: {', '.join(parts)}." if parts else "Nothing changed."
            messages.success(request, said)
            return redirect(reverse("admin:engagements_engagement_rules", args=[engagement.pk]))
        names = {**known, **(form.names() if valid else {})}
        context = {
            "engagement": engagement,
            "form": form,
            "preview": preview(engagement, names),
            "unsaved": valid,
            "title": "Rules of the plan",
        }
        return TemplateResponse(request, "admin/workbench/rules.html", {**self.admin_site.each_context(request), **context})

    def scope_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The scope: what is there, what moves, what was found and decided, and the estimate with its arithmetic."""
        engagement = self._engagement(request, pk)
        context = {**self.admin_site.each_context(request), "title": f"Scope of {engagement}", "opts": self.opts}
        return TemplateResponse(
            request, "admin/workbench/scope.html", context | {"engagement": engagement, "scope": scope_content(engagement)}
        )

    def switch_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Switch off what was decided to be off in an environment, or put it back."""
        engagement, environment_id = self._engagement(request, pk), request.POST.get("environment", "")
        environment = engagement.environments.filter(pk=environment_id).first() if environment_id.isdecimal() else None
        act = {"off": switching.switch_off, "on": switching.put_back}.get(request.POST.get("to", ""))
        if environment is None or act is None:
            raise BadRequest("Unknown environment or deed.")
        try:
            tell_switched(request, act(environment, actor=request.user))
        except WorkbenchError as error:
            messages.error(request, f"{error} {error.remedy}")
        return redirect(reverse("admin:engagements_engagement_change", args=[engagement.pk]))

    def confirm_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the parts that a confirmation would cover, then confirm exactly those."""
        engagement = self._engagement(request, pk)
        hashes = plan.hashes(engagement)
        open_parts = [part for part in plan_parts(engagement) if not part["confirmed"] or part["edited"]]
        shown = ",".join(f"{part['part']}:{hashes[part['part']]}" for part in open_parts)
        if request.method == "POST" and request.POST.get("shown") == shown:
            confirmed = plan.confirm(engagement, [part["part"] for part in open_parts], user=cast(User, request.user))
            messages.success(request, f"Confirmed: {', '.join(str(version) for version in confirmed) or 'nothing was open'}.")
            return redirect(reverse("admin:engagements_engagement_change", args=[engagement.pk]))
        if request.method == "POST":
            messages.warning(request, "The plan changed while this page was open. Read it again; it shows what would be confirmed now.")
        context = {**self.admin_site.each_context(request), "title": f"Confirm the plan of {engagement}", "opts": self.opts}
        context |= {"engagement": engagement, "open_parts": open_parts, "hashes": hashes, "shown": shown}
        return TemplateResponse(request, "admin/workbench/confirm_plan.html", context)


def switches(engagement: Engagement) -> list[dict[str, Any]]:
    """Per environment what is still to be switched off for the window, and what to be put back after it."""
    found = [
        {"environment": row, "off": list(switching.to_switch_off(row)), "back": switching.to_put_back(row).count()}
        for row in engagement.environments.order_by("-kind")
    ]
    return [one for one in found if one["off"] or one["back"]]


def refreshes(engagement: Engagement, steps: Mapping[tuple[str, int | None], Step]) -> list[dict[str, Any]]:
    """Environments that something was loaded into, each with the step that was asked for after it was copied anew."""
    loaded = engagement.environments.filter(runs__isnull=False).distinct().order_by("-kind")
    return [{"environment": row, "step": steps.get((Step.Name.REFRESH, row.pk))} for row in loaded]


def removals(engagement: Engagement, steps: Mapping[tuple[str, int | None], Step]) -> list[dict[str, Any]]:
    """Planned removals of schema that aren't finished, each with the step that was asked for."""
    found = [newest(environment) for environment in engagement.environments.order_by("-kind")]
    open_ones = [removal for removal in found if removal and removal.finished_at is None]
    return [{"removal": removal, "step": steps.get((Step.Name.REMOVE, removal.environment_id))} for removal in open_ones]


def tell_switched(request: HttpRequest, came: switching.Switched) -> None:
    """Say what was switched, what a person must do, and what was refused."""
    messages.success(request, f"{len(came.done)} switched.")
    if came.by_hand:
        names = ", ".join(finding.subject for finding in came.by_hand)
        messages.warning(request, f"To be switched by hand, then noted in the list of findings: {names}.")
    for key, words in came.refused.items():
        messages.error(request, f"{key}: {words}")


def plan_parts(engagement: Engagement) -> list[dict[str, Any]]:
    """Every part of the plan: its newest version, whether that is confirmed, and whether edits came after it."""
    frozen, changed = plan.current(engagement), set(plan.changed_since(engagement))
    return [
        {
            "part": part,
            "version": frozen.get(part),
            "confirmed": part in frozen and hasattr(frozen[part], "confirmation"),
            "edited": part in changed,
        }
        for part in plan.PARTS
    ]


def figures(engagement: Engagement) -> list[tuple[str, int, str]]:
    """(label, count, address of the list): the working lists of the engagement with how much is in them, open work first."""
    mine, listed = {"engagement": engagement}, f"engagement={engagement.pk}"
    found = DiscoveryFinding.objects.filter(**mine)
    return [
        _figure("owners without an answer", OwnerMatch.objects.filter(**mine, kind="open"), f"{listed}&kind__exact=open"),
        _figure("stages without an answer", SplitRule.objects.filter(**mine, outcome=""), listed),
        _figure("field maps proposed", FieldMap.objects.filter(**mine, state="proposed"), f"{listed}&state__exact=proposed"),
        _figure("lists that may be companies", OrganisationList.objects.filter(**mine, confirmed=False), f"{listed}&confirmed__exact=0"),
        _figure("decisions open", found.undecided(), f"{listed}&decided=open"),
        _figure("findings that block", found.filter(severity="blocker"), f"{listed}&severity__exact=blocker"),
        *_waiting(engagement),
        _figure("source fields", SourceField.objects.filter(**mine), listed),
    ]


def _figure(label: str, rows: QuerySet, query: str) -> tuple[str, int, str]:
    address = reverse(f"admin:{rows.model._meta.app_label}_{rows.model._meta.model_name}_changelist")
    return label, rows.count(), f"{address}?{query}"


def _waiting(engagement: Engagement) -> Iterator[tuple[str, int, str]]:
    """Rows that people edited, by environment, and held records that somebody is asked about; only what there is."""
    for environment in engagement.environments.all():
        rows = Conflict.objects.filter(environment=environment, state=Conflict.State.OPEN)
        edited = _figure(f"edited rows in {environment.kind} to decide on", rows, f"environment={environment.pk}&state__exact=open")
        if edited[1]:
            yield edited
    count, run = asking.waiting_in(engagement)
    if run and count:
        yield "held records without an answer", count, reverse("admin:reports_exceptions", args=[run.pk])


def latest_runs(engagement: Engagement) -> list[Run]:
    """The newest runs, with their phases and how many of them balance."""
    runs = engagement.runs.select_related("environment__engagement").prefetch_related("phases")
    balanced = Count("phases", filter=Q(phases__state=Phase.State.BALANCED))
    counted = runs.annotate(records=Sum("phases__extracted", default=0), phase_count=Count("phases"), balanced_count=balanced)
    return list(counted.order_by("-created_at", "-pk")[:5])


def live(engagement: Engagement) -> dict[str, Any]:
    """What the page polls: the steps under way in words. A new stamp asks for a fresh page."""
    steps, now = latest_steps(engagement).values(), clock.now()
    runs = engagement.runs.order_by("-pk").values_list("pk", "state")[:4]
    stamp = "|".join([*(f"{step.pk}{step.state}{step.is_silent}" for step in steps), *(f"r{pk}{state}" for pk, state in runs)])
    going = any(step.state in ACTIVE for step in steps) or any(state not in Run.FINISHED for _, state in runs)
    return {
        "stamp": stamp,
        "finished": not going,
        "texts": {f"step-{step.pk}": step_words(step, now) for step in steps if step.state in ACTIVE},
        "bars": {},
    }


def step_words(step: Step, now: datetime) -> str:
    """A step under way in one line; says when nothing was heard of it for long."""
    last = step.heartbeat_at or step.started_at or step.queued_at
    silent = now - last
    words = step.progress or ("Waiting for a worker." if step.state == Step.State.QUEUED else "Started.")
    if silent < SILENT_AFTER:
        return words
    return f"{words} No sign of life for {shown_seconds(silent.total_seconds())}: check that a worker runs (manage.py qcluster)."

"""Admin page of findings: what checks found, filtered and read; decisions taken in place, or about many at once."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from mapping.checks import registry, switching
from mapping.checks.deciding import choice_of, common, decide, offered, roles_everywhere
from mapping.checks.keeping import OFF
from mapping.models import DiscoveryFinding
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Environment, Role
from workbench.engagements.scoped_admin import EngagementFilter, WorkbenchAdmin

OPEN = "open"


class StateFilter(DropdownFilter):
    """Whether a finding waits for a decision, has one, or is a note."""

    title = "decision"
    parameter_name = "decided"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The three."""
        return [(OPEN, "Open"), ("taken", "Taken"), ("note", "Nothing to decide")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Findings in that state."""
        wanted: dict[str, dict[str, Any]] = {OPEN: {"asks": True, "decision": ""}, "taken": {"decision__gt": ""}, "note": {"asks": False}}
        return queryset.filter(**wanted.get(self.value() or "", {}))


class SideFilter(DropdownFilter):
    """Where it was found."""

    title = "side"
    parameter_name = "side"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Source, sandbox, production."""
        return [("source", "Source"), *Environment.Kind.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Findings of that side."""
        value = self.value()
        if value == "source":
            return queryset.filter(environment=None)
        return queryset.filter(environment__kind=value) if value else queryset


class GroupFilter(DropdownFilter):
    """The subject that the check belongs to."""

    title = "subject"
    parameter_name = "group"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The groups of the registry."""
        return [(group, group) for group in registry.groups()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Findings of the group's checks."""
        names = [check.name for check in registry.known() if check.group == self.value()]
        return queryset.filter(check_name__in=[*names, *(f"{name}.{registry.NOT_DONE}" for name in names)]) if self.value() else queryset


class Told(forms.Widget):
    """Text in place of a field that this person can't change."""

    def __init__(self, text: str) -> None:
        """text: what stands there."""
        super().__init__()
        self.text = text

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """The text, escaped."""
        return format_html('<span class="mw-zero">{}</span>', self.text)


class FindingForm(forms.ModelForm):
    """The decision about a finding, with the choices that it offers; text where it isn't this person's to take."""

    roles: dict[int, set[str]] = {}
    radios = False
    decision = forms.ChoiceField(required=False)

    class Meta:
        model = DiscoveryFinding
        fields = ("decision", "comment")
        widgets = {"comment": UnfoldAdminTextareaWidget(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer what the finding offers."""
        super().__init__(*args, **kwargs)
        finding = self.instance
        check = registry.of(finding.check_name)
        mine = check.decision is not None and check.decision.who in self.roles.get(finding.engagement_id, set())
        self.fields["decision"] = self._mine(finding) if finding.asks and mine else self._told(finding, check)
        if "comment" in self.fields and not (finding.asks and mine):
            self.fields["comment"].disabled = True

    def _mine(self, finding: DiscoveryFinding) -> forms.ChoiceField:
        options = [("", "Not decided"), *((choice.name, choice.label) for choice in offered(finding))]
        widget = UnfoldAdminRadioSelectWidget() if self.radios else UnfoldAdminSelectWidget()
        return forms.ChoiceField(choices=options, required=False, widget=widget)

    def _told(self, finding: DiscoveryFinding, check: registry.Check) -> forms.CharField:
        answer = choice_of(finding)
        open_words = f"{Role(check.decision.who).label}'s decision" if check.decision and finding.asks else "–"
        return forms.CharField(disabled=True, required=False, widget=Told(answer.label if answer else open_words))


@admin.register(DiscoveryFinding)
class DiscoveryFindingAdmin(WorkbenchAdmin):
    """What the checks found, and what was decided about it."""

    list_display = ("shown_check", "shown_severity", "side", "shown_evidence", "decision", "decided")
    list_display_links = ("shown_check",)
    list_editable = ("decision",)
    list_filter = (EngagementFilter, StateFilter, "severity", SideFilter, GroupFilter)
    list_select_related = ("engagement", "environment")
    list_filter_submit = True
    list_fullwidth = True
    list_before_template = "admin/workbench/findings_summary.html"
    search_fields = ("check_name", "subject", "evidence")
    actions = ("decide_selected", "say_off", "say_on")
    change_form_template = "admin/workbench/finding.html"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The decision, where it is this person's."""
        return ("decision", "comment") if obj is None or _is_mine(request, obj) else ()

    def get_ordering(self, request: HttpRequest) -> Any:
        """The source first, on every database."""
        return (F("environment").asc(nulls_first=True), "check_name", "subject", "pk")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Checks make findings."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """With the page that decides about many."""
        return [path("decide/", self.admin_site.admin_view(self.decide_view), name="mapping_discoveryfinding_decide"), *super().get_urls()]

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> type[forms.ModelForm]:
        """A form that knows whose decisions this person may take."""
        return type("FindingInList", (FindingForm,), {"roles": _roles(request)})

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> type[forms.ModelForm]:
        """The same with the choices written out."""
        return type("FindingOnPage", (FindingForm,), {"roles": _roles(request), "radios": True})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Take the decision; the history is written there."""
        finding = DiscoveryFinding.objects.filter(pk=obj.pk)
        comment = form.cleaned_data.get("comment", finding.get().comment)
        decide(finding, form.cleaned_data["decision"], user=cast(User, request.user), comment=comment)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list under a summary of what is open."""
        return super().changelist_view(request, {"open_decisions": open_decisions(self.get_queryset(request)), **(extra_context or {})})

    def page_context(self, request: HttpRequest, obj: DiscoveryFinding) -> dict[str, Any]:
        """The finding with the check that found it."""
        check = registry.of(obj.check_name)
        return {
            "finding": obj,
            "check": check,
            "choices": offered(obj),
            "answer": choice_of(obj),
            "who": whose(check),
            "mine": _is_mine(request, obj),
        }

    @admin.action(description="Decide…")
    def decide_selected(self, request: HttpRequest, findings: QuerySet) -> HttpResponse:
        """Show what would be decided, before anything is."""
        return self.scope_page(request, findings)

    @admin.action(description="Is off now, switched by hand")
    def say_off(self, request: HttpRequest, findings: QuerySet) -> None:
        """A person switched them off."""
        rows = findings.filter(decision=OFF).select_related("environment__engagement")
        messages.success(request, f"{switching.note(rows, 'off', actor=request.user)} findings are noted as off.")

    @admin.action(description="Is on again, switched by hand")
    def say_on(self, request: HttpRequest, findings: QuerySet) -> None:
        """A person put them back."""
        rows = findings.filter(off_at__isnull=False).select_related("environment__engagement")
        messages.success(request, f"{switching.note(rows, 'on', actor=request.user)} findings are noted as put back.")

    def scope_page(self, request: HttpRequest, findings: QuerySet, error: str = "") -> HttpResponse:
        """The findings that can be decided together, and those that can't."""
        rows = list(findings.select_related("engagement", "environment"))
        mine = [row for row in rows if _is_mine(request, row)]
        context = {
            **self.admin_site.each_context(request),
            "title": f"Decide about {len(mine):,} finding{'s' * (len(mine) != 1)}",
            "opts": self.opts,
            "mine": mine,
            "others": [row for row in rows if row not in mine],
            "choices": list(common(mine).values()),
            "ids": ",".join(str(row.pk) for row in mine),
            "error": error,
        }
        return TemplateResponse(request, "admin/workbench/decide_findings.html", context)

    def decide_view(self, request: HttpRequest) -> HttpResponse:
        """Decide about exactly the findings that the page listed."""
        if request.method != "POST":
            return redirect(reverse("admin:mapping_discoveryfinding_changelist"))
        ids = [int(pk) for pk in request.POST.get("ids", "").split(",") if pk.isdecimal()]
        findings = DiscoveryFinding.objects.filter(pk__in=super().get_queryset(request).filter(pk__in=ids).values("pk"))
        try:
            user = cast(User, request.user)
            count = decide(findings, request.POST.get("decision", ""), user=user, comment=request.POST.get("comment", ""))
        except WorkbenchError as error:
            return self.scope_page(request, findings, f"{error} {error.remedy}")
        messages.success(request, f"{count:,} finding{'s' * (count != 1)} decided.")
        return redirect(reverse("admin:mapping_discoveryfinding_changelist"))

    @display(description="check", ordering="check_name", header=True)
    def shown_check(self, finding: DiscoveryFinding) -> tuple[str, str]:
        """The check, and what it is about."""
        return registry.of(finding.check_name).title, finding.subject

    @display(description="severity", label={"info": "info", "warning": "warning", "blocker": "danger"}, ordering="severity")
    def shown_severity(self, finding: DiscoveryFinding) -> tuple[str, str]:
        """Severity, coloured."""
        return finding.severity, finding.get_severity_display()

    @display(description="side", ordering="environment")
    def side(self, finding: DiscoveryFinding) -> str:
        """Where it was found."""
        return finding.environment.get_kind_display() if finding.environment else "Source"

    @display(description="evidence and remedy")
    def shown_evidence(self, finding: DiscoveryFinding) -> str:
        """What was seen, and what to do."""
        return format_html('{}<br><span class="mw-zero">{}</span>', finding.evidence, finding.remedy)

    @display(description="decided", ordering="decided_at")
    def decided(self, finding: DiscoveryFinding) -> str:
        """By whom, when, and what became of it."""
        if not finding.decision:
            return ""
        done = " Put back." if finding.back_at else " Off now." if finding.off_at or finding.gone_at else ""
        return f"{finding.decided_by}, {finding.decided_at:%Y-%m-%d %H:%M} UTC.{done}"


def _roles(request: HttpRequest) -> dict[int, set[str]]:
    """Engagement id -> the roles in whose name this person decides; found out once per request."""
    kept = request.__dict__.get("deciding_roles")
    if kept is None:
        kept = request.__dict__["deciding_roles"] = roles_everywhere(cast(User, request.user))
    return kept


def _is_mine(request: HttpRequest, finding: DiscoveryFinding) -> bool:
    """Whether the finding asks for a decision that this person may take."""
    decision = registry.of(finding.check_name).decision
    return bool(finding.asks and decision and decision.who in _roles(request).get(finding.engagement_id, set()))


def whose(check: registry.Check) -> str:
    """Whose decision a check asks for, in words; empty where it asks nothing."""
    return Role(check.decision.who).label if check.decision else ""


def open_decisions(findings: QuerySet) -> Sequence[tuple[str, str, int]]:
    """(subject, whose move, count) of what is undecided, in the registry's order."""
    counted: dict[tuple[str, str], int] = {}
    for name in findings.filter(asks=True, decision="").values_list("check_name", flat=True):
        check = registry.of(name)
        counted[check.group, whose(check)] = counted.get((check.group, whose(check)), 0) + 1
    order = {group: place for place, group in enumerate(registry.groups())}
    ranked = sorted(counted.items(), key=lambda item: (order.get(item[0][0], len(order)), item[0][1]))
    return [(group, who, count) for (group, who), count in ranked]

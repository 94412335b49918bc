"""Admin pages of hypercare: tickets with their triage and the story of their records, and the calendar of each engagement."""

from datetime import date
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Case, ForeignKey, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from workbench.engagements.access import workable_by
from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Role
from workbench.engagements.scoped_admin import EngagementFilter, WorkbenchAdmin
from workbench.hypercare import clock, references, tickets
from workbench.hypercare.models import HypercareCalendar, Ticket, valid_holidays
from workbench.hypercare.ticket_page import clock_of, page_of
from workbench.hypercare.tickets import MOVES, Side

STATES = {"open": "warning", "triaged": "info", "in_work": "info", "answered": "success", "closed": "success", "reopened": "warning"}
SEVERITIES = {"critical": "danger", "high": "warning", "normal": "info", "low": "info"}
CLOCKS = {"running": "info", "overdue": "danger", "paused": "warning", "closed": "success"}


class ClockFilter(DropdownFilter):
    """Overdue, waiting for the customer, waiting for the engineers, or closed."""

    title = "clock"
    parameter_name = "clock"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The four."""
        return [("overdue", "Overdue"), ("ours", "With the engineers"), ("customer", "With the customer"), ("closed", "Closed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Tickets whose clock stands so."""
        rows = cast(Any, queryset)
        if self.value() == "overdue":
            return rows.overdue(timezone.now())
        if self.value() == "ours":
            return rows.unresolved().filter(paused_at=None)
        if self.value() == "customer":
            return rows.with_customer()
        return rows.filter(state=Ticket.State.CLOSED) if self.value() == "closed" else rows


class RaiseForm(forms.ModelForm):
    """A ticket that an engineer raises."""

    about = forms.CharField(
        required=False,
        label="Records",
        max_length=20_000,
        help_text=references.HOW,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )

    class Meta:
        model = Ticket
        fields = ("engagement", "title", "text", "kind", "severity")
        widgets = {"title": UnfoldAdminTextInputWidget(), "text": UnfoldAdminTextareaWidget(attrs={"rows": 8})}

    def clean(self) -> dict[str, Any]:
        """Records that can be read; kept as `references`."""
        cleaned = super().clean() or {}
        if cleaned.get("engagement"):
            try:
                cleaned["references"] = references.read(cleaned["engagement"], cleaned.get("about", ""))
            except BadInput as error:
                self.add_error("about", getattr(error, "problems", f"{error} {error.remedy}"))
        return cleaned


@admin.register(Ticket)
class TicketAdmin(WorkbenchAdmin):
    """Tickets: a list to work from, and a page with what was said, what can be done, and the record's story."""

    form = RaiseForm
    list_display = ("shown_ticket", "engagement", "shown_state", "shown_severity", "kind", "cause", "shown_clock", "due_at", "assignee")
    list_display_links = ("shown_ticket",)
    list_filter = (EngagementFilter, ClockFilter, "state", "severity", "kind", "cause", ("assignee", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("engagement", "assignee")
    list_filter_submit = True
    list_fullwidth = True
    search_fields = ("title", "=number", "records__source_id__exact")
    actions = ("take_on",)
    add_form_template = "admin/change_form.html"
    change_form_template = "admin/workbench/ticket.html"
    fields = ("engagement", "title", "text", ("kind", "severity"), "about")

    def get_ordering(self, request: HttpRequest) -> Any:
        """What is due first comes first, what is closed last."""
        return (Case(When(state=Ticket.State.CLOSED, then=1), default=0), "due_at", "pk")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tickets are moved and commented, not edited; the list's actions need the right all the same."""
        return obj is None and super().has_change_permission(request, obj)

    def get_urls(self) -> list[URLPattern]:
        """With what is done with a ticket."""
        act = self.admin_site.admin_view(require_POST(self.act_view))
        return [path("<int:pk>/act/", act, name="hypercare_ticket_act"), *super().get_urls()]

    def formfield_for_foreignkey(self, db_field: ForeignKey, request: HttpRequest, **kwargs: Any) -> forms.ModelChoiceField | None:
        """The engineer's own engagements."""
        if db_field.name == "engagement":
            kwargs["queryset"] = workable_by(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Ticket, form: Any, change: bool) -> None:
        """Raise it; the history is written there."""
        given = {name: form.cleaned_data[name] for name in ("title", "text", "kind", "severity")}
        raised = tickets.raise_ticket(
            obj.engagement, by=cast(User, request.user), side=Side.ENGINEER, about=form.cleaned_data["references"], **given
        )
        obj.pk, obj.number = raised.pk, raised.number

    def page_context(self, request: HttpRequest, obj: Ticket) -> dict[str, Any]:
        """The ticket instead of a form."""
        engineers = User.objects.filter(memberships__engagement=obj.engagement, memberships__role=Role.ENGINEER, is_staff=True)
        context = page_of(obj, cast(User, request.user), Side.ENGINEER, request.GET.get("record", ""))
        return context | {
            "engineers": engineers.order_by("username"),
            "severities": Ticket.Severity.choices,
            "causes": Ticket.Cause.choices,
            "may_triage": context["speaks"] and tickets.TRIAGE.starts(obj, Side.ENGINEER),
        }

    def act_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Triage, move, comment or note."""
        ticket = self.get_object(request, str(pk))
        if ticket is None:
            raise Http404("There is no such ticket.")
        try:
            self._act(request, ticket, request.POST.get("do", ""), request.POST.get("text", ""))
        except WorkbenchError as error:
            messages.error(request, f"{error} {error.remedy}")
        return redirect(reverse("admin:hypercare_ticket_change", args=[pk]))

    def _act(self, request: HttpRequest, ticket: Ticket, do: str, text: str) -> None:
        given, user = request.POST, cast(User, request.user)
        if do == "triage":
            chosen = given.get("assignee", "")
            assignee = User.objects.filter(pk=chosen).first() if chosen.isdecimal() else None
            tickets.triage(ticket, by=user, cause=given.get("cause", ""), severity=given.get("severity", ""), assignee=assignee, text=text)
        elif do in MOVES:
            tickets.make(ticket, MOVES[do], by=user, side=Side.ENGINEER, text=text)
        elif do in ("comment", "ask", "note"):
            tickets.say(ticket, by=user, side=Side.ENGINEER, text=text, internal=do == "note", asks=do == "ask")
        else:
            raise BadInput("Nothing is chosen.", remedy="Use one of the buttons.")

    @admin.action(description="Take into work, as mine")
    def take_on(self, request: HttpRequest, rows: QuerySet[Ticket]) -> None:
        """Those that are triaged; the others say why not."""
        user, taken = cast(User, request.user), 0
        for ticket in rows.select_related("engagement"):
            try:
                if ticket.state == Ticket.State.TRIAGED:
                    tickets.triage(ticket, by=user, cause=ticket.cause, severity=ticket.severity, assignee=user)
                tickets.make(ticket, MOVES["start"], by=user, side=Side.ENGINEER)
                taken += 1
            except WorkbenchError as error:
                messages.error(request, f"{ticket}: {error} {error.remedy}")
        messages.success(request, f"{taken} taken into work.")

    @display(description="ticket", ordering="number")
    def shown_ticket(self, ticket: Ticket) -> str:
        """Number and title."""
        return f"{ticket.number}. {ticket.title}"

    @display(description="state", label=STATES, ordering="state")
    def shown_state(self, ticket: Ticket) -> tuple[str, str]:
        """State, coloured."""
        return ticket.state, ticket.get_state_display()

    @display(description="severity", label=SEVERITIES, ordering="severity")
    def shown_severity(self, ticket: Ticket) -> tuple[str, str]:
        """Severity, coloured."""
        return ticket.severity, ticket.severity.capitalize()

    @display(description="clock", label=CLOCKS)
    def shown_clock(self, ticket: Ticket) -> tuple[str, str]:
        """Where the deadline stands, coloured."""
        found = clock_of(ticket, timezone.now())
        return found.state, found.says


class HolidaysField(forms.CharField):
    """Dates, one a line, kept as a list."""

    def prepare_value(self, value: Any) -> Any:
        """A date a line."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """The dates, each once, in order."""
        dates = sorted(set((super().to_python(value) or "").replace(",", " ").split()))
        valid_holidays(dates)
        return dates

    def validate(self, value: Any) -> None:
        """Checked already."""


class CalendarForm(forms.ModelForm):
    """When hypercare is."""

    holidays = HolidaysField(
        required=False,
        label="Public holidays",
        help_text="One date a line, as 2026-12-25.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
    )

    class Meta:
        model = HypercareCalendar
        fields = ("engagement", "handed_off_on", "holidays")

    def clean_handed_off_on(self) -> date | None:
        """A day that calendars reach."""
        day = self.cleaned_data["handed_off_on"]
        if day and not 2000 <= day.year <= 2200:
            raise ValidationError("Write a year between 2000 and 2200.")
        return day


@admin.register(HypercareCalendar)
class HypercareCalendarAdmin(WorkbenchAdmin):
    """Public holidays and the day of the hand-off."""

    form = CalendarForm
    list_display = ("engagement", "handed_off_on", "dates")
    list_filter = (EngagementFilter,)
    list_select_related = ("engagement",)

    def formfield_for_foreignkey(self, db_field: ForeignKey, request: HttpRequest, **kwargs: Any) -> forms.ModelChoiceField | None:
        """The engineer's own engagements."""
        if db_field.name == "engagement":
            kwargs["queryset"] = workable_by(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The engagement stays."""
        return ("engagement",) if obj else ()

    def save_model(self, request: HttpRequest, obj: HypercareCalendar, form: Any, change: bool) -> None:
        """Save, and reckon the deadlines anew."""
        super().save_model(request, obj, form, change)
        clock.reckon_anew(obj.engagement)

    @display(description="public holidays")
    def dates(self, calendar: HypercareCalendar) -> int:
        """How many are entered."""
        return len(calendar.holidays)

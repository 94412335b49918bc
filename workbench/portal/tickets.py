"""Tickets in the portal: what was raised, raising, commenting, closing and reopening, with the story of the records beside it.

Everybody who sees the engagement may read; the customer's approver and Dynamics admin raise and comment.
"""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views import View
from django.views.decorators.http import require_GET

from workbench.engagements.errors import BadInput, WorkbenchError
from workbench.engagements.models import Engagement
from workbench.hypercare import clock, references, tickets
from workbench.hypercare.models import Ticket, TicketQuerySet
from workbench.hypercare.ticket_page import clock_of, page_of
from workbench.hypercare.tickets import MOVES, Side
from workbench.portal.forms import RaiseForm, SayForm
from workbench.portal.views import visible

PER_PAGE = 25
TABS = (("open", "Open"), ("yours", "Wait for you"), ("closed", "Closed"), ("", "All"))
STATUSES: dict[type, int] = {tickets.MayNotAct: 403, tickets.NotFromHere: 409}


def tickets_of(request: HttpRequest, engagement: Engagement) -> TicketQuerySet:
    """The engagement's tickets, as far as the person may see them."""
    return Ticket.objects.visible_to(request.user).filter(engagement=engagement)


def in_tab(rows: TicketQuerySet, tab: str) -> TicketQuerySet:
    """The tickets of a tab."""
    if tab == "open":
        return rows.unresolved()
    if tab == "yours":
        return rows.with_customer()
    return rows.filter(state=Ticket.State.CLOSED) if tab == "closed" else rows


def sought(rows: TicketQuerySet, text: str) -> TicketQuerySet:
    """Tickets of that number, whose title has the text in it, or that are about that source id."""
    if not text:
        return rows
    number = Q(number=int(text)) if text.isdecimal() and len(text) < 9 else Q()
    found = Q(title__icontains=text) | Q(records__source_id=text)
    return rows.filter(found | number if number else found).distinct()


@login_required
@require_GET
def listing(request: HttpRequest, slug: str) -> HttpResponse:
    """The tickets, the newest first."""
    engagement = visible(request, slug)
    rows, now = tickets_of(request, engagement), timezone.now()
    tab, text = request.GET.get("show", "open"), request.GET.get("q", "").strip()[:200]
    found = sought(in_tab(rows, tab), text).select_related("raised_by").order_by("-raised_at", "-pk")
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    workdays = clock.workdays_of(engagement)
    window = clock.window_of(engagement)
    context = {
        "engagement": engagement,
        "page": page,
        "rows": [(ticket, clock_of(ticket, now), ticket.due_at.astimezone(workdays.zone)) for ticket in page],
        "tabs": [(key, label, in_tab(rows, key).count()) for key, label in TABS],
        "show": tab,
        "q": text,
        "window": window,
        "over": window is not None and window.is_over(now),
        "day": window.day_number(workdays.day_of(now)) if window else 0,
        "may_raise": tickets.speaks_for(cast(User, request.user), engagement, Side.CUSTOMER),
    }
    return render(request, "portal/tickets.html", context)


class RaisePage(LoginRequiredMixin, View):
    """A new ticket."""

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        """The form, with the record filled in where another page named it."""
        engagement = self.allowed(request, slug)
        return self.page(request, engagement, RaiseForm(initial={"about": request.GET.get("about", "")[: references.LONGEST]}))

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Raise it."""
        engagement, form = self.allowed(request, slug), RaiseForm(request.POST)
        if not form.is_valid():
            return self.page(request, engagement, form, 400)
        given = dict(form.cleaned_data)
        try:
            about = references.read(engagement, given.pop("about"))
        except BadInput as error:
            form.add_error("about", getattr(error, "problems", f"{error} {error.remedy}"))
            return self.page(request, engagement, form, 400)
        ticket = tickets.raise_ticket(engagement, by=cast(User, request.user), side=Side.CUSTOMER, about=about, **given)
        messages.success(request, f"Ticket {ticket.number} is raised.")
        return redirect("portal:ticket", slug, ticket.number)

    def allowed(self, request: HttpRequest, slug: str) -> Engagement:
        """The engagement, for those who raise tickets. Raises PermissionDenied."""
        engagement = visible(request, slug)
        if not tickets.speaks_for(cast(User, request.user), engagement, Side.CUSTOMER):
            raise PermissionDenied("Only the customer's approver and Dynamics admin raise tickets.")
        return engagement

    def page(self, request: HttpRequest, engagement: Engagement, form: RaiseForm, status: int = 200) -> HttpResponse:
        """The form."""
        return render(request, "portal/ticket_raise.html", {"engagement": engagement, "form": form}, status=status)


class TicketPage(LoginRequiredMixin, View):
    """A ticket: what was said, what can be done, and the story of its records."""

    def get(self, request: HttpRequest, slug: str, number: int) -> HttpResponse:
        """The page."""
        return self.page(request, self.ticket(request, slug, number))

    def post(self, request: HttpRequest, slug: str, number: int) -> HttpResponse:
        """Comment, close or reopen."""
        ticket, form = self.ticket(request, slug, number), SayForm(request.POST)
        if not form.is_valid():
            return self.page(request, ticket, "The text is too long, or nothing was chosen.", 400)
        try:
            said = self.act(request, ticket, **form.cleaned_data)
        except WorkbenchError as error:
            ticket.refresh_from_db()
            return self.page(request, ticket, f"{error} {error.remedy}", STATUSES.get(type(error), 400))
        messages.success(request, said)
        return redirect("portal:ticket", slug, number)

    def ticket(self, request: HttpRequest, slug: str, number: int) -> Ticket:
        """The ticket, or 404 where the person may not see it."""
        rows = tickets_of(request, visible(request, slug)).select_related("engagement", "raised_by")
        return get_object_or_404(rows, number=number)

    def act(self, request: HttpRequest, ticket: Ticket, do: str, text: str) -> str:
        """Do what the button says; the words for the page. Raises MayNotAct, NotFromHere, BadInput."""
        by = cast(User, request.user)
        if do in MOVES:
            tickets.make(ticket, MOVES[do], by=by, side=Side.CUSTOMER, text=text)
            return f"The ticket is {MOVES[do].to.label.lower()}."
        if do != "comment":
            raise BadInput("Nothing is chosen.", remedy="Use one of the buttons.")
        tickets.say(ticket, by=by, side=Side.CUSTOMER, text=text)
        return "Your comment is with the engineers."

    def page(self, request: HttpRequest, ticket: Ticket, error: str = "", status: int = 200) -> HttpResponse:
        """Everything that the page shows."""
        context: dict[str, Any] = page_of(ticket, cast(User, request.user), Side.CUSTOMER, request.GET.get("record", ""))
        context |= {"engagement": ticket.engagement, "error": error, "given": request.POST}
        return render(request, "portal/ticket.html", context, status=status)

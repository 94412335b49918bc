"""The portal's pages besides signing: sign-in, the engagements of a person, and where each stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse, reverse_lazy

from loads import quality
from loads.desk import asking
from loads.removal.opening import waiting_removal
from mapping.checks.deciding import waiting_for
from mapping.glossary import words
from mapping.models import DiscoveryFinding
from mapping.owners.models import OwnerMatch
from reports.scope import scope_content
from workbench.engagements.access import roles_of, workable_by
from workbench.engagements.gates import Missing
from workbench.engagements.models import Engagement, Role
from workbench.hypercare.models import Ticket
from workbench.hypercare.tickets import CUSTOMERS
from workbench.pipeline.way import DONE, READY, Stage, way
from workbench.portal.forms import SignInForm

PAGES = {"matrix": "portal:matrix", "sandbox-signature": "portal:sandbox"}
LOOKED_UP = {**PAGES, "hypercare": "portal:tickets"}
ASKED = {"matrix": "Read the split matrix and sign it.", "sandbox-signature": "Check the sandbox run and sign it."}
# What a person does on a page of its own for a gate to open.
ON_PAGES = {
    "data quality decided": "portal:quality",
    "losses of the sandbox accepted": "portal:losses",
    "losses of production accepted": "portal:losses",
}
OF_DECIDED = ("deeds before", "quiet load adds up")  # gates about what was decided already
OF_DECISIONS = ("decisions before", *OF_DECIDED)
OWNER_GATES = ("owners answered", "names bound")
PER_PAGE = 20


class SignIn(LoginView):
    """Sign-in."""

    template_name = "portal/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True


class SignOut(LogoutView):
    """Sign-out, by POST."""


class ChangePassword(PasswordChangeView):
    """A person's own password."""

    template_name = "portal/password.html"
    success_url = reverse_lazy("portal:home")


@dataclass(frozen=True, slots=True)
class Ask:
    """Something that waits for the person who looks: in words, with the page to do it on where there is one."""

    says: str
    address: str = ""


def visible(request: HttpRequest, slug: str) -> Engagement:
    """The engagement, or 404 where the person may not see it, as if it didn't exist."""
    return get_object_or_404(Engagement.objects.visible_to(request.user), slug=slug)


def asks(engagement: Engagement, user: User, roles: set[str], stages: Sequence[Stage]) -> list[Ask]:
    """What the stages ask of a person with these roles, and what was given to them by name."""
    found = []
    for stage in stages:
        if stage.key in PAGES and stage.state == READY and Role.APPROVER in roles:
            found.append(Ask(ASKED[stage.key], reverse(PAGES[stage.key], args=[engagement.slug])))
        asked = [item for item in stage.missing if item.move in roles and item.move == Role.DYNAMICS_ADMIN]
        found += [Ask(item.says) for item in asked if item.gate not in OWNER_GATES and not item.gate.startswith(OF_DECISIONS)]
        decided = [item for item in stage.missing if item.gate.startswith(OF_DECIDED) and item.move in roles - {Role.ENGINEER}]
        found += [Ask(item.says, f"{_decisions(engagement)}?show=all") for item in decided]
        found += _owners(engagement, asked)
        if Role.APPROVER in roles:
            on_pages = [item for item in stage.missing if item.gate in ON_PAGES]
            found += [Ask(item.says, reverse(ON_PAGES[item.gate], args=[engagement.slug])) for item in on_pages]
    found += _duties(engagement, user)
    if Role.APPROVER in roles:
        found += _held(engagement)
    if Role.APPROVER in roles and (removal := waiting_removal(engagement)):
        found.append(
            Ask(f"Read what would be removed of the schema, and sign it: {removal}.", reverse("portal:removal", args=[engagement.slug]))
        )
    if waiting := waiting_for(engagement, roles - {Role.ENGINEER}):
        found.append(Ask(f"{waiting} decision{'s' if waiting > 1 else ''} to take about what the checks found.", _decisions(engagement)))
    if roles & CUSTOMERS and (tickets := Ticket.objects.filter(engagement=engagement).with_customer().count()):
        address = f"{reverse('portal:tickets', args=[engagement.slug])}?show=yours"
        found.append(Ask(f"{tickets} ticket{'s wait' if tickets > 1 else ' waits'} for your answer.", address))
    return list(dict.fromkeys(found))


def _owners(engagement: Engagement, asked: Sequence[Missing]) -> list[Ask]:
    """One line for all owners that wait, with the page to answer them on; nothing before discovery has found any."""
    matches = OwnerMatch.objects.filter(engagement=engagement)
    if not any(item.gate in OWNER_GATES for item in asked) or not matches.exists():
        return []
    counts = [(matches.in_state(state).count(), words) for state, words in (("open", "without an answer"), ("problem", "with a problem"))]
    told = ", ".join(f"{count} owner{'s' * (count != 1)} {words}" for count, words in counts if count) or "an environment lacks some owners"
    return [Ask(f"Say who owns what moves: {told}.", reverse("portal:owners", args=[engagement.slug]))]


def _duties(engagement: Engagement, user: User) -> list[Ask]:
    """Open groups of the data-quality report that the person is to see to."""
    run = quality.newest(engagement)
    mine = [line for line in quality.open_lines(run) if line.duty and line.duty.owner == user] if run and quality.waits(run) else []
    if not mine:
        return []
    late = sum(line.is_overdue for line in mine)
    said = f"{len(mine)} group{'s' * (len(mine) != 1)} of the data-quality report to see to"
    return [Ask(f"{said}, {late} overdue." if late else f"{said}.", reverse("portal:quality", args=[engagement.slug]))]


def _held(engagement: Engagement) -> list[Ask]:
    """Records of the newest run that wait until the approver says what they are."""
    count, _ = asking.waiting_in(engagement)
    said = f"{count:,} held record{'s wait' if count != 1 else ' waits'} for your answer."
    return [Ask(said, reverse("portal:held", args=[engagement.slug]))] if count else []


def _decisions(engagement: Engagement) -> str:
    return reverse("portal:decisions", args=[engagement.slug])


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """The engagements that the person may see, with what is asked of them."""
    page = Paginator(Engagement.objects.visible_to(request.user).order_by("name", "pk"), PER_PAGE).get_page(request.GET.get("page"))
    cards = []
    for engagement in page:
        stages, roles = way(engagement), roles_of(request.user, engagement)
        cards.append(
            {
                "engagement": engagement,
                "asks": asks(engagement, cast(User, request.user), roles, stages),
                "done": sum(s.state == DONE for s in stages),
                "of": len(stages),
            }
        )
    return render(request, "portal/home.html", {"cards": cards, "page": page})


@login_required
def overview(request: HttpRequest, slug: str) -> HttpResponse:
    """Where an engagement stands: its stages, and what waits for whom."""
    engagement = visible(request, slug)
    stages, roles = way(engagement), roles_of(request.user, engagement)
    shown = [(stage, reverse(LOOKED_UP[stage.key], args=[slug]) if stage.key in LOOKED_UP else "") for stage in stages]
    context = {
        "engagement": engagement,
        "stages": shown,
        "asks": asks(engagement, cast(User, request.user), roles, stages),
        "roles": [label[:1].lower() + label[1:] for label in (str(Role(role).label) for role in sorted(roles))],
        "people": engagement.memberships.select_related("user").order_by("role", "user__username"),
        "decided_here": DiscoveryFinding.objects.filter(engagement=engagement, asks=True).exists(),
        "open_tickets": Ticket.objects.filter(engagement=engagement).unresolved().count(),
        "works_here": workable_by(request.user).filter(pk=engagement.pk).exists(),
    }
    return render(request, "portal/overview.html", context)


@login_required
def scope(request: HttpRequest, slug: str) -> HttpResponse:
    """The scope, to read: what is there, what moves, what was found and decided, and the estimate with its arithmetic."""
    engagement = visible(request, slug)
    return render(request, "portal/scope.html", {"engagement": engagement, "scope": scope_content(engagement)})


@login_required
def glossary(request: HttpRequest, slug: str) -> HttpResponse:
    """What an offer's words are called in Dynamics."""
    engagement = visible(request, slug)
    return render(request, "portal/glossary.html", {"engagement": engagement, "words": words(engagement.prefix)})

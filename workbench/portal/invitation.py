"""The page that an invitation's link opens: a name and a password for who is new, one button for who has an account."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET

from workbench.engagements import invitations
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.invitations import LinkNotGood
from workbench.engagements.models import Invitation
from workbench.portal import throttle
from workbench.portal.forms import JoinForm

KEPT = "invitation"  # the link's token in the session, so that it stands in no address and no log of the pages that follow
LONGEST = 300


@require_GET
@never_cache
def open_link(request: HttpRequest, token: str) -> HttpResponse:
    """Keep the token and show the page. Looking uses nothing up: mail scanners open links, too."""
    request.session[KEPT] = token[:LONGEST]
    return redirect("portal:invitation")


@method_decorator([never_cache, sensitive_post_parameters("password", "again")], name="dispatch")
class InvitationPage(View):
    """Joining an engagement."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """What the invitation is for, and how to accept it."""
        try:
            invitation = self.invitation(request)
        except WorkbenchError as error:
            return self.refused(request, error)
        return self.page(request, invitation, JoinForm(email=invitation.email))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Accept."""
        try:
            invitation = self.invitation(request)
            form = JoinForm(request.POST, email=invitation.email)
            if not request.user.is_authenticated and not invitations.accounts_of(invitation.email):
                if not form.is_valid():
                    return self.page(request, invitation, form, 400)
                self.join_anew(request, invitation, form.cleaned_data)
            else:
                user = cast(User, request.user)
                invitations.accept_as(invitation, user=user, address=throttle.client_address(request))
        except invitations.OtherAccount as error:
            return self.page(request, invitation, form, 409, f"{error} {error.remedy}")
        except WorkbenchError as error:
            return self.refused(request, error)
        request.session.pop(KEPT, None)
        messages.success(request, f"Welcome. You take part as {invitation.get_role_display().lower()}.")
        return redirect("portal:overview", invitation.engagement.slug)

    def join_anew(self, request: HttpRequest, invitation: Invitation, given: dict[str, Any]) -> None:
        """Make the account and sign in."""
        names = {name: given[name] for name in ("first_name", "last_name", "password")}
        user = invitations.accept_anew(invitation, address=throttle.client_address(request), **names)
        login(request, user)

    def invitation(self, request: HttpRequest) -> Invitation:
        """The invitation of the link that was opened. Raises LinkNotGood, TooManyLinks; bad links are counted."""
        if throttle.is_blocked_for_links(request):
            raise TooManyLinks("Too many links that aren't good were opened from here.")
        try:
            return invitations.opened(str(request.session.get(KEPT, "")))
        except LinkNotGood:
            throttle.note_bad_link(request)
            raise

    def refused(self, request: HttpRequest, error: WorkbenchError) -> HttpResponse:
        """Say why the link isn't good."""
        status = 429 if isinstance(error, TooManyLinks) else 410 if getattr(error, "state", None) else 404
        return render(request, "portal/invitation_refused.html", {"error": error}, status=status)

    def page(self, request: HttpRequest, invitation: Invitation, form: JoinForm, status: int = 200, error: str = "") -> HttpResponse:
        """The invitation with the way to accept it that fits."""
        accounts = invitations.accounts_of(invitation.email)
        context = {
            "invitation": invitation,
            "form": form,
            "error": error,
            "has_account": bool(accounts),
            "is_me": request.user in accounts,
        }
        return render(request, "portal/invitation.html", context, status=status)


class TooManyLinks(WorkbenchError):
    """Somebody tries links."""

    remedy = "Wait 15 minutes, then open your link again."

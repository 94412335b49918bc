"""Admin pages of invitations: whom an engineer asked in, what became of it, and the link, shown once where no mail server is set."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import display

from workbench.engagements import invitations
from workbench.engagements.access import workable_by
from workbench.engagements.models import Invitation
from workbench.engagements.scoped_admin import EngagementFilter, WorkbenchAdmin

STATES = {"open": "info", "accepted": "success", "revoked": "warning", "expired": "warning"}


@admin.register(Invitation)
class InvitationAdmin(WorkbenchAdmin):
    """Invitations. One that was made is revoked or made anew, never edited."""

    list_display = ("email", "role", "engagement", "shown_state", "invited_by", "invited_at", "expires_at")
    list_filter = (EngagementFilter, "role")
    list_select_related = ("engagement", "invited_by")
    list_filter_submit = True
    search_fields = ("email",)
    fields = ("engagement", "email", "role")
    actions = ("revoke_selected",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def formfield_for_foreignkey(self, db_field: ForeignKey, request: HttpRequest, **kwargs: Any) -> forms.ModelChoiceField | None:
        """The engineer's own engagements."""
        if db_field.name == "engagement":
            kwargs["queryset"] = workable_by(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        """Invite; the history is written there."""
        made = invitations.invite(obj.engagement, email=obj.email, role=obj.role, by=cast(User, request.user))
        obj.pk = made.invitation.pk
        request.__dict__["made_invitation"] = made

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form; once the invitation is stored, its link is sent or shown."""
        response = super().changeform_view(request, object_id, form_url, extra_context)
        made = request.__dict__.pop("made_invitation", None)
        return self.made_page(request, made) if made and made.invitation.pk and response.status_code == 302 else response

    def made_page(self, request: HttpRequest, made: invitations.Made) -> HttpResponse:
        """Where the link went; where it could not be sent, the link itself, which no other page shows."""
        link = request.build_absolute_uri(reverse("portal:invitation_link", args=[made.token]))
        sent = invitations.send(made.invitation, link)
        context = {**self.admin_site.each_context(request), "title": "Invited", "opts": self.opts, "invitation": made.invitation}
        return TemplateResponse(request, "admin/workbench/invited.html", context | {"sent": sent, "link": "" if sent else link})

    @admin.action(description="Revoke")
    def revoke_selected(self, request: HttpRequest, rows: QuerySet[Invitation]) -> None:
        """Make the links of those that are open void."""
        found = rows.select_related("engagement")
        count = sum(invitations.revoke(row, by=cast(User, request.user)) for row in found)
        messages.success(request, f"{count} revoked, {len(found) - count} were settled already.")

    @display(description="state", label=STATES)
    def shown_state(self, invitation: Invitation) -> tuple[str, str]:
        """State, coloured."""
        return invitation.state.value, str(invitation.state.label)

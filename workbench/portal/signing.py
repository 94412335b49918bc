"""The pages that the customer signs: the split matrix, the sandbox run, and where it is planned the removal of provisioned schema.

A page shows a content, prints its hash, and the signature carries the hash back: what was shown is what is signed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views import View

from loads.acceptance import sandbox_content
from loads.removal import opening
from mapping import plan
from mapping.preview import matrix_content
from workbench.engagements import gates, signoffs
from workbench.engagements.access import roles_of
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement, Role, SignOff
from workbench.engagements.signoffs import ChangedMeanwhile, MayNotSign
from workbench.portal.forms import SignForm
from workbench.portal.throttle import client_address
from workbench.portal.views import visible


class SigningPage(LoginRequiredMixin, View):
    """A content with its signature; `content` makes it, `parts` are the plan parts that must be frozen as they stand."""

    kind: str
    template: str
    parts: Sequence[str]
    content: Callable[[Engagement], Mapping[str, Any]]

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Show what is to be signed, or what was."""
        engagement = visible(request, slug)
        return self.page(request, engagement)

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Sign what the page showed."""
        engagement = visible(request, slug)
        form = SignForm(request.POST)
        if not form.is_valid():
            return self.page(request, engagement, form=form, status=400)
        try:
            self.sign(request, engagement, form.cleaned_data)
        except WorkbenchError as error:
            return self.page(request, engagement, error=error, status=STATUSES.get(type(error), 400))
        return redirect(request.path)

    def sign(self, request: HttpRequest, engagement: Engagement, given: Mapping[str, Any]) -> SignOff:
        """Sign the content as it is now, if it is what the page showed. Raises MayNotSign, ChangedMeanwhile."""
        content = type(self).content(engagement)
        if self.unfrozen(engagement, content):
            raise ChangedMeanwhile("The plan is being edited.", remedy="Wait until the engineer is done, then read the page again.")
        return signoffs.sign(
            engagement=engagement,
            kind=self.kind,
            covers=content["parts"],
            content=content,
            user=cast(User, request.user),  # whoever sees the page has signed in
            shown_sha256=given["shown_sha256"],
            address=client_address(request),
            note=given["note"],
        )

    def unfrozen(self, engagement: Engagement, content: Mapping[str, Any]) -> list[str]:
        """Parts that were edited after the version that the content shows: a signature under them would cover nothing."""
        shown = content.get("parts", {})
        return [part for part, digest in plan.hashes(engagement, self.parts).items() if shown.get(part, {}).get("sha256") != digest]

    def page(
        self,
        request: HttpRequest,
        engagement: Engagement,
        form: SignForm | None = None,
        error: WorkbenchError | None = None,
        status: int = 200,
    ) -> HttpResponse:
        """The page with all that it can say."""
        statement = signoffs.STATEMENTS[self.kind]
        context: dict[str, Any] = {"engagement": engagement, "form": form or SignForm(), "error": error, "statement": statement}
        try:
            content = type(self).content(engagement)
        except WorkbenchError as nothing:
            return render(request, "portal/not_ready.html", context | {"reason": nothing}, status=status)
        context |= self.state(request, engagement, content) | {"content": content, "sha256": signoffs.content_hash(content)}
        return render(request, self.template, context | self.more(content, context["signoff"]), status=status)

    def state(self, request: HttpRequest, engagement: Engagement, content: Mapping[str, Any]) -> dict[str, Any]:
        """Signed or not, changed since or not, and whether this person may sign."""
        signoff = signoffs.latest(engagement, self.kind)
        changed = signoff.uncovered(plan.hashes(engagement, self.parts)) if signoff else []
        unfrozen = self.unfrozen(engagement, content)
        is_approver = Role.APPROVER in roles_of(request.user, engagement)
        signed = signoff is not None and not changed
        waits = gates.missing(signoffs.NEEDS[self.kind], engagement) if self.kind in signoffs.NEEDS else []
        return {
            "signoff": signoff,
            "changed": changed,
            "signed": signed,
            "unfrozen": unfrozen,
            "is_approver": is_approver,
            "waits": waits,
            "may_sign": is_approver and not signed and not unfrozen and not waits,
        }

    def more(self, content: Mapping[str, Any], signoff: SignOff | None) -> dict[str, Any]:
        """What one of the two pages adds."""
        return {}


STATUSES: dict[type, int] = {MayNotSign: 403, ChangedMeanwhile: 409, gates.GateClosed: 409}
OUTCOMES = {"lead": "Lead", "contact": "Contact", "review": "Held for review", "skip": "Left out", "": "No answer yet"}


class MatrixPage(SigningPage):
    """Where people of each lifecycle stage go, and which lists become companies."""

    kind = SignOff.Kind.MATRIX
    template = "portal/matrix.html"
    parts = plan.MATRIX_PARTS
    content = staticmethod(matrix_content)

    def more(self, content: Mapping[str, Any], signoff: SignOff | None) -> dict[str, Any]:
        """Lines per outcome, and what differs from what was signed."""
        rows = [*content["rows"], *({**row, "bought": True} for row in content["buyers"])]
        groups = [
            {"outcome": outcome, "label": label, "rows": found, "count": sum(row["count"] for row in found)}
            for outcome, label in OUTCOMES.items()
            if (found := [row for row in rows if row["outcome"] == outcome])
        ]
        return {"groups": groups, "differences": differences(signoff.content, content) if signoff else []}


def differences(signed: Mapping[str, Any], now: Mapping[str, Any]) -> list[dict[str, str]]:
    """Stages whose outcome isn't the one that was signed: {"stage", "was", "now"}, in words."""
    before = {row["stage"]: row["outcome"] for row in signed.get("rows", [])}
    after = {row["stage"]: row["outcome"] for row in now.get("rows", [])}
    return [
        {"stage": stage, "was": _words(before.get(stage)), "now": _words(after.get(stage))}
        for stage in [*after, *(stage for stage in before if stage not in after)]
        if before.get(stage) != after.get(stage)
    ]


def _words(outcome: str | None) -> str:
    return "not listed" if outcome is None else OUTCOMES.get(outcome, outcome)


class SandboxPage(SigningPage):
    """What the sandbox run did, record by record and value by value."""

    kind = SignOff.Kind.SANDBOX
    template = "portal/sandbox.html"
    parts = plan.PARTS
    content = staticmethod(sandbox_content)

    def more(self, content: Mapping[str, Any], signoff: SignOff | None) -> dict[str, Any]:
        """Whether every phase balances, which the page says first."""
        return {"all_balanced": bool(content["phases"]) and all(phase["balanced"] for phase in content["phases"])}


class RemovalPage(SigningPage):
    """What would be removed of the schema that was provisioned in production, where it is planned."""

    kind = SignOff.Kind.SCHEMA
    template = "portal/removal.html"
    parts = ()
    content = staticmethod(opening.to_sign)

    def sign(self, request: HttpRequest, engagement: Engagement, given: Mapping[str, Any]) -> SignOff:
        """Sign the plan; with the signature the removal may begin."""
        return opening.sign(
            engagement,
            cast(User, request.user),  # whoever sees the page has signed in
            shown_sha256=given["shown_sha256"],
            address=client_address(request),
            note=given["note"],
        )

    def state(self, request: HttpRequest, engagement: Engagement, content: Mapping[str, Any]) -> dict[str, Any]:
        """A signature under an earlier plan says nothing about this one."""
        state = super().state(request, engagement, content)
        signoff = state["signoff"]
        if signoff and signoff.content["removal"] != content["removal"]:
            return state | {"signoff": None, "signed": False, "may_sign": state["is_approver"]}
        return state

    def more(self, content: Mapping[str, Any], signoff: SignOff | None) -> dict[str, Any]:
        """What goes, and what stays with the reason."""
        groups = [(verdict, [one for one in content["components"] if one["verdict"] == verdict]) for verdict in ("remove", "keep")]
        return {"groups": groups}

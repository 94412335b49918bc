"""The rules of the plan, to read: what each says, what it does in counts, and the version and signature that cover it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from mapping import plan
from mapping.checks import registry
from mapping.checks.quiet import GROUP as QUIET
from mapping.models import DiscoveryFinding, PlanVersion
from mapping.playbooks import load_playbook
from mapping.rule_previews import RULES, preview
from workbench.engagements import signoffs
from workbench.engagements.models import Engagement, SignOff
from workbench.pipeline.rules_page import LABELS
from workbench.portal.views import visible

# Plan part -> what stands in it, in the order of the page.
PARTS: Mapping[str, str] = {
    "split": "Leads who bought",
    "companies": "Companies",
    "consent": "Consent",
    "events": "Payloads of events",
    "maps": "What events and purchases become, and the quiet load",
}
# Decision about something that a migrated row would set off -> what becomes of it.
ANSWERS: Mapping[str, str] = {
    "bypass": "left out of the load's own requests; it goes on for everybody else",
    "off": "switched off for the window and put back after it",
    "run": "let run",
    "": "not decided: production waits",
}
OTHERS = "answered otherwise"
MEDIA: Mapping[str, str] = {"email": "E-mail", "sms": "SMS", "push": "Push", "inapp": "In-app"}


@dataclass(frozen=True, slots=True)
class Standing:
    """A part of the plan: its newest version, whether the working rules differ from it, and the signature that covers it."""

    title: str
    version: PlanVersion | None
    edited: bool
    signoff: SignOff | None

    @property
    def confirmed(self) -> bool:
        """Whether an engineer confirmed exactly what the page shows."""
        return self.version is not None and not self.edited and hasattr(self.version, "confirmation")


def standings(engagement: Engagement) -> Iterator[Standing]:
    """How each part of the rules stands."""
    frozen, hashes = plan.current(engagement), plan.hashes(engagement, PARTS)
    for part, title in PARTS.items():
        kind = SignOff.Kind.MATRIX if part in plan.MATRIX_PARTS else SignOff.Kind.SANDBOX
        version, digest = frozen.get(part), hashes[part]
        covered = not signoffs.uncovered(engagement, kind, {part: digest})
        signoff = signoffs.latest(engagement, kind) if covered else None
        yield Standing(title, version, version is None or version.sha256 != digest, signoff)


def quiet(engagement: Engagement) -> dict[str, Any]:
    """What migrated rows would set off: {"bypass", "lines": [{"environment", "counts": [(how many, what becomes of them)]}]}."""
    names = [check.name for check in registry.known() if check.group == QUIET]
    found = DiscoveryFinding.objects.filter(engagement=engagement, check_name__in=names, asks=True)
    counted: dict[str, dict[str, int]] = {}
    for environment, decision in found.order_by("-environment__kind").values_list("environment__kind", "decision"):
        counts = counted.setdefault(environment, dict.fromkeys((*ANSWERS.values(), OTHERS), 0))
        counts[ANSWERS.get(decision, OTHERS)] += 1
    lines = [
        {"environment": environment, "counts": [(count, words) for words, count in counts.items() if count]}
        for environment, counts in counted.items()
    ]
    return {"bypass": engagement.options.get("quiet_load", "bypass") == "bypass", "lines": lines}


@login_required
@require_GET
def listing(request: HttpRequest, slug: str) -> HttpResponse:
    """The rules as they stand, each with what it does by what discovery saw."""
    engagement = visible(request, slug)
    names = plan.names_of(engagement)
    shown, flattening, playbook = preview(engagement, names), plan.BUILDERS["events"](engagement), load_playbook(engagement.platform)
    events = [(row, flattening["objects"][row["object"]], playbook.object(row["object"]).title) for row in shown["events"]]
    context = {
        "engagement": engagement,
        "standings": list(standings(engagement)),
        "answers": {name: (answers[names[name]] if answers and names[name] in answers else names[name]) for name, answers in RULES.items()},
        "names": names,
        "labels": LABELS,
        "volume": flattening["volume"],
        "events": events,
        "media": MEDIA,
        "people": shown["people"],
        "quiet": quiet(engagement),
    }
    return render(request, "portal/rules.html", context)

"""The plan's gates: what must be confirmed, answered and signed before extraction, provisioning and loading."""

from collections.abc import Iterator
from functools import partial
from itertools import combinations
from urllib.parse import urlsplit

from django.db.models import Q, QuerySet

from mapping import plan, quiet
from mapping.checks import gating
from mapping.checks.drift import ONE_ORGANISATION
from mapping.models import DiscoveryFinding, OwnerMatch
from mapping.owners.models import ACTIVITIES
from mapping.workshop import completeness
from workbench.engagements import signoffs
from workbench.engagements.gates import ACTIONS, gate
from workbench.engagements.models import Engagement, Environment, Role, SignOff

APART = "enter each environment's own in its connection."
SHOWN = 20  # owners that a closed gate names
WHERE = "Under Plan, Field maps, confirm where each goes, or leave the rest behind with one written reason."


@gate("plan confirmed", "provision", "load", everywhere=True)
def plan_confirmed(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """Nothing moves unconfirmed: every part has a confirmed version, and nothing was edited since."""
    frozen, changed = plan.current(engagement), plan.changed_since(engagement)
    for part in plan.PARTS:
        if part not in frozen:
            yield f"The plan part '{part}' is still to be made: discovery proposes it.", Role.ENGINEER
        elif part in changed:
            yield f"The plan part '{part}' has edits that nobody confirmed.", Role.ENGINEER
        elif not hasattr(frozen[part], "confirmation"):
            yield f"{frozen[part]} isn't confirmed.".capitalize(), Role.ENGINEER


@gate("environments apart", "provision", "load", everywhere=True)
def environments_apart(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """The sandbox takes what nobody signed yet, so it must not be production: not by its address, nor by what the last look found."""
    places = [
        (one, _place(one.connection.base_url)) for one in engagement.environments.select_related("connection").defer("connection__secret")
    ]
    for (one, place), (other, other_place) in combinations(places, 2):
        if place == other_place:
            yield f"{one.get_kind_display()} and {other.kind} have the same address, {place}: {APART}", Role.ENGINEER
            return
    for finding in DiscoveryFinding.objects.filter(engagement=engagement, check_name="drift", subject=ONE_ORGANISATION):
        yield f"{finding.evidence} {finding.remedy} Then start the discovery again.", Role.ENGINEER


def _place(address: str) -> str:
    """Where an environment is; Dataverse answers at contoso.api.crm4.dynamics.com and contoso.crm4.dynamics.com alike."""
    parts = urlsplit(address.strip())
    return parts.netloc.lower().replace(".api.crm", ".crm") + parts.path.partition("/api/data")[0].rstrip("/")


@gate("every field decided", "provision", "load", everywhere=True)
def every_field_decided(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """No field is lost unseen: each ends in a column or in a written reason, but for those that came after all was confirmed and signed."""
    waiting = {line.object_name: line.waiting for line in completeness.of(engagement) if line.waiting}
    if waiting:
        told = ", ".join(f"{count:,} of {name}" for name, count in waiting.items())
        yield f"{sum(waiting.values()):,} source fields have no decision ({told}). {WHERE}", Role.ENGINEER


@gate("findings mended", "extract", "load")
def findings_mended(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """A finding that blocks, of the source or of the environment in question, is gone once a new discovery no longer finds it."""
    found = DiscoveryFinding.objects.filter(Q(environment=None) | Q(environment=environment), engagement=engagement, severity="blocker")
    for finding in found.order_by("check_name", "pk"):
        yield f"{finding.check_name}: {finding.evidence} {finding.remedy} Then start the discovery again.", Role.ENGINEER


# Where a decision that findings ask for matters for an action, that waits for it, and for what was decided to be done.
for _action in ACTIONS:
    gate(f"decisions before {_action}", _action)(partial(gating.undecided, _action))
    gate(f"deeds before {_action}", _action)(partial(gating.to_do, _action))


@gate("quiet load adds up", "load")
def quiet_load_adds_up(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """Production waits where headers can't carry out all decisions about one table; in the sandbox everything is left out then."""
    if environment is not None and environment.is_production:
        for words in quiet.contradictions(environment):
            yield words, Role.DYNAMICS_ADMIN


@gate("matrix signed", "extract", "load", everywhere=True)
def matrix_signed(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """Full extraction and loading wait for the customer's signature under the split matrix and the company rule."""
    signed = signoffs.latest(engagement, SignOff.Kind.MATRIX)
    if not signed:
        yield "The customer hasn't signed the split matrix.", Role.APPROVER
    elif open_parts := signed.uncovered(plan.hashes(engagement, plan.MATRIX_PARTS)):
        yield f"Changed after the matrix was signed: {', '.join(open_parts)}. It needs a new signature.", Role.APPROVER


@gate("sandbox signed", "provision", "load")
def sandbox_signed(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """Production waits for the customer's signature under the sandbox run, at the versions that it used."""
    if environment is None or not environment.is_production:
        return
    signed = signoffs.latest(engagement, SignOff.Kind.SANDBOX)
    if not signed:
        yield "The customer hasn't signed the sandbox run.", Role.APPROVER
    elif open_parts := signed.uncovered(plan.hashes(engagement)):
        yield f"Changed after the sandbox run was signed: {', '.join(open_parts)}. Run the sandbox again and have it signed.", Role.APPROVER


@gate("owners answered", "load")
def owners_answered(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """Every source owner that is known, rows without one and activities have an answer that can own rows in the environment."""
    matches = OwnerMatch.objects.filter(engagement=engagement)
    for match, says in _told(matches.filter(kind=OwnerMatch.Kind.OPEN), "{} more owners have no answer."):
        yield (f"There is no answer for {_who(match)} ({match.records} records)." if match else says), Role.DYNAMICS_ADMIN
    if not matches.filter(source_owner="").exists():
        yield "The owner of rows without an owner isn't decided.", Role.DYNAMICS_ADMIN
    if environment is None:
        return
    kind = environment.kind
    failing = matches.exclude(kind=OwnerMatch.Kind.OPEN).filter(problems__has_key=kind)
    for match, says in _told(failing, "{} more answers can't own rows there."):
        yield (f"The answer for {_who(match)} can't own rows in {kind}: {match.problems[kind]}" if match else says), Role.DYNAMICS_ADMIN


def _told(matches: QuerySet[OwnerMatch], more: str) -> Iterator[tuple[OwnerMatch | None, str]]:
    """The first of them, then one sentence for the others."""
    for match in matches[:SHOWN]:
        yield match, ""
    if (others := matches.count() - SHOWN) > 0:
        yield None, more.format(others)


def _who(match: OwnerMatch) -> str:
    named = {"": "rows without an owner", ACTIVITIES: "activities that no owner answers for"}
    return named.get(match.source_owner, f"the source owner {match.source_owner}")

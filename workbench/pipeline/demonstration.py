"""A whole engagement played from discovery to handoff, with a written script answering for the people.

It goes through the same services, gates, signatures and tasks as a real one; only the answers are given here.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q

from loads import quality, quality_decisions, rollback
from loads.acceptance import sandbox_content
from loads.losses import deciding as losses
from loads.models import Phase, Run
from loads.rollback import outlook
from mapping import plan
from mapping.checks import deciding, registry, switching
from mapping.checks.deciding import proposals
from mapping.models import DiscoveryFinding, FieldMap, ObjectMap, OwnerMatch
from mapping.owners import answers
from mapping.owners.matching import Candidates, candidates_of
from mapping.preview import matrix_content
from mapping.workshop import decisions, rest
from mapping.workshop.confirming import OBJECT_MAPS, ORGANISATION_LISTS, confirm
from workbench.engagements import signoffs
from workbench.engagements.errors import WorkbenchError
from workbench.engagements.models import Engagement, Environment, Role, SignOff
from workbench.pipeline import steps
from workbench.pipeline.following import follow
from workbench.pipeline.models import Step
from workbench.pipeline.opening import Cast

Say = Callable[[str], None]
LOCAL = "127.0.0.1"
ASSUMPTIONS = [
    "Stages that the playbook doesn't know, and blank ones, stay in review.",
    "Fields go where they are proposed to go; one whose proposal can't be confirmed stays behind, with that as its written reason.",
    "Text that is too long is cut to fit and kept whole in the column for original values.",
    "Optional values that can't be read stay empty and are listed.",
    "What arrives with less than the source held is accepted as it is listed, run by run.",
    "Every group of the data-quality report is decided as proposed: load with what fits, or wait until the source is clean.",
    "People without a valid e-mail address are held; role addresses stay in review.",
    "Owners without a match go to the fallback owner; so do rows without an owner.",
    "Unknown consent counts as refused.",
    "Nothing that a row would set off stays on: custom logic and flows are bypassed, and what no header bypasses is off for the window.",
    "Every other decision that a finding asks for is taken as its check proposes.",
    "The register of forgotten people holds SHA-256 of the trimmed, lower-cased value (assumed: not documented).",
    "Text lengths are counted in UTF-16 code units (assumed).",
]


class DemonstrationFailed(WorkbenchError):
    """A step of the demonstration didn't end as it must."""

    remedy = "Read the message; the run's page in the admin has the details."


def play(
    engagement: Engagement,
    cast: Cast,
    say: Say,
    leave: Collection[str] = (),
    before_load: Callable[[Environment], None] = lambda environment: None,
    *,
    while_loading: Callable[[Run], None] = lambda run: None,
    sample: bool = False,
    sandbox_only: bool = False,
) -> None:
    """Play the engagement up to the hand-off, the objects to `leave` documented only.

    before_load: called when an environment is provisioned and nothing of the load was sent to it. while_loading: called again and again
    until a load ends. sample: a sample of it goes first. Raises DemonstrationFailed where a step fails or nothing balances.
    """
    kinds = (Environment.Kind.SANDBOX,) if sandbox_only else (Environment.Kind.SANDBOX, Environment.Kind.PRODUCTION)
    sandbox, *others = [engagement.environments.get(kind=kind) for kind in kinds]
    _step(engagement, Step.Name.DISCOVER, None, cast, say)
    say("The engineer confirms the maps; the owners are answered")
    answer(engagement, cast, leave)
    say("The customer signs the split matrix")
    sign(engagement, SignOff.Kind.MATRIX, matrix_content(engagement), cast)
    _step(engagement, Step.Name.EXTRACT, None, cast, say)
    for environment in (sandbox, *others):
        _step(engagement, Step.Name.PROVISION, environment, cast, say)
        before_load(environment)
        if sample and environment == sandbox:
            _look_at_sample(engagement, sandbox, cast, say)
        _load(engagement, environment, cast, say, while_loading)
        if environment == sandbox:
            say("The customer signs the sandbox run")
            sign(engagement, SignOff.Kind.SANDBOX, sandbox_content(engagement), cast)
            _answer_findings(engagement, cast)  # what the sandbox run measured may ask something, too


def load_changes(
    engagement: Engagement,
    cast: Cast,
    say: Say,
    later: Callable[[Engagement], None],
    before_load: Callable[[Environment], None] = lambda environment: None,
) -> None:
    """Load what changed into production, after `later` let time move on at the source and people work at the destination.

    before_load: see `play`.
    """
    say("Time moves on at the source; people work at the destination")
    later(engagement)
    _step(engagement, Step.Name.DELTA, None, cast, say)
    _answer_findings(engagement, cast)
    production = engagement.environments.get(kind=Environment.Kind.PRODUCTION)
    before_load(production)
    _load(engagement, production, cast, say)


def hand_off(engagement: Engagement, cast: Cast, say: Say) -> None:
    """Have all documents written. Raises DemonstrationFailed."""
    _step(engagement, Step.Name.HANDOFF, None, cast, say)


def _look_at_sample(engagement: Engagement, sandbox: Environment, cast: Cast, say: Say) -> None:
    """Some records that stand for all are loaded alone, with every value of them read back."""
    steps.request(engagement, Step.Name.SAMPLE, environment=sandbox, user=cast.engineer)
    run = Run.objects.filter(environment=sandbox).latest("pk")
    _follow_run(run, say)
    _require_done(run)
    rows, wrong = run.verified_rows.count(), run.verified_rows.filter(verdict="wrong").count()
    say(f"A sample of {run.scope['sample']} records is in the sandbox: {rows} rows compared value by value, {wrong} of them wrong")


def _load(
    engagement: Engagement, environment: Environment, cast: Cast, say: Say, while_loading: Callable[[Run], None] = lambda run: None
) -> None:
    """A run into an environment, with all that people do around it."""
    _switched("Off for the window", switching.switch_off(environment, actor=cast.approver), environment, say)
    steps.request(engagement, Step.Name.LOAD, environment=environment, user=cast.engineer)
    run = Run.objects.filter(environment=environment).latest("pk")
    _follow_run(run, say, while_loading)
    if decide_quality(run, cast):
        say("The customer decides about the data-quality report as it is proposed; the run goes on")
        run = Run.objects.filter(environment=environment).latest("pk")
        _follow_run(run, say, while_loading)
    _require_done(run)
    if accept_losses(run, cast):
        say("The customer accepts what arrives with less than the source held")
    _switched("Put back", switching.put_back(environment, actor=cast.approver), environment, say)


def roll_back(engagement: Engagement, cast: Cast, say: Say) -> Run:
    """Take the newest production run back: planned, agreed to, carried out by the workers.

    Raises DemonstrationFailed where it doesn't end.
    """
    load = Run.objects.loads().filter(engagement=engagement, environment__kind=Environment.Kind.PRODUCTION).latest("pk")
    run = rollback.open_rollback(load, cast.engineer)
    _follow_rollback(run, say)
    if run.measured_at is None:
        raise DemonstrationFailed(f"{run} isn't planned: {run.message}")
    plan = outlook.content(run)
    figures = f"{plan['remove']} rows to remove, {plan['restore']} to restore, {plan['keep']} to keep"
    say(f"{run} is planned: {figures}, about {plan['takes']}; the engineer lets it begin")
    rollback.agree(run, cast.engineer)
    run.refresh_from_db()
    _follow_rollback(run, say)
    _require_done(run)
    return run


def _follow_rollback(run: Run, say: Say) -> None:
    closed: set[int] = set()
    while run.state not in (*Run.FINISHED, Run.State.PAUSED):
        time.sleep(0.1)
        run.refresh_from_db()
        for phase in run.phases.filter(finished_at__isnull=False).exclude(pk__in=closed):
            closed.add(phase.pk)
            rows = f"{phase.removed} rows removed, {phase.restored} restored, {phase.kept} kept"
            say(f"Rollback: {phase}: {rows}, {phase.get_state_display().lower()}")


def _switched(title: str, came: switching.Switched, environment: Environment, say: Say) -> None:
    """Say what was switched. Raises DemonstrationFailed where something wasn't: nothing may be set off."""
    left = [*came.refused, *(finding.key for finding in came.by_hand)]
    if left:
        raise DemonstrationFailed(f"In {environment} these aren't switched: {', '.join(left)}.", remedy="Switch them by hand.")
    names = ", ".join(finding.subject or registry.of(finding.check_name).title for finding in came.done)
    say(f"{environment.get_kind_display()}: {title.lower()}: {names or 'nothing'}")


def sign(engagement: Engagement, kind: str, content: Mapping[str, Any], cast: Cast) -> None:
    """The approver signs what the page shows."""
    signoffs.sign(
        engagement=engagement,
        kind=kind,
        covers=content["parts"],
        content=content,
        user=cast.approver,
        shown_sha256=signoffs.content_hash(content),
        address=LOCAL,
        note="Signed by the demonstration's script.",
    )


@transaction.atomic
def answer(engagement: Engagement, cast: Cast, leave: Collection[str] = ()) -> None:
    """Everything that people are asked, answered as the demonstration's script says; see ASSUMPTIONS. leave: what is documented only."""
    ObjectMap.objects.filter(engagement=engagement, object_name__in=leave).update(tables=[])
    for of in (ORGANISATION_LISTS, OBJECT_MAPS):
        rows = of.kind.model._default_manager.filter(engagement=engagement)
        confirm(of, rows, confirmed=True, user=cast.engineer, comment="Confirmed by the demonstration's script.")
    _answer_maps(engagement, cast)
    _answer_owners(engagement, cast)
    _answer_findings(engagement, cast)
    plan.confirm(engagement, plan.PARTS, user=cast.engineer)


def _answer_maps(engagement: Engagement, cast: Cast) -> None:
    """Every field goes where it is proposed to, or stays behind with the reason why it can't."""
    proposed = FieldMap.objects.filter(engagement=engagement, state=FieldMap.State.PROPOSED)
    decisions.decide(proposed, FieldMap.State.CONFIRMED, user=cast.engineer, comment="Confirmed by the demonstration's script.")
    refused: dict[str, list[int]] = {}
    for one in decisions.scope(proposed, FieldMap.State.CONFIRMED).impossible:
        refused.setdefault(one.why, []).append(one.row.pk)
    left: dict[str, Any] = {"user": cast.engineer, "comment": "Left behind by the demonstration's script."}
    for why, ids in refused.items():
        decisions.decide(proposed.filter(pk__in=ids), FieldMap.State.LEFT, reason=f"The proposal can't be confirmed. {why}", **left)
    rest.leave(engagement, reason="Nothing was proposed for it.", **left)


def _answer_findings(engagement: Engagement, cast: Cast) -> None:
    """Every decision that a finding asks for, by whoever it belongs to: what the check proposes."""
    undecided = DiscoveryFinding.objects.filter(engagement=engagement).undecided()
    for who, choice, ids in proposals(undecided):
        user = cast.engineer if who == Role.ENGINEER else cast.approver
        deciding.decide(undecided.filter(pk__in=ids), choice, user=user, comment="Decided by the demonstration's script.")


def _answer_owners(engagement: Engagement, cast: Cast) -> None:
    """Matches that hold stay; all others, rows without an owner and activities get the fallback owner, given by the Dynamics admin."""
    fallback = answers.Answer(*_fallback(candidates_of(engagement)), "The fallback owner.")
    default = OwnerMatch.objects.filter(engagement=engagement, source_owner="")
    answers.give(engagement, default, fallback, by=cast.approver)  # first: it stands in for others in the sandbox
    unsettled = Q(kind=OwnerMatch.Kind.OPEN) | ~Q(problems={})
    others = OwnerMatch.objects.filter(unsettled, engagement=engagement).exclude(source_owner="")
    if others.exists():
        answers.give(engagement, others, fallback, by=cast.approver)


def _fallback(environments: Sequence[Candidates]) -> tuple[str, str]:
    """The fallback owner: an owner team that can own in all environments, one that people made before a unit's own; else a user who can."""
    units = {team.unit for known in environments for found in known.by_team.values() for team in found}
    for kind in (OwnerMatch.Kind.TEAM, OwnerMatch.Kind.USER):
        able = [{name for name in known.names(kind) if known.find(kind, name).principal} for known in environments]
        if common := set.intersection(*able) if able else set():
            return kind, min(common, key=lambda name: (name in units, name))
    raise DemonstrationFailed("The environments have no owner team and no user in common.", remedy="Give both a team with one name.")


def _step(engagement: Engagement, name: str, environment: Environment | None, cast: Cast, say: Say) -> None:
    follow(steps.request(engagement, name, environment=environment, user=cast.engineer), say)


def _follow_run(run: Run, say: Say, while_loading: Callable[[Run], None] = lambda run: None) -> None:
    """Wait until a run ends or stands still; say what is staged and rehearsed of it, and which phases are closed."""
    where, told = run.environment.get_kind_display(), set[str | int]()

    def say_once(key: str | int, words: str) -> None:
        if key not in told:
            told.add(key)
            say(f"{where}: {words}")

    while run.state not in (*Run.FINISHED, Run.State.PAUSED):
        time.sleep(0.1)
        run.refresh_from_db()
        while_loading(run)
        if run.state == Run.State.STAGING:
            for name in run.staged:
                say_once(name, f"{name} staged")
            if run.measured_at is not None:
                say_once("measured", "all is staged and adds up; each row is held against what is there")
        for phase in run.phases.filter(state__in=(Phase.State.BALANCED, Phase.State.UNBALANCED)):
            records = f"{phase.loaded} of {phase.extracted} records loaded, {phase.get_state_display().lower()}"
            say_once(phase.pk, f"{phase}: {records}")


def _require_done(run: Run) -> None:
    if run.state != Run.State.DONE:
        raise DemonstrationFailed(f"{run} is {run.get_state_display().lower()}: {run.message}")


def decide_quality(run: Run, cast: Cast) -> int:
    """The customer's answers to what the run's data-quality report asks, as proposed; how many were given."""
    found = quality.open_lines(run) if quality.waits(run) else []
    comment = "Decided by the demonstration's script."
    return quality_decisions.decide(run, quality.proposals(found), user=cast.approver, comment=comment) if found else 0


def accept_losses(run: Run, cast: Cast) -> int:
    """The customer accepts what a run brought with less than the source held; how many values that are."""
    told = losses.content(run)
    if told["losses"]:
        shown = signoffs.content_hash(told)
        comment = "Accepted by the demonstration's script."
        losses.decide(run, losses.Choice.ACCEPTED, user=cast.approver, shown_sha256=shown, comment=comment, address=LOCAL)
    return told["values"]

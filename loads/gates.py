"""The load's own gates: schema provisioned and names bound, per environment."""

from collections.abc import Iterator

from loads import quality
from loads.losses import deciding
from loads.models import Binding, SchemaPlan
from loads.removal import opening
from loads.removal.models import newest
from mapping import plan
from mapping.playbooks import load_playbook
from workbench.engagements import signoffs
from workbench.engagements.gates import gate
from workbench.engagements.models import Engagement, Environment, Role


@gate("schema provisioned", "load")
def schema_provisioned(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """The environment has the columns of the newest maps."""
    if environment is None:
        return
    newest = SchemaPlan.objects.filter(environment=environment).exclude(provisioned_at=None).first()
    maps = plan.current(engagement).get("maps")
    if newest is None:
        yield f"The schema isn't provisioned in {environment.get_kind_display().lower()}.", Role.ENGINEER
    elif maps and newest.maps_id != maps.pk and newest.maps.content["columns"] != maps.content["columns"]:
        yield f"The schema changed after it was provisioned in {environment.get_kind_display().lower()}.", Role.ENGINEER


@gate("objects confirmed", "load", everywhere=True)
def objects_confirmed(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """Every object of the platform has a confirmed map; one without tables is documented only."""
    maps = plan.current(engagement).get("maps")
    if maps is None:
        return
    for rule in load_playbook(engagement.platform).objects:
        if rule.name not in maps.content["objects"]:
            yield f"The map of the object '{rule.name}' isn't confirmed.", Role.ENGINEER


@gate("names bound", "load")
def names_bound(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """Every owner that the plan names is a row of the environment."""
    if environment is None:
        return
    if not SchemaPlan.objects.filter(environment=environment).exclude(provisioned_at=None).exists():
        return  # names are bound with the schema, whose own gate says so
    owners = plan.current(engagement).get("owners")
    wanted = {(answer["kind"], answer["name"]) for answer in owners.content["answers"].values()} if owners else set()
    rows = {(row.kind, row.name): row for row in Binding.objects.filter(environment=environment)}
    for kind, name in sorted(wanted):
        row = rows.get((kind, name))
        if row is None:
            yield f"The {kind} {name} isn't bound in {environment.get_kind_display().lower()}.", Role.ENGINEER
        elif row.row_id is None:
            yield f"The {kind} {name} has no row in {environment.get_kind_display().lower()}: {row.problem}", Role.DYNAMICS_ADMIN


@gate("data quality decided", "load")
def data_quality_decided(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """What staging found that would fail or lose something is decided before anything is loaded."""
    if environment is None:
        return
    if found := quality.waiting(environment):
        records = sum(line.group.records for line in found)
        late = sum(line.is_overdue for line in found)
        overdue = f" {late} of them {'is' if late == 1 else 'are'} overdue." if late else ""
        counts = f"{len(found):,} group{'s' * (len(found) != 1)} ({records:,} record{'s' * (records != 1)})"
        yield f"The data-quality report has {counts} without a decision.{overdue}", Role.APPROVER


@gate("no schema removal", "provision", "load")
def no_schema_removal(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """What is being removed isn't made or loaded into at the same time."""
    removal = newest(environment) if environment else None
    if removal and removal.is_open:
        yield f"{removal} is agreed to and not finished: start it, or plan another one in its place.", Role.ENGINEER


@gate(opening.AT_REST, opening.ACTION)
def loads_taken_back(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """Schema goes after everything that was loaded into it."""
    for run in opening.standing_loads(environment) if environment else ():
        if run.state not in run.FINISHED:
            yield f"{run} is {run.get_state_display().lower()}: end it first.", Role.ENGINEER
        else:
            yield f"{run} isn't taken back whole: roll it back first.", Role.ENGINEER


@gate("removal agreed", opening.ACTION)
def removal_agreed(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """A removal needs a signature of its own under what exactly it removes: in production the customer's."""
    if environment is None:
        return
    removal = newest(environment)
    if removal is None or removal.finished_at:
        yield f"No removal of the schema in {environment.get_kind_display().lower()} is planned.", Role.ENGINEER
    elif removal.agreed_at is None and environment.is_production:
        yield f"The customer hasn't signed: {removal}.", Role.APPROVER
    elif removal.agreed_at is None:
        yield f"Nobody has agreed to: {removal}.", Role.ENGINEER
    elif removal.signoff and removal.signoff.content_sha256 != signoffs.content_hash(opening.content(removal)):
        yield f"{removal} isn't what was signed: run verify_history.", Role.ENGINEER


@gate("losses of the sandbox accepted", "sandbox signature", everywhere=True)
def sandbox_losses_accepted(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """Who signs the sandbox run has accepted what arrives there with less than the source held."""
    for run in deciding.to_accept(engagement, Environment.Kind.SANDBOX):
        for says in deciding.missing(run):
            yield says, Role.APPROVER


@gate("losses of production accepted", "handoff", everywhere=True)
def production_losses_accepted(engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """What is handed over is accepted with what is lost of it, run by run."""
    for run in deciding.to_accept(engagement, Environment.Kind.PRODUCTION):
        for says in deciding.missing(run):
            yield says, Role.APPROVER

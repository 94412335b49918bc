"""The load's own gates: schema provisioned and names bound, per environment."""

from collections.abc import Iterator

from loads import quality
from loads.models import Binding, SchemaPlan
from mapping import plan
from mapping.playbooks import load_playbook
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
    elif maps and newest.maps.content["columns"] != maps.content["columns"]:
        yield f"The schema changed after it was provisioned in {environment.get_kind_display().lower()}.", Role.ENGINEER


@gate("objects confirmed", "load")
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
        yield f"The data-quality report has {len(found)} groups ({records:,} records) without a decision.", Role.APPROVER

"""Discovery of an environment: every check of the destination, then owners and maps as proposals."""

from collections.abc import Callable

from django.db import transaction

from mapping import plan
from mapping.checks import usage
from mapping.checks.keeping import keep
from mapping.checks.look import Look, look_through
from mapping.discovery import lines
from mapping.owners.checks import answer_by_name, refresh
from mapping.owners.matching import candidates
from mapping.owners.snapshot import keep as keep_owners
from mapping.playbooks import load_playbook
from mapping.transforms import ColumnLike
from mapping.workshop import tables
from workbench.engagements import history, signoffs
from workbench.engagements.models import Environment, SignOff

PERSON_OBJECT = "user"


def discover(environment: Environment, *, actor: object, progress: Callable[[str], None]) -> None:
    """Audit an environment and leave findings, matched owners and, where there are source profiles, proposed field maps."""
    engagement = environment.engagement
    look = Look(environment)
    seen = look_through(look, progress)
    if "tables" not in seen.unseen:
        with transaction.atomic():
            tables.keep(environment, look.tables)
            lines.propose(engagement, columns_of(look))
            usage.carry_out_again(engagement, actor=actor)
    look_through(look, progress, last=True)
    with transaction.atomic():
        keep(engagement, environment, seen.findings, unseen=seen.unseen, actor=actor)
        if "owners" not in seen.unseen:
            _match_owners(environment, look)
        plan.revise(engagement, ("owners", "maps"), actor=actor)
        detail = {"findings": len(seen.findings), "not_carried_out": sorted(seen.unseen)}
        history.record(engagement, actor=actor, action="discovered destination", subject=str(environment), detail=detail)


def _is_main(environment: Environment) -> bool:
    """Production, or the sandbox where there is no production: its users answer the owners."""
    return environment.is_production or not environment.engagement.environments.filter(kind=Environment.Kind.PRODUCTION).exists()


def columns_of(look: Look) -> dict[str, dict[str, ColumnLike]]:
    """Table -> its columns at the destination, by name; none of a table that the plan has still to make."""
    made = load_playbook(look.engagement.platform, look.engagement.prefix).tables
    missing: dict[str, dict[str, ColumnLike]] = {rule.name: {} for rule in made if rule.name in look.planned}
    return missing | {name: dict(table.columns) for name, table in look.tables.items()}


def _match_owners(environment: Environment, look: Look) -> None:
    """Keep who can own rows, answer the owners that are plainly one user, and hold every answer against what was read.

    Once the sandbox is signed all new ones stay open: the signature covers the answers that it showed.
    """
    engagement = environment.engagement
    keep_owners(environment, look.owners)
    if _is_main(environment) and not signoffs.latest(engagement, SignOff.Kind.SANDBOX) and (known := candidates(environment)):
        answer_by_name(engagement, known)
    refresh(engagement)


def propose_new_fields(environment: Environment) -> list[str]:
    """Lines for profiled fields that no line knows, such as those that a full extraction brought; their names.

    What people signed stands as it is: each new line is a question of its own until somebody decides it.
    """
    engagement = environment.engagement
    new = lines.unknown_fields(engagement)
    if new:
        columns = columns_of(Look(environment))
        with transaction.atomic():
            lines.propose(engagement, columns)
    return [name if object_name == PERSON_OBJECT else f"{object_name}.{name}" for object_name, name in new]

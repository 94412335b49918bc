"""Bindings: the names that the plan uses, looked up in one environment, before anything loads into it."""

from collections.abc import Iterator

from django.db import transaction
from django.utils import timezone

from connectors.dataverse import directory
from connectors.dataverse.client import Client
from connectors.dataverse.directory import Team, User
from loads.destination import Destination
from loads.models import Binding
from mapping import plan
from workbench.engagements import history
from workbench.engagements.models import Environment


def bind(environment: Environment, *, actor: object) -> list[Binding]:
    """Look every name of the plan up in the environment; a name without a fitting row keeps its problem in words."""
    destination = Destination(environment)
    people, teams = list(directory.users(destination.client)), list(directory.teams(destination.client))
    currency = directory.base_currency(destination.client)
    wanted = sorted({(answer["kind"], answer["name"]) for answer in _answers(environment)})
    rows = [_owner(environment, kind, name, people, teams) for kind, name in wanted]
    for row in rows:
        if row.kind == "user" and row.row_id and (unread := unreadable_tables(destination.client, str(row.row_id))):
            row.row_id, row.problem = None, f"The user's roles don't read {', '.join(unread)}."
    if not environment.is_production:
        _stand_in(environment, rows)
    rows.append(Binding(environment=environment, kind="currency", name="base", row_id=currency.id))
    with transaction.atomic():
        Binding.objects.filter(environment=environment).delete()
        Binding.objects.bulk_create(rows)
        problems = {row.name: row.problem for row in rows if row.problem}  # also of those that somebody stands in for
        detail = {"names": len(rows), "problems": problems}
        history.record(environment.engagement, actor=actor, action="bound", subject=str(environment), detail=detail)
    return rows


def _answers(environment: Environment) -> Iterator[dict[str, str]]:
    version = plan.current(environment.engagement).get("owners")
    yield from version.content["answers"].values() if version else ()


def _stand_in(environment: Environment, rows: list[Binding]) -> None:
    """In a sandbox the owner of rows without one stands in for users whom it lacks, as the signed owners say; `problem` keeps why."""
    version = plan.current(environment.engagement)["owners"].content if rows else {}
    default = version.get("answers", {}).get("")
    found = next((row.row_id for row in rows if default and (row.kind, row.name) == (default["kind"], default["name"])), None)
    for row in rows:
        if row.row_id is None and row.kind == "user" and version.get("missing_in_sandbox") == "default_owner":
            row.row_id = found


def _owner(environment: Environment, kind: str, name: str, people: list[User], teams: list[Team]) -> Binding:
    row_id, problem = match_user(name, people) if kind == "user" else match_team(name, teams)
    return Binding(environment=environment, kind=kind, name=name, row_id=row_id, problem=problem, bound_at=timezone.now())


OWNED = ("account", "contact", "lead")


def unreadable_tables(client: Client, user_id: str) -> list[str]:
    """Tables that a user would own rows of and can't read: such rows would vanish from view."""
    held = directory.privileges(client, user_id)
    return [table for table in OWNED if f"prvRead{table.capitalize()}" not in held]


def match_user(name: str, people: list[User]) -> tuple[str | None, str]:
    """The user with this e-mail, else with this domain name: (row id, ''), or (None, why not)."""
    wanted = name.strip().lower()
    for key in (lambda user: user.email, lambda user: user.domain_name):
        hits = [user for user in people if key(user).strip().lower() == wanted]
        able = [user for user in hits if user.can_own]
        if len(able) == 1:
            return able[0].id, ""
        if len(able) > 1:
            return None, f"{len(able)} enabled users have this name."
        if hits:
            return None, "The user is disabled, or is an application or support user."
    return None, "No user has this e-mail or domain name."


def match_team(name: str, teams: list[Team]) -> tuple[str | None, str]:
    """The owner team of this name: (row id, ''), or (None, why not)."""
    hits = [team for team in teams if team.name.strip().casefold() == name.strip().casefold()]
    able = [team for team in hits if team.can_own]
    if len(able) == 1:
        return able[0].id, ""
    if len(able) > 1:
        return None, f"{len(able)} owner teams have this name."
    return None, "The team isn't an owner team." if hits else "No team has this name."

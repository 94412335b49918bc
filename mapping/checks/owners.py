"""The check of who can own what loads: users and teams, their business unit, and whether their roles read the plan's tables."""

from collections.abc import Iterator

from connectors.base import Finding
from mapping.checks.look import Look
from mapping.checks.registry import check

GROUP = "Privileges"


@check("owners", "Who can own rows", GROUP, "Users and owner teams: enabled, in the business unit, with a role that reads each table.")
def owners(look: Look) -> Iterator[Finding]:
    """How many can own rows of every table of the plan, and whether the business unit that owners must lie in is there."""
    seen = look.owners
    if not seen.there:
        evidence = f"The environment has no business unit {seen.unit}, in which the engagement's owners are to lie."
        remedy = "Mend the engagement's option owner_business_unit, or make the unit."
        yield Finding("owners", "blocker", evidence, remedy, subject="business unit")
        return
    told = f"{seen.able('user')} users and {seen.able('team')} owner teams can own rows of every table of the plan"
    yield Finding("owners", "info", f"{told}, in or below the business unit {seen.unit}.")
    if not seen.able("team"):
        remedy = "Make an owner team with a role that reads the tables, so that activities and ownerless rows have an owner that stays."
        yield Finding("owners", "warning", "No owner team can own rows of every table of the plan.", remedy, subject="teams")

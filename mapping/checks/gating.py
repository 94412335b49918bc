"""Which decisions keep a step closed, in words, and whose move each is."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from django.db.models import Q

from mapping.checks import registry
from mapping.checks.deciding import choice_of
from mapping.checks.keeping import OFF
from mapping.models import DiscoveryFinding
from workbench.engagements.models import Engagement, Environment, Role

NAMED = 3
SWITCHING = "An engineer does so on the engagement's page, or notes among the findings that it was done by hand."
READ = ("check_name", "subject", "decision", "gone_at", "off_at", "back_at")  # of many findings only what the sentences need


def undecided(action: str, engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """(sentence, role to move) per check whose decisions the step waits for."""
    for check, rows in waiting(action, engagement, environment):
        if found := [row for row in rows if not row.decision]:
            yield f"{check.title}: {_counted(found)} {check.decision.question}", check.decision.who


def to_do(action: str, engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """(sentence, role to move) per check of which something that was decided is still to be done: who decided it, but engineers switch."""
    for check, rows in waiting(action, engagement, environment):
        for answer, held in _by_answer([row for row in rows if row.decision]):
            says = f"{check.title}: {_counted(held, answer.label.lower())} {answer.means}"
            yield (f"{says} {SWITCHING}", Role.ENGINEER) if answer.name == OFF else (says, check.decision.who)


def waiting(
    action: str, engagement: Engagement, environment: Environment | None, *, anyhow: bool = False
) -> Iterator[tuple[registry.Asking, list[DiscoveryFinding]]]:
    """Checks with the findings that keep the step closed. anyhow: also those that the sandbox doesn't wait for."""
    production = anyhow or (environment is not None and environment.is_production)
    checks = {check.name: check for check in registry.asking() if action in check.decision.stops and (production or check.decision.sandbox)}
    if not checks:
        return
    found = DiscoveryFinding.objects.filter(engagement=engagement, asks=True, check_name__in=checks).for_environment(environment)
    rows = found.filter(Q(decision="") | Q(decision__in=registry.holding())).only(*READ).order_by("check_name", "subject", "pk")
    for name, same in groupby((row for row in rows if _open(row)), key=lambda row: row.check_name):
        yield checks[name], list(same)


def _open(row: DiscoveryFinding) -> bool:
    """Not decided, or decided in a way that asks for something that isn't done yet."""
    if not row.decision:
        return True
    answer = choice_of(row)
    done = row.gone_at or (row.off_at and not row.back_at)
    return bool(answer and answer.holds and not done)


def _by_answer(rows: Sequence[DiscoveryFinding]) -> Iterator[tuple[registry.Choice, list[DiscoveryFinding]]]:
    for name in sorted({row.decision for row in rows}):
        held = [row for row in rows if row.decision == name]
        if answer := choice_of(held[0]):
            yield answer, held


def _counted(rows: Sequence[DiscoveryFinding], verb: str = "") -> str:
    named = ", ".join(row.subject for row in rows[:NAMED] if row.subject)
    more = f" and {len(rows) - NAMED} more" if named and len(rows) > NAMED else ""
    what = f"{len(rows)} still to do ({verb})" if verb else f"{len(rows)} undecided"
    return f"{what}: {named}{more}." if named else f"{what}."

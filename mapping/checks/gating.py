"""Which decisions keep a step closed, in words, and whose move each is."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from mapping.checks import registry
from mapping.checks.deciding import choice_of
from mapping.models import DiscoveryFinding
from workbench.engagements.models import Engagement, Environment

NAMED = 3


def missing(action: str, engagement: Engagement, environment: Environment | None) -> Iterator[tuple[str, str]]:
    """(sentence, role to move) per check whose decisions the step waits for, and per check of which something is still to be done."""
    for check, rows in waiting(action, engagement, environment):
        decision = check.decision
        if decision is None:
            continue
        if undecided := [row for row in rows if not row.decision]:
            yield f"{check.title}: {_counted(undecided)} {decision.question}", decision.who
        for answer, held in _by_answer([row for row in rows if row.decision]):
            yield f"{check.title}: {_counted(held, answer.label.lower())} {answer.means}", decision.who


def waiting(
    action: str, engagement: Engagement, environment: Environment | None, *, anyhow: bool = False
) -> Iterator[tuple[registry.Check, list[DiscoveryFinding]]]:
    """Checks with the findings that keep the step closed. anyhow: also those that the sandbox doesn't wait for."""
    found = DiscoveryFinding.objects.filter(engagement=engagement, asks=True).for_environment(environment)
    open_ones = (row for row in found.order_by("check_name", "subject", "pk") if _open(row))
    production = anyhow or (environment is not None and environment.is_production)
    for name, rows in groupby(open_ones, key=lambda row: row.check_name):
        check = registry.of(name)
        if check.decision and action in check.decision.stops and (production or check.decision.sandbox):
            yield check, list(rows)


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

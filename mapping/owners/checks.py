"""Answers held against the environments as they were last read: what fails where, and who stands in."""

from collections.abc import Iterable, Sequence

from mapping.models import OwnerMatch
from mapping.owners.matching import Candidates, candidates_of
from mapping.owners.models import ACTIVITIES
from workbench.engagements.models import Engagement

PER_UPDATE = 100  # a statement over more rows takes longer than several
_SELLER = "Activities belong to an owner team where there is one, never to a seller."


def refresh(engagement: Engagement, known: Sequence[Candidates] | None = None) -> int:
    """Bring the problems of every answer up to date; returns how many answers have one. known: the environments, where they are at hand."""
    found = candidates_of(engagement) if known is None else known
    matches = list(OwnerMatch.objects.filter(engagement=engagement))
    default = next((match for match in matches if match.source_owner == ""), None)
    keep_problems(matches, found, default)
    return sum(bool(match.problems) for match in matches)


def keep_problems(matches: Iterable[OwnerMatch], known: Sequence[Candidates], default: OwnerMatch | None) -> None:
    """Write down what stands against each answer, where that changed."""
    changed = []
    for match in matches:
        problems = problems_of(match, known, default)
        if problems != match.problems:
            match.problems = problems
            changed.append(match)
    OwnerMatch.objects.bulk_update(changed, ["problems"], batch_size=PER_UPDATE)


def problems_of(match: OwnerMatch, known: Iterable[Candidates], default: OwnerMatch | None) -> dict[str, str]:
    """Environment kind -> why the answer can't own the rows there. Where somebody stands in for a user in a sandbox, that is no problem."""
    if match.kind == OwnerMatch.Kind.OPEN:
        return {}
    problems = {}
    for environment in known:
        problem = _problem(match, environment)
        if problem and not stands_in(match, environment, default):
            problems[environment.environment.kind] = problem
    return problems


def _problem(match: OwnerMatch, known: Candidates) -> str:
    if match.source_owner == ACTIVITIES and match.kind != OwnerMatch.Kind.TEAM and teams_for_activities(known):
        return _SELLER
    return known.find(match.kind, match.answer, known.tables_for([match.source_owner])).problem


def stands_in(match: OwnerMatch, known: Candidates, default: OwnerMatch | None) -> bool:
    """Whether the owner of rows without one stands in for this user, whom a sandbox lacks or who can't own rows there."""
    if known.environment.is_production or match.kind == OwnerMatch.Kind.TEAM or not match.source_owner or default is None:
        return False
    return default.kind != OwnerMatch.Kind.OPEN and not _problem(default, known)


def teams_for_activities(known: Candidates) -> list[str]:
    """Names of the owner teams that could own activities."""
    activities = known.tables_for([ACTIVITIES])
    return sorted(name for name in known.names(OwnerMatch.Kind.TEAM) if known.find(OwnerMatch.Kind.TEAM, name, activities).principal)


def answer_by_name(engagement: Engagement, known: Candidates) -> int:
    """Answer the open owners whose e-mail or domain name is exactly one user's who can own their rows; returns how many.

    The others stay open. `known`: production, or the only environment that there is.
    """
    answered = []
    for match in OwnerMatch.objects.filter(engagement=engagement, kind=OwnerMatch.Kind.OPEN).exclude(source_owner__in=("", ACTIVITIES)):
        found = known.find(OwnerMatch.Kind.USER, match.source_owner).principal
        name = known.name_of(found) if found else ""
        if name:
            match.kind, match.answer, match.note = OwnerMatch.Kind.USER, name, "Matched by e-mail or domain name."
            answered.append(match)
    OwnerMatch.objects.bulk_update(answered, ["kind", "answer", "note"], batch_size=PER_UPDATE)
    return len(answered)

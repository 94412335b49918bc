"""Names of owners found among an environment's users and teams: by internal e-mail, then by domain name, or by a team's name."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import Q

from mapping.owners.models import ACTIVITIES, OwnerDirectory, OwnerMatch, Principal
from mapping.owners.snapshot import key_of, tables_of
from workbench.engagements.models import Engagement, Environment

FEW = 300  # names that are asked for by themselves; for more, everybody is read


@dataclass(frozen=True, slots=True)
class Found:
    """What a name leads to: a principal that can own, or why there is none."""

    principal: Principal | None
    problem: str = ""


@dataclass(frozen=True)
class Candidates:
    """An environment's users and teams as they were last read. activities: tables whose rows are activities."""

    environment: Environment
    tables: frozenset[str]
    activities: frozenset[str]
    unit: str = ""
    by_email: Mapping[str, Sequence[Principal]] = field(default_factory=dict)
    by_domain: Mapping[str, Sequence[Principal]] = field(default_factory=dict)
    by_team: Mapping[str, Sequence[Principal]] = field(default_factory=dict)

    def tables_for(self, source_owners: Iterable[str]) -> frozenset[str]:
        """The tables that the answer of these source owners will own rows of."""
        whole = any(owner != ACTIVITIES for owner in source_owners)
        return self.tables if whole else self.tables & self.activities

    def find(self, kind: str, name: str, tables: Collection[str] | None = None) -> Found:
        """The row for an answer's kind (one of OwnerMatch.Kind) and name, among those that can own rows of the tables (all of the plan)."""
        owned = self.tables if tables is None else tables
        if kind == OwnerMatch.Kind.TEAM:
            return _judged(self.by_team.get(key_of(name), ()), owned, "team")
        return self._user(key_of(name), owned, stub=kind == OwnerMatch.Kind.STUB)

    def _user(self, wanted: str, tables: Collection[str], *, stub: bool) -> Found:
        for hits in (self.by_email.get(wanted, ()), self.by_domain.get(wanted, ())):
            if hits:
                return _judged([user for user in hits if user.disabled] or hits if stub else hits, tables, "user", stub=stub)
        return Found(None, "No user has this e-mail or domain name.")

    def names(self, kind: str) -> set[str]:
        """The names of all teams, or the e-mail addresses of all users."""
        teams = {team.name for found in self.by_team.values() for team in found if team.name}
        return teams if kind == OwnerMatch.Kind.TEAM else set(self.by_email)

    def users_with(self, name: str) -> int:
        """How many users who could own have this e-mail: more than one makes it no name."""
        return sum(not (user.barred or user.disabled) for user in self.by_email.get(key_of(name), ()))

    def name_of(self, principal: Principal) -> str:
        """The name by which a plan names it: the e-mail, the domain name where users share that; '' where nothing tells it apart."""
        if principal.kind == "team":
            return principal.name
        rivals = [user for user in self.by_email.get(principal.email_key, ()) if user.disabled == principal.disabled and not user.barred]
        if principal.email_key and len(rivals) == 1:
            return principal.email
        return principal.domain_name if len(self.by_domain.get(principal.domain_key, ())) == 1 and principal.domain_key else ""


def _judged(hits: Sequence[Principal], tables: Collection[str], what: str, *, stub: bool = False) -> Found:
    if not hits:
        return Found(None, f"No {what} has this name.")
    able = [one for one in hits if not one.barred and (stub or not one.disabled)]
    if len(able) > 1:
        return Found(None, f"{len(able)} {'enabled users' if what == 'user' else 'owner teams'} have this name.")
    if not able:
        return Found(None, hits[0].why_not(tables, stub=stub))
    problem = able[0].why_not(tables, stub=stub)
    return Found(None if problem else able[0], problem)


def candidates(environment: Environment, names: Collection[str] | None = None) -> Candidates | None:
    """The environment's users and teams; None where they were never read.

    names: those that are asked about, as `key_of` makes them; None: all.
    """
    read = OwnerDirectory.objects.filter(environment=environment).first()
    if read is None:
        return None
    rows = Principal.objects.filter(environment=environment).order_by("pk")
    if names is not None and len(names) <= FEW:
        rows = rows.filter(Q(kind="team") | Q(email_key__in=names) | Q(domain_key__in=names))
    by_email: dict[str, list[Principal]] = {}
    by_domain: dict[str, list[Principal]] = {}
    by_team: dict[str, list[Principal]] = {}
    for one in rows:
        keys = ((one.name_key, by_team),) if one.kind == "team" else ((one.email_key, by_email), (one.domain_key, by_domain))
        for key, index in keys:
            if key:
                index.setdefault(key, []).append(one)
    owned = tables_of(environment.engagement)
    there = {table["name"]: table["activity"] for table in read.tables if table["name"] in owned}
    activities = frozenset(name for name, activity in there.items() if activity)
    return Candidates(environment, frozenset(there), activities, read.unit, by_email, by_domain, by_team)


def candidates_of(engagement: Engagement, names: Collection[str] | None = None) -> list[Candidates]:
    """Those of every environment that was read, production first. names: as for `candidates`."""
    environments = Environment.objects.filter(engagement=engagement).select_related("engagement").order_by("kind")
    return [found for environment in environments if (found := candidates(environment, names)) is not None]

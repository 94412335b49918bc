"""Who might be meant by an owner at the source: users and teams ranked by likeness of their names, and search among them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from django.db.models import Q
from rapidfuzz import fuzz, process

from mapping.identity import fold_name
from mapping.owners.matching import Candidates, candidates
from mapping.owners.models import RESERVED, OwnerMatch, Principal
from mapping.owners.snapshot import key_of
from workbench.engagements.models import Engagement, Environment

ALIKE = 70  # of 100: what is less alike is no suggestion
SUGGESTED, TEAMS, FOUND = 8, 3, 25
_SAME = {"email": (100, "The same e-mail address"), "domain": (99, "The same domain name"), "local": (95, "The same name before the @")}
_NOT_A_WORD = re.compile(r"[^\w]+|_+")


@dataclass(frozen=True, slots=True)
class Choice:
    """A user or team as an answer. name: by which the plan names it. problem: why it can't be chosen; empty where it can.

    score: likeness of 0 to 100 with `why` in words. rivals: users who share the e-mail. sandbox: how it is there, where that differs.
    """

    principal: Principal
    kind: str
    name: str
    problem: str
    sandbox: str = ""
    score: int = 0
    why: str = ""
    rivals: int = 0

    @property
    def key(self) -> str:
        """What a page sends back for it."""
        return f"{self.principal.kind}:{self.principal.row_id}"


def main_environment(engagement: Engagement) -> Environment | None:
    """The environment whose users answer the owners: production, or the sandbox where there is no other; None where none was read."""
    read = Environment.objects.filter(engagement=engagement, owner_directory__isnull=False)
    return read.select_related("engagement", "owner_directory").order_by("kind").first()


def suggest(environment: Environment, owner: str, *, limit: int = SUGGESTED) -> list[Choice]:
    """Users and teams who are like a source owner, the likest first, then the owner teams that fit."""
    ranked = [] if owner in RESERVED else _ranked(environment, owner)[:limit]
    found = {one.pk: one for one in Principal.objects.filter(pk__in=[pk for pk, _, _ in ranked])}
    chosen = _choices(environment, [found[pk] for pk, _, _ in ranked], [owner])
    alike = [replace(choice, score=score, why=why) for choice, (_, score, why) in zip(chosen, ranked, strict=True)]
    teams = Principal.objects.filter(environment=environment, kind="team", barred="", unit_fits=True).exclude(pk__in=found)
    fitting = [choice for choice in _choices(environment, list(teams[:FOUND]), [owner]) if not choice.problem]
    return [*alike, *(replace(choice, why="An owner team") for choice in fitting[: limit if owner in RESERVED else TEAMS])]


def search(environment: Environment, text: str, owners: Iterable[str]) -> list[Choice]:
    """Users and teams whose name, e-mail or domain name contains the text; at most FOUND."""
    key = key_of(text)
    within = Q(name_key__contains=key) | Q(email_key__contains=key) | Q(domain_key__contains=key)
    rows = Principal.objects.filter(within, environment=environment).order_by("-kind", "name_key", "pk")
    return _choices(environment, list(rows[:FOUND]), list(owners))


def chosen(environment: Environment, key: str, owners: Iterable[str]) -> Choice | None:
    """The choice that a page sent back; None where the environment has no such user or team."""
    kind, _, row_id = key.partition(":")
    if not re.fullmatch(r"[0-9a-f-]{36}", row_id):
        return None
    row = Principal.objects.filter(environment=environment, kind=kind, row_id=row_id).first()
    return _choices(environment, [row], list(owners))[0] if row else None


def best(environment: Environment, owners: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Owner -> the name of the likest user or team and its likeness, for those that have one; one pass for a whole page."""
    named = [owner for owner in owners if owner not in RESERVED]
    entries = _entries(environment)
    if not named or not entries:
        return {}
    keys = [key for _, key in entries]
    likeness = process.cdist([_words(owner) for owner in named], keys, scorer=fuzz.ratio, score_cutoff=ALIKE, dtype="uint8")
    tops = likeness.argmax(axis=1)
    found = {owner: (entries[top][0], int(likeness[place, top])) for place, (owner, top) in enumerate(zip(named, tops, strict=True))}
    shown = {one.pk: str(one) for one in Principal.objects.filter(pk__in={pk for pk, score in found.values() if score})}
    return {owner: (shown[pk], score) for owner, (pk, score) in found.items() if score}


def _ranked(environment: Environment, owner: str) -> list[tuple[int, int, str]]:
    """(primary key, likeness, why), the likest first."""
    wanted, entries = key_of(owner), _entries(environment)
    found: dict[int, tuple[int, str]] = {}
    for _, score, place in process.extract(_words(owner), [key for _, key in entries], scorer=fuzz.ratio, score_cutoff=ALIKE, limit=40):
        pk = entries[place][0]
        found[pk] = max(found.get(pk, (0, "")), (min(round(score), 94), f"{round(score)} % alike in name"))
    exact = Q(email_key=wanted) | Q(domain_key=wanted) | Q(email_key__startswith=f"{wanted.partition('@')[0]}@")
    for one in Principal.objects.filter(exact, environment=environment) if wanted else ():
        found[one.pk] = max(found.get(one.pk, (0, "")), _same(one, wanted))
    return [(pk, score, why) for pk, (score, why) in sorted(found.items(), key=lambda item: (-item[1][0], item[0]))]


def _same(one: Principal, wanted: str) -> tuple[int, str]:
    if one.email_key == wanted:
        return _SAME["email"]
    return _SAME["domain"] if one.domain_key == wanted else _SAME["local"]


def _entries(environment: Environment) -> list[tuple[int, str]]:
    """(primary key, words) for each name of everybody who isn't barred for good."""
    rows = Principal.objects.filter(environment=environment, barred="").values_list("pk", "name_key", "email_key", "domain_key")
    return [(pk, words) for pk, *names in rows.iterator() for words in dict.fromkeys(map(_words, names)) if words]


def _words(name: str) -> str:
    """The words of a name in order of the alphabet: `Nilsson, Bo`, `bo.nilsson@corp.example` and `CORP\\bo.nilsson` are one."""
    own = name.rpartition("\\")[2].partition("@")[0]
    return " ".join(sorted(filter(None, _NOT_A_WORD.split(fold_name(own)))))


def _choices(environment: Environment, rows: Sequence[Principal], owners: Sequence[str]) -> list[Choice]:
    names = {name for row in rows for name in (row.name_key, row.email_key, row.domain_key) if name}
    known = candidates(environment, names)
    other = (
        Environment.objects.filter(engagement=environment.engagement_id, kind=Environment.Kind.SANDBOX).exclude(pk=environment.pk).first()
    )
    sandbox = candidates(other, names) if other else None
    return [_choice(row, owners, known, sandbox) for row in rows] if known else []


def _choice(row: Principal, owners: Sequence[str], known: Candidates, sandbox: Candidates | None) -> Choice:
    kind = OwnerMatch.Kind.TEAM if row.kind == "team" else OwnerMatch.Kind.STUB if row.disabled else OwnerMatch.Kind.USER
    name = known.name_of(row)
    problem = row.why_not(known.tables_for(owners), stub=row.disabled)
    if not problem and not name:
        problem = "Neither e-mail nor domain name tells this user apart from others."
    there = sandbox.find(kind, name, sandbox.tables_for(owners)).problem if sandbox and name and not problem else ""
    rivals = known.users_with(row.email) if row.kind == "user" and not row.disabled else 0
    return Choice(row, kind, name, problem, there, rivals=rivals if rivals > 1 else 0)

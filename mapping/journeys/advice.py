"""With what a journey is best rebuilt, by the written rules of rebuild.toml and the licences of the environment."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mapping.journeys.words import KINDS
from mapping.models import DiscoveryFinding
from workbench.engagements.errors import BadInput
from workbench.engagements.models import Engagement, Environment

SEQUENCES, JOURNEYS = "sequences", "journeys"
LICENCES = frozenset({SEQUENCES, JOURNEYS})
WITH_SEQUENCES = (Environment.Edition.ENTERPRISE, Environment.Edition.PREMIUM)
INSTALLED = "quiet_journeys"  # the check that looks whether Customer Insights - Journeys is there


@dataclass(frozen=True, slots=True)
class Licences:
    """What the environment in which journeys are rebuilt is licensed for. None: nobody entered it, and nothing showed it.

    journeys_by: who says so of Customer Insights - Journeys: `entered`, `discovery`, or ''.
    """

    environment: str
    edition: str
    edition_title: str
    sequences: bool | None
    journeys: bool | None
    journeys_by: str

    @property
    def held(self) -> frozenset[str]:
        """The licences that are known to be there."""
        return frozenset(name for name, there in ((SEQUENCES, self.sequences), (JOURNEYS, self.journeys)) if there)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules look at. kinds: kind of a step -> steps; channels: those that it sends by, '' where one isn't known."""

    kinds: Mapping[str, int]
    channels: frozenset[str]
    trigger: str
    state: str
    known: bool
    paths: int
    catalogs: int
    limited: bool

    @property
    def sends(self) -> int:
        """Messages."""
        return self.kinds.get("send", 0)


@dataclass(frozen=True, slots=True)
class Effort:
    """The work's class. at_least: not all steps are known, so that it may be more. rule: the points in words."""

    name: str
    title: str
    points: int
    at_least: bool
    rule: str


@dataclass(frozen=True, slots=True)
class Advice:
    """A recommendation. limits: what can't be rebuilt with the tool. otherwise: the tool's title that more licences would allow, or ''."""

    tool: str
    title: str
    reason: str
    retrigger: str
    limits: tuple[str, ...]
    otherwise: str
    effort: Effort


@dataclass(frozen=True, slots=True)
class Rules:
    """The rule table as it is read."""

    tools: Mapping[str, Mapping[str, str]]
    rules: Sequence[Mapping[str, Any]]
    limits: Sequence[Mapping[str, Any]]
    effort: Mapping[str, Any]
    classes: Sequence[Mapping[str, Any]]


CONDITIONS = {
    "licence", "edition", "trigger", "state", "channels_only", "channels_any", "kinds_any", "kinds_none", "sends_at_least",
    "sends_at_most", "steps_known", "catalogs", "limited",
}  # fmt: skip


@lru_cache
def rules() -> Rules:
    """The rules. Raises BadInput where the file has other parts, conditions, tools or kinds."""
    content = tomllib.loads((Path(__file__).parent / "rebuild.toml").read_text(encoding="utf-8"))
    if set(content) != {"tools", "rules", "limits", "effort", "classes"}:
        raise BadInput("rebuild.toml has other parts than tools, rules, limits, effort and classes.")
    used = {rule["tool"] for rule in content["rules"]} | {tool for limit in content["limits"] for tool in limit["tools"]}
    asked = {name for rule in (*content["rules"], *content["limits"]) for name in rule["when"]}
    if unknown := sorted((used - set(content["tools"])) | (asked - CONDITIONS) | (set(content["effort"]["kinds"]) ^ set(KINDS))):
        raise BadInput(f"rebuild.toml has or lacks: {', '.join(unknown)}.")
    if content["rules"][-1]["when"]:
        raise BadInput("rebuild.toml: the last rule must hold for every journey.")
    return Rules(**content)


def licences(engagement: Engagement) -> Licences:
    """Those of production, where journeys are rebuilt; of the sandbox where there is no production."""
    environment = Environment.objects.filter(engagement=engagement).order_by("kind").first()  # production stands first
    if environment is None:
        return Licences("", "", "", None, None, "")
    edition = environment.edition
    entered = environment.insights_journeys
    there = entered if entered is not None else _installed(environment)
    by = "entered" if entered is not None else "discovery" if there is not None else ""
    return Licences(
        environment=environment.kind,
        edition=edition,
        edition_title=environment.get_edition_display(),
        sequences=edition in WITH_SEQUENCES if edition else None,
        journeys=there,
        journeys_by=by,
    )


def _installed(environment: Environment) -> bool | None:
    """Whether the last look at the environment found Customer Insights - Journeys; None where it says nothing of it."""
    found = DiscoveryFinding.objects.filter(environment=environment, check_name=INSTALLED, gone_at=None).values_list("subject", flat=True)
    names = list(found)
    return None if not names else any(names)  # a finding about a journey names it; one that none is installed has no subject


def advise(facts: Facts, known: Licences) -> Advice:
    """The recommendation for a journey."""
    table = rules()
    chosen = _chosen(facts, known.held, known.edition)
    best = _chosen(facts, LICENCES, known.edition)
    tool = table.tools[chosen["tool"]]
    limits = (limit for limit in table.limits if chosen["tool"] in limit["tools"])
    return Advice(
        tool=chosen["tool"],
        title=tool["title"],
        reason=chosen["reason"],
        retrigger=tool["retrigger"],
        limits=tuple(limit["words"] for limit in limits if _holds(limit["when"], facts, known.held, known.edition)),
        otherwise=table.tools[best["tool"]]["title"] if best["tool"] != chosen["tool"] else "",
        effort=_effort(facts),
    )


def _chosen(facts: Facts, held: frozenset[str], edition: str) -> Mapping[str, Any]:
    return next(rule for rule in rules().rules if _holds(rule["when"], facts, held, edition))


def _holds(when: Mapping[str, Any], facts: Facts, held: frozenset[str], edition: str) -> bool:
    channels, kinds = facts.channels, {kind for kind, steps in facts.kinds.items() if steps}
    said = {
        "licence": lambda wanted: wanted in held,
        "edition": lambda wanted: edition in wanted,
        "trigger": lambda wanted: facts.trigger in wanted,
        "state": lambda wanted: facts.state in wanted,
        "channels_only": lambda wanted: channels <= set(wanted),
        "channels_any": lambda wanted: bool(channels & set(wanted)),
        "kinds_any": lambda wanted: bool(kinds & set(wanted)),
        "kinds_none": lambda wanted: not kinds & set(wanted),
        "sends_at_least": lambda wanted: facts.sends >= wanted,
        "sends_at_most": lambda wanted: facts.sends <= wanted,
        "steps_known": lambda wanted: facts.known == wanted,
        "catalogs": lambda wanted: bool(facts.catalogs) == wanted,
        "limited": lambda wanted: facts.limited == wanted,
    }
    return all(said[name](wanted) for name, wanted in when.items())


def _effort(facts: Facts) -> Effort:
    """Points of everything that is known, and the class that they fall into."""
    table = rules()
    points = table.effort
    parts = [("journey", 1, points["journey"])]
    parts += [(KINDS[kind].lower(), steps, points["kinds"][kind]) for kind, steps in sorted(facts.kinds.items()) if steps]
    parts += [("path", facts.paths, points["path"]), ("catalog", facts.catalogs, points["catalog"])]
    total = sum(count * each for _, count, each in parts)
    chosen = next(one for one in table.classes if total <= one["up_to"])
    rule = " + ".join(f"{count} x {name} ({each})" for name, count, each in parts if count)
    return Effort(chosen["name"], chosen["title"], total, not facts.known, rule)

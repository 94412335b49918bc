"""Grade, effort and timeline of an engagement, computed from measured inputs by the rules of scope.toml; nothing in them is a feeling."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mapping.estimates import read_toml
from workbench.engagements.errors import BadInput

WEEK = 5  # working days


@dataclass(frozen=True, slots=True)
class Input:
    """One measured input. source: where the figure comes from, in words."""

    name: str
    title: str
    value: float
    source: str


@dataclass(frozen=True, slots=True)
class Points:
    """Points that one input gives, by which step and why."""

    input: str
    value: float
    points: int
    step: str
    why: str


@dataclass(frozen=True, slots=True)
class Grade:
    """The grade with every rule that made it. individually: so many records that the scope is set by a person."""

    name: str
    title: str
    total: int
    rules: tuple[Points, ...]
    individually: bool


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of work in days, and the arithmetic in words."""

    work: str
    role: str
    days: float
    rule: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the calendar in working days. first, last: its place, counted from day 1."""

    stage: str
    days: int
    first: int
    last: int
    rule: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The rule table as it is read."""

    individually: int
    points: Sequence[Mapping[str, Any]]
    grades: Sequence[Mapping[str, Any]]
    effort: Sequence[Mapping[str, Any]]
    timeline: Sequence[Mapping[str, Any]]


@lru_cache
def rules() -> Rules:
    """The rules. Raises BadInput where the file has other parts."""
    content = read_toml("scope")
    if set(content) != {"individually", "points", "grades", "effort", "timeline"}:
        raise BadInput("scope.toml has other parts than individually, points, grades, effort and timeline.")
    if any(len(stage["days"]) != len(content["grades"]) for stage in content["timeline"]):
        raise BadInput("scope.toml: every stage of the timeline has days for every grade.")
    return Rules(**content)


def grade(inputs: Mapping[str, Input]) -> Grade:
    """The grade of what was measured; an input that nobody measured gives no points."""
    found = tuple(_points(rule, inputs[rule["input"]].value) for rule in rules().points if rule["input"] in inputs)
    total = sum(one.points for one in found)
    chosen = next(one for one in rules().grades if total <= one["up_to"])
    records = inputs["records"].value if "records" in inputs else 0
    return Grade(chosen["name"], chosen["title"], total, found, records > rules().individually)


def _points(rule: Mapping[str, Any], value: float) -> Points:
    reached = [step for step in rule["steps"] if value >= step[0]]
    points = reached[-1][1] if reached else 0
    step = f"{_shown(reached[-1][0])} or more" if reached else f"under {_shown(rule['steps'][0][0])}"
    return Points(rule["input"], value, points, step, rule["why"])


def effort(inputs: Mapping[str, Input]) -> list[Work]:
    """Every piece of work with its days, half days rounded up."""
    return [_work(rule, inputs) for rule in rules().effort]


def _work(rule: Mapping[str, Any], inputs: Mapping[str, Input]) -> Work:
    days, said = float(rule.get("days", 0)), []
    if days:
        said.append(f"{days:g} days")
    if (name := rule.get("input")) and name in inputs:
        known = inputs[name]
        days += math.ceil(known.value / rule["per"]) * rule["more"]
        said.append(f"{rule['more']:g} for each {_shown(rule['per'])} of {_shown(known.value)} {known.title.lower()}")
    return Work(rule["work"], rule["role"], math.ceil(days * 2) / 2, " and ".join(said))


def timeline(found: Grade, load_days: float) -> list[Stage]:
    """The stages one after the other. load_days: what one load takes by the forecast."""
    place = [one["name"] for one in rules().grades].index(found.name)
    stages, first = [], 1
    for rule in rules().timeline:
        loads, base = rule.get("loads", 0), int(rule["days"][place])
        days = base + math.ceil(load_days) * loads if load_days > 1 else base
        said = f"{base} at grade {found.name}" + (f", and {math.ceil(load_days)} of loading" if days > base else "")
        stages.append(Stage(rule["stage"], days, first, first + days - 1, said))
        first += days
    return stages


def weeks(stages: Sequence[Stage]) -> int:
    """Weeks of five working days that the stages take."""
    return math.ceil(sum(stage.days for stage in stages) / WEEK)


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"

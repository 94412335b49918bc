"""What is recommended for a template: the first rule of rebuild.toml that holds for what was counted in it."""

import operator
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from workbench.engagements.errors import BadInput

Count = int | str
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, ">": operator.gt, ">=": operator.ge, "in": lambda value, values: value in values,
}  # fmt: skip
STATUSES = ("by_hand", "replaced", "resolved", "ignored")  # the worst first


@dataclass(frozen=True, slots=True)
class Rule:
    """A line of the table. when: (what was counted, comparison, value); why has what was counted in braces, with a noun or without."""

    name: str
    title: str
    when: tuple[tuple[str, str, Any], ...]
    why: str
    effort: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an expression isn't simply a column, in words, and what that means for the rebuild."""

    status: str
    words: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to do with a template, why, and how much work it is."""

    name: str
    title: str
    why: str
    effort: str
    effort_title: str


@dataclass(frozen=True, slots=True)
class Table:
    """rebuild.toml as it is read."""

    limits: Mapping[str, int]
    efforts: Mapping[str, str]
    rules: tuple[Rule, ...]
    reasons: Mapping[str, Reason]


@lru_cache
def table() -> Table:
    """The rules. Raises BadInput where the file has mistakes."""
    content = tomllib.loads(Path(__file__).with_name("rebuild.toml").read_text(encoding="utf-8"))
    limits, efforts = content["limits"], {one["name"]: one["title"] for one in content["efforts"]}
    rules = tuple(_rule(entry, limits, efforts) for entry in content["rules"])
    reasons = {code: Reason(**entry) for code, entry in content["reasons"].items()}
    if wrong := [code for code, reason in reasons.items() if reason.status not in STATUSES]:
        raise BadInput(f"rebuild.toml: the reasons {', '.join(wrong)} have no known status.")
    if not rules or rules[-1].when:
        raise BadInput("rebuild.toml: the last rule has to hold for every template.")
    return Table(limits, efforts, rules, reasons)


def _rule(entry: Mapping[str, Any], limits: Mapping[str, int], efforts: Mapping[str, str]) -> Rule:
    when = tuple((what, by, limits[value] if isinstance(value, str) else value) for what, by, value in entry["when"])
    if entry["effort"] not in efforts or any(by not in COMPARISONS for _, by, _ in when):
        raise BadInput(f"rebuild.toml: the rule {entry['title']!r} has an unknown effort or comparison.")
    return Rule(entry["name"], entry["title"], when, entry["why"], entry["effort"])


class _Counted(int):
    """A number that is told with a noun: {loops:place} is 1 place, 2 places."""

    def __format__(self, noun: str) -> str:
        return f"{int(self):,}" + (f" {noun}{'s' * (self != 1)}" if noun else "")


def recommend(counted: Mapping[str, Count], characters: int) -> Recommendation:
    """The recommendation for a template. counted: what the rules ask for; characters: of its HTML."""
    rules = table()
    rule = next(rule for rule in rules.rules if all(COMPARISONS[by](counted[what], value) for what, by, value in rule.when))
    told = {name: _Counted(value) if isinstance(value, int) else value for name, value in counted.items()}
    classes = list(rules.efforts)
    place = classes.index(rule.effort)
    if place and characters >= rules.limits["large"]:
        place = min(place + 1, len(classes) - 1)
    return Recommendation(rule.name, rule.title, rule.why.format(**told), classes[place], rules.efforts[classes[place]])

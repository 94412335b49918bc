"""Event types of a sampled object: counts that are exact, and payload keys as the samples show them."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors import landing
from connectors.base import Finding
from connectors.models import Dataset
from connectors.sampling import counted, shown_value
from mapping.flattening import LEVELS
from mapping.models import EventType
from mapping.playbooks import DatasetRule

SHOWN_KEYS = 200
MOST_KEYS = 2_000  # of one type; a payload whose keys are data has no end of them
TOO_DEEP, OBJECTS, MIXED = "deeper than three levels", "an array of objects", "values of several types"
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object", type(None): "null"}


@dataclass(slots=True)
class Key:
    """One key of the payloads of a type."""

    samples: int = 0
    types: Counter[str] = field(default_factory=Counter)
    depth: int = 0
    problem: str = ""

    def as_json(self, name: str) -> dict[str, Any]:
        """As the database keeps it."""
        kinds = {"number" if kind == "integer" else kind for kind in self.types if kind != "null"}
        problem = self.problem or (MIXED if len(kinds) > 1 else "")
        return {"name": name, "samples": self.samples, "types": dict(self.types), "depth": self.depth, "problem": problem}


@dataclass(slots=True)
class Seen:
    """What the samples of one type show."""

    samples: int = 0
    unflattenable: int = 0
    left_out: int = 0
    keys: dict[str, Key] = field(default_factory=dict)

    def add(self, payload: Mapping[str, Any]) -> None:
        """Take a sample's payload."""
        self.samples += 1
        found = [self._note(name, value, level) for name, value, level in flattened(payload)]
        self.unflattenable += any(found)

    def _note(self, name: str, value: Any, level: int) -> bool:
        name = shown_value(name)
        if name not in self.keys and len(self.keys) >= MOST_KEYS:
            self.left_out += 1
            return False
        key, problem = self.keys.setdefault(name, Key()), problem_of(value, level)
        key.samples += 1
        key.types[_TYPES.get(type(value), "string")] += 1
        key.depth = max(key.depth, level)
        key.problem = key.problem or problem
        return bool(problem)


def flattened(payload: Mapping[str, Any], before: str = "", level: int = 1) -> Iterator[tuple[str, Any, int]]:
    """(dotted name, value, level) of every key that could be a column; what lies deeper than LEVELS stays in its object."""
    for name, value in payload.items():
        if isinstance(value, dict) and value and level < LEVELS:
            yield from flattened(value, f"{before}{name}.", level + 1)
        else:
            yield f"{before}{name}", value, level


def problem_of(value: Any, level: int) -> str:
    """Why a flattened value can't be a column; '' where it can."""
    if isinstance(value, dict) and value:
        return TOO_DEEP
    if isinstance(value, list) and any(isinstance(part, (dict, list)) for part in value):
        return OBJECTS
    return ""


def keep_event_types(dataset: Dataset, rule: DatasetRule, envelope: Collection[str]) -> list[EventType]:
    """Replace the types of an object by those of a sampled dataset; the commonest first. envelope: the keys that aren't payload."""
    seen: dict[str, Seen] = {}
    for record in landing.records(dataset):
        payload = {name: value for name, value in record.items() if name not in envelope}
        seen.setdefault(shown_value(record.get(rule.by)), Seen()).add(payload)
    total = sum(entry["count"] for entry in dataset.counts)
    EventType.objects.filter(engagement=dataset.engagement, object_name=rule.name).delete()
    rows = [_row(dataset, rule, value, entry, seen.get(value, Seen()), total) for value, entry in counted(dataset).items()]
    return EventType.objects.bulk_create(rows, batch_size=200)


def _row(dataset: Dataset, rule: DatasetRule, value: str, entry: Mapping[str, Any], seen: Seen, total: int) -> EventType:
    keys = sorted((key.as_json(name) for name, key in seen.keys.items()), key=lambda key: (-key["samples"], key["name"]))
    return EventType(
        engagement=dataset.engagement,
        dataset=dataset,
        object_name=rule.name,
        name=value,
        count=entry["count"],
        share=entry["count"] / total if total else 0.0,
        first_at=_moment(entry["first"]),
        last_at=_moment(entry["last"]),
        samples=seen.samples,
        unflattenable=seen.unflattenable,
        keys=keys[:SHOWN_KEYS],
        keys_left_out=len(keys[SHOWN_KEYS:]) + seen.left_out,
    )


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def event_findings(types: list[EventType]) -> Iterator[Finding]:
    """What a person should know of the types of one object."""
    yield from names_alike(types)
    yield from unflattenable_share(types)


def names_alike(types: list[EventType]) -> Iterator[Finding]:
    """Names that differ by case, spaces or punctuation only: most often one event that two teams named."""
    alike: dict[str, list[EventType]] = {}
    for one in types:
        alike.setdefault("".join(part for part in one.name.casefold() if part.isalnum()) or one.name, []).append(one)
    groups = [group for key, group in alike.items() if len(group) > 1 and key.strip()]
    if groups:
        shown = "; ".join(" and ".join(f"{one.name} ({one.count:,})" for one in group) for group in groups[:5])
        evidence = f"Event names that differ by case, spaces or punctuation only ({len(groups):,}): {shown}."
        remedy = "They stay apart unless somebody decides that they are one event."
        yield Finding("event_names_alike", "warning", evidence, remedy, subject=types[0].object_name)


def unflattenable_share(types: list[EventType]) -> Iterator[Finding]:
    """How many payloads can't become columns as a whole, by the samples of each type and its exact count."""
    events = sum(one.count for one in types)
    estimate = sum(one.count * one.unflattenable / one.samples for one in types if one.samples)
    if events and estimate:
        worst = sorted((one for one in types if one.unflattenable), key=lambda one: -one.count * one.unflattenable / one.samples)
        shown = ", ".join(f"{one} ({one.unflattenable / one.samples:.0%})" for one in worst[:5])
        evidence = f"About {estimate / events:.1%} of {events:,} events have a payload that can't be flattened as a whole: {shown}."
        remedy = "They load with the payload as text, and those typed columns empty."
        yield Finding("unflattenable_payloads", "warning", evidence, remedy, subject=types[0].object_name)

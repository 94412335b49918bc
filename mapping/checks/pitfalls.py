"""The register of known pitfalls: per platform and for Dynamics, as data. Each becomes a note, or a decision that is tracked."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from connectors.base import Finding
from mapping.checks.registry import Check, Choice, Decision, Side, register
from mapping.models import ObjectMap
from workbench.engagements.errors import BadInput
from workbench.engagements.gates import ACTIONS
from workbench.engagements.models import Engagement, Role

FOLDER = Path(__file__).parent.parent / "pitfalls"
DYNAMICS = "dynamics"
GROUP = "Known pitfalls"
SEVERITIES = ("info", "warning")


@dataclass(frozen=True, slots=True)
class Pitfall:
    """One known pitfall.

    tables, objects: it matters only where the plan writes one of these tables, or moves one of these objects; none: always.
    question, who, default, stops, choices ([{name, label, means}]): of the decision that it asks for, if it asks for one.
    """

    name: str
    title: str
    says: str
    remedy: str = ""
    severity: str = "info"
    tables: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    question: str = ""
    who: str = ""
    default: str = ""
    stops: tuple[str, ...] = ()
    choices: tuple[Mapping[str, str], ...] = field(default_factory=tuple)

    @property
    def decision(self) -> Decision | None:
        """What it asks, if it asks something."""
        if not self.question:
            return None
        choices = tuple(Choice(one["name"], one["label"], one["means"]) for one in self.choices)
        return Decision(self.question, choices, self.who, self.default, self.stops)


@lru_cache
def read(register_name: str) -> tuple[Pitfall, ...]:
    """The pitfalls of a platform, or of Dynamics. Raises BadInput with all mistakes of the file."""
    path = FOLDER / f"{register_name}.toml"
    if not path.exists():
        return ()
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("pitfalls", [])
    mistakes = [mistake for entry in entries for mistake in _mistakes(entry)]
    if mistakes:
        raise BadInput(f"{path.name} has mistakes: {'; '.join(mistakes)}.", remedy="Correct the file.")
    return tuple(_pitfall(entry) for entry in entries)


def _pitfall(entry: Mapping[str, Any]) -> Pitfall:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    return Pitfall(**values)


def _mistakes(entry: Mapping[str, Any]) -> Iterator[str]:
    name = entry.get("name", "one without a name")
    if unknown := set(entry) - set(Pitfall.__slots__):
        yield f"{name} has the unknown keys {', '.join(sorted(unknown))}"
    yield from (f"{name} has no {key}" for key in ("name", "title", "says") if not entry.get(key))
    if entry.get("severity", "info") not in SEVERITIES:
        yield f"{name} has the severity {entry['severity']!r}"
    if not entry.get("question"):
        return
    if entry.get("severity") != "warning":
        yield f"{name} asks something, so it is a warning"
    offered = {one.get("name") for one in entry.get("choices", ()) if one.get("label") and one.get("means")}
    if entry.get("who") not in Role.values or entry.get("default") not in offered or len(offered) != len(entry.get("choices", ())):
        yield f"{name} asks something, but who, default or choices don't fit"
    if set(entry.get("stops", ())) - set(ACTIONS):
        yield f"{name} stops an unknown step"


def check_name(register_name: str, pitfall: Pitfall) -> str:
    """The name of the check that a pitfall is."""
    return f"{register_name}.{pitfall.name}"


def checks() -> Iterator[Check]:
    """Every pitfall of every register as a check."""
    for path in sorted(FOLDER.glob("*.toml")):
        side: Side = "destination" if path.stem == DYNAMICS else "source"
        for one in read(path.stem):
            looks_at = f"Known beforehand of {'Dynamics 365' if path.stem == DYNAMICS else path.stem.capitalize()}, and kept in mind."
            yield Check(check_name(path.stem, one), one.title, side, GROUP, looks_at, one.decision)


def findings(engagement: Engagement) -> Iterator[Finding]:
    """The pitfalls that matter for the engagement's platform, objects and tables."""
    rows = ObjectMap.objects.filter(engagement=engagement)
    objects = {row.object_name for row in rows}
    tables = {table for row in rows for table in row.tables}
    for name in (engagement.platform, DYNAMICS):
        for one in read(name):
            if (not one.tables or tables & set(one.tables)) and (not one.objects or objects & set(one.objects)):
                yield Finding(check_name(name, one), "warning" if one.severity == "warning" else "info", one.says, one.remedy)


register(*checks())

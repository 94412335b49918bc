"""The journey inventory: what each journey does as far as it is known, where each line comes from, and with what it is best rebuilt."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import orjson

from connectors.journeys import Told
from connectors.models import Dataset
from connectors.registry import JOURNEYS
from connectors.storable import storable_json
from mapping.discovery.objects import LandedObjects
from mapping.journeys import advice, entered, joining, keeping
from mapping.journeys.advice import Advice, Facts, Licences
from mapping.journeys.joining import ORIGINS, UNKNOWN, Joined, Line, Lookup, Message, Said
from mapping.journeys.models import JourneyDefinition
from mapping.journeys.words import REENTRY, TRIGGERS, Path
from mapping.models import EventType
from reports.books.journeys import book
from reports.documents import write_book, write_json, write_sheets
from reports.journey_sheets import STATES, sheets
from reports.models import Document
from workbench.engagements.models import Engagement

KIND = "journeys"
OBJECT = "journey"
KNOWN, LOWER, NOTHING = "known", "lower bound", "not known"
NO_STEPS = (
    "The API gives no steps, waits or branches. What a journey sends is found through its campaigns; its steps come from the customer's"
    " definition file or were entered by hand, as each line says."
)


class Rows(Sequence[dict[str, Any]]):
    """Journeys, each kept as JSON and read when it is asked for: a fifth of what they take as Python's own values."""

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        """Keep them, what no file could hold replaced."""
        self._kept = [orjson.dumps(storable_json(row)) for row in rows]

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, place: Any) -> Any:
        return [*map(orjson.loads, self._kept[place])] if isinstance(place, slice) else orjson.loads(self._kept[place])


def content(engagement: Engagement) -> dict[str, Any]:
    """The inventory as data. Raises DefinitionGone.

    {"engagement", "platform", "landed", "definition", "licences", "origins", "note", "counts", "journeys": Rows of `_journey`}.
    """
    landed = LandedObjects(engagement, Dataset.Purpose.LOAD, Dataset.Purpose.DISCOVERY)
    definition, licences = keeping.newest(engagement), advice.licences(engagement)
    file, by_hand = keeping.described(definition) if definition else {}, entered.described(engagement)
    teller = JOURNEYS.get(engagement.platform)
    told = teller.told(landed, joining.asked_of([*file.values(), *by_hand.values()])) if teller else Told()
    joined = list(joining.join(told, file, by_hand))
    counted = _counted(engagement, joined)
    rows = Rows(_journey(one, licences, counted) for one in joined)
    found = {
        "engagement": engagement.name,
        "platform": engagement.get_platform_display(),
        "landed": _landed(landed.dataset(OBJECT), told),
        "definition": _definition(definition),
        "licences": asdict(licences),
        "origins": dict(ORIGINS),
        "note": NO_STEPS,
        "counts": _counts(rows),
    }
    return {**storable_json(found), "journeys": rows}


def _landed(dataset: Dataset | None, told: Told) -> dict[str, Any] | None:
    if dataset is None:
        return None
    return {
        "purpose": dataset.purpose,
        "at": dataset.started_at.isoformat(timespec="seconds"),
        "sha256": dataset.sha256,
        "journeys": len(told.journeys or ()),
        "unreadable": told.unreadable,
    }


def _definition(kept: JourneyDefinition | None) -> dict[str, Any] | None:
    if kept is None:
        return None
    names = ("version", "file_name", "sha256", "journeys", "steps", "given_by")
    return {**{name: getattr(kept, name) for name in names}, "given_at": kept.given_at.isoformat(timespec="seconds")}


def _counted(engagement: Engagement, joined: Iterable[Joined]) -> Mapping[str, int]:
    """Name of an event that starts a journey -> how many discovery counted. One query."""
    if not EventType.objects.filter(engagement=engagement).exists():
        return {}
    names = {said.value for one in joined if one.trigger.value == "event" for said in one.starters}
    found = dict.fromkeys(names, 0)
    for name, count in EventType.objects.filter(engagement=engagement).values_list("name", "count").iterator():
        if name in names:
            found[name] += count
    return found


def _counts(rows: Rows) -> dict[str, Any]:
    """How many journeys there are, by state, by how well their steps are known, and by recommendation."""
    return {
        "journeys": len(rows),
        "states": dict(Counter(STATES[row["state"]["value"]] for row in rows)),
        "steps": dict(Counter(row["steps"]["known"] for row in rows)),
        "tools": dict(Counter(row["recommendation"]["title"] for row in rows)),
        "conflicts": sum(len(row["conflicts"]) for row in rows),
    }


def _journey(one: Joined, licences: Licences, counted: Mapping[str, int]) -> dict[str, Any]:
    """One journey. Single values are {"value", "origin"}; origin is a key of `origins`."""
    found = advice.advise(_facts(one), licences)
    starters = [_said(said) | {"counted": counted.get(said.value) if one.trigger.value == "event" else None} for said in one.starters]
    return {
        "id": one.id,
        "name": _said(one.name),
        "description": _said(one.description),
        "state": _said(one.state),
        "trigger": {"kind": _said(one.trigger), "names": starters},
        "limits": {"lifetime": _said(one.lifetime), "simultaneous": _said(one.at_once), "reentry": _said(one.reentry)},
        "retrigger": _retrigger(one, found),
        "steps": {"count": len(one.lines), "known": known(one), "rows": [_line(line, n) for n, line in enumerate(one.lines, 1)]},
        "channels": joining.channels_of(one),
        "branches": [_branch(line, path) for line, path in joining.paths_of(one)],
        "campaigns": [_message(message) for message in one.messages],
        "catalogs": [_lookup(lookup) for lookup in one.lookups],
        "notes": [_said(said) for said in one.notes],
        "recommendation": _advice(found),
        "conflicts": list(one.conflicts),
    }


def _said(said: Said) -> dict[str, Any]:
    return {"value": said.value, "origin": said.origin}


def known(one: Joined) -> str:
    """Whether the step count is known, a lower bound, or says nothing."""
    if one.complete:
        return KNOWN
    return LOWER if one.lines else NOTHING


def retrigger(one: Joined) -> str:
    """What at the source makes a person enter, and enter again, in words."""
    starts = TRIGGERS.get(one.trigger.value, "What starts it isn't known")
    names = ", ".join(said.value for said in one.starters[:10])
    if one.reentry.value in REENTRY and one.reentry.value != "limited":
        again = REENTRY[one.reentry.value]
    elif one.lifetime.value:
        again = f"{one.lifetime.value} times in a lifetime"
    else:
        again = "No limit is given" if one.lifetime.origin != UNKNOWN else "How often isn't known"
    inside = f"; {one.at_once.value} at one time" if one.at_once.value else ""
    return f"{starts}{f' ({names})' if names else ''}. Entries: {again[0].lower()}{again[1:]}{inside}."


def _retrigger(one: Joined, found: Advice) -> dict[str, Any]:
    """When a person enters again: at the source and who says so, with the recommended tool, and in a sales sequence."""
    said = [one.trigger, *one.starters, one.reentry, one.lifetime]
    return {
        "source": retrigger(one),
        "origins": list(dict.fromkeys(each.origin for each in said if each.value)) or [UNKNOWN],
        "tool": found.retrigger,
        "sequence": advice.rules().tools["sequence"]["retrigger"],
    }


def _line(line: Line, number: int) -> dict[str, Any]:
    step = line.step
    return {
        "number": number if line.placed else None,
        "id": step.id,
        "kind": step.kind,
        "name": step.name,
        "channel": step.channel,
        "campaign": step.campaign,
        "template": step.template,
        "wait": step.wait,
        "catalogs": [asdict(one) for one in step.catalogs],
        "paths": [asdict(path) for path in step.paths],
        "note": step.note,
        "origin": line.origin,
    }


def _branch(line: Line, path: Path) -> dict[str, str]:
    return {"step": line.step.id, "when": path.when, "to": path.to, "origin": line.origin}


def _message(message: Message) -> dict[str, Any]:
    send = message.send
    template = {"id": send.template.id, "name": send.template.name, "found": send.template.found} if send.template else None
    told = {"id": send.campaign, "name": send.name, "state": send.state, "channel": send.channel, "template": template}
    return told | {"found": message.found, "origin": message.origin}


def _lookup(lookup: Lookup) -> dict[str, Any]:
    return {**asdict(lookup.reference), "where": lookup.where, "found": lookup.found, "origin": lookup.origin}


def _advice(found: Advice) -> dict[str, Any]:
    """The recommendation, without what stands under `retrigger` already."""
    return {name: value for name, value in asdict(found).items() if name != "retrigger"}


def _facts(one: Joined) -> Facts:
    """What the rules look at."""
    return Facts(
        kinds=Counter(line.step.kind for line in one.lines),
        channels=frozenset(joining.channels_of(one)),
        trigger=one.trigger.value,
        state=one.state.value,
        known=one.complete,
        paths=sum(1 for _ in joining.paths_of(one)),
        catalogs=len({lookup.reference.catalog.lower() for lookup in one.lookups}),
        limited=bool(one.lifetime.value or one.at_once.value or one.reentry.value == "once"),
    )


def write(engagement: Engagement) -> Document:
    """The inventory as JSON."""
    return _written(engagement, content(engagement))


def _written(engagement: Engagement, told: Mapping[str, Any]) -> Document:
    return write_json(engagement, KIND, {**told, "journeys": [*told["journeys"]]})


def write_workbook(engagement: Engagement) -> Document:
    """The same as a workbook."""
    return write_sheets(engagement, KIND, sheets(content(engagement)))


def write_pdf(engagement: Engagement) -> Document:
    """The same on paper."""
    told = content(engagement)
    return write_book(_written(engagement, told), book(told))

"""A fictional project with many journeys and templates, for the bench: the world's own, again and again under new ids."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from connectors.simulators.world import write_world
from mapping.journeys.definition import FORMAT
from mapping.journeys.words import MANY_PATHS

PEOPLE, SEED = 50, 7
FIRST_JOURNEY, FIRST_CAMPAIGN, FIRST_TEMPLATE = 500_000, 700_000, 800_000
# Steps in turn; a journey has between three and eight of them.
_STEPS: Sequence[Mapping[str, Any]] = (
    {"kind": "send", "channel": "email"}, {"kind": "wait", "wait": "3 days"}, {"kind": "branch"}, {"kind": "send", "channel": "email"},
    {"kind": "update"}, {"kind": "split"}, {"kind": "wait", "wait": "until Monday"}, {"kind": "ai"},
)  # fmt: skip


def write_many(folder: Path, count: int) -> Path:
    """Write a world with so many journeys, each with a campaign, and so many templates. Returns the journeys' definition file."""
    write_world(folder, PEOPLE, SEED)
    source = folder / "iterable"
    journeys = [row | {"id": FIRST_JOURNEY + n} for n, row in enumerate(_again(_read(source / "journeys.json")["journeys"], count))]
    _write(source / "journeys.json", {"journeys": journeys, "totalJourneysCount": count})
    campaigns = [_campaign(row, n) for n, row in enumerate(_again(_read(source / "campaigns.json")["campaigns"], count))]
    _write(source / "campaigns.json", {"campaigns": campaigns, "totalCampaignsCount": count})
    _write_templates(source / "templates", count)
    definition = folder / "journey_definitions.json"
    _write(definition, {"format": FORMAT, "journeys": [_defined(n, row["name"]) for n, row in enumerate(journeys)]})
    return definition


def _again(rows: Sequence[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    return islice(cycle(rows), count)


def _campaign(row: dict[str, Any], number: int) -> dict[str, Any]:
    ids = {"id": FIRST_CAMPAIGN + number, "templateId": FIRST_TEMPLATE + number, "workflowId": FIRST_JOURNEY + number}
    return row | ids


def _write_templates(folder: Path, count: int) -> None:
    files = sorted(folder.glob("*/*.json"))
    known = [(path.parent, _read(path)) for path in files]
    for path in files:
        path.unlink()
    for number, (parent, row) in enumerate(islice(cycle(known), count)):
        key = FIRST_TEMPLATE + number
        _write(parent / f"{key}.json", row | {"templateId": key, "campaignId": FIRST_CAMPAIGN + number})


def _defined(number: int, name: str) -> dict[str, Any]:
    """A journey's steps; each branch, split and decision leads to the end or on."""
    count = 3 + number % 6
    steps = [_step(number, place, last=place == count - 1) for place in range(count)]
    return {"id": FIRST_JOURNEY + number, "name": name, "complete": number % 5 != 0, "steps": steps}


def _step(journey: int, place: int, *, last: bool) -> dict[str, Any]:
    step = {**_STEPS[place], "id": f"step {place + 1}", "name": f"Step {place + 1} of journey {journey}"}
    if step["kind"] == "send":
        step["campaign"] = FIRST_CAMPAIGN + journey
    elif step["kind"] in MANY_PATHS:
        further = "end" if last else f"step {place + 2}"
        step["branches"] = [{"when": "the last message was opened", "to": "end"}, {"when": "else", "to": further}]
    return step


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")

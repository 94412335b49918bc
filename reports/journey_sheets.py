"""The journey inventory as sheets, in words: an overview, each value with its origin, steps, messages, recommendations."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from connectors.journeys import ARCHIVED, CHANNELS, DRAFT, OFF, RUNNING
from mapping.journeys.joining import ENTERED, ORIGINS, UNKNOWN
from mapping.journeys.words import KINDS, REENTRY, TRIGGERS
from reports.printable import moment
from reports.xlsx import Cell, Sheet

STATES = {RUNNING: "Running", OFF: "Switched off", DRAFT: "Draft", ARCHIVED: "Archived", "": "Not known"}


def sheets(told: Mapping[str, Any]) -> Iterator[Sheet]:
    """About, an overview, every single value with its origin, steps, branches, messages, catalogs, recommendations, conflicts."""
    rows = told["journeys"]
    yield Sheet("About", ["What", "Value"], _about(told), [34, 100])
    header = ["Id", "Name", "State", "Started by", "Steps", "The count is", "Channels", "Rebuild with", "Effort", "Conflicts"]
    yield Sheet("Journeys", header, map(_overview, rows), [16, 40, 14, 44, 8, 14, 24, 30, 10, 10])
    yield Sheet("Values", ["Journey", "Name", "What", "Value", "Comes from"], _values(rows), [16, 40, 28, 70, 18])
    header = ["Journey", "Name", "Place", "Step", "What it does", "Channel", "Campaign", "Template", "Waits", "Catalogs", "Leads to"]
    widths = [16, 34, 8, 14, 24, 12, 14, 14, 20, 24, 34, 40, 18]
    yield Sheet("Steps", [*header, "Note", "Comes from"], _steps(rows), widths)
    yield Sheet("Branches", ["Journey", "Name", "Step", "When", "Leads to", "Comes from"], _branches(rows), [16, 34, 14, 60, 14, 18])
    header = ["Journey", "Name", "Campaign", "Campaign's name", "State", "Channel", "Template", "Template's name", "At the source"]
    yield Sheet("Messages", [*header, "Comes from"], _messages(rows), [16, 34, 14, 40, 14, 12, 14, 40, 16, 18])
    header = ["Journey", "Name", "Catalog", "Item", "Looked up by", "At the source", "Comes from"]
    yield Sheet("Catalogs", header, _catalogs(rows), [16, 34, 24, 24, 24, 16, 18])
    header = ["Journey", "Name", "Rebuild with", "Why", "With more licences", "What can't be rebuilt there", "Effort", "Points"]
    header += ["When it starts again at the source", "When it starts again there", "In a sales sequence"]
    yield Sheet("Recommendations", header, _recommendations(rows), [16, 34, 28, 60, 28, 70, 22, 40, 60, 60, 60])
    conflicts = ([row["id"], row["name"]["value"], words] for row in rows for words in row["conflicts"])
    yield Sheet("Conflicts", ["Journey", "Name", "What doesn't fit together"], conflicts, [16, 40, 110])


def _about(told: Mapping[str, Any]) -> Iterator[Sequence[Cell]]:
    yield ["Engagement", told["engagement"]]
    yield from map(list, basis(told))
    for title in ("states", "steps", "tools"):
        for name, count in told["counts"][title].items():
            yield [{"states": "State: ", "steps": "Steps: ", "tools": "Rebuild with: "}[title] + name, count]
    yield from (["Conflicts", told["counts"]["conflicts"]], ["Note", told["note"]])


def basis(told: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    """What the inventory is made from, and which licences its recommendations count on."""
    landed, definition, known_of = told["landed"], told["definition"], told["licences"]
    yield "Source", told["platform"]
    yield "API's journeys", f"{landed['journeys']:,}, landed {moment(landed['at'])} ({landed['purpose']})" if landed else "not landed"
    if landed and landed["unreadable"]:
        yield "Lines that are no journey", landed["unreadable"]
    file = f"version {definition['version']}, {definition['file_name']}, SHA-256 {definition['sha256']}" if definition else "none was given"
    yield "Definition file", file
    yield "Entered by hand", sum(_is_entered(row) for row in told["journeys"])
    yield "Edition", f"{known_of['edition_title']} ({known_of['environment']})" if known_of["environment"] else "no environment yet"
    yield "Sales sequences", _licensed(known_of["sequences"])
    yield "Customer Insights - Journeys", _licensed(known_of["journeys"], known_of["journeys_by"])


def _is_entered(row: Mapping[str, Any]) -> bool:
    said = [row["name"], row["trigger"]["kind"], *row["notes"], *row["steps"]["rows"]]
    return any(one["origin"] == ENTERED for one in said)


def _licensed(there: bool | None, by: str = "") -> str:
    if there is None:
        return "not known: nobody entered it, so that no rule counts on it"
    return ("yes" if there else "no") + (" (by what discovery found)" if by == "discovery" else "")


def _overview(row: Mapping[str, Any]) -> list[Cell]:
    advised = row["recommendation"]
    return [
        row["id"], row["name"]["value"], STATES[row["state"]["value"]], started(row), row["steps"]["count"], row["steps"]["known"],
        in_words(row["channels"], CHANNELS), advised["title"], effort_words(advised["effort"]), len(row["conflicts"]),
    ]  # fmt: skip


def started(row: Mapping[str, Any]) -> str:
    """What starts a journey, in words."""
    names = ", ".join(one["value"] for one in row["trigger"]["names"])
    kind = TRIGGERS.get(row["trigger"]["kind"]["value"], STATES[""])
    return f"{kind}: {names}" if names else kind


def effort_words(effort: Mapping[str, Any]) -> str:
    """The class of the work, in words."""
    return f"{effort['name']} or more" if effort["at_least"] else effort["name"]


def in_words(keys: Iterable[str], words: Mapping[str, str]) -> str:
    """Keys in words, those that have none as not known."""
    return ", ".join(words.get(key, STATES[""]) for key in keys)


def _values(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Cell]]:
    """Every single value of every journey with its origin; what nobody says stands there as not known."""
    for row in rows:
        head, limits = [row["id"], row["name"]["value"]], row["limits"]
        yield [*head, "Name", *_from(row["name"])]
        yield [*head, "Description", *_from(row["description"])]
        yield [*head, "State", *_from(row["state"], STATES)]
        yield [*head, "Trigger", *_from(row["trigger"]["kind"], TRIGGERS)]
        for one in row["trigger"]["names"]:
            counted = "" if one["counted"] is None else f" ({one['counted']:,} counted)"
            yield [*head, "Started by", f"{one['value']}{counted}", ORIGINS[one["origin"]]]
        yield [*head, "Entries at all", *_from(limits["lifetime"])]
        yield [*head, "Entries at one time", *_from(limits["simultaneous"])]
        yield [*head, "Re-entry", *_from(limits["reentry"], REENTRY)]
        for one in row["notes"]:
            yield [*head, "Note", *_from(one)]


def _from(said: Mapping[str, Any], words: Mapping[str, str] | None = None) -> list[Cell]:
    """A value and where it comes from, in words."""
    value, origin = said["value"], said["origin"]
    if value is None and origin != UNKNOWN:
        return ["none given", ORIGINS[origin]]
    if value in (None, ""):
        return ["", ORIGINS[UNKNOWN]]
    return [(words or {}).get(value, value), ORIGINS[origin]]


def _steps(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Cell]]:
    for row in rows:
        for one in row["steps"]["rows"]:
            named = [_word(one["kind"], KINDS), _word(one["channel"], CHANNELS), one["campaign"], one["template"], one["wait"]]
            catalogs = ", ".join(catalog_words(reference) for reference in one["catalogs"])
            paths = "; ".join(f"{path['when']} -> {path['to'] or 'next step'}".removeprefix(" ") for path in one["paths"])
            place = one["number"] if one["number"] is not None else STATES[""]
            yield [row["id"], row["name"]["value"], place, one["name"] or one["id"], *named, catalogs, paths, one["note"],
                   ORIGINS[one["origin"]]]  # fmt: skip


def _word(key: str, words: Mapping[str, str]) -> str:
    return words.get(key, key)


def catalog_words(reference: Mapping[str, str]) -> str:
    """A catalog, with its item where one is named."""
    return f"{reference['catalog']}: {reference['item']}" if reference["item"] else reference["catalog"]


def _branches(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Cell]]:
    for row in rows:
        for one in row["branches"]:
            yield [row["id"], row["name"]["value"], one["step"], one["when"], one["to"] or "next step", ORIGINS[one["origin"]]]


def _messages(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Cell]]:
    for row in rows:
        for one in row["campaigns"]:
            template = one["template"] or {"id": "", "name": ""}
            told = [one["id"], one["name"], one["state"], _word(one["channel"], CHANNELS), template["id"], template["name"]]
            yield [row["id"], row["name"]["value"], *told, _found(one["found"]), ORIGINS[one["origin"]]]


def _catalogs(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Cell]]:
    for row in rows:
        for one in row["catalogs"]:
            told = [one["catalog"], one["item"], one["where"], _found(one["found"]), ORIGINS[one["origin"]]]
            yield [row["id"], row["name"]["value"], *told]


def _found(there: bool | None) -> str:
    return {True: "there", False: "not there", None: "not landed"}[there]


def _recommendations(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Cell]]:
    for row in rows:
        one, again = row["recommendation"], row["retrigger"]
        points = f"{one['effort']['points']}: {one['effort']['rule']}"
        effort = f"{effort_words(one['effort'])}: {one['effort']['title'].lower()}"
        limits = "\n".join(one["limits"])
        advised = [one["title"], one["reason"], one["otherwise"], limits, effort, points]
        yield [row["id"], row["name"]["value"], *advised, again["source"], again["tool"], again["sequence"]]

"""What Iterable's API tells of journeys: flags, triggers, limits, and the campaigns and templates that are tied to them; no steps.

Source: the Swagger's tag workflows and npm `@iterable/api` `src/types/journeys.ts`; the tie is a campaign's `workflowId`.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from connectors.inventories import Landed
from connectors.iterable.figures import text
from connectors.journeys import ARCHIVED, DRAFT, OFF, RUNNING, Asked, Exposed, LandedJourneys, Reference, Send, Template, Told
from connectors.storable import storable

__all__ = ["told"]
Record = Mapping[str, Any]
MEDIA = {
    "email": "email",
    "push": "push",
    "webpush": "web_push",
    "inapp": "in_app",
    "sms": "sms",
    "embedded": "embedded",
    "whatsapp": "whatsapp",
}
DEEPEST = 20  # levels of a template that are searched
# Assumed: `{{#catalog 'name' item …}}` is how a template looks an item up; no public page gives the syntax.
_LOOKUP = re.compile(r"""\{\{~?#?\s*catalog\w*\s+(?:'([^'{}]{1,255})'|"([^"{}]{1,255})")\s*(?:'([^'{}]{1,255})'|"([^"{}]{1,255})")?""")


def told(landed: LandedJourneys, asked: Asked) -> Told:
    """Journeys with their sends, all campaigns, the templates that matter, and which of the catalogs and items referred to exist."""
    campaigns = list(_campaigns(landed))
    wanted = {row["template"] for row in campaigns if row["template"] and row["journey"]} | asked.templates
    templates = _templates(landed, wanted)
    sends = {row["id"]: _send(row, templates) for row in campaigns}
    referred = {one for template in templates.values() for one in template.catalogs} | asked.references
    return Told(
        journeys=tuple(_journeys(landed, sends)) if landed.has("journey") else None,
        sends=sends if landed.has("campaign") else None,
        templates=templates if landed.has("template") else None,
        items=_items(landed, referred) if landed.has("catalogItem") else None,
        unreadable=landed.unreadable("journey"),
    )


def channel_of(medium: Any) -> str:
    """Iterable's word for a medium in ours; '' for none, `other` for one that isn't known."""
    word = re.sub(r"[^a-z]", "", _word(medium).lower())
    return MEDIA.get(word, "other") if word else ""


def _campaigns(landed: Landed) -> Iterator[dict[str, str]]:
    """Of each campaign what matters here, as text; those without an id are left out, since nothing can name them."""
    for row in landed.records("campaign"):
        key = _id(row.get("id"))
        if key:
            journey = _id(row.get("workflowId")) or _id(row.get("journeyId"))
            told = {"id": key, "journey": journey, "template": _id(row.get("templateId")), "channel": channel_of(row.get("messageMedium"))}
            yield told | {"name": _word(row.get("name")), "state": _word(row.get("campaignState"))}


def _send(row: Mapping[str, str], templates: Mapping[str, Template]) -> Send:
    template = templates.get(row["template"]) or Template(row["template"], found=False) if row["template"] else None
    return Send(row["id"], row["name"], row["state"], row["channel"], template, row["journey"])


def _templates(landed: LandedJourneys, ids: Collection[str]) -> dict[str, Template]:
    found = {}
    for key, row in landed.identified("template", ids) if ids else ():
        catalogs = tuple(sorted(set(_lookups(row)), key=lambda one: (one.catalog, one.item)))
        found[key] = Template(key, _word(row.get("name")), channel_of(row.get("messageMedium")), catalogs=catalogs)
    return found


def _lookups(value: Any, depth: int = 0) -> Iterator[Reference]:
    """The catalogs that a template's texts look up."""
    if isinstance(value, str):
        for catalog, quoted, item, other in _LOOKUP.findall(value) if "catalog" in value else ():
            yield Reference(storable(catalog or quoted), storable(item or other))
    elif depth < DEEPEST and isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _lookups(part, depth + 1)


def _items(landed: Landed, referred: Collection[Reference]) -> dict[str, frozenset[str]]:
    """The catalogs referred to that have an item -> those of the items referred to that exist. One pass, and none where nothing is."""
    catalogs, items = {one.catalog.lower() for one in referred}, {(one.catalog.lower(), one.item) for one in referred if one.item}
    found: dict[str, set[str]] = {}
    for row in landed.records("catalogItem") if catalogs else ():
        catalog, item = text(row.get("catalogName")).lower(), text(row.get("itemId"))
        if catalog in catalogs:
            found.setdefault(catalog, set()).update({item} if (catalog, item) in items else ())
    return {name: frozenset(ids) for name, ids in found.items()}


def _journeys(landed: LandedJourneys, sends: Mapping[str, Send]) -> Iterator[Exposed]:
    """Each id once: of several records with one id the last one counts, and it says so."""
    by_journey: dict[str, list[Send]] = {}
    for send in sends.values():
        by_journey.setdefault(send.journey, []).append(send)
    rows: dict[str, Record] = {}
    times: Counter[str] = Counter()
    for key, found in landed.identified("journey"):
        rows[key] = found
        times[key] += 1
    for key, row in rows.items():
        yield _journey(key, row, times[key], tuple(by_journey.get(_id(row.get("id")), ())) if _id(row.get("id")) else ())


def _journey(key: str, row: Record, times: int, sends: tuple[Send, ...]) -> Exposed:
    problems = [] if times == 1 else [f"The API gives this id {times} times; the last one is shown."]
    if not _id(row.get("id")):
        problems.append("The API gives this journey without an id, so that nothing can be tied to it.")
    return Exposed(
        id=key,
        name=_word(row.get("name")),
        description=_word(row.get("description")),
        state=_state(row, problems),
        events=_events(row, problems),
        lifetime=_limit(row, "lifetimeLimit", problems),
        at_once=_limit(row, "simultaneousLimit", problems),
        sends=sends,
        problems=tuple(problems),
    )


def _state(row: Record, problems: list[str]) -> str:
    """Assumed: journeyType says draft in some spelling where a journey was never published; the exact words are unconfirmed."""
    if row.get("isArchived") is True:
        return ARCHIVED
    if _word(row.get("journeyType")).strip().casefold() == "draft":
        return DRAFT
    if isinstance(row.get("enabled"), bool):
        return RUNNING if row["enabled"] else OFF
    problems.append("The API doesn't say whether it is switched on.")
    return ""


def _events(row: Record, problems: list[str]) -> tuple[str, ...] | None:
    names = row.get("triggerEventNames")
    if names is None:
        return None
    if not isinstance(names, list):
        problems.append("The API's trigger events are no list.")
        return None
    sound = tuple(dict.fromkeys(_word(name) for name in names if isinstance(name, str) and name.strip()))
    if len(sound) < len(names):
        problems.append(f"{len(names) - len(sound)} of the API's {len(names)} trigger events are no name, or are named twice.")
    return sound


def _limit(row: Record, key: str, problems: list[str]) -> int | None:
    """Assumed: a limit of zero is none, as an absent one is."""
    value = row.get(key)
    if value is None or value == 0 and not isinstance(value, bool):
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31:
        return value
    problems.append(f"The API's {key} can't be read.")
    return None


def _id(value: Any) -> str:
    """An id as text; '' for what is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return storable(value.strip()) if isinstance(value, str) else ""


def _word(value: Any) -> str:
    """A text that can be stored; '' for what is no text."""
    return storable(value) if isinstance(value, str) else ""

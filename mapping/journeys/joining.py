"""Three sources joined: of each line of a journey it is said which one it comes from. What none of them says is said to be unknown.

What the platform's API says of a journey counts most, since it is what runs; then what an engineer entered, then the customer's file. Steps
come from one description alone, the entered one where it has any; messages that the API ties to the journey and no step names are added
to them, since they show that there is more. Where two sources differ it is a conflict, and listed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.journeys import Asked, Exposed, Reference, Send, Told
from mapping.journeys.conflicts import conflicts_of
from mapping.journeys.words import SEND, Described, Path, Step

API, FILE, ENTERED, UNKNOWN = "api", "file", "entered", "unknown"
ORIGINS: Mapping[str, str] = {API: "API", FILE: "Definition file", ENTERED: "Entered by hand", UNKNOWN: "Not known"}


@dataclass(frozen=True, slots=True)
class Said:
    """A value and who says it, a key of ORIGINS."""

    value: Any
    origin: str


NOTHING = Said("", UNKNOWN)


@dataclass(frozen=True, slots=True)
class Line:
    """A step and who says that it is there. placed: whether its place among the others is known."""

    step: Step
    origin: str
    placed: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    """A campaign that the journey sends, and who says so. found: whether the API has it; None where campaigns weren't landed."""

    send: Send
    origin: str
    found: bool | None


@dataclass(frozen=True, slots=True)
class Lookup:
    """A catalog that the journey refers to. where: the step or template that does. found: as with messages."""

    reference: Reference
    where: str
    origin: str
    found: bool | None


@dataclass(frozen=True, slots=True)
class Joined:
    """A journey as all sources together tell it. complete: whether the lines are all the steps that it has."""

    id: str
    name: Said
    description: Said
    state: Said
    trigger: Said
    starters: tuple[Said, ...]
    reentry: Said
    lifetime: Said
    at_once: Said
    lines: tuple[Line, ...]
    complete: bool
    messages: tuple[Message, ...]
    lookups: tuple[Lookup, ...]
    notes: tuple[Said, ...]
    conflicts: tuple[str, ...]

    @property
    def placed(self) -> list[Line]:
        """The lines whose place is known."""
        return [line for line in self.lines if line.placed]


def asked_of(descriptions: Iterable[Described]) -> Asked:
    """What files and people name, to be looked up in the API's data."""
    steps = [step for described in descriptions for step in described.steps]
    templates = frozenset(step.template for step in steps if step.template)
    return Asked(templates, frozenset(one for step in steps for one in step.catalogs))


def join(told: Told, file: Mapping[str, Described], entered: Mapping[str, Described]) -> Iterator[Joined]:
    """Every journey that any source knows: the API's in its order, then those of the file, then those that were entered."""
    exposed = {journey.id: journey for journey in told.journeys or ()}
    for key in dict.fromkeys([*exposed, *file, *entered]):
        yield _joined(key, told, exposed.get(key), file.get(key), entered.get(key))


def _joined(key: str, told: Told, exposed: Exposed | None, file: Described | None, entered: Described | None) -> Joined:
    given = [(ENTERED, entered), (FILE, file)]
    others = [(origin, described) for origin, described in given if described is not None]
    origin, described = next(((o, d) for o, d in others if d.steps or d.complete), (UNKNOWN, None))
    ties = exposed.sends if exposed else ()
    lines = tuple(_lines(origin, described, ties))
    unplaced = any(not line.placed for line in lines)
    first: list[tuple[str, Exposed]] = [(API, exposed)] if exposed else []
    told_by: list[tuple[str, Exposed | Described]] = [*first, *others]
    return Joined(
        id=key,
        name=_first((o, one.name) for o, one in told_by),
        description=_first((API, one.description) for _, one in first),
        state=_first((API, one.state) for _, one in first),
        trigger=_trigger(exposed, others),
        starters=tuple(_starters(exposed, others)),
        reentry=_reentry(exposed, others),
        lifetime=_limit([(o, one.lifetime) for o, one in told_by]),
        at_once=_limit([(o, one.at_once) for o, one in told_by]),
        lines=lines,
        complete=bool(described and described.complete) and not unplaced,
        messages=tuple(_messages(told, ties, lines)),
        lookups=tuple(_lookups(told, ties, lines)),
        notes=tuple(Said(one.note, o) for o, one in others if one.note),
        conflicts=tuple(conflicts_of(told, exposed, file, entered, described)),
    )


def _first(said: Iterable[tuple[str, str]]) -> Said:
    """The first value that there is."""
    return next((Said(value, origin) for origin, value in said if value), NOTHING)


def _limit(said: Sequence[tuple[str, int | None]]) -> Said:
    """The first number given; of a journey that the API has and gives none for, none by the API."""
    found = next((Said(value, origin) for origin, value in said if value is not None), None)
    return found or Said(None, API if any(origin == API for origin, _ in said) else UNKNOWN)


def _trigger(exposed: Exposed | None, others: Sequence[tuple[str, Described]]) -> Said:
    """The kind of trigger: an event where the API names any, else what the others say."""
    if exposed and exposed.events:
        return Said("event", API)
    return _first((origin, one.trigger) for origin, one in others)


def _starters(exposed: Exposed | None, others: Sequence[tuple[str, Described]]) -> Iterator[Said]:
    """Names of what starts it, each once, by whoever names it first."""
    known: set[str] = set()
    named: list[tuple[str, Sequence[str]]] = [(API, exposed.events or ())] if exposed else []
    for origin, names in [*named, *((origin, one.names) for origin, one in others)]:
        yield from (Said(name, origin) for name in names if name not in known)
        known.update(names)


def _reentry(exposed: Exposed | None, others: Sequence[tuple[str, Described]]) -> Said:
    """How often a person may enter: as the others say, else as far as the API's limit shows it."""
    found = _first((origin, one.reentry) for origin, one in others)
    if found.value or not exposed or exposed.lifetime is None:
        return found
    return Said("once" if exposed.lifetime == 1 else "limited", API)


def _lines(origin: str, described: Described | None, ties: Sequence[Send]) -> Iterator[Line]:
    """The steps of the description that counts, then the API's messages that none of them names."""
    steps = described.steps if described else ()
    yield from (Line(step, origin) for step in steps)
    named = {step.campaign for step in steps if step.campaign}
    templates = {step.template for step in steps if step.template and not step.campaign}
    for send in ties:
        if send.campaign not in named and not (send.template and send.template.id in templates):
            template = send.template.id if send.template else ""
            step = Step(send.campaign, SEND, send.name, send.channel, send.campaign, template)
            yield Line(step, API, placed=False)


def _messages(told: Told, ties: Sequence[Send], lines: Sequence[Line]) -> Iterator[Message]:
    """The API's own first, then what only steps name: with what the API knows of these campaigns, if anything."""
    yield from (Message(send, API, True) for send in ties)
    known, templates = {send.campaign for send in ties}, told.templates or {}
    for line in lines:
        step = line.step
        if step.kind == SEND and step.campaign not in known and (step.campaign or line.placed and step.template):
            known.update({step.campaign} - {""})
            there = (told.sends or {}).get(step.campaign)
            content = templates.get(step.template)
            send = there or Send(step.campaign, step.name, "", step.channel, content)
            found = None if told.sends is None else there is not None
            yield Message(send, line.origin, found if step.campaign else (None if told.templates is None else content is not None))


def _lookups(told: Told, ties: Sequence[Send], lines: Sequence[Line]) -> Iterator[Lookup]:
    """Catalogs that steps name, then those that the templates of messages look up."""
    for line in lines:
        for reference in line.step.catalogs:
            yield Lookup(reference, f"step {line.step.id}", line.origin, _exists(told, reference))
    used = {send.template.id: send.template for send in ties if send.template}
    for step in (line.step for line in lines):
        if (told.templates or {}).get(step.template):
            used[step.template] = (told.templates or {})[step.template]
    for template in used.values():
        for reference in template.catalogs:
            yield Lookup(reference, f"template {template.id}", API, _exists(told, reference))


def _exists(told: Told, reference: Reference) -> bool | None:
    """Whether the catalog has items, and among them this one; None where no catalog was landed."""
    if told.items is None:
        return None
    items = told.items.get(reference.catalog.lower())
    return items is not None and (not reference.item or reference.item in items)


def channels_of(joined: Joined) -> list[str]:
    """Words of the channels that the journey sends by, in the order of its steps."""
    return list(dict.fromkeys(line.step.channel for line in joined.lines if line.step.kind == SEND))


def paths_of(joined: Joined) -> Iterator[tuple[Line, Path]]:
    """Every path of a branching step, with the line that it leaves from."""
    for line in joined.lines:
        yield from ((line, path) for path in line.step.paths if path.when or len(line.step.paths) > 1)

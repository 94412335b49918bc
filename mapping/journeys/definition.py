"""The journey definition file: JSON that a customer gives, read strictly, every mistake named with its place.

docs/journeys.md has the shape. A file with a mistake is refused whole: a journey that is half understood would be rebuilt half.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.storable import storable
from mapping.journeys.words import CHANNELS, END, KINDS, MANY_PATHS, REENTRY, SEND, TRIGGERS, WAIT, Described, Path, Reference, Step
from workbench.engagements.errors import BadInput

FORMAT = "journey-definitions/1"
MOST_BYTES = 5_000_000
MOST_JOURNEYS, MOST_STEPS, MOST_PATHS, MOST_NAMES = 2_000, 500, 100, 200
ID_LIMIT, NAME_LIMIT, NOTE_LIMIT = 200, 500, 4_000
TOLD = 5_000  # mistakes that are named one by one; further ones are counted
ABSENT: Any = object()
Fields = Mapping[str, bool]  # key -> whether it must be there
FILE: Fields = {"format": True, "platform": False, "exported": False, "journeys": True}
JOURNEY: Fields = {
    "id": True, "name": True, "trigger": False, "reentry": False, "limits": False, "complete": False, "steps": False, "note": False,
}  # fmt: skip
TRIGGER: Fields = {"kind": True, "names": False}
LIMITS: Fields = {"lifetime": False, "simultaneous": False}
STEP: Fields = {
    "id": True, "kind": True, "name": False, "channel": False, "campaign": False, "template": False, "wait": False, "catalogs": False,
    "next": False, "branches": False, "note": False,
}  # fmt: skip
BRANCH: Fields = {"when": True, "to": True}
CATALOG: Fields = {"catalog": True, "item": False}


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong in a file. place: a path such as journeys[2].steps[0].channel, or line and column."""

    place: str
    words: str

    def __str__(self) -> str:
        return f"{self.place}: {self.words}"


class DefinitionMistaken(BadInput):
    """A definition file has mistakes; `mistakes` has the first TOLD, and that is all but for files made to have more. count: of all."""

    remedy = "Correct every place that is named, then give the file again. Nothing of it was taken."

    def __init__(self, mistakes: Collection[Mistake], count: int = 1) -> None:
        """Keep the mistakes; the message has the first few."""
        self.mistakes, self.count = tuple(mistakes), count
        first = "; ".join(map(str, self.mistakes[:3]))
        super().__init__(f"The file has {count:,} mistake{'s' * (count != 1)}: {first}{' …' * (count > 3)}.")


class _Repeated(dict):
    """An object of the file that has keys twice."""

    twice: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reader:
    """Reads values and keeps every mistake; what can't be read becomes an empty value, so that reading goes on."""

    mistakes: list[Mistake] = field(default_factory=list)
    count: int = 0

    def wrong(self, place: str, words: str) -> None:
        """Keep a mistake."""
        self.count += 1
        if self.count <= TOLD:
            self.mistakes.append(Mistake(place or "the file", words))

    def record(self, value: Any, place: str, fields: Fields) -> Mapping[str, Any]:
        """An object with these keys and no others."""
        if not isinstance(value, dict):
            self.wrong(place, f"must be an object, and is {_kind(value)}")
            return {}
        for key in getattr(value, "twice", ()):
            self.wrong(_under(place, key), "is there twice")
        for key in value:
            if key not in fields:
                self.wrong(_under(place, key), f"isn't known; known are {', '.join(fields)}")
        for key, needed in fields.items():
            if needed and key not in value:
                self.wrong(_under(place, key), "is missing")
        return value

    def text(self, value: Any, place: str, limit: int = NAME_LIMIT, *, filled: bool = False) -> str:
        """A text; '' where it is absent. filled: it must hold something."""
        if value is ABSENT:
            return ""
        if not isinstance(value, str):
            self.wrong(place, f"must be a text, and is {_kind(value)}")
            return ""
        if filled and not value.strip():
            self.wrong(place, "is empty")
        if len(value) > limit:
            self.wrong(place, f"is {len(value):,} characters long; {limit:,} are taken")
        return storable(value.strip())

    def key(self, value: Any, place: str) -> str:
        """An id: a text or a whole number."""
        if isinstance(value, int) and not isinstance(value, bool):
            return self.text(_number(value), place, ID_LIMIT)
        if value is not ABSENT and not isinstance(value, str):
            self.wrong(place, f"must be a text or a whole number, and is {_kind(value)}")
            return ""
        return self.text(value, place, ID_LIMIT, filled=True)

    def word(self, value: Any, place: str, words: Collection[str]) -> str:
        """One of the words; '' where it is absent."""
        if value is ABSENT:
            return ""
        if not isinstance(value, str) or value not in words:
            said = f"'{storable(value)[:40]}'" if isinstance(value, str) else _kind(value)
            self.wrong(place, f"is {said}; known are {', '.join(words)}")
            return ""
        return value

    def whole(self, value: Any, place: str) -> int | None:
        """A whole number from 1; None where it is absent or null."""
        if value is ABSENT or value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 2**31:
            self.wrong(place, "must be a whole number of 1 or more, or null")
            return None
        return value

    def truth(self, value: Any, place: str) -> bool:
        """True or false; false where it is absent."""
        if value is not ABSENT and not isinstance(value, bool):
            self.wrong(place, f"must be true or false, and is {_kind(value)}")
        return value is True

    def rows(self, value: Any, place: str, most: int, read: Callable[[Any, str], Any]) -> tuple[Any, ...]:
        """A list, each part read with its place; none where it is absent."""
        if value is ABSENT:
            return ()
        if not isinstance(value, list):
            self.wrong(place, f"must be a list, and is {_kind(value)}")
            return ()
        if len(value) > most:
            self.wrong(place, f"has {len(value):,} entries; {most:,} are taken")
        return tuple(read(part, f"{place}[{number}]") for number, part in enumerate(value[:most]))


def read(content: bytes, platform: str) -> tuple[Described, ...]:
    """The journeys of a definition file, in its order. platform: that of the engagement. Raises DefinitionMistaken with every mistake."""
    reader = _Reader()
    file = reader.record(_parsed(content), "", FILE)
    if "format" in file and file["format"] != FORMAT:
        reader.wrong("format", f"must be '{FORMAT}'")
    said = reader.text(file.get("platform", ABSENT), "platform")
    if said and said != platform:
        reader.wrong("platform", f"is '{said[:40]}', and the engagement's source is {platform}")
    reader.text(file.get("exported", ABSENT), "exported")
    journeys = reader.rows(file.get("journeys", ABSENT), "journeys", MOST_JOURNEYS, lambda value, place: _journey(reader, value, place))
    _once(reader, [journey.id for journey in journeys], "journeys", "a journey")
    if reader.mistakes:
        raise DefinitionMistaken(reader.mistakes, reader.count)
    return journeys


def _parsed(content: bytes) -> Any:
    """The file's JSON. Raises DefinitionMistaken where it is too large or no JSON."""
    if len(content) > MOST_BYTES:
        raise DefinitionMistaken([Mistake("the file", f"is larger than {MOST_BYTES // 1_000_000} MB")])
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=_pairs, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise DefinitionMistaken([Mistake(f"byte {error.start + 1}", "isn't UTF-8")]) from error
    except json.JSONDecodeError as error:
        raise DefinitionMistaken([Mistake(f"line {error.lineno}, column {error.colno}", f"isn't JSON: {error.msg}")]) from error
    except (ValueError, RecursionError) as error:
        words = "is nested too deep" if isinstance(error, RecursionError) else f"isn't JSON: {error}"
        raise DefinitionMistaken([Mistake("the file", words)]) from error


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated = _Repeated(found)
    repeated.twice = tuple(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
    return repeated


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON number")


def _journey(reader: _Reader, value: Any, place: str) -> Described:
    row = reader.record(value, place, JOURNEY)
    trigger = reader.record(row.get("trigger", {"kind": ""}), f"{place}.trigger", TRIGGER)
    limits = reader.record(row.get("limits", {}), f"{place}.limits", LIMITS)
    steps = reader.rows(row.get("steps", ABSENT), f"{place}.steps", MOST_STEPS, lambda part, where: _step(reader, part, where))
    _once(reader, [step.id for step in steps], f"{place}.steps", "a step")
    _led(reader, steps, f"{place}.steps")
    return Described(
        id=reader.key(row.get("id", ABSENT), f"{place}.id"),
        name=reader.text(row.get("name", ABSENT), f"{place}.name", filled=True),
        trigger=reader.word(trigger.get("kind", ABSENT), f"{place}.trigger.kind", TRIGGERS) if "trigger" in row else "",
        names=reader.rows(trigger.get("names", ABSENT), f"{place}.trigger.names", MOST_NAMES, lambda p, w: reader.text(p, w, filled=True)),
        reentry=reader.word(row.get("reentry", ABSENT), f"{place}.reentry", REENTRY),
        lifetime=reader.whole(limits.get("lifetime", ABSENT), f"{place}.limits.lifetime"),
        at_once=reader.whole(limits.get("simultaneous", ABSENT), f"{place}.limits.simultaneous"),
        complete=reader.truth(row.get("complete", ABSENT), f"{place}.complete"),
        note=reader.text(row.get("note", ABSENT), f"{place}.note", NOTE_LIMIT),
        steps=steps,
    )


def _step(reader: _Reader, value: Any, place: str) -> Step:
    row = reader.record(value, place, STEP)
    kind = reader.word(row.get("kind", ABSENT), f"{place}.kind", KINDS)
    branches = reader.rows(row.get("branches", ABSENT), f"{place}.branches", MOST_PATHS, lambda part, where: _branch(reader, part, where))
    following = (Path("", reader.key(row["next"], f"{place}.next")),) if "next" in row else ()
    if branches and following:
        reader.wrong(f"{place}.next", "stands beside branches; a step has one or the other")
    step = Step(
        id=reader.key(row.get("id", ABSENT), f"{place}.id"),
        kind=kind,
        name=reader.text(row.get("name", ABSENT), f"{place}.name"),
        channel=reader.word(row.get("channel", ABSENT), f"{place}.channel", CHANNELS),
        campaign=reader.key(row["campaign"], f"{place}.campaign") if "campaign" in row else "",
        template=reader.key(row["template"], f"{place}.template") if "template" in row else "",
        wait=reader.text(row.get("wait", ABSENT), f"{place}.wait"),
        catalogs=reader.rows(row.get("catalogs", ABSENT), f"{place}.catalogs", MOST_NAMES, lambda p, w: _catalog(reader, p, w)),
        paths=branches or following,
        note=reader.text(row.get("note", ABSENT), f"{place}.note", NOTE_LIMIT),
    )
    for words in misfits(step):
        reader.wrong(place, words)
    if step.id == END:
        reader.wrong(f"{place}.id", f"can't be '{END}', which stands for the journey's end")
    return step


def misfits(step: Step) -> list[str]:
    """What a step of its kind lacks or can't have, in words; files and forms are checked by it alike."""
    found = []
    if step.kind == SEND and not step.channel:
        found.append("sends a message and has no channel")
    if step.kind and step.kind != SEND and (step.channel or step.campaign or step.template):
        found.append("has a channel, campaign or template and sends nothing")
    if step.kind == WAIT and not step.wait:
        found.append("waits and doesn't say how long")
    if step.kind and step.kind != WAIT and step.wait:
        found.append("says how long it waits and isn't of the kind wait")
    if step.kind in MANY_PATHS and not step.paths:
        found.append("branches and has no branches")
    if step.kind and step.kind not in MANY_PATHS and (len(step.paths) > 1 or any(path.when for path in step.paths)):
        found.append(f"has branches and is of the kind {step.kind}")
    return found


def _branch(reader: _Reader, value: Any, place: str) -> Path:
    row = reader.record(value, place, BRANCH)
    return Path(reader.text(row.get("when", ABSENT), f"{place}.when", filled=True), reader.key(row.get("to", ABSENT), f"{place}.to"))


def _catalog(reader: _Reader, value: Any, place: str) -> Reference:
    row = reader.record(value, place, CATALOG)
    item = reader.key(row["item"], f"{place}.item") if "item" in row else ""
    return Reference(reader.text(row.get("catalog", ABSENT), f"{place}.catalog", filled=True), item)


def _once(reader: _Reader, ids: Collection[str], place: str, what: str) -> None:
    seen: set[str] = set()
    for number, one in enumerate(ids):
        if one and one in seen:
            reader.wrong(f"{place}[{number}].id", f"is that of {what} before it: '{one[:60]}'")
        seen.add(one)


def _led(reader: _Reader, steps: Collection[Step], place: str) -> None:
    """Every path leads to a step that is there."""
    known = {step.id for step in steps} | {END}
    for number, step in enumerate(steps):
        for turn, path in enumerate(step.paths):
            if path.to and path.to not in known:
                where = f"{place}[{number}]." + (f"branches[{turn}].to" if path.when or step.kind in MANY_PATHS else "next")
                reader.wrong(where, f"leads to no step of the journey: '{path.to[:60]}'")


def _kind(value: Any) -> str:
    """What a value is, in a reader's words."""
    names = {dict: "an object", _Repeated: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _number(value: int) -> str:
    """A whole number as text; one of thousands of digits, which no id is, by its size."""
    return str(value) if value.bit_length() < 2_000 else hex(value)


_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,60}").fullmatch


def _under(place: str, key: str) -> str:
    """The place of a key; one that could be taken for something else stands in quotes."""
    shown = key if _PLAIN(key) else json.dumps(storable(key)[:60], ensure_ascii=False)
    return f"{place}.{shown}" if place else shown

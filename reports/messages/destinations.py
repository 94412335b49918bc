"""Where what a template reads went at the destination, by the engagement's decided field maps; or why it went nowhere."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.messages import Message, Reference
from mapping import plan
from mapping.models import EventType, FieldMap, PlanVersion, SourceField
from mapping.playbooks import field_key, load_playbook
from mapping.workshop import tables
from reports.messages.tokens import journeys_token, sales_token
from workbench.engagements.models import Engagement

EVENTS = ("record", "order", "order_line")  # kinds of objects that happen to a person and aren't one
CATALOG = "product"
_SIZES = (".size", ".length")
_SOME = 3  # events that are named


@dataclass(frozen=True, slots=True)
class Target:
    """A column that holds the value. assumed: its display name, which the token needs, wasn't read from the destination."""

    table: str
    column: str
    display_name: str
    alias: str
    sales_token: str
    journeys_token: str
    assumed: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one value: its columns, or the code of the reason why it has none. note: what else to know."""

    targets: tuple[Target, ...] = ()
    code: str = ""
    detail: str = ""
    note: str = ""


@dataclass(slots=True)
class _Maps:
    """Decided lines by object and source field; `open` are the fields without a decision."""

    lines: dict[tuple[str, str], list[Mapping[str, Any]]] = field(default_factory=dict)
    open: set[tuple[str, str]] = field(default_factory=set)


class Destinations:
    """The answers for one engagement; reads its maps and fields once."""

    def __init__(self, engagement: Engagement) -> None:
        """Read what is decided: the newest version of the maps where there is one, else the working maps."""
        self.maps: PlanVersion | None = plan.current(engagement).get("maps")
        self._engagement, self._columns = engagement, tables.Known(engagement)
        kinds = {rule.name: rule.kind for rule in load_playbook(engagement.platform).objects}
        self._persons = [name for name, kind in kinds.items() if kind == "person"]
        self._events = [name for name, kind in kinds.items() if kind in EVENTS]
        self._catalogs = [name for name, kind in kinds.items() if kind == CATALOG]
        self._decided = self._read_maps()
        names = SourceField.objects.filter(engagement=engagement, object_name__in=[*self._persons, *self._events])
        self._fields = set(names.values_list("object_name", "name"))
        self._alike = {field_key(name): name for object_name, name in self._all() if object_name in self._persons}
        self._of_events = self._event_keys()
        self._was_read: dict[str, bool] = {}

    def _read_maps(self) -> _Maps:
        found = _Maps()
        working = FieldMap.objects.filter(engagement=self._engagement)
        decided = self.maps.content["fields"] if self.maps else [*_lines(working.filter(state__in=plan.DECIDED))]
        for line in decided:
            found.lines.setdefault((line["object"], line["source"]), []).append(line)
        found.open = set(working.values_list("object_name", "source")) - set(found.lines)
        return found

    def _all(self) -> set[tuple[str, str]]:
        return {*self._fields, *self._decided.lines, *self._decided.open}

    def _event_keys(self) -> dict[str, list[str]]:
        """Name of a field that events have -> those events."""
        found: dict[str, list[str]] = {}
        for event in EventType.objects.filter(engagement=self._engagement).only("name", "keys").iterator():
            for key in event.keys:
                found.setdefault(str(key["name"]), []).append(str(event))
        for object_name, name in sorted(self._all()):
            if object_name in self._events:
                found.setdefault(name, []).append(object_name)
        return found

    def of(self, reference: Reference, message: Message, default: str = "") -> Found:
        """What became of a value that a template reads. default: what it shows where the value is empty."""
        if reference.root == "catalog":
            detail = ", ".join(f"{one.table}.{one.column}" for one in self._of_catalog(reference.name))
            return Found(code="catalog", detail=" ".join(filter(None, (reference.of, f"({detail})" if detail else ""))))
        if reference.root != "field":
            return Found(code=reference.root, detail=reference.name)
        return self._of_field(reference, message, default)

    def _of_catalog(self, name: str) -> Iterator[Target]:
        for object_name in self._catalogs:
            for source in (f"value.{name}", name):
                yield from self._targets(object_name, source, "")

    def _of_field(self, reference: Reference, message: Message, default: str) -> Found:
        name = reference.name
        for object_name in self._persons:
            if found := self._decision(object_name, name, default):
                wins = name in self._of_events and not reference.profile and message.type not in ("", "Blast", "Base")
                return Found(found.targets, found.code, found.detail, " ".join(filter(None, (found.note, _EVENT_WINS if wins else ""))))
        return self._without_line(name, message)

    def _decision(self, object_name: str, name: str, default: str) -> Found | None:
        """What was decided of a field of that very name."""
        if (object_name, name) in self._decided.open:
            return Found(code="undecided", detail=name)
        lines = self._decided.lines.get((object_name, name), ())
        left = [line for line in lines if line["state"] == FieldMap.State.LEFT]
        if targets := tuple(self._targets(object_name, name, default)):
            return Found(targets, note=" ".join(f"Left behind in {line['table']}: {line['reason']}" for line in left))
        return Found(code="left", detail=left[0]["reason"]) if left else None

    def _targets(self, object_name: str, name: str, default: str) -> Iterator[Target]:
        for line in self._decided.lines.get((object_name, name), ()):
            if line["state"] == FieldMap.State.CONFIRMED:
                yield self._target(line, default)

    def _target(self, line: Mapping[str, Any], default: str) -> Target:
        table, column = line["table"], line["column"]
        known = self._columns(table).get(column)
        display_name = getattr(known, "display_name", "") or ""
        return Target(
            table, column, display_name, line["alias"], sales_token(table, display_name, default), journeys_token(table, column),
            not self._is_read(table),
        )  # fmt: skip

    def _is_read(self, table: str) -> bool:
        if table not in self._was_read:
            self._was_read[table] = tables.was_read(self._engagement, table)
        return self._was_read[table]

    def _without_line(self, name: str, message: Message) -> Found:
        """Why a name that isn't a field of a person has no column."""
        for whole in _around(name):
            for object_name in self._persons:
                if found := self._decision(object_name, whole, ""):
                    return _as_part(found, whole, name)
        for one in (name, *_around(name)):
            if events := self._of_events.get(one):
                return Found(code="event", detail=", ".join(events[:_SOME]) + (" and others" if len(events) > _SOME else ""))
        if message.merged and message.feeds:
            return Found(code="feed_merged", detail=", ".join(message.feeds))
        near = self._alike.get(field_key(name), "")
        return Found(code="no_such_field", detail=f"There is {near}; names are told apart by case." if near else name)


_EVENT_WINS = "An event that sends the template and has a field of this name shows its own value instead."


def _as_part(found: Found, whole: str, name: str) -> Found:
    """What became of a part of a field, or of its size, by what became of the whole."""
    if not found.targets:
        return found
    column = ", ".join(f"{one.table}.{one.column}" for one in found.targets)
    return Found(code="size" if name in (whole + ending for ending in _SIZES) else "part", detail=f"{whole} goes to {column}")


def _around(name: str) -> Iterator[str]:
    """The fields that a name is a part of, the nearest first: of `a[].b.c` these are `a[].b`, `a` and its list."""
    while (end := max(name.rfind("."), name.rfind("[]"))) > 0:
        name = name[:end]
        yield name


def _lines(rows: Any) -> Iterator[Mapping[str, Any]]:
    """Working maps as the plan keeps them."""
    for row in rows.iterator():
        yield {
            "object": row.object_name, "source": row.source, "table": row.table, "column": row.column, "alias": row.alias,
            "state": row.state, "reason": row.reason,
        }  # fmt: skip

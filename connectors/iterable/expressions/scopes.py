"""What a path means where it stands: the blocks that are open there, what each makes of `this`, and the names that it gives."""

from collections.abc import Collection
from typing import NamedTuple

from connectors.iterable.expressions.grammar import Call, Literal, Operand, Path, Statement
from connectors.iterable.expressions.helpers import helpers, words
from connectors.messages import Reference, Root

ITEM, ANY = "[]", "*"
LONGEST = 500  # characters of a path's name; what thousands of nested loops would make longer ends in …


class Place(NamedTuple):
    """A value by its root and the names that lead to it from there. of: the catalog."""

    root: Root
    name: str = ""
    of: str = ""
    profile: bool = False

    def at(self, *steps: str) -> "Place":
        """A value within this one. Whole numbers, the places of items in a list, become `[]`."""
        name = self.name
        for step in steps:
            if len(name) > LONGEST:
                return self._replace(name=name if name.endswith("…") else f"{name}…")
            name = _joined(name, ITEM if step.isdecimal() else step[:LONGEST])
        return self._replace(name=name)


def _joined(name: str, step: str) -> str:
    if step == ITEM:
        return f"{name}{ITEM}" if name else name
    return f"{name}.{step}" if name else step


FIELDS, FEED = Place("field"), Place("feed")


class Scope(NamedTuple):
    """An open block. bare: where names begin; this: what `this` is; feed: where names of feed tags begin.

    outer: how many blocks are open where `../` leads, since only blocks that change `this` count for it.
    """

    closing: str
    start: int
    bare: Place
    this: Place
    feed: Place
    outer: int
    names: tuple[str, ...] = ()


class Scopes:
    """The blocks that are open while a template is read from its beginning on."""

    def __init__(self, variables: Collection[str] = ()) -> None:
        """No block is open. variables: names that are set already."""
        self._open = [Scope("", 0, FIELDS, FIELDS, FEED, 0)]
        self._names: dict[str, list[Place]] = {}
        self._closings: dict[str, int] = {}
        self.variables = set(variables)

    @property
    def depth(self) -> int:
        """How many blocks are open."""
        return len(self._open) - 1

    def has(self, closing: str) -> bool:
        """Whether a block of that name is open."""
        return self._closings.get(closing, 0) > 0

    def push(self, statement: Statement, *, closing: str, start: int, feed: bool, inverse: bool = False) -> None:
        """A block opens. inverse: its content is what shows where there is nothing."""
        here = self._open[-1]
        inside, named = (None, []) if inverse else self._inside(statement, feed)
        scope = Scope(closing, start, here.bare, here.this, here.feed, here.outer, statement.names[: len(named)])
        if inside is not None:
            moved = scope._replace(this=inside, outer=len(self._open))
            scope = moved._replace(feed=inside) if feed else moved._replace(bare=inside)
        self._enter(scope, named)

    def pop(self) -> Scope:
        """The innermost block closes."""
        scope = self._open.pop()
        self._closings[scope.closing] -= 1
        for name in scope.names:
            self._names[name].pop()
        return scope

    def _enter(self, scope: Scope, named: list[Place]) -> None:
        for name, place in zip(scope.names, named, strict=True):
            self._names.setdefault(name, []).append(place)
        self._closings[scope.closing] = self._closings.get(scope.closing, 0) + 1
        self._open.append(scope)

    def _inside(self, statement: Statement, feed: bool) -> tuple[Place | None, list[Place]]:
        """What `this` becomes in a block, None where it stays, and what each of the block's names means."""
        call = statement.call
        helper = helpers().get(call.name)
        if helper is None:
            section = self.place(call.what, feed) if call.is_bare else None
            return section, [Place("variable", name) for name in statement.names]
        given = self.place(call.arguments[0], feed) if call.arguments else Place("variable")
        if helper.inside == "catalog":
            given = Place("catalog", of=catalog_of(call))
        inside = {"items": given.at(ITEM), "entry": given.at(ANY)}.get(helper.inside, given)
        named = [inside if number == 0 else Place("loop", name) for number, name in enumerate(statement.names)]
        moves = helper.inside in ("items", "value") or (helper.inside == "catalog" and not named)
        return (inside if moves else None), named

    def place(self, operand: Operand, feed: bool) -> Place:
        """What an operand means here; a literal and what is computed have no place."""
        if not isinstance(operand, Path):
            return Place("variable")
        if operand.data:
            return Place("field").at(*operand.steps[1:]) if operand.steps[:1] == ("root",) else Place("loop", f"@{'.'.join(operand.steps)}")
        first = operand.steps[0] if operand.steps else ""
        if not operand.own and (bound := self._names.get(first)):
            return bound[-1].at(*operand.steps[1:])
        if not operand.own and first in self.variables:
            return Place("variable", first)
        return self._start(operand, feed).at(*operand.steps)

    def _start(self, path: Path, feed: bool) -> Place:
        scope = self._open[-1]
        for _ in range(path.parents):
            scope = self._open[max(scope.outer - 1, 0)]
        if feed:
            return scope.feed
        return scope.this if path.own else scope.bare

    def reference(self, path: Path, feed: bool) -> Reference:
        """What a path reads here."""
        place = self.place(path, feed)
        if place.root == "field":
            place = _known_by_name(place)
        return Reference(path.text, place.name, place.root, place.of, place.profile)


def _known_by_name(place: Place) -> Place:
    """Names that mean something by themselves, told from fields."""
    first, _, rest = place.name.partition(".")
    if first in words().profile and rest:
        return place._replace(name=rest, profile=True)
    if first in words().live:
        return Place("live", rest)
    return Place("platform", place.name) if place.name in words().platform else place


def catalog_of(call: Call) -> str:
    """The catalog, or the collection, that a call names."""
    first = call.arguments[0] if call.arguments else None
    return first.text if isinstance(first, Literal) else ""

"""The grammar of one tag, read by recursive descent over its tokens:

    statement  = call [ "as" "|" { name } "|" ]
    call       = operand { operand | name "=" operand }
    operand    = path | number | string | "true" | "false" | "null" | "undefined" | "(" call ")"
    path       = [ "@" ] segment { ( "." | "/" ) segment }        without space between
    segment    = name | "[" text "]" | "." | ".."
"""  # fmt: skip

from collections.abc import Iterator
from typing import NamedTuple

from connectors.iterable.expressions.tags import Token

DEEPEST = 50  # parentheses within each other
_CONSTANTS = ("true", "false", "null", "undefined")
_SEGMENTS = ("word", "segment", "number")


class Literal(NamedTuple):
    """A value that stands in the tag itself."""

    text: str


class Path(NamedTuple):
    """A path as it is written. parents: how often `../`. own: it begins with `this`, `.` or `../`. data: it begins with `@`."""

    text: str
    steps: tuple[str, ...]
    parents: int = 0
    own: bool = False
    data: bool = False

    @property
    def plain(self) -> str:
        """The name where the path is one name and nothing else, as the names of functions are; else empty."""
        return self.steps[0] if len(self.steps) == 1 and not self.own and not self.data else ""


class Call(NamedTuple):
    """What is called with what; a tag that prints a value calls it with nothing. named: arguments by `name=`."""

    what: "Operand"
    arguments: tuple["Operand", ...] = ()
    named: tuple[tuple[str, "Operand"], ...] = ()

    @property
    def is_bare(self) -> bool:
        """Whether it has no arguments."""
        return not self.arguments and not self.named

    @property
    def name(self) -> str:
        """The name of the function or value, as it is written; empty where it is computed itself."""
        return self.what.text if isinstance(self.what, Path) else ""


Operand = Path | Literal | Call


class Statement(NamedTuple):
    """A tag's call and the names that it gives to what is in its block."""

    call: Call
    names: tuple[str, ...] = ()


class Unreadable(Exception):
    """The tokens make no statement; `at` is the offset from which on."""

    def __init__(self, code: str, at: int) -> None:
        """code: as Mistake has it."""
        super().__init__(code)
        self.code, self.at = code, at


def statement(tokens: tuple[Token, ...], end: int) -> Statement:
    """The statement of a tag. end: offset after it. Raises Unreadable."""
    if not tokens:
        raise Unreadable("tag.empty", end)
    reader = _Reader(tokens, end)
    call = reader.call(0)
    names = tuple(reader.names()) if reader.next.kind == "word" else ()
    if reader.next.kind:
        raise Unreadable("tag.unreadable", reader.next.start)
    return Statement(call, names)


def arguments(call: Call) -> Iterator[Operand]:
    """All that is given to a call, by place and by name."""
    yield from call.arguments
    yield from (value for _, value in call.named)


class _Reader:
    """Reads tokens from left to right; `next` is the one to be read, without a kind at the end."""

    def __init__(self, tokens: tuple[Token, ...], end: int) -> None:
        nothing = Token("", "", end, end)
        self._tokens, self._place = (*tokens, nothing, nothing), 0
        self.next = self._tokens[0]

    def call(self, depth: int) -> Call:
        what, given, named = self._operand(depth), list[Operand](), list[tuple[str, Operand]]()
        while self.next.kind not in ("", ")"):
            following = self._tokens[self._place + 1].kind
            if following == "|" and self.next.text == "as":
                break
            if following == "=" and self.next.kind in _SEGMENTS:
                name = self._take().text
                self._take()
                named.append((name, self._operand(depth)))
            else:
                given.append(self._operand(depth))
        return Call(what, tuple(given), tuple(named))

    def names(self) -> Iterator[str]:
        """The names after `as |`, to the closing `|`."""
        self._take()
        self._expect("|")
        while self.next.kind in _SEGMENTS:
            yield self._take().text
        self._expect("|")

    def _operand(self, depth: int) -> Operand:
        kind = self.next.kind
        if kind == "(":
            return self._subexpression(depth)
        if kind in ("string", "number") or (kind == "word" and self.next.text in _CONSTANTS):
            return Literal(self._take().text)
        return self._path()

    def _subexpression(self, depth: int) -> Call:
        opening = self._take()
        if depth >= DEEPEST:
            raise Unreadable("tag.too_deep", opening.start)
        call = self.call(depth + 1)
        self._expect(")")
        return call

    def _path(self) -> Path:
        """A path; its segments stand side by side, so that `a .b` is two."""
        data = self.next.kind == "@"
        if data:
            self._take()
        parts = [self._take()]
        while self.next.kind in ("/", ".") and self.next.start == parts[-1].end:
            following = self._tokens[self._place + 1]
            if following.start != self.next.end or following.kind not in (*_SEGMENTS, ".."):
                break
            self._take()
            parts.append(self._take())
        if len(parts) == 1 and not data and parts[0].kind == "word" and parts[0].text != "this":
            return Path(parts[0].text, (parts[0].text,))
        return _path_of(parts, data)

    def _take(self) -> Token:
        token = self.next
        if not token.kind:
            raise Unreadable("tag.unreadable", token.start)
        self._place += 1
        self.next = self._tokens[self._place]
        return token

    def _expect(self, kind: str) -> None:
        if self.next.kind != kind:
            raise Unreadable("tag.unreadable", self.next.start)
        self._take()


def _path_of(parts: list[Token], data: bool) -> Path:
    parents = 0
    while parents < len(parts) and parts[parents].kind == "..":
        parents += 1
    rest = parts[parents:]
    own = parents > 0 or _is_own(rest[0])
    steps = rest[1:] if rest and _is_own(rest[0]) else rest
    wrong = next((part for part in steps if part.kind not in _SEGMENTS), None)
    if wrong is not None:
        raise Unreadable("tag.unreadable", wrong.start)
    return Path(_written(parts, data), tuple(step.text for step in steps), parents, own, data)


def _is_own(token: Token) -> bool:
    return token.kind == "." or (token.kind == "word" and token.text == "this")


def _written(parts: list[Token], data: bool) -> str:
    """The path as one text, with its names in brackets where they were."""
    text, before = "@" if data else "", ""
    for part in parts:
        separator = "/" if before in ("..", ".") else "."
        text += (separator if before else "") + (f"[{part.text}]" if part.kind == "segment" else part.text)
        before = part.kind
    return text

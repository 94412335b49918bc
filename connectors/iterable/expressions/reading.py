"""Reads a template from its beginning to its end: every tag becomes an expression, opens, turns or closes a block, or is a mistake."""

from bisect import bisect_right
from collections.abc import Collection
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from connectors.iterable.expressions.grammar import Call, Literal, Operand, Path, Statement, Unreadable, arguments, statement
from connectors.iterable.expressions.helpers import helpers, words
from connectors.iterable.expressions.scopes import Scopes
from connectors.iterable.expressions.tags import EXCERPT, Broken, Tag, Tags, lexed
from connectors.messages import Expression, Kind, Mistake, Scan

_OPENING = ("#", "#>", "#*", "^")
_NAMING = (">", "#>", "#*", "raw")  # what stands first is a name and no value
_BLOCKS = (*_OPENING, "raw")  # a raw block is one tag, its end included
_ELSE = "else"
NOTHING = Statement(Call(Literal("")))


def scan(text: str, field: str, variables: Collection[str] = ()) -> Scan:
    """Every expression of a text with its place, and every mistake; the time is linear in the text. Raises nothing, whatever the text is.

    field: where the text stands, as expressions name it. variables: names that somebody else gives, as the user of a snippet does.
    """
    reading = _Reading(text, field, variables)
    reading.read()
    return Scan(tuple(reading.expressions), tuple(sorted(reading.mistakes, key=lambda one: one.offset)), tuple(reading.spans))


class _Analysis(NamedTuple):
    """What a tag says wherever it stands. what: the statement, none of a comment and of an else alone."""

    form: str
    what: Statement
    kind: Kind
    opens: bool
    helper: str
    helpers: tuple[str, ...]
    unknown: tuple[str, ...]
    families: tuple[str, ...]
    paths: tuple[Path, ...]
    target: str
    default: str


class _Reading:
    """The state of one scan."""

    def __init__(self, text: str, field: str, variables: Collection[str]) -> None:
        self.expressions: list[Expression] = []
        self.mistakes: list[Mistake] = []
        self.spans: list[tuple[int, int]] = []
        self._text, self._field, self._scopes = text, field, Scopes(variables)
        self._starts: list[int] = []

    def read(self) -> None:
        for found in Tags(self._text):
            if isinstance(found, Broken):
                self._mistake(found.at, found.code, found.start)
                continue
            self.spans.append((found.start, found.end))
            try:
                analysis = _kept(self._text[found.start : found.end]) if found.simple else _analysed(found)
            except Unreadable as wrong:
                self._unreadable(found, wrong)
            else:
                self._take(found, analysis)
        while self._scopes.depth:
            self._mistake(self._scopes.pop().start, "block.not_closed")

    def _unreadable(self, tag: Tag, wrong: Unreadable) -> None:
        """A mistake; a block that begins with it is opened all the same, so that its end finds a beginning."""
        base = tag.start if tag.simple else 0
        self._mistake(base + wrong.at, wrong.code, tag.start)
        if tag.sign in _OPENING and tag.tokens:
            self._scopes.push(NOTHING, closing=tag.tokens[0].text, start=tag.start, feed=tag.feed, inverse=True)

    def _take(self, tag: Tag, analysis: _Analysis) -> None:
        if analysis.form == "close":
            self._close(tag, _named(analysis.what.call))
        elif analysis.form == "else":
            self._turn(tag, analysis)
        else:
            self._statement(tag, analysis)

    def _statement(self, tag: Tag, analysis: _Analysis) -> None:
        self.expressions.append(self._expression(tag, analysis))
        if analysis.target and "variable" in analysis.families:
            self._scopes.variables.add(analysis.target)
        if analysis.form == "open":
            self._open(tag, analysis.what, _named(analysis.what.call), tag.start, same=tag.sign in ("^", "#>"))

    def _open(self, tag: Tag, what: Statement, closing: str, start: int, *, same: bool) -> None:
        self._scopes.push(what, closing=closing, start=start, feed=tag.feed, inverse=same)

    def _turn(self, tag: Tag, analysis: _Analysis) -> None:
        """An else: the block goes on as it is outside of it, or as the statement of an `else if` or the like has it."""
        if not self._scopes.depth:
            self._mistake(tag.start, "block.else_outside")
            return
        block, alone = self._scopes.pop(), analysis.what is NOTHING
        if not alone:
            self.expressions.append(self._expression(tag, analysis))
        self._open(tag, analysis.what, block.closing, block.start, same=alone)

    def _close(self, tag: Tag, name: str) -> None:
        """The block of that name closes; those within it that nobody closed are mistakes."""
        if not self._scopes.has(name):
            self._mistake(tag.start, "block.not_open")
            return
        while (closed := self._scopes.pop()).closing != name:
            self._mistake(closed.start, "block.not_closed")

    def _expression(self, tag: Tag, analysis: _Analysis) -> Expression:
        references = [self._scopes.reference(path, tag.feed) for path in analysis.paths]
        return Expression(
            field=self._field,
            line=self._line(tag.start),
            offset=tag.start,
            text=self._text[tag.start : tag.end],
            kind=analysis.kind,
            helper=analysis.helper,
            helpers=analysis.helpers,
            unknown=analysis.unknown,
            families=analysis.families,
            references=tuple(references if len(references) < 2 else dict.fromkeys(references)),
            target=analysis.target,
            default=analysis.default,
            opens=analysis.opens,
            depth=self._scopes.depth,
        )

    def _mistake(self, at: int, code: str, start: int | None = None) -> None:
        first = at if start is None else start
        self.mistakes.append(Mistake(self._field, self._line(at), at, code, self._text[first : first + EXCERPT]))

    def _line(self, offset: int) -> int:
        if not self._starts:
            self._starts = [0, *accumulate(len(line) + 1 for line in self._text.split("\n"))]
        return bisect_right(self._starts, offset)


@lru_cache(maxsize=4_096)
def _kept(text: str) -> _Analysis:
    """What a tag says that is the same wherever it stands. Raises Unreadable, with its place within the tag."""
    tag = lexed(text)
    if tag is None:
        raise Unreadable("tag.unreadable", 0)
    return _analysed(tag)


def _analysed(tag: Tag) -> _Analysis:
    """What a tag says. Raises Unreadable."""
    if tag.sign == "!":
        return _Analysis("value", NOTHING, "comment", False, "", (), (), (), (), "", "")
    turns = not tag.sign and tag.tokens[:1] and tag.tokens[0].kind == "word" and tag.tokens[0].text == _ELSE
    if (tag.sign == "^" and not tag.tokens) or (turns and len(tag.tokens) == 1):
        return _Analysis("else", NOTHING, "block", False, "", (), (), (), (), "", "")
    what = statement(tag.tokens[1:] if turns else tag.tokens, tag.end)
    form = "else" if turns else {"/": "close", **dict.fromkeys(_OPENING, "open")}.get(tag.sign, "value")
    opens, known = bool(turns) or tag.sign in _BLOCKS, helpers()
    functions, paths = _parts(tag, what.call, opens)
    name = functions[0] if functions and functions[0] == _function(tag, what.call, opens) else ""
    return _Analysis(
        form=form,
        what=what,
        kind=_kind(tag, name, functions, opens),
        opens=tag.sign in _BLOCKS,
        helper=name,
        helpers=functions,
        unknown=tuple(one for one in functions if one not in known),
        families=tuple(dict.fromkeys(known[one].family for one in functions if one in known)),
        paths=tuple(paths),
        target=_target(tag, what.call, name),
        default=_default(what.call, name),
    )


def _function(tag: Tag, call: Call, opens: bool) -> str:
    """The function that a call calls; empty where it prints a value, or shows a part for a value, or names a partial."""
    if tag.sign in (">", "#>"):
        return ""
    name = call.name
    if tag.sign in ("raw", "#*") or not call.is_bare:
        return name
    return name if name in helpers() and (opens or name in words().alone) else ""


def _parts(tag: Tag, call: Call, opens: bool) -> tuple[tuple[str, ...], list[Path]]:
    """The functions of a call, each once, and the paths that are read for them, from left to right."""
    functions, paths = list[str](), list[Path]()
    waiting: list[tuple[Operand, bool]] = [(call, opens)]
    outermost = True
    while waiting:
        operand, as_block = waiting.pop()
        if isinstance(operand, Path):
            paths.append(operand)
        elif isinstance(operand, Call):
            name = _function(tag, operand, as_block) if outermost else _inner(operand)
            functions += [name] if name else []
            first = [] if name or (outermost and tag.sign in _NAMING) else [operand.what]
            waiting += [(one, False) for one in reversed([*first, *arguments(operand)])]
        outermost = False
    return tuple(dict.fromkeys(functions)), paths


def _inner(call: Call) -> str:
    """The function that a call in parentheses calls; in parentheses a known name is a function without arguments too."""
    return call.name if not call.is_bare or call.name in helpers() else ""


def _kind(tag: Tag, name: str, calls: tuple[str, ...], opens: bool) -> Kind:
    known = helpers().get(name)
    if tag.feed:
        return "feed"
    if tag.sign in (">", "#>"):
        return "partial"
    if known and known.family in ("catalog", "snippet"):
        return "catalog" if known.family == "catalog" else "snippet"
    if opens:
        return "block"
    return "helper" if calls else "value"


def _named(call: Call) -> str:
    """The name that a block begins and ends with."""
    return call.what.text if isinstance(call.what, (Path, Literal)) else ""


def _target(tag: Tag, call: Call, name: str) -> str:
    """The partial, snippet, catalog or variable that a tag names."""
    if tag.sign in (">", "#>"):
        return _named(call)
    known, first = helpers().get(name), call.arguments[0] if call.arguments else None
    if known is None or known.family not in ("catalog", "snippet", "variable"):
        return ""
    return first.text if isinstance(first, Literal) else ""


def _default(call: Call, name: str) -> str:
    """The text that `defaultIfEmpty` shows in place of an empty value."""
    second = call.arguments[1] if len(call.arguments) > 1 else None
    known = helpers().get(name)
    return second.text if known and known.family == "default" and isinstance(second, Literal) else ""

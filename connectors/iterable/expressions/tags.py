"""Cuts a template into tags and each tag into tokens, in one pass forwards: the time is linear in the text, whatever the text is.

What isn't a tag is skipped. A tag that can't be read is a `Broken`, and reading goes on at the next tag.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

# Signs that stand before a tag's name; the longest first.
SIGNS = ("#>", "#*", "#", "^", "/", "&", ">", "*")
_SIGNING = frozenset(sign[0] for sign in SIGNS)
EXCERPT = 80
_NAME = r"""[^\s!"#%&'()*+,./;<=>@\[\\\]^`{|}~]++"""  # what Handlebars lets a name be made of
_WORD = re.compile(_NAME)
# One token, or the beginning of one. Atomic throughout: nothing is ever tried twice.
_TOKEN = re.compile(
    rf"""\s*+(?:(?P<number>-?+[0-9]++(?:\.[0-9]++)?+(?=[=~}}\s/.)|\]]|\Z))|(?P<word>{_NAME})|(?P<mark>\.\.|[().=|@/])"""
    r"""|(?P<quote>["'`])|(?P<bracket>\[)|(?P<end>[~}\]])|(?P<other>))"""
)
# A tag without brackets within, or braces within its quotes: where it ends is where its closing mark stands.
_SIMPLE = re.compile(r"""\{\{(?:[^{}\[\]"'`\\!]++|"[^"\\{}]*+"|'[^'\\{}]*+')*+\}\}""")
_KEPT = 200  # characters of a tag that is kept
_QUOTES = "\"'`"  # backticks: around JSON, as Iterable's own example of ifContains has it
_PAIRS = {"{{": "}}", "[[": "]]"}
# Closing mark -> how it may be written: a tilde may stand before its last two characters, or before all.
_ENDINGS = {ending: (ending, f"~{ending}", f"{ending[:-2]}~{ending[-2:]}") for ending in ("}}", "}}}", "]]", "}]]", "}}}}")}


class Token(NamedTuple):
    """A word, mark or literal of a tag; start and end are offsets in the template."""

    kind: str
    text: str
    start: int
    end: int


class Tag(NamedTuple):
    """A tag with its tokens. sign: what stands before the name, one of SIGNS, `!` for a comment, `raw` for the start of a raw block.

    simple: its text alone says all, so that what is made of it can be kept; its tokens' offsets count from its start, else the template's.
    """

    start: int
    end: int
    feed: bool
    sign: str
    tokens: tuple[Token, ...]
    simple: bool = False


class Broken(NamedTuple):
    """A place that can't be read: where the tag starts, where it went wrong, and why."""

    start: int
    at: int
    code: str


class _Stop(Exception):
    """Reading of one tag ends here."""

    def __init__(self, code: str, at: int) -> None:
        super().__init__(code)
        self.code, self.at = code, at


class Tags:
    """The tags of a text. Iterate once."""

    def __init__(self, text: str) -> None:
        """Nothing is read yet."""
        self._text = text
        self._openings: dict[str, int] = dict.fromkeys(_PAIRS, -1)
        self._absent: dict[str, int] = {}
        # After a broken tag reading goes back to the first tag within it. What may be read twice is bounded by the text's length.
        self._budget = len(text)

    def __iter__(self) -> Iterator[Tag | Broken]:
        """Tags and broken places, in the order of the text."""
        position = 0
        while (start := self._opening(position)) is not None:
            if self._is_escaped(start, position):
                position = start + 2
                continue
            try:
                tag = self._simple(start) or self._tag(start)
            except _Stop as stop:
                yield Broken(start, stop.at, stop.code)
                position = self._after(start, stop.at)
            else:
                yield tag
                position = tag.end

    def _simple(self, start: int) -> Tag | None:
        """A tag whose end is seen at once, as most are; the same ones come again and again."""
        found = _SIMPLE.match(self._text, start)
        if found is None or found.end() - start > _KEPT:
            return None
        tag = lexed(found.group())
        return tag and tag._replace(start=start, end=found.end())

    def _opening(self, position: int) -> int | None:
        """Where the next tag begins. Positions asked for never fall, so that each character is sought through once."""
        for mark, known in self._openings.items():
            if known < position:
                found = self._text.find(mark, position)
                self._openings[mark] = len(self._text) if found < 0 else found
        first = min(self._openings.values())
        return first if first < len(self._text) else None

    def _is_escaped(self, start: int, position: int) -> bool:
        """One backslash before it makes a tag text; two are a backslash and a tag."""
        before = self._text[max(position, start - 2) : start]
        return before.endswith("\\") and not before.endswith("\\\\")

    def _after(self, start: int, stopped: int) -> int:
        """Where to go on after a broken tag: at the first opening within it, as long as there is budget for reading twice."""
        again = self._opening(start + 2)
        if again is None or again >= stopped:
            return max(stopped, start + 2)
        self._budget -= stopped - again
        return again if self._budget >= 0 else stopped

    def _tag(self, start: int) -> Tag:
        text, feed = self._text, self._text[start] == "["
        if text.startswith("{{{{", start):
            return self._raw_block(start)
        at = self._past_tilde(start + 2)
        unescaped = text.startswith("{", at)
        at = self._past_tilde(at + 1) if unescaped else at
        if text.startswith("!", at) and not unescaped:
            return self._comment(start, at, _PAIRS[text[start : start + 2]])
        sign = next((sign for sign in SIGNS if text.startswith(sign, at)), "") if text[at : at + 1] in _SIGNING else ""
        at += len(sign)
        if sign == "/" and text.startswith("#", at):  # Iterable's own overview closes a block like this
            at += 1
        ends = ("}" if unescaped else "") + ("]]" if feed else "}}")
        tokens, end = self._tokens(at, ends)
        return Tag(start, end, feed, sign, tuple(tokens))

    def _past_tilde(self, at: int) -> int:
        return at + 1 if self._text.startswith("~", at) else at

    def _comment(self, start: int, at: int, ends: str) -> Tag:
        """A comment ends at its first closing mark; one that begins with `--` at `--` before it, and may hold tags."""
        if self._text.startswith("--", at + 1):
            for closing in (f"--{ends}", f"--~{ends}"):
                if (found := self._find(closing, at + 1)) >= 0:
                    return Tag(start, found + len(closing), ends == "]]", "!", ())
        found = self._find(ends, at)
        if found < 0:
            raise _Stop("comment.not_closed", at + 1)
        return Tag(start, found + 2, ends == "]]", "!", ())

    def _raw_block(self, start: int) -> Tag:
        """`{{{{name}}}} … {{{{/name}}}}`: nothing within is read. The tag goes to the end of the block, which the next closing mark is."""
        tokens, end = self._tokens(start + 4, "}}}}")
        closing = self._find("{{{{/", end)
        found = self._find("}}}}", closing) if closing >= 0 else -1
        if found < 0:
            raise _Stop("block.not_closed", end)
        return Tag(start, found + 4, False, "raw", tuple(tokens))

    def _find(self, what: str, position: int) -> int:
        """As str.find, but what was once sought in vain isn't sought again further on."""
        if self._absent.get(what, position + 1) <= position:
            return -1
        found = self._text.find(what, position)
        if found < 0:
            self._absent[what] = position
        return found

    def _tokens(self, at: int, ending: str) -> tuple[list[Token], int]:
        """The tokens of a tag from here on up to its closing mark, and where the tag ends."""
        text, tokens, endings = self._text, list[Token](), _ENDINGS[ending]
        while found := _TOKEN.match(text, at):
            kind = found.lastgroup or ""
            start, at = found.span(kind)
            if kind == "word":
                tokens.append(Token("word", text[start:at], start, at))
            elif kind == "end":
                for end in endings:
                    if text.startswith(end, start):
                        return tokens, start + len(end)
                break
            elif kind == "other":
                at = start
                break
            else:
                tokens.append(self._token(kind, start, at, tokens))
                at = tokens[-1].end
        raise _Stop(self._why(at), at)

    def _token(self, kind: str, start: int, end: int, before: list[Token]) -> Token:
        if kind == "quote":
            return self._string(start, self._text[start])
        if kind == "bracket":
            return self._segment(start)
        if kind == "number" and before and before[-1].kind in (".", "/") and before[-1].end == start:  # in a path it is a name
            word = _WORD.match(self._text, start)
            end, kind = (word.end(), "word") if word else (end, kind)
        return Token(self._text[start:end] if kind == "mark" else kind, self._text[start:end], start, end)

    def _segment(self, at: int) -> Token:
        """A name in square brackets, which may hold anything else; quotes around it aren't part of it."""
        found = self._find("]", at + 1)
        if found < 0:
            raise _Stop("name.not_closed", at + 1)
        name = self._text[at + 1 : found]
        quoted = len(name) > 1 and name[0] in _QUOTES and name[0] == name[-1]
        return Token("segment", name[1:-1] if quoted else name, at, found + 1)

    def _string(self, at: int, quote: str) -> Token:
        """Text in quotes, to the next quote that no backslash stands before."""
        found = self._find(quote, at + 1)
        while found > 0 and self._text[found - 1] == "\\":
            found = self._find(quote, found + 1)
        if found < 0:
            raise _Stop("text.not_closed", at + 1)
        return Token("string", self._text[at + 1 : found].replace(f"\\{quote}", quote), at, found + 1)

    def _why(self, at: int) -> str:
        opened = self._text.startswith(("{{", "[["), at)
        return "tag.not_closed" if opened or at >= len(self._text) else "tag.unexpected"


@lru_cache(maxsize=4_096)
def lexed(text: str) -> Tag | None:
    """The tag that a text is, by itself; None where it isn't one that can be read."""
    try:
        tag = Tags(text)._tag(0)
    except _Stop:
        return None
    return tag._replace(simple=True) if tag.end == len(text) else None

"""Cuts HTML into tags, text and comments as browsers do, in one pass forwards.

Python's own html.parser and parsers that build a tree take minutes for some 100 kB that were made to hold them up (unclosed attributes; a
hundred thousand elements within each other); here the time is linear in the text. Source: html.spec.whatwg.org, section 13.2.5
(tokenization), without its reports of errors and without character references in text, which whoever shows it resolves.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

# Elements whose content is text up to their own end tag.
RAW = ("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes")
_RAW_ENDS = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in RAW}
_NAME = re.compile(r"[a-zA-Z][^\s/>]*+")
_ATTRIBUTE = re.compile(r"[\s/]*+(?:(?P<end>>)|(?P<name>=?+[^\s/>=]*+)(?P<value>\s*+=\s*+)?+)")
_UNQUOTED = re.compile(r"[^\s>]*+")


class Start(NamedTuple):
    """An element begins. attributes: by name in lower case, the first of each."""

    name: str
    attributes: Mapping[str, str]


class End(NamedTuple):
    """An element ends."""

    name: str


class Text(NamedTuple):
    """Text as it is written. raw: of an element that holds nothing else."""

    text: str
    raw: bool = False


class Comment(NamedTuple):
    """A comment, a declaration, or what is read as one."""

    text: str


Piece = Start | End | Text | Comment


def pieces(text: str) -> Iterator[Piece]:
    """The pieces of an HTML text, in its order; what isn't closed goes to the end of the text. Raises nothing."""
    position = 0
    while (opening := text.find("<", position)) >= 0:
        name = _NAME.match(text, opening + 1) or (_NAME.match(text, opening + 2) if text.startswith("/", opening + 1) else None)
        if name is None and not text.startswith(("!", "?", "/"), opening + 1):
            yield Text(text[position : opening + 1])
            position = opening + 1
            continue
        if opening > position:
            yield Text(text[position:opening])
        if name is None:
            position, inside = _comment(text, opening)
            yield Comment(inside)
        else:
            position, attributes = _attributes(text, name.end())
            found = name.group().lower()
            yield End(found) if text[opening + 1] == "/" else Start(found, attributes)
            if found in _RAW_ENDS and text[opening + 1] != "/":
                end = _RAW_ENDS[found].search(text, position)
                stop = end.start() if end else len(text)
                yield Text(text[position:stop], raw=True)
                position = stop
    if position < len(text):
        yield Text(text[position:])


def _comment(text: str, opening: int) -> tuple[int, str]:
    """Where a comment or declaration ends, and what is within."""
    if text.startswith("<!--", opening):
        end = text.find("-->", opening + 2)  # `<!-->` is a whole one
        return (end + 3, text[opening + 4 : end]) if end >= 0 else (len(text), text[opening + 4 :])
    end = text.find(">", opening + 2)
    return (end + 1, text[opening + 2 : end]) if end >= 0 else (len(text), text[opening + 2 :])


def _attributes(text: str, position: int) -> tuple[int, dict[str, str]]:
    """Where a tag ends, and its attributes."""
    found: dict[str, str] = {}
    while position < len(text) and (part := _ATTRIBUTE.match(text, position)):
        position = part.end()
        if part["end"]:
            break
        value = ""
        if part["value"]:
            position, value = _value(text, position)
        if part["name"]:
            found.setdefault(part["name"].lower(), value)
    return position, found


def _value(text: str, position: int) -> tuple[int, str]:
    quote = text[position : position + 1]
    if quote and quote in "\"'":
        end = text.find(quote, position + 1)
        return (end + 1, text[position + 1 : end]) if end >= 0 else (len(text), text[position + 1 :])
    unquoted = _UNQUOTED.match(text, position)
    return (unquoted.end(), unquoted.group()) if unquoted else (position, "")

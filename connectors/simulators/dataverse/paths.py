"""The path of a request as segments: `accounts(id)/name`, `lists(id)/NS.AddMemberList`, `EntityDefinitions(LogicalName='x')/Keys`."""

import re
from dataclasses import dataclass

from . import errors
from .identifiers import read_guid

NAMESPACE = "Microsoft.Dynamics.CRM."
_UNSAFE = set("/<>*%&:\\?+")  # facts, section 2: these break a request by alternate key
_PAIR = re.compile(r"\s*([\w@]+)\s*=\s*('(?:[^']|'')*'|\[[^\]]*\]|[^,]+?)\s*(?:,|$)")


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a path. `inside` is the text between the brackets, None without brackets."""

    name: str
    inside: str | None = None

    @property
    def bound(self) -> str | None:
        """The short name of a function, action or type cast that is written with its namespace."""
        return self.name[len(NAMESPACE) :] if self.name.startswith(NAMESPACE) else None


def split(path: str) -> list[Segment]:
    """Segments of a path; slashes inside quotes or brackets don't split. Raises ServiceError for unclosed brackets."""
    segments: list[Segment] = []
    current, depth, quoted = "", 0, False
    for char in path.strip("/"):
        quoted ^= char == "'"
        depth += 0 if quoted else (char == "(") - (char == ")")
        if char == "/" and not depth and not quoted:
            segments.append(_segment(current))
            current = ""
        else:
            current += char
    if depth or quoted:
        raise errors.bad_request("Bad Request - Error in query syntax.")
    return [*segments, _segment(current)] if current else segments


def _segment(text: str) -> Segment:
    name, bracket, rest = text.partition("(")
    if not bracket:
        return Segment(text)
    if not rest.endswith(")"):
        raise errors.bad_request("Bad Request - Error in query syntax.")
    return Segment(name, rest[:-1].strip())


def arguments(inside: str | None, aliases: dict[str, str] | None = None) -> dict[str, str]:
    """`a='x',b=1` as raw texts by name, quotes taken off, aliases resolved."""
    found: dict[str, str] = {}
    for name, value in _PAIR.findall(inside or ""):
        raw = (aliases or {}).get(value, value) if value.startswith("@") else value
        found[name] = unquoted(raw)
    return found


def unquoted(text: str) -> str:
    """A text literal without its quotes, any other literal as it is."""
    return text[1:-1].replace("''", "'") if len(text) > 1 and text[0] == text[-1] == "'" else text


def key_of(segment: Segment) -> str | dict[str, str]:
    """The primary key (a GUID) or the alternate key (column -> text) in a segment's brackets. Raises ServiceError."""
    inside = segment.inside or ""
    guid = read_guid(unquoted(inside))
    if guid:
        return guid
    pairs = arguments(inside)
    if not pairs or len(inside) < 3:
        raise errors.bad_request(f"Bad Request - Error in query syntax: '{segment.name}({inside})'.")
    if any(_UNSAFE & set(value) for value in pairs.values()):
        raise errors.bad_request("A potentially dangerous Request.Path value was detected from the client.")
    return pairs

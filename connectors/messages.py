"""Templates of messages as a platform's package reads them: what they hold, and every expression in them with its place.

A platform's reader is a module with the functions and names of `MessageReader`. Nothing here raises on what a source said.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

# value: prints a field. helper: prints what a function makes of it. block: opens a part that is shown, hidden, or repeated.
# feed: anything in the notation of data feeds, blocks too.
Kind = Literal["value", "helper", "block", "feed", "snippet", "catalog", "partial", "comment"]
# field: of the person, or of the event that sent the message. variable: set in the template, or given to a snippet. loop: such as the
# index of an item. platform: what the platform itself fills in, such as the link to unsubscribe. live: read by the journey as it sends.
Root = Literal["field", "feed", "catalog", "variable", "loop", "platform", "live"]

# What functions are for. default: a text for an empty value. context: what a block is about. variable: keeps a value under a name.
# send: decides whether the message is sent at all.
FAMILIES = ("condition", "loop", "context", "catalog", "snippet", "default", "format", "encode", "variable", "send")


@dataclass(frozen=True, slots=True)
class Reference:
    """A value that an expression reads.

    written: as it stands there, `../firstName`. name: from its root on, items of lists by `[]`: `shoppingCartItems[].name`. of: the
    catalog. profile: the template asks for the person's own value, even where the event has one of that name.
    """

    written: str
    name: str
    root: Root
    of: str = ""
    profile: bool = False


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression of a template.

    field: where it stands, such as `subject`; line from 1, offset in characters from 0. text: as it is written. helper: the outermost
    function. helpers: all of them, each once; unknown: those that the platform isn't known to have. families: what they are for, one
    of FAMILIES each. target: the snippet, catalog, partial or variable that it names. default: the text that stands in for an
    empty value. opens: whether a block begins with it. depth: blocks around it.
    """

    field: str
    line: int
    offset: int
    text: str
    kind: Kind
    helper: str = ""
    helpers: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    target: str = ""
    default: str = ""
    opens: bool = False
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Mistake:
    """What can't be read in a template, where it stands, and an excerpt; the rest of the template was read all the same."""

    field: str
    line: int
    offset: int
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Scan:
    """All that a text holds, in its order. spans: [start, end) of each tag, the ends of blocks too, for who reads the text around."""

    expressions: tuple[Expression, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A template. Moments are ISO 8601 in UTC, empty where the source gives none.

    texts: (field, text) of everything that is shown to, or decides about, the receiver. markup: which of the fields is HTML. feeds: ids of
    data feeds. merged: feed data is read by the notation of fields. campaign: the one that the template itself names.
    """

    id: str
    name: str
    medium: str = ""
    type: str = ""
    subject: str = ""
    sender: str = ""
    reply_to: str = ""
    created: str = ""
    changed: str = ""
    texts: tuple[tuple[str, str], ...] = ()
    markup: frozenset[str] = frozenset()
    feeds: tuple[str, ...] = ()
    merged: bool = False
    campaign: str = ""


@dataclass(frozen=True, slots=True)
class Snippet:
    """A part that templates share; variables are filled by who uses it."""

    id: str
    name: str
    content: str
    variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Use:
    """A send that uses a template. last: the newest moment known of it. running: it may still send."""

    template: str
    id: str
    name: str
    state: str = ""
    last: str = ""
    running: bool = False


class MessageReader(Protocol):
    """A platform's module."""

    MESSAGES: str
    SNIPPETS: str
    USES: str

    def message(self, record: Mapping[str, Any]) -> Message:
        """A landed record of MESSAGES."""

    def snippet(self, record: Mapping[str, Any]) -> Snippet:
        """A landed record of SNIPPETS."""

    def use(self, record: Mapping[str, Any]) -> Use | None:
        """A landed record of USES; None where it uses no template."""

    def scan(self, text: str, field: str, variables: Collection[str] = ()) -> Scan:
        """Every expression of a text. variables: names that somebody else gives."""

"""The structure of a template's HTML: its sections by headings, with links, images, buttons and blocks, and its sizes.

Expressions are taken out first, since they may stand within tags and quotes, and put back into what is told.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import unescape
from typing import Any

from connectors.messages import Scan
from reports.messages.hypertext import End, Piece, Start, Text, pieces

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
SHOWN = 100  # sections, links, images and buttons that are told; the rest is counted
LONGEST = 300  # characters of a text, or of an address
_FIRST, _LAST = "\ue000", "\ue001"  # around the number of an expression that was taken out
_BUTTON_WORDS = ("button", "btn", "cta")  # *assumed*: in the class of a link that looks like a button
_COUNTED = {"table": "tables", "form": "forms", "input": "inputs", "script": "scripts", "style": "styles", "video": "videos"}


@dataclass(slots=True)
class Section:
    """What stands under one heading; level 0 is what stands before the first. characters: of visible text. blocks: that begin in it."""

    heading: str
    level: int
    characters: int = 0
    links: int = 0
    images: int = 0
    buttons: int = 0
    expressions: int = 0
    blocks: int = 0


def structure(html: str, scan: Scan) -> dict[str, Any]:
    """{"sections", "links", "images", "buttons", "tags", "counts", "characters", "visible"}, see Section; lists are cut at SHOWN.

    links, images, buttons: [{"text", "target"}], expressions in them as they are written. counts: of all of them, those that aren't told
    too. tags: how many tables, forms, inputs, scripts, styles and videos there are. visible: characters that a reader sees.
    """
    reader = _Reader(html, scan)
    for piece in pieces(reader.text):
        reader.take(piece)
    reader.finish()
    return reader.told(len(html))


class _Reader:
    """Collects the structure, piece by piece, of the text without expressions."""

    def __init__(self, html: str, scan: Scan) -> None:
        self._html, self._spans = html, scan.spans
        self._openings = {one.offset for one in scan.expressions if one.opens}
        self.text = "".join(self._without())
        self.sections = [Section("", 0)]
        self.kept: dict[str, list[dict[str, str]]] = {"links": [], "images": [], "buttons": []}
        self.counts = dict.fromkeys(self.kept, 0)
        self.tags: Counter[str] = Counter()
        self._heading: list[str] | None = None
        self._link: list[str] | None = None
        self._target, self._kind = "", "links"

    def _without(self) -> list[str]:
        """The text in pieces, each expression as its number between two marks that no text of the source's may be."""
        pieces, position = [], 0
        for number, (start, end) in enumerate(self._spans):
            pieces += [_plain(self._html[position:start]), f"{_FIRST}{number}{_LAST}"]
            position = end
        return [*pieces, _plain(self._html[position:])]

    def _with(self, text: str) -> str:
        """The text with its expressions as they are written, on one line and not too long."""
        pieces = text.split(_FIRST)
        shown = pieces[0]
        for piece in pieces[1:]:
            number, _, rest = piece.partition(_LAST)
            start, end = self._spans[int(number)]
            shown += self._html[start:end] + rest
            if len(shown) > 4 * LONGEST:
                break
        shown = " ".join(shown.split())
        return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"

    def take(self, piece: Piece) -> None:
        """The next piece."""
        if isinstance(piece, Start):
            self._count("\n".join((*piece.attributes, *piece.attributes.values())))
            self._start(piece.name, piece.attributes)
        elif isinstance(piece, End):
            if piece.name in HEADINGS:
                self._end_heading()
            elif piece.name in ("a", "button"):
                self._end_link()
        else:
            self._count(piece.text)
            if isinstance(piece, Text) and not piece.raw:
                self._text(piece.text)

    def _start(self, name: str, given: Mapping[str, str]) -> None:
        if name in _COUNTED:
            self.tags[_COUNTED[name]] += 1
        if name in HEADINGS:
            self._end_heading()
            self.sections.append(Section("", int(name[1])))
            self._heading = []
        elif name == "img":
            self._keep("images", given.get("alt", ""), given.get("src", ""))
        elif name == "a" and "href" in given:
            self._start_link(given["href"], "buttons" if _looks_like_button(given) else "links")
        elif name == "button":
            self._start_link("", "buttons")
        elif name == "input" and given.get("type", "").lower() in ("submit", "button"):
            self._keep("buttons", given.get("value", ""), "")

    def _text(self, text: str) -> None:
        visible = "".join(part.partition(_LAST)[2] for part in f"{_LAST}{text}".split(_FIRST))
        self.sections[-1].characters += len(unescape(visible).strip())
        for open_text in (self._heading, self._link):
            if open_text is not None:
                open_text.append(text)

    def _count(self, text: str) -> None:
        """Expressions and blocks of the section in hand."""
        for piece in text.split(_FIRST)[1:]:
            start = self._spans[int(piece.partition(_LAST)[0])][0]
            self.sections[-1].expressions += 1
            self.sections[-1].blocks += start in self._openings

    def _keep(self, kind: str, text: str, target: str) -> None:
        self.counts[kind] += 1
        setattr(self.sections[-1], kind, getattr(self.sections[-1], kind) + 1)
        if len(self.kept[kind]) < SHOWN:
            self.kept[kind].append({"text": self._with(unescape(text)), "target": self._with(unescape(target))})

    def _end_heading(self) -> None:
        if self._heading is not None:
            self.sections[-1].heading = self._with(unescape("".join(self._heading)))
            self._heading = None

    def _start_link(self, target: str, kind: str) -> None:
        self._end_link()
        self._link, self._target, self._kind = [], target, kind

    def _end_link(self) -> None:
        if self._link is not None:
            self._keep(self._kind, "".join(self._link), self._target)
            self._link = None

    def finish(self) -> None:
        """The text is over; what is still open ends here."""
        self._end_heading()
        self._end_link()

    def told(self, characters: int) -> dict[str, Any]:
        """The structure as data."""
        first, *others = self.sections
        sections = [*([first] if any(list(asdict(first).values())[2:]) else []), *others]
        return {
            "sections": [asdict(one) for one in sections[:SHOWN]],
            **self.kept,
            "tags": dict(sorted(self.tags.items())),
            "counts": {"sections": len(sections), **self.counts},
            "characters": characters,
            "visible": sum(one.characters for one in sections),
        }


def _plain(text: str) -> str:
    """A piece of the source without our own marks in it."""
    return text.replace(_FIRST, "\ufffd").replace(_LAST, "\ufffd")


def _looks_like_button(given: Mapping[str, str]) -> bool:
    classes = given.get("class", "").lower()
    return given.get("role", "").lower() == "button" or any(word in classes for word in _BUTTON_WORDS)

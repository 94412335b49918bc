"""What a PDF says, to be read on pages: kept beside it, made of the same data. A page reads no more of the file than the parts it shows."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from connectors import store
from reports.models import Document
from reports.printout import PARTS, STRETCH, Place, Printout

LENGTH = 12_000  # bytes of data on a page, which a browser shows some 4,000 pixels high
_BREAK = "\u200b".encode()  # where a line may end on paper


@dataclass(frozen=True, slots=True)
class Piece:
    """What a page holds of a part: all of it, or the rows from `start` to `stop` (not included; None: to the end) of a long table."""

    number: int
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """A document's title page, where its parts stand, and which of them, or pieces of them, each page holds."""

    path: Path
    cover: Mapping[str, Any]
    places: Sequence[Place]
    pages: Sequence[Sequence[Piece]]
    start: int

    def parts(self, page: int) -> list[dict[str, Any]]:
        """The parts of a page, from 0, as `reports.printout` wrote them; of a piece that goes on with a table, that alone."""
        with self.path.open("rb") as file:
            return [self._part(file, piece) for piece in self.pages[page]]

    def _part(self, file: IO[bytes], piece: Piece) -> dict[str, Any]:
        place = self.places[piece.number]
        file.seek(self.start + place.offset)
        part: dict[str, Any] = orjson.loads(file.read(place.length).replace(_BREAK, b""))
        part["continued"] = piece.start > 0
        if piece.start:
            part |= {"text": [], "notes": [], "figures": [], "facts": []}
        if piece.start or piece.stop:
            more = part["table"]["more"] if piece.stop is None else ""
            part["table"] |= {"rows": part["table"]["rows"][piece.start : piece.stop], "more": more}
        return part

    def page_of(self, number: int) -> int:
        """The page that a part begins on, from 0."""
        return next(page for page, held in enumerate(self.pages) if any(piece.number == number for piece in held))


def path_of(document: Document) -> Path:
    """Where the preview of a PDF lies."""
    return (store.root() / document.path).with_suffix(".pages")


def keep(document: Document, printout: Printout) -> None:
    """Keep what was printed beside its PDF: a line with title page and places, then the parts. Raises StoreFull, StoreUnwritable."""
    path = path_of(document)
    with store.unfinished(path) as part:
        with part.open("wb") as file, (printout.folder / PARTS).open("rb") as parts:
            file.write(orjson.dumps({"cover": printout.cover, "places": [astuple(place) for place in printout.places]}) + b"\n")
            shutil.copyfileobj(parts, file)
        part.replace(path)


def of(document: Document) -> Preview | None:
    """The preview of a PDF; None for any other format, and where none was kept."""
    path = path_of(document)
    if document.format != "pdf" or not path.resolve().is_relative_to(store.root().resolve()) or not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.readline()
    told = orjson.loads(head.replace(_BREAK, b""))
    places = [Place(*one) for one in told["places"]]
    return Preview(path, told["cover"], places, pages(places), len(head))


def pages(places: Sequence[Place]) -> list[list[Piece]]:
    """What stands on which page: chapters begin one where they don't fit, and what stands below a heading stays with it.

    The table of a part that is longer than a page goes on on further ones.
    """
    found: list[list[Piece]] = [[]]
    length = 0
    for number, place in enumerate(places):
        if length and place.level <= 2 and (length + place.length > LENGTH or (place.level == 1 and length > LENGTH // 3)):
            found.append([])
            length = 0
        first, *further = _pieces(number, place)
        found[-1].append(first)
        found += [[piece] for piece in further]
        length += place.length
    return found


def _pieces(number: int, place: Place) -> list[Piece]:
    """A part in pieces of about a page."""
    stretches = max(1, LENGTH // STRETCH)
    starts = [0, *place.breaks[stretches - 1 :: stretches]] if place.length > LENGTH else [0]
    return [Piece(number, start, stop) for start, stop in zip(starts, [*starts[1:], None], strict=True)]

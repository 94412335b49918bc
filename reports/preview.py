"""What a PDF says, to be read on pages: kept beside it, made of the same data. A page reads no more of the file than it shows."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import orjson

from connectors import store
from reports.models import Document
from reports.printout import PARTS, Place, Printout

LENGTH = 12_000  # bytes of data on a page, which a browser shows some 4,000 pixels high
_BREAK = "\u200b".encode()  # where a line may end on paper


@dataclass(frozen=True, slots=True)
class Preview:
    """A document's title page, where its parts stand, and which of them each page holds."""

    path: Path
    cover: Mapping[str, Any]
    places: Sequence[Place]
    pages: Sequence[range]
    start: int

    def parts(self, page: int) -> list[dict[str, Any]]:
        """The parts of a page, from 0, as `reports.printout` wrote them."""
        found = []
        with self.path.open("rb") as file:
            for place in (self.places[number] for number in self.pages[page]):
                file.seek(self.start + place.offset)
                found.append(orjson.loads(file.read(place.length).replace(_BREAK, b"")))
        return found

    def page_of(self, number: int) -> int:
        """The page that holds a part, from 0."""
        return next(page for page, held in enumerate(self.pages) if number in held)


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


def pages(places: Sequence[Place]) -> list[range]:
    """Which parts stand on which page: chapters begin one where they don't fit, and what stands below a heading stays with it."""
    found, first, length = [], 0, 0
    for number, place in enumerate(places):
        if length and place.level <= 2 and (length + place.length > LENGTH or (place.level == 1 and length > LENGTH // 3)):
            found.append(range(first, number))
            first, length = number, 0
        length += place.length
    return [*found, range(first, len(places))]

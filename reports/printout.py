"""A book as data that is ready to print: every value as text with places to break, tables cut where they get too long.

The typesetter makes the PDF of it, and the portal shows the same on pages.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from reports.book import Book, Cell, Code, Column, Cover, PageOf, Part, Stacked, Status, Table
from reports.printable import LONGEST, moment, shown

# Bytes of data, and so many more for each cell. At MOST it is some 400 to 700 pages, at most 850 MB and 8 s of one core; 320 pages of an
# inventory with 420 parts and 4,600 rows take 280 MB and 2 s.
CELL = 40
MOST = 3_500_000  # from here on tables are cut, and say so
LISTED = 120  # headings that the contents list with their second level
# A4 in mm: what lies between the margins, a character at the size of tables, and the space beside a cell.
TEXT_WIDTH, CHARACTER, BESIDE = 170.0, 1.55, 3.6
FACT = 72  # characters of a line in a list of facts
TALL = 25  # lines from which a row may be broken across pages
PARTS = "parts.json"
STRETCH = 3_000  # bytes of rows between two places where a page of a preview may break within a table

Shown = str | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part stands: its heading, and its bytes in the file of parts. breaks: rows that begin a stretch of its table, see STRETCH."""

    heading: str
    level: int
    key: str
    offset: int
    length: int
    breaks: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Printout:
    """A book's data in a folder of its own. cover: the title page. weight: see MOST. seconds: the cover's time, since 1970."""

    folder: Path
    cover: Mapping[str, Any]
    places: Sequence[Place]
    weight: int
    seconds: int


@contextmanager
def printed(book: Book, cover: Cover) -> Iterator[Printout]:
    """Write a book's data into a folder, which is gone afterwards: cover.json, about.json, and parts.json with a part on each line."""
    with tempfile.TemporaryDirectory(prefix="printout-") as name:
        folder = Path(name)
        with (folder / PARTS).open("wb") as file:
            parts = _Parts(file)
            parts.write(book.parts)
        headings = sum(place.level <= 2 for place in parts.places)
        (folder / "about.json").write_bytes(orjson.dumps({"headings": headings, "depth": 2 if headings <= LISTED else 1}))
        told = _cover(book, cover)
        (folder / "cover.json").write_bytes(orjson.dumps(told))
        yield Printout(folder, told, parts.places, parts.weight, int(cover.at.timestamp()))


def _cover(book: Book, cover: Cover) -> dict[str, Any]:
    return {
        "title": shown(book.title, 20),
        "summary": shown(book.summary, 50),
        "engagement": shown(cover.engagement, 60),
        "version": cover.version,
        "day": cover.at.date().isoformat(),
        "digest": cover.digest,
        "facts": _facts(
            [
                ("Version", cover.version),
                ("Date", moment(cover.at)),
                *cover.facts,
                *book.facts,
                ("SHA-256 of the content", Code(cover.digest)),
            ]
        ),
    }


class _Parts:
    """Writes parts as a JSON array, one row of a table after the other, and notes where each stands. weight: see MOST."""

    def __init__(self, file: IO[bytes]) -> None:
        self.places: list[Place] = []
        self.weight = 0
        self._file = file

    def write(self, parts: Iterable[Part]) -> None:
        """All parts, with tables cut where they or the whole document get too long."""
        before = b"["
        for part in parts:
            self._file.write(before)
            offset = self._file.tell()
            head = orjson.dumps(_head(part))[:-1]
            self.weight += len(head)
            self._file.write(head + b',"table":')
            breaks = self._table(part.table) if part.table else self._no_table()
            self._file.write(b"}")
            self.places.append(Place(shown(part.heading), part.level, part.key, offset, self._file.tell() - offset, breaks))
            before = b",\n"
        self._file.write(b"[]" if before == b"[" else b"]")

    def _no_table(self) -> list[int]:
        self._file.write(b"null")
        return []

    def _table(self, table: Table) -> list[int]:
        """The table; the rows before which a page may break."""
        columns = [{"title": shown(one.title, 30), "width": one.width, "kind": one.kind} for one in table.columns]
        self._file.write(orjson.dumps({"columns": columns, "empty": _text(table.empty)})[:-1] + b',"rows":[')
        fits, more, tall, before = _fits(table.columns), "", False, b""
        breaks, begun = [], self._file.tell()
        for count, row in enumerate(table.rows):
            if count >= table.most or self.weight >= MOST:
                more = _left_out(count, table.kept_in)
                break
            cells = [_cell(value, wide, table.longest) for value, wide in zip(row, fits, strict=True)]
            tall = tall or any(_lines(cell, wide) > TALL for cell, wide in zip(cells, fits, strict=True))
            text = orjson.dumps(cells)
            if self._file.tell() - begun >= STRETCH:
                breaks.append(count)
                begun = self._file.tell()
            self._file.write(before + text)
            self.weight += len(text) + CELL * len(fits)
            before = b","
        self._file.write(b"]," + orjson.dumps({"more": more, "tall": tall})[1:])
        return breaks


def _head(part: Part) -> dict[str, Any]:
    facts = _facts(part.facts)
    return {
        "heading": shown(part.heading, 50),
        "key": part.key,
        "level": part.level,
        "text": [_text(words) for words in part.text],
        "notes": [{"words": _text(note.words), "tone": note.tone} for note in part.notes],
        "figures": [{"value": shown(figure.value, 11), "label": shown(figure.label, 24)} for figure in part.figures],
        "facts": facts,
        "tall": sum(_lines(value, FACT) for _, value in facts) > TALL,
    }


def _left_out(count: int, kept_in: str) -> str:
    said = f"The first {count:,} rows are shown." if count else "These rows would make the document too long."
    return f"{said} {kept_in[:1].upper()}{kept_in[1:]} holds all of them."


def _fits(columns: Sequence[Column]) -> list[int]:
    """How many characters a line of each column holds."""
    whole = sum(column.width for column in columns)
    return [max(2, int((TEXT_WIDTH * column.width / whole - BESIDE) / CHARACTER)) for column in columns]


def _cell(value: Cell, fits: int, longest: int = LONGEST) -> Shown:
    if isinstance(value, Status):
        return {"words": shown(value.words, max(2, fits - 2)), "tone": value.tone, "below": _below(value.below, fits, longest)}
    if isinstance(value, Stacked):
        return {"main": shown(value.main, fits, longest), "below": _below(value.below, fits, longest)}
    if isinstance(value, PageOf):
        return {"page": value.key}
    if isinstance(value, Code):
        return {"code": shown(value.text, int(fits * 0.9))}
    return shown(value, fits, longest)


def _below(value: Cell, fits: int, longest: int) -> str:
    return "" if value in (None, "") else shown(value, fits, longest)


def _lines(cell: Shown, fits: int) -> int:
    """About how many lines a cell takes."""
    texts = [cell] if isinstance(cell, str) else [text for name, text in cell.items() if name != "tone"]
    return sum(len(line) // fits + 1 for text in texts for line in text.split("\n"))


def _facts(facts: Iterable[tuple[str, Cell]]) -> list[tuple[str, Shown]]:
    return [(shown(label, 26), _cell(value, FACT)) for label, value in facts]


def _text(words: str) -> str:
    return shown(words, 90)

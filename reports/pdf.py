"""PDF files from books: every value goes to the typesetter as data, a table row by row, one document at a time on a machine.

The same book with the same cover gives the same bytes: the time in the file is the cover's, the fonts are the ones that lie here (and
those of DOCUMENT_FONTS). A character that no font has is printed as an empty box and stays in the text that is copied.
"""

import fcntl
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import orjson
from django.conf import settings

from reports.book import Book, Cell, Code, Column, Cover, Part, Stacked, Status, Table
from reports.printable import LONGEST, moment, shown
from workbench.engagements.errors import WorkbenchError

TEMPLATE = Path(settings.BASE_DIR) / "templates" / "documents" / "book.typ"
FONTS = TEMPLATE.parent / "fonts"
TIME_LIMIT_S = 80
# Bytes of data, and so many more for each cell. At MOST it is some 400 to 700 pages, at most 850 MB and 8 s of one core; 320 pages of an
# inventory with 420 parts and 4,600 rows take 280 MB and 2 s.
CELL = 40
MOST = 3_500_000  # from here on tables are cut, and say so
TAGGED = 1_000_000  # heavier documents go without the tags for screen readers, which would make the file six times as large
LISTED = 120  # headings that the contents list with their second level
# A4 in mm: what lies between the margins, a character at the size of tables, and the space beside a cell.
TEXT_WIDTH, CHARACTER, BESIDE = 170.0, 1.55, 3.6
FACT = 72  # characters of a line in a list of facts
TALL = 25  # lines from which a row may be broken across pages

Shown = str | Mapping[str, str]


class CannotTypeset(WorkbenchError):
    """The typesetter gave no file."""

    remedy = "Look at the machine's free memory, then write the document again. Its JSON and workbook say the same."


def write(path: Path, book: Book, cover: Cover) -> None:
    """Write a book as PDF. Raises CannotTypeset."""
    with tempfile.TemporaryDirectory(prefix="typeset-") as name:
        folder = Path(name)
        shutil.copyfile(TEMPLATE, folder / TEMPLATE.name)
        with (folder / "parts.json").open("wb") as file:
            parts = _Parts(file)
            parts.write(book.parts)
        about = {"headings": parts.headings, "depth": 2 if parts.headings <= LISTED else 1}
        (folder / "about.json").write_bytes(orjson.dumps(about))
        (folder / "cover.json").write_bytes(orjson.dumps(_cover(book, cover)))
        with _alone():
            _run(folder, path, int(cover.at.timestamp()), tags=parts.weight <= TAGGED)


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other process of this machine sets a document: one takes hundreds of megabytes."""
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    with (settings.VAR_DIR / "typesetting.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(folder: Path, out: Path, seconds: int, *, tags: bool) -> None:
    fonts = [str(FONTS), *settings.DOCUMENT_FONTS]
    command = [sys.executable, "-m", "reports.typesetting", str(folder), str(out), str(seconds), "tags" if tags else "plain", *fonts]
    try:
        done = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, timeout=TIME_LIMIT_S, check=False)  # noqa: S603 - our own module
    except subprocess.TimeoutExpired as error:
        raise CannotTypeset(f"The document wasn't set within {TIME_LIMIT_S} seconds.") from error
    if done.returncode:
        raise CannotTypeset(f"The typesetter ended with code {done.returncode}.")  # what it said may hold the document's text


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
    """Writes parts as a JSON array, one row of a table after the other, and counts what it wrote.

    headings: of levels 1 and 2. weight: see MOST.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.headings = self.weight = 0
        self._file = file

    def write(self, parts: Iterable[Part]) -> None:
        """All parts, with tables cut where they or the whole document get too long."""
        before = b"["
        for part in parts:
            self.headings += part.level <= 2
            head = orjson.dumps(_head(part))[:-1]
            self.weight += len(head)
            self._file.write(before + head + b',"table":')
            self._table(part.table)
            self._file.write(b"}")
            before = b",\n"
        self._file.write(b"[]" if before == b"[" else b"]")

    def _table(self, table: Table | None) -> None:
        if table is None:
            self._file.write(b"null")
            return
        columns = [{"title": shown(one.title, 30), "width": one.width, "kind": one.kind} for one in table.columns]
        self._file.write(orjson.dumps({"columns": columns, "empty": _text(table.empty)})[:-1] + b',"rows":[')
        fits, more, tall, before = _fits(table.columns), "", False, b""
        for count, row in enumerate(table.rows):
            if count >= table.most or self.weight >= MOST:
                more = _left_out(count, table.kept_in)
                break
            cells = [_cell(value, wide, table.longest) for value, wide in zip(row, fits, strict=True)]
            tall = tall or any(_lines(cell, wide) > TALL for cell, wide in zip(cells, fits, strict=True))
            text = orjson.dumps(cells)
            self._file.write(before + text)
            self.weight += len(text) + CELL * len(fits)
            before = b",\n"
        self._file.write(b"]," + orjson.dumps({"more": more, "tall": tall})[1:])


def _head(part: Part) -> dict[str, Any]:
    facts = _facts(part.facts)
    return {
        "heading": shown(part.heading, 50),
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
        return {"words": shown(value.words, max(2, fits - 2)), "tone": value.tone}
    if isinstance(value, Stacked):
        below = "" if value.below in (None, "") else shown(value.below, fits, longest)
        return {"main": shown(value.main, fits, longest), "below": below}
    if isinstance(value, Code):
        return {"code": shown(value.text, int(fits * 0.9))}
    return shown(value, fits, longest)


def _lines(cell: Shown, fits: int) -> int:
    """About how many lines a cell takes."""
    texts = [cell] if isinstance(cell, str) else [text for name, text in cell.items() if name != "tone"]
    return sum(len(line) // fits + 1 for text in texts for line in text.split("\n"))


def _facts(facts: Iterable[tuple[str, Cell]]) -> list[tuple[str, Shown]]:
    return [(shown(label, 26), _cell(value, FACT)) for label, value in facts]


def _text(words: str) -> str:
    return shown(words, 90)

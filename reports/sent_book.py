"""Workbooks that people send back: kept as they came, and read with care, since anybody may have made them."""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from connectors import store
from loads.models import Run
from reports.documents import keep
from reports.models import Document
from workbench.engagements.errors import BadInput
from workbench.engagements.models import Engagement

MOST_BYTES = 20_000_000
MOST_UNPACKED = 400_000_000
MOST_ROWS = 100_000


def keep_sent(engagement: Engagement, kind: str, content: bytes, run: Run | None = None) -> Document:
    """Keep a workbook that was sent, as it came. Raises BadInput for one that is too large."""
    if len(content) > MOST_BYTES:
        raise BadInput(f"The file is larger than {MOST_BYTES // 1_000_000} MB.", remedy="Send the workbook without pictures.")
    return keep(engagement, kind, "xlsx", lambda path: _write(path, content), run)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def document_file(document: Document) -> Path:
    """Where a document lies in the store."""
    return store.root() / document.path


@contextmanager
def opened(file: IO[bytes]) -> Iterator[Any]:
    """The workbook of a file. Raises BadInput where it is none, or would fill the memory once it is unpacked."""
    _refuse_bombs(file)
    try:
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError, SyntaxError) as error:
        raise BadInput("The file is no XLSX workbook.", remedy="Save it as .xlsx and send it again.") from error
    try:
        yield book
    finally:
        book.close()


def _refuse_bombs(file: IO[bytes]) -> None:
    """A small file may unpack to one that fills the memory."""
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile as error:
        raise BadInput("The file is no XLSX workbook.", remedy="Save it as .xlsx and send it again.") from error
    if unpacked > MOST_UNPACKED:
        raise BadInput("The workbook is too large once it is unpacked.")
    file.seek(0)


def rows(book: Any, name: str, header: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """A sheet's rows that have an id as (number, column -> text), by the names in its first row, wherever the reader moved them."""
    if name not in book.sheetnames:
        raise BadInput(f"The workbook has no sheet '{name}'.", remedy="Send back the workbook that was exported here.")
    found_rows = book[name].iter_rows(values_only=True)
    found = [str(cell or "").strip() for cell in next(found_rows, ())]
    missing = [column for column in header if column not in found]
    if missing:
        raise BadInput(f"The sheet '{name}' lacks {', '.join(missing)}.", remedy="Leave the columns' names as they were exported.")
    for number, row in enumerate(found_rows, start=2):
        if number > MOST_ROWS:
            raise BadInput(f"The sheet '{name}' has more than {MOST_ROWS:,} rows.")
        cells = dict(zip(found, (_text(cell) for cell in row), strict=False))
        if cells.get("id"):
            yield number, {column: cells.get(column, "") for column in header}


def _text(cell: Any) -> str:
    """A cell as text: a whole number without its decimals, whatever the spreadsheet made of it."""
    if cell is None:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)

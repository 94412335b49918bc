"""Whether a document names a person: JSON and CSV as they lie there, workbooks unpacked; a PDF says what its JSON says."""

import zipfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import IO

from workbench.privacy.seeking import Sought

PIECE = 1 << 20


def names(path: Path, format: str, sought: Sought) -> bool:
    """Whether a document names who is sought; memory holds a piece of it."""
    if format == "pdf" or not path.is_file():
        return False
    needles = [form.encode("utf-8", "replace").lower() for text in sought.needles for form in _written(text)]
    return any(_holds(pieces, needles) for pieces in _texts(path)) if needles else False


def _written(text: str) -> set[str]:
    """How a text stands in a file: as it is, as XML has it, as JSON has it."""
    return {text, escape(text), escape(text, quote=False), text.replace("\\", "\\\\").replace('"', '\\"')}


def _texts(path: Path) -> Iterator[Iterator[bytes]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as file:
                    yield _pieces(file)
    else:
        with path.open("rb") as file:
            yield _pieces(file)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def _holds(pieces: Iterator[bytes], needles: list[bytes]) -> bool:
    """Whether one of the needles, in lower case, is in the text; also across the end of a piece."""
    longest, rest = max(map(len, needles)), b""
    for piece in pieces:
        text = (rest + piece).lower()
        if any(needle in text for needle in needles):
            return True
        rest = text[-longest:]
    return False

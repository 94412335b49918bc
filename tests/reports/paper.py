"""What a PDF says, read back from its file."""

import re

import pypdf

from connectors import store


def words(path) -> str:
    """The text of a PDF without what only lays it out: line ends and places to break a word."""
    return _plain(" ".join(page.extract_text() for page in pypdf.PdfReader(path).pages))


def run_together(path) -> str:
    return words(path).replace(" ", "")


def pages(document) -> list[str]:
    """The text of each page of a document."""
    return [_plain(page.extract_text()) for page in pypdf.PdfReader(store.root() / document.path).pages]


def _plain(text: str) -> str:
    return re.sub(r"[\u200b\s]+", " ", text)

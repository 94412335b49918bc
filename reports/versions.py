"""The versions of a document: each content once, with the formats that it was written in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from reports.models import Document

FORMATS = ("pdf", "xlsx", "csv", "json")  # in the order in which they are offered
PAPER, CONTENT = "pdf", "json"


@dataclass(frozen=True, slots=True)
class Version:
    """One content. number: from 1, as on the title page. digest: SHA-256 of the content as JSON, '' where that isn't beside it."""

    number: int
    written_at: datetime
    digest: str
    documents: Sequence[Document]

    @property
    def readable(self) -> Document | None:
        """The PDF, which pages are kept of."""
        return next((one for one in self.documents if one.format == PAPER), None)


def versions(documents: Iterable[Document]) -> list[Version]:
    """The versions of one kind of document, the latest first. documents: of one engagement, or of one run of it.

    A content begins a version and its PDF, which is written last, ends it. A content that came again is a version of its own, and leaves
    the PDF that it had before alone in the first one.
    """
    held: list[list[Document]] = []
    for row in sorted(documents, key=_in_order):
        if not held or (row.format in _BEGINS and any(one.format in _BEGINS[row.format] for one in held[-1])):
            held.append([])
        held[-1].append(row)
    return [_version(number, rows) for number, rows in reversed(list(enumerate(held, 1)))]


# A document of this format stands in a new version where the version in hand has one of these.
_BEGINS = {CONTENT: (CONTENT, PAPER), PAPER: (PAPER,)}


def _in_order(row: Document) -> tuple[datetime, bool, int]:
    """By time; certificates bear the time of their signature, so that the PDF has that of its content."""
    return row.written_at, row.format == PAPER, row.pk


def number_of(content: Document) -> int:
    """The number of a content among those of its kind, from 1."""
    alike = Document.objects.filter(engagement=content.engagement, kind=content.kind, run=content.run)
    return len(versions(row for row in alike.filter(written_at__lte=content.written_at) if _in_order(row) <= _in_order(content)))


def _version(number: int, rows: Sequence[Document]) -> Version:
    newest = {row.format: row for row in rows}
    digest = newest[CONTENT].sha256 if CONTENT in newest else ""
    order = sorted(newest.values(), key=lambda row: (FORMATS.index(row.format) if row.format in FORMATS else len(FORMATS), row.format))
    return Version(number, rows[0].written_at, digest, order)

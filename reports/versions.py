"""The versions of a document: each content that was set on paper, with the formats that it was written in."""

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

    A version is a content that was set on paper; those that never were, such as those of a run under way, count as drafts of the next one.
    """
    held: list[list[Document]] = []
    for row in sorted(documents, key=_in_order):
        if not held or (row.format == CONTENT and any(one.format == PAPER for one in held[-1])):
            held.append([])
        held[-1].append(row)
    return [_version(number, rows) for number, rows in reversed(list(enumerate(held, 1)))]


def _in_order(row: Document) -> tuple[datetime, bool, int]:
    """By time; certificates bear the time of their signature, so that the PDF has that of its content."""
    return row.written_at, row.format == PAPER, row.pk


def number_of(content: Document) -> int:
    """The number of the version that a content is, from 1."""
    alike = Document.objects.filter(engagement=content.engagement, kind=content.kind, run=content.run)
    return sum(one.readable is not None for one in versions(alike.filter(written_at__lt=content.written_at))) + 1


def _version(number: int, rows: Sequence[Document]) -> Version:
    newest = {row.format: row for row in rows}
    digest = newest[CONTENT].sha256 if CONTENT in newest else ""
    order = sorted(newest.values(), key=lambda row: (FORMATS.index(row.format) if row.format in FORMATS else len(FORMATS), row.format))
    return Version(number, rows[-1].written_at, digest, order)

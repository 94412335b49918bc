"""Documents: written into the store from the same data that the pages show, each recorded with its hash and named after it."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from connectors import store
from loads.models import Phase, Run
from reports import pdf, preview, xlsx
from reports.book import Book, Cell, Cover
from reports.models import Document
from reports.printout import printed
from reports.versions import number_of
from workbench.engagements.models import Engagement


def keep(
    engagement: Engagement, kind: str, format: str, make: Callable[[Path], None], run: Run | None = None, *, at: datetime | None = None
) -> Document:
    """Have `make` write a file and record it; what was written before stays. Raises StoreFull, StoreUnwritable.

    at: the time that it is of, where several of one kind stand beside each other; else a content that comes back after another one is
    the newest again.
    """
    folder = store.folder(engagement.slug, "documents")
    name = f"{kind}-{run.key if run else 'all'}"
    with store.unfinished(folder / f"{name}.{format}") as part:
        make(part)
        digest, size = store.file_hash([part]), part.stat().st_size
        file = part.replace(folder / f"{name}-{digest[:12]}.{format}")
    path = str(file.relative_to(store.root()))
    newest = _newest(engagement, kind, format, run)
    if at is None and newest and newest.path == path:
        return newest
    told = {
        "sha256": digest,
        "size": size,
        "kind": kind,
        "format": format,
        "run": run,
        "written_at": at or timezone.now(),
        "removed_at": None,
    }
    document, _ = Document.objects.update_or_create(engagement=engagement, path=path, defaults=told)
    return document


def _newest(engagement: Engagement, kind: str, format: str, run: Run | None) -> Document | None:
    written = Document.objects.standing().filter(engagement=engagement, kind=kind, format=format, run=run)
    return written.order_by("-written_at", "-pk").first()


def is_up_to_date(engagement: Engagement, kind: str, format: str, run: Run | None) -> bool:
    """Whether the newest content of a kind is written in this format, and the file is there, with the pages of a PDF."""
    content, written = (_newest(engagement, kind, one, run) for one in ("json", format))
    if content is None or written is None or written.written_at < content.written_at:
        return False
    return (store.root() / written.path).is_file() and (format != "pdf" or preview.path_of(written).is_file())


def write_json(
    engagement: Engagement, kind: str, content: Mapping[str, Any], run: Run | None = None, *, at: datetime | None = None
) -> Document:
    """Write a small document as JSON and record it. at: see `keep`."""
    text = orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    return keep(engagement, kind, "json", lambda path: _write(path, text), run, at=at)


def _write(path: Path, text: bytes) -> None:
    path.write_bytes(text)


def write_lines(engagement: Engagement, kind: str, rows: Iterable[Mapping[str, Any]], run: Run | None = None) -> Document:
    """Write any number of rows as one JSON array with an object on each line, and record it."""

    def make(path: Path) -> None:
        with path.open("wb") as file:
            before = b"[\n"
            for row in rows:
                file.write(before + orjson.dumps(row))
                before = b",\n"
            file.write(b"[]\n" if before == b"[\n" else b"\n]\n")

    return keep(engagement, kind, "json", make, run)


def write_sheets(engagement: Engagement, kind: str, sheets: Iterable[xlsx.Sheet], run: Run | None = None) -> Document:
    """Write a workbook and record it."""
    return keep(engagement, kind, "xlsx", lambda path: xlsx.write(path, sheets), run)


def write_book(source: Document, book: Book, *, at: datetime | None = None) -> Document:
    """Write the PDF of a content and record it, with the pages that the portal shows.

    source: the content as JSON, whose hash and date the title page shows. at: see `keep`.

    The same content gives the same bytes, whenever it is written again. Raises CannotTypeset, StoreFull, StoreUnwritable.
    """
    engagement, run = source.engagement, source.run
    facts: list[tuple[str, Cell]] = [("From", f"{engagement.get_platform_display()} to Dynamics 365 Sales")]
    if run:
        facts.append(("Run", f"{run.key}, {run.environment.get_kind_display().lower()}"))
    cover = Cover(engagement.name, number_of(source), source.written_at, source.sha256, facts)
    with printed(book, cover) as printout:
        document = keep(engagement, source.kind, "pdf", lambda path: pdf.write(path, printout), run, at=at)
        preview.keep(document, printout)
    return document


def runs_to_report(engagement: Engagement) -> QuerySet[Run]:
    """The runs that have something to report: at least one phase is closed."""
    closed = Phase.objects.filter(run=OuterRef("pk"), state__in=(Phase.State.BALANCED, *Phase.PARKED))
    return (
        Run.objects.exclude(kind=Run.Kind.ROLLBACK)
        .filter(Exists(closed), engagement=engagement)
        .select_related("engagement", "environment")
        .order_by("pk")
    )

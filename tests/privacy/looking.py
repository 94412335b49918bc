"""Looking for texts in everything that is stored: every column of every table, every file of the store."""

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
from django.conf import settings
from django.contrib import admin
from django.db import connection
from django.urls import reverse
from pypdf import PdfReader

from tests.privacy.glyphs import printed

PORTAL = (
    "",
    "matrix/",
    "sandbox/",
    "scope/",
    "owners/",
    "decisions/",
    "quality/",
    "losses/",
    "rules/",
    "documents/",
    "tickets/",
)


def found(needles: Iterable[str]) -> list[str]:
    """Where one of the texts stands: `table mapping_ownermatch: sam@…`, `file runs/…: sam@…`."""
    wanted = [needle.lower() for needle in needles]
    return [f"{place}: {needle}" for place, text in _texts() for needle in wanted if needle in text or escaped(needle) in text]


def escaped(needle: str) -> str:
    return needle.encode("ascii", "backslashreplace").decode()


def _texts() -> Iterator[tuple[str, str]]:
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                yield f"table {table}", str(row).lower()
    for folder in (Path(settings.STORE_URL), Path(settings.VAR_DIR)):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield f"file {path.relative_to(folder)}", _text(path).lower()


def _text(path: Path) -> str:
    content = path.read_bytes()
    digest = hashlib.sha256(content).digest()
    if digest not in _read:
        _read[digest] = _text_of(path, content)
    return _read[digest]


_read: dict[bytes, str] = {}  # by SHA-256 of the file: most files are as they were when they were looked through before


def _text_of(path: Path, content: bytes) -> str:
    if path.suffix == ".parquet":
        return str(pq.ParquetFile(path).read().to_pylist())
    if path.suffix == ".pdf":
        return " ".join(map(printed, PdfReader(io.BytesIO(content)).pages))
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return " ".join(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())
    return content.decode("utf-8", "replace")


def store() -> Path:
    return Path(settings.STORE_URL)


def pages_of(engagement) -> list[str]:
    """Every list of the admin, the page of a row of each of its models, and the portal's pages."""
    found = [f"/engagements/{engagement.slug}/{name}" for name in PORTAL]
    found += [reverse(f"admin:privacy_{name}_ask", args=[engagement.pk]) for name in ("purge", "erasure")]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        found.append(reverse(f"{name}_changelist"))
        found += [reverse(f"{name}_change", args=[row.pk]) for row in model._default_manager.all()[:1]]
    return found

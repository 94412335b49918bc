"""Looking for texts in everything that is stored: every column of every table, every file of the store."""

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
from django.conf import settings
from django.db import connection
from pypdf import PdfReader


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
    if path.suffix == ".parquet":
        return str(pq.ParquetFile(path).read().to_pylist())
    if path.suffix == ".pdf":
        return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return " ".join(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())
    return content.decode("utf-8", "replace")
